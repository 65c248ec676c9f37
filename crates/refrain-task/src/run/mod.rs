//! A training run: from a recipe and data to a trained model.

mod event;
mod observer;
mod saved;
#[cfg(test)]
mod tests;

pub use event::{RunBatch, RunEpoch, RunEvent, RunStart, Stopped, Trained};
pub use saved::SavedRun;

use crate::error::{Error, Result};
use crate::memory::{check_new, check_trained};
use crate::plan::{compile, plan};
use crate::recipe::Recipe;
use crate::score::Score;
use crate::task::{Record, Split, Task, TaskModel};
use observer::{CheckpointSink, Observer, Shared};
use refrain_nn::callbacks::{Callback, Logs};
use refrain_nn::checkpoint::{Checkpoint, Checkpoints};
use refrain_nn::data::BatchSource;
use refrain_nn::{
    Answer, Engine, Error as NnError, Fit, Memory, Model, Scorer, TrainingCounters, TrainingState,
};
use std::fmt;

/// A training run, to be set up and started.
///
/// It trains a network of the recipe on the task's data, validates each epoch, keeps the best one, and stops early,
/// saves checkpoints and resumes from them:
///
/// ```text
/// let trained = TrainingRun::new(&recipe, &task).train(&mut |event| Answer::Continue)?;
/// trained.model.save("model.safetensors")?;
/// ```
///
/// The same recipe, data and instruction set give the same model file, byte for byte, for any number of threads,
/// however often the run was stopped and resumed.
pub struct TrainingRun<'a, T: Task> {
    recipe: &'a T::Recipe,
    task: &'a T,
    engine: Option<Engine>,
    from: From<T>,
    memory_limit: Option<u64>,
    checkpoints: Option<&'a mut dyn Checkpoints>,
    callbacks: Vec<Box<dyn Callback + 'a>>,
}

/// What a run begins with.
enum From<T: Task> {
    /// A new network.
    Recipe,
    /// A trained one.
    Model(Box<TaskModel<T>>),
    /// An earlier run.
    Checkpoint(Box<SavedRun<T>>),
}

/// A model that is ready to be trained.
struct Ready {
    model: Model,
    memory: Memory,
    resume: Option<Checkpoint>,
}

impl<'a, T: Task> TrainingRun<'a, T> {
    /// A run of a recipe on a task's data.
    pub fn new(recipe: &'a T::Recipe, task: &'a T) -> Self {
        Self {
            recipe,
            task,
            engine: None,
            from: From::Recipe,
            memory_limit: None,
            checkpoints: None,
            callbacks: Vec::new(),
        }
    }

    /// Sets instructions and threads. Default: all there are.
    #[must_use]
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Refuses the run, before it takes anything, if it needs more bytes of memory. Default: no limit.
    #[must_use]
    pub fn memory_limit(mut self, bytes: Option<u64>) -> Self {
        self.memory_limit = bytes;
        self
    }

    /// Continues with a trained model instead of a new network of the recipe. The task's data must be prepared with the
    /// model's assets.
    #[must_use]
    pub fn from_model(mut self, model: TaskModel<T>) -> Self {
        self.from = From::Model(Box::new(model));
        self
    }

    /// Resumes an earlier run, if there is one, to the same bits as if it had never stopped. Recipe and data must be
    /// those of that run, and the data must be prepared with its assets.
    #[must_use]
    pub fn resume(mut self, saved: impl Into<Option<SavedRun<T>>>) -> Self {
        if let Some(saved) = saved.into() {
            self.from = From::Checkpoint(Box::new(saved));
        }
        self
    }

    /// Writes checkpoints as they are due: into a [`CheckpointFolder`](refrain_nn::checkpoint::CheckpointFolder).
    #[must_use]
    pub fn checkpoints(mut self, place: &'a mut dyn Checkpoints) -> Self {
        self.checkpoints = Some(place);
        self
    }

    /// Adds a callback, such as a log. A resumed run must have the same callbacks.
    #[must_use]
    pub fn callback(mut self, callback: impl Callback + 'a) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Trains, reporting what happens to `report`.
    ///
    /// # Errors
    /// If a setting is out of range or does not fit the data, the run needs too much memory, the data cannot be read,
    /// a checkpoint is of another run, or the loss is not a number before the first epoch ended.
    pub fn train(self, report: &mut dyn FnMut(&RunEvent<'_, T>) -> Answer) -> Result<Trained<T>> {
        let Self { recipe, task, engine, from, memory_limit, checkpoints, callbacks } = self;
        recipe.check()?;
        let data = task.fingerprints();
        let validates = data.validation.is_some();
        if !validates {
            recipe.training().check_without_validation()?;
        }
        let sizes = task.sizes();
        let source = task.batches(recipe)?;
        let updates = updates::<T>(recipe, &*source);
        let ready = match from {
            From::Recipe => new_model::<T>(recipe, &sizes, updates, engine, memory_limit)?,
            From::Model(given) => {
                let (mut model, _) = given.into_parts();
                let engine = engine.unwrap_or_else(|| model.engine().clone());
                model.compile(compile::<T>(recipe, updates, engine)?)?;
                let memory = check_trained::<T>(recipe, &sizes, memory_limit, &model)?;
                Ready { model, memory, resume: None }
            }
            From::Checkpoint(saved) => {
                saved.check(recipe, task)?;
                let checkpoint = saved.checkpoint;
                let mut model = Model::of_checkpoint(&checkpoint, engine.unwrap_or_default())?;
                let assets = T::check_assets(task.assets(), &mut model);
                assets.map_err(|reason| NnError::checkpoint("model", reason, "one that fits its assets"))?;
                let engine = model.engine().clone();
                model.compile(compile::<T>(recipe, updates, engine)?)?;
                let memory = check_trained::<T>(recipe, &sizes, memory_limit, &model)?;
                Ready { model, memory, resume: Some(checkpoint) }
            }
        };
        let Ready { mut model, memory, resume } = ready;
        let (epochs_done, batches_done) = match &resume {
            Some(checkpoint) => {
                let counters: TrainingCounters = checkpoint.part("training")?.parse("training state")?;
                (Observer::<T>::epochs_in(checkpoint)?, counters.batches)
            }
            None => (0, 0),
        };
        let shared = Shared::new(report);
        let answer = shared.event(&RunEvent::Start(RunStart {
            model: &model,
            sizes: &sizes,
            batches: source.len(epochs_done),
            epochs_done,
            batches_done,
            validates,
            memory: &memory,
        }));
        let mut observer = Observer::new(recipe, task.assets(), &shared);
        let mut sink = CheckpointSink::new(recipe, task, &shared, checkpoints);
        let result = if answer == Answer::Stop {
            // What an earlier run reached is not lost if this one stops at once.
            if let Some(checkpoint) = resume {
                let training = checkpoint.part("training")?.clone();
                model.set_training_state(&TrainingState::from_part(training)?)?;
                observer.restore_from(&checkpoint, model.params().values().len())?;
                sink.kept = Some(saved::identified(checkpoint, recipe, task)?);
            }
            Ok(false)
        } else {
            model.set_gradient_probe(answer == Answer::Probe);
            let scorer = |model: &mut Model| {
                let score = task.score(recipe, model, Split::Validation)?;
                let loss = std::iter::once(("loss".to_owned(), score.loss()));
                let logs: Logs = loss.chain(score.metrics()).collect();
                shared.score.replace(Some(score));
                Ok(logs)
            };
            let mut all: Vec<Box<dyn Callback + '_>> = vec![Box::new(&mut observer)];
            all.extend(callbacks.into_iter().map(|callback| callback as Box<dyn Callback + '_>));
            let fit = Fit {
                epochs: recipe.training().epochs,
                score: validates.then(|| Box::new(scorer) as Scorer<'_>),
                flush_gradients: true,
                average: recipe.training().parameter_average(),
                training_metrics: T::has_training_metrics(&model),
                callbacks: all,
                checkpoints: Some(&mut sink),
                resume,
                ..Fit::default()
            };
            model.fit_source(&*source, None, fit).map(|history| history.stopped)
        };
        let (kept, interrupted) = (sink.kept, shared.is_interrupted());
        let seconds = observer.seconds();
        let Observer { records, best, stopped_early, .. } = observer;
        let stopped = match result {
            Ok(_) if interrupted => Stopped::Interrupted,
            Ok(stopped) if stopped || stopped_early => Stopped::Early,
            Ok(_) => Stopped::Epochs,
            // What an earlier epoch reached is worth keeping.
            Err(NnError::Diverged { .. }) if best.is_some() => Stopped::Diverged,
            Err(error) => return Err(error.into()),
        };
        drop(source);
        let (mut best_epoch, mut score) = (0, None);
        if let Some(best) = best {
            model.stop_averaging();
            model.set_weights_flat(&best.weights)?;
            (best_epoch, score) = (best.epoch, best.score);
        }
        let test = match stopped {
            Stopped::Interrupted => None,
            _ => data.test.as_ref().map(|_| task.score(recipe, &mut model, Split::Test)).transpose()?,
        };
        let record = Record::<T> {
            recipe,
            data: &data,
            sizes: &sizes,
            epochs: records.len(),
            best_epoch,
            metrics: score.as_ref().map(Score::summary),
            test: test.as_ref().map(Score::summary),
        };
        let record = serde_json::to_value(record).map_err(|e| Error::Task(e.into()))?;
        let model = TaskModel::new(model, task.assets().clone(), Some(record)).into();
        Ok(Trained { model, best_epoch, epochs: records, stopped, seconds, score, test, checkpoint: kept })
    }
}

fn new_model<T: Task>(
    recipe: &T::Recipe,
    sizes: &T::Sizes,
    updates: u64,
    engine: Option<Engine>,
    memory_limit: Option<u64>,
) -> Result<Ready> {
    let engine = engine.unwrap_or_default();
    let memory = check_new::<T>(recipe, sizes, memory_limit, &engine)?;
    let model = plan::<T>(recipe, sizes, updates, engine)?.allocate()?;
    Ok(Ready { model, memory, resume: None })
}

/// Steps of the optimiser in the whole run, if its schedule asks for them.
fn updates<T: Task>(recipe: &T::Recipe, source: &dyn BatchSource) -> u64 {
    let settings = recipe.training();
    if !settings.schedule.depends_on_steps() {
        return 1;
    }
    (0..settings.epochs).map(|epoch| source.len(epoch).div_ceil(settings.accumulate) as u64).sum()
}

impl<T: Task> fmt::Debug for TrainingRun<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrainingRun")
            .field("task", &T::NAME)
            .field("recipe", self.recipe)
            .field("memory_limit", &self.memory_limit)
            .field("callbacks", &self.callbacks.len())
            .finish_non_exhaustive()
    }
}

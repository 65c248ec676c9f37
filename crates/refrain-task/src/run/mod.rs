//! Training runs: from a recipe and data to a trained model.

mod event;
mod observer;
mod saved;
mod setup;
#[cfg(test)]
mod tests;

pub use event::{RunBatch, RunEpoch, RunEvent, RunStart, Stopped, Trained};
pub use saved::SavedRun;

use crate::error::{Error, Result};
use crate::recipe::Recipe;
use crate::score::{Score, Scoring, Split};
use crate::task::{Record, Task, TaskModel};
use observer::{CheckpointSink, Observer, Shared};
use refrain_nn::callbacks::Callback;
use refrain_nn::checkpoint::Checkpoints;
use refrain_nn::{Answer, Engine, Error as NnError, TrainingState};
use saved::Identity;
use setup::{CompiledRun, Setup, StartFrom};
use std::fmt;

/// A training run, to be configured and started.
///
/// It trains the recipe's network on the task's data, validates each epoch, keeps the best one, stops early, saves
/// checkpoints and resumes from them:
///
/// ```text
/// let trained = TrainingRun::new(&recipe, &task).train(&mut |event| Answer::Continue)?;
/// trained.model.save("model.safetensors")?;
/// ```
///
/// The same recipe, data and instruction set give the same model file, byte for byte, with any number of threads
/// and no matter how often the run is stopped and resumed.
pub struct TrainingRun<'a, T: Task> {
    recipe: &'a T::Recipe,
    task: &'a T,
    engine: Option<Engine>,
    from: StartFrom<T>,
    memory_limit: Option<u64>,
    checkpoints: Option<&'a mut dyn Checkpoints>,
    callbacks: Vec<Box<dyn Callback + 'a>>,
}

impl<'a, T: Task> TrainingRun<'a, T> {
    /// Creates a run of a recipe on a task's data.
    pub fn new(recipe: &'a T::Recipe, task: &'a T) -> Self {
        Self {
            recipe,
            task,
            engine: None,
            from: StartFrom::Recipe,
            memory_limit: None,
            checkpoints: None,
            callbacks: Vec::new(),
        }
    }

    /// Sets the instruction set and the threads. Default: everything available.
    #[must_use]
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Refuses the run, before allocating anything, if it needs more than this many bytes of memory. Default: no
    /// limit.
    #[must_use]
    pub fn memory_limit(mut self, bytes: Option<u64>) -> Self {
        self.memory_limit = bytes;
        self
    }

    /// Continues training a trained model instead of a new network. The task's data must be prepared with the
    /// model's assets.
    #[must_use]
    pub fn from_model(mut self, model: TaskModel<T>) -> Self {
        self.from = StartFrom::Model(Box::new(model));
        self
    }

    /// Resumes an earlier run, if given, with the same bits as if it had never stopped. The recipe and data must be
    /// those of that run, and the data must be prepared with its assets.
    #[must_use]
    pub fn resume(mut self, saved: impl Into<Option<SavedRun<T>>>) -> Self {
        if let Some(saved) = saved.into() {
            self.from = StartFrom::Checkpoint(Box::new(saved));
        }
        self
    }

    /// Writes checkpoints when they are due, for example into a
    /// [`CheckpointFolder`](refrain_nn::checkpoint::CheckpointFolder).
    #[must_use]
    pub fn checkpoints(mut self, place: &'a mut dyn Checkpoints) -> Self {
        self.checkpoints = Some(place);
        self
    }

    /// Adds a callback, such as a log. A resumed run must have the same callbacks. With the schedules `step` and
    /// `plateau` the run sets the learning rate factor itself, so callbacks should not.
    #[must_use]
    pub fn callback(mut self, callback: impl Callback + 'a) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Trains the model, passing events to `report`.
    ///
    /// # Errors
    /// If a setting is out of range or does not fit the data, the run needs too much memory, the data cannot be
    /// read, the assets cannot be stored in a file or are not the model's, a checkpoint belongs to another run, or
    /// the loss becomes NaN before an epoch was kept.
    pub fn train(self, report: &mut dyn FnMut(&RunEvent<'_, T>) -> Answer) -> Result<Trained<T>> {
        let Self { recipe, task, engine, from, memory_limit, checkpoints, callbacks } = self;
        recipe.check()?;
        let mut identity = Identity::new(recipe, task)?;
        identity.initial_model = from.initial_model();
        if identity.data.validation.is_none() {
            recipe.training().check_without_validation()?;
        }
        let sizes = task.sizes();
        let source = task.batches(recipe)?;
        let setup = Setup { recipe, task, identity: &identity, sizes: &sizes, source: &*source };
        let CompiledRun { mut model, memory, resume } = from.compile(&setup, engine, memory_limit)?;
        let shared = Shared::new(report);
        let answer = shared.event(&RunEvent::Start(setup.start(&model, &memory, resume.as_ref())?));
        let mut observer = Observer::new(recipe, task.assets(), &shared);
        let mut sink = CheckpointSink::new(&identity, &shared, checkpoints);
        let result = if answer == Answer::Stop {
            // Keep the progress of the earlier run if this one stops immediately.
            if let Some(checkpoint) = resume {
                let training = checkpoint.part("training")?.clone();
                model.set_training_state(&TrainingState::from_part(training)?)?;
                observer.restore_from(&checkpoint, model.params().values().len())?;
                sink.keep(checkpoint)?;
            }
            Ok(false)
        } else {
            model.set_gradient_probe(answer == Answer::Probe);
            let mut all: Vec<Box<dyn Callback + '_>> = vec![Box::new(&mut observer)];
            all.extend(callbacks.into_iter().map(|callback| callback as Box<dyn Callback + '_>));
            setup.fit(&mut model, &shared, all, &mut sink, resume)
        };
        let (checkpoint, interrupted, seconds) = (sink.kept, shared.is_interrupted(), observer.seconds());
        let Observer { records, best, stopped_early, .. } = observer;
        let stopped = match result {
            Ok(_) if interrupted => Stopped::Interrupted,
            Ok(stopped) if stopped || stopped_early => Stopped::Early,
            Ok(_) => Stopped::Epochs,
            // An earlier epoch's model is still usable.
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
        let record = |test: Option<&T::Score>| {
            let record = Record::<T> {
                recipe,
                data: &identity.data,
                sizes: &sizes,
                epochs: records.len(),
                best_epoch,
                metrics: score.as_ref().map(Score::summary),
                test: test.map(Score::summary),
            };
            serde_json::to_value(record).map_err(|e| Error::Task(e.into()))
        };
        let mut model = TaskModel::new(model, task.assets().clone(), Some(record(None)?));
        let mut test = None;
        if stopped != Stopped::Interrupted
            && identity.data.test.is_some()
            && shared.event(&RunEvent::Test(&model)) != Answer::Stop
        {
            let mut go_on = || shared.event(&RunEvent::Scored) != Answer::Stop;
            let scoring = &mut Scoring::new(Split::Test, &mut go_on);
            match task.score(recipe, model.model_mut(), scoring) {
                Err(Error::Model(NnError::Stopped)) => {}
                scored => {
                    let score = scored?;
                    model.set_training(record(Some(&score))?);
                    test = Some(score);
                }
            }
        }
        let model = model.into();
        Ok(Trained { model, best_epoch, epochs: records, stopped, seconds, score, test, checkpoint })
    }
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

//! How a run starts, and its call of `fit`.

use super::event::{RunEvent, RunStart};
use super::observer::{CheckpointSink, Observer, Shared};
use super::saved::{Identity, SavedRun};
use crate::error::{Error, Result};
use crate::memory::{check_new, check_trained};
use crate::plan::{compile, plan};
use crate::recipe::Recipe;
use crate::score::{Score, Scoring, Split};
use crate::task::{Task, TaskModel, assets_json};
use refrain_nn::callbacks::{Callback, Logs};
use refrain_nn::checkpoint::Checkpoint;
use refrain_nn::data::BatchSource;
use refrain_nn::{Answer, Engine, Error as NnError, Fit, Memory, Model, Scorer, TrainingCounters};

/// What a run starts from.
pub(super) enum StartFrom<T: Task> {
    /// A new network.
    Recipe,
    /// A trained model.
    Model(Box<TaskModel<T>>),
    /// An earlier run.
    Checkpoint(Box<SavedRun<T>>),
}

/// A model that is ready to be trained.
pub(super) struct CompiledRun {
    pub(super) model: Model,
    pub(super) memory: Memory,
    pub(super) resume: Option<Checkpoint>,
}

/// The data and settings of a run.
pub(super) struct Setup<'a, T: Task> {
    pub(super) recipe: &'a T::Recipe,
    pub(super) task: &'a T,
    pub(super) identity: &'a Identity,
    pub(super) sizes: &'a T::Sizes,
    pub(super) source: &'a dyn BatchSource,
}

impl<T: Task> StartFrom<T> {
    /// Returns the fingerprint of the model that the run started from.
    pub(super) fn initial_model(&self) -> Option<String> {
        match self {
            Self::Recipe => None,
            Self::Model(model) => Some(model.fingerprint().to_string()),
            Self::Checkpoint(saved) => saved.identity.initial_model.clone(),
        }
    }

    /// Compiles the model, and checks that a resumed run matches its checkpoint and that the memory suffices.
    pub(super) fn compile(
        self,
        setup: &Setup<'_, T>,
        engine: Option<Engine>,
        limit: Option<u64>,
    ) -> Result<CompiledRun> {
        let Setup { recipe, task, sizes, .. } = setup;
        let updates = setup.updates();
        let (model, resume) = match self {
            Self::Recipe => {
                let engine = engine.unwrap_or_default();
                let memory = check_new::<T>(recipe, sizes, limit, &engine)?;
                let model = plan::<T>(recipe, sizes, updates, engine)?.allocate()?;
                return Ok(CompiledRun { model, memory, resume: None });
            }
            Self::Model(given) => {
                let (mut model, assets) = given.into_parts();
                if !setup.identity.has_assets(&assets_json(T::NAME, &assets)?) {
                    let problem = "are not those of the model being trained; prepare the data with \
                                   `TaskModel::assets`";
                    return Err(Error::Assets { task: T::NAME, problem });
                }
                let engine = engine.unwrap_or_else(|| model.engine().clone());
                model.compile(compile::<T>(recipe, updates, engine)?)?;
                (model, None)
            }
            Self::Checkpoint(saved) => {
                setup.identity.check(&saved.identity)?;
                let engine = engine.unwrap_or_default();
                let mut model = Model::of_checkpoint_with(&saved.checkpoint, engine, &T::layers())?;
                let assets = T::check_assets(task.assets(), &mut model);
                assets
                    .map_err(|reason| NnError::checkpoint("model", reason, "a model that fits its assets"))?;
                let engine = model.engine().clone();
                model.compile(compile::<T>(recipe, updates, engine)?)?;
                (model, Some(saved.checkpoint))
            }
        };
        let memory = check_trained::<T>(recipe, sizes, limit, &model)?;
        Ok(CompiledRun { model, memory, resume })
    }
}

impl<T: Task> Setup<'_, T> {
    /// Returns the optimiser steps of the whole run, if its schedule depends on them.
    fn updates(&self) -> u64 {
        let settings = self.recipe.training();
        if !settings.schedule.depends_on_steps() {
            return 1;
        }
        let of = |epoch| self.source.len(epoch).div_ceil(settings.accumulate) as u64;
        (0..settings.epochs).map(of).sum()
    }

    /// Builds the event that is reported before the first batch.
    pub(super) fn start<'s>(
        &'s self,
        model: &'s Model,
        memory: &'s Memory,
        resume: Option<&Checkpoint>,
    ) -> Result<RunStart<'s, T>> {
        let (records, batches_done) = match resume {
            Some(checkpoint) => {
                let counters: TrainingCounters = checkpoint.part("training")?.parse("training state")?;
                (Observer::<T>::epochs_in(checkpoint)?, counters.batches)
            }
            None => (Vec::new(), 0),
        };
        let epochs_done = records.len();
        Ok(RunStart {
            model,
            sizes: self.sizes,
            batches: self.source.len(epochs_done),
            epochs_done,
            records,
            batches_done,
            validates: self.identity.data.validation.is_some(),
            memory,
        })
    }

    /// Trains the remaining epochs, and returns whether they were stopped.
    pub(super) fn fit(
        &self,
        model: &mut Model,
        shared: &Shared<'_, T>,
        callbacks: Vec<Box<dyn Callback + '_>>,
        sink: &mut CheckpointSink<'_, '_, '_, T>,
        resume: Option<Checkpoint>,
    ) -> std::result::Result<bool, NnError> {
        let scorer = |model: &mut Model| {
            let mut go_on = || shared.event(&RunEvent::Scored) != Answer::Stop;
            let score =
                self.task.score(self.recipe, model, &mut Scoring::new(Split::Validation, &mut go_on))?;
            let loss = std::iter::once(("loss".to_owned(), score.loss()));
            let logs: Logs = loss.chain(score.metrics()).collect();
            shared.score.replace(Some(score));
            Ok(logs)
        };
        let validates = self.identity.data.validation.is_some();
        let fit = Fit {
            epochs: self.recipe.training().epochs,
            score: validates.then(|| Box::new(scorer) as Scorer<'_>),
            flush_gradients: true,
            average: self.recipe.training().parameter_average(),
            training_metrics: T::has_training_metrics(model),
            callbacks,
            checkpoints: Some(sink),
            resume,
            ..Fit::default()
        };
        model.fit_source(self.source, None, fit).map(|history| history.stopped)
    }
}

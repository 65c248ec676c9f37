//! What a training begins with.

use super::command::TrainCommand;
use crate::error::Result;
use crate::model::open_as;
use crate::output::Output;
use refrain::task::{HasTaskModel, Task, TaskModel};
use refrain::{Engine, Error, SavedRun, TrainingRun};
use std::path::Path;

/// What a training begins with.
pub(super) enum Origin<C: TrainCommand> {
    /// The recipe that the options say.
    Options,
    /// The model of `--init`.
    Model(C::Model),
    /// A checkpoint, of a run that `--init` may have begun.
    Checkpoint(Box<SavedRun<C::Task>>),
}

impl<C: TrainCommand> Origin<C> {
    /// Opens the model of `--init`. What a run was given is in its checkpoint.
    pub(super) fn open(
        command: &C,
        saved: Option<SavedRun<C::Task>>,
        engine: &Engine,
        output: &Output,
    ) -> Result<Self> {
        let init = command.run().files.init.as_deref();
        let open = |path: &Path| open_as::<C::Model>(path, engine.clone(), output);
        let Some(saved) = saved else {
            return Ok(init.map(open).transpose()?.map_or(Self::Options, Self::Model));
        };
        if let Some(path) = init
            && !saved.began_with(open(path)?.task_model().fingerprint())
        {
            let init = path.display();
            output.warning(format_args!(
                "the run that is resumed did not begin with {init}, which changes nothing here; to train {init} further, \
                 leave out --resume"
            ));
        }
        Ok(Self::Checkpoint(Box::new(saved)))
    }

    /// The recipe of the run: with `--init` that model's network, trained as the options say.
    pub(super) fn recipe(&self, command: &C, output: &Output) -> Result<C::Recipe> {
        let has_init = command.run().files.init.is_some();
        Ok(match self {
            Self::Checkpoint(saved) if has_init => {
                let known = saved.recipe().map_err(Error::from)?;
                command.recipe_for(C::network_with(known, saved.assets()))
            }
            Self::Model(model) => {
                let model = model.task_model();
                let known = known(model, output);
                command.recipe_for(C::network_with(known, model.assets()))
            }
            Self::Options | Self::Checkpoint(_) => command.recipe(),
        })
    }

    /// What the data is prepared with.
    pub(super) fn assets(&self) -> Option<<C::Task as Task>::Assets> {
        match self {
            Self::Options => None,
            Self::Model(model) => Some(model.task_model().assets().clone()),
            Self::Checkpoint(saved) => Some(saved.assets().clone()),
        }
    }

    /// Begins a run with it.
    pub(super) fn begin<'a>(self, run: TrainingRun<'a, C::Task>) -> TrainingRun<'a, C::Task> {
        match self {
            Self::Options => run,
            Self::Model(model) => run.from_model(model.into_task_model()),
            Self::Checkpoint(saved) => run.resume(*saved),
        }
    }
}

/// The recipe that a model's file says.
fn known<T: Task>(model: &TaskModel<T>, output: &Output) -> T::Recipe {
    model.recipe().unwrap_or_else(|| {
        output.warning(
            "the model's file does not say how it was made, so the new one's record of units and layers is not known",
        );
        T::Recipe::default()
    })
}

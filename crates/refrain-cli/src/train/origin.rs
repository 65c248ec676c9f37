//! What a training run starts from.

use super::command::TrainCommand;
use crate::error::{Failure, Result};
use crate::model::open_as;
use crate::output::Output;
use refrain::task::{HasTaskModel, Task, TaskModel};
use refrain::{Engine, Error, SavedRun, TrainingRun};
use std::path::Path;

/// What a training run starts from.
pub(super) enum Origin<C: TrainCommand> {
    /// The recipe that the options describe.
    Options,
    /// The model of `--init`.
    Model(C::Model),
    /// A checkpoint, of a run that may have started from `--init`.
    Checkpoint(Box<SavedRun<C::Task>>),
}

impl<C: TrainCommand> Origin<C> {
    /// Opens the model of `--init`. A resumed run needs only its checkpoint, but `--init` must name the model that it
    /// started from, unless the run itself has replaced that file.
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
            && !is_replaced_by(&command.run().files.out, path)
        {
            let model = open(path)?;
            let fingerprint = model.task_model().fingerprint();
            if !saved.began_with(fingerprint) {
                return Err(not_its_model(path, &fingerprint.to_string(), saved.initial_model()));
            }
        }
        Ok(Self::Checkpoint(Box::new(saved)))
    }

    /// Returns the recipe of the run: with `--init`, that model's network with the training options applied.
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

    /// Returns the assets to prepare the data with, if there are any.
    pub(super) fn assets(&self) -> Option<<C::Task as Task>::Assets> {
        match self {
            Self::Options => None,
            Self::Model(model) => Some(model.task_model().assets().clone()),
            Self::Checkpoint(saved) => Some(saved.assets().clone()),
        }
    }

    /// Starts a run from it.
    pub(super) fn begin<'a>(self, run: TrainingRun<'a, C::Task>) -> TrainingRun<'a, C::Task> {
        match self {
            Self::Options => run,
            Self::Model(model) => run.from_model(model.into_task_model()),
            Self::Checkpoint(saved) => run.resume(*saved),
        }
    }
}

/// Returns whether the result of the run replaces a model.
fn is_replaced_by(out: &Path, init: &Path) -> bool {
    match (out.canonicalize(), init.canonicalize()) {
        (Ok(out), Ok(init)) => out == init,
        _ => false,
    }
}

/// Returns the failure for a model of `--init` that the resumed run did not start from.
fn not_its_model(init: &Path, fingerprint: &str, began_with: Option<&str>) -> Failure {
    let init = init.display();
    let (began, advice) = match began_with {
        Some(model) => {
            let began = format!("from the model with the fingerprint {model}, but {init} has {fingerprint}");
            (began, "name the model that it started from with --init".to_owned())
        }
        None => (format!("from no model, but --init is {init}"), "leave out --init".to_owned()),
    };
    Failure::input(format!(
        "the run to resume started {began}; {advice}, or start a new run without --resume and with another --out or \
         --checkpoint"
    ))
}

/// Returns the recipe in a model's file.
fn known<T: Task>(model: &TaskModel<T>, output: &Output) -> T::Recipe {
    model.recipe().unwrap_or_else(|| {
        output.warning(
            "the model file does not record how it was made, so the new file's record of units and layers is unknown",
        );
        T::Recipe::default()
    })
}

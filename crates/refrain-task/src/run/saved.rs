//! The identity of the run that a checkpoint belongs to.

use crate::error::{Error, Result};
use crate::task::{Fingerprint, Fingerprints, Task, assets_json, parse_assets};
use refrain_nn::Error as NnError;
use refrain_nn::checkpoint::{Checkpoint, CheckpointFolder, Part};
use refrain_nn::file::printable;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;

/// The part of a checkpoint that identifies its run.
const PART: &str = "run";

/// What a resumed run must have in common with the saved one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    recipe: Value,
    pub(super) data: Fingerprints,
    assets: Map<String, Value>,
    /// The fingerprint of the model that the run started from, if any.
    pub(super) initial_model: Option<String>,
}

impl Identity {
    /// Builds the identity of a run of this recipe on this task's data.
    ///
    /// # Errors
    /// If the assets cannot be stored in a file.
    pub(super) fn new<T: Task>(recipe: &T::Recipe, task: &T) -> Result<Self> {
        let recipe = serde_json::to_value(recipe).map_err(|e| Error::Task(e.into()))?;
        let assets = assets_json(T::NAME, task.assets())?;
        Ok(Self { recipe, data: task.fingerprints(), assets, initial_model: None })
    }

    /// Returns whether the data is prepared with these assets.
    pub(super) fn has_assets(&self, assets: &Map<String, Value>) -> bool {
        self.assets == *assets
    }

    /// Adds the identity to a checkpoint written by `fit`.
    pub(super) fn identify<T: Task>(&self, checkpoint: Checkpoint) -> Result<Checkpoint> {
        let mut checkpoint = checkpoint.with_kind(T::NAME);
        checkpoint.insert(PART, Part::of(self)?);
        Ok(checkpoint)
    }

    /// Returns an error that says what differs if a checkpoint belongs to another run.
    pub(super) fn check(&self, then: &Identity) -> Result<()> {
        same_recipe(&self.recipe, &then.recipe)?;
        let none = || "none".to_owned();
        let or_none = |of: &Option<String>| of.clone().unwrap_or_else(none);
        let parts = |data: &Fingerprints| {
            [
                ("the training data's fingerprint", data.training.clone()),
                ("the validation data's fingerprint", or_none(&data.validation)),
                ("the test data's fingerprint", or_none(&data.test)),
            ]
        };
        for ((what, now), (_, then)) in parts(&self.data).into_iter().zip(parts(&then.data)) {
            if now != then {
                return Err(NnError::resume(what, now, printable(&then)).into());
            }
        }
        if self.assets != then.assets {
            let then = "its own (`SavedRun::assets`)";
            return Err(NnError::resume("the data", "prepared with other assets", then).into());
        }
        Ok(())
    }
}

/// A checkpoint of a task's run, opened to resume it.
///
/// Prepare the data of a resumed run with the saved [assets](SavedRun::assets), so that the vocabulary is the same
/// even if building it again would give another one.
pub struct SavedRun<T: Task> {
    pub(super) identity: Identity,
    assets: T::Assets,
    /// The checkpoint as written by `fit`.
    pub(super) checkpoint: Checkpoint,
}

impl<T: Task> SavedRun<T> {
    /// Opens a checkpoint.
    ///
    /// # Errors
    /// If it belongs to another kind of run, or its assets are not those of this task.
    pub fn open(mut checkpoint: Checkpoint) -> Result<Self> {
        checkpoint.expect_kind(T::NAME)?;
        let identity: Identity = checkpoint.take(PART)?.parse(PART)?;
        let assets = parse_assets::<T>(identity.assets.clone())
            .map_err(|e| NnError::checkpoint("assets", printable(&e.to_string()), "assets of this task"))?;
        Ok(Self { identity, assets, checkpoint: checkpoint.with_kind("fit") })
    }

    /// Opens the newest complete checkpoint of a folder; `None` if the folder has no checkpoint. Damaged newer ones
    /// are skipped: [`CheckpointFolder::newest`] lists them.
    ///
    /// # Errors
    /// If the folder cannot be read, all its checkpoints are damaged, or the newest belongs to another kind of run.
    pub fn newest(folder: &mut CheckpointFolder) -> Result<Option<Self>> {
        folder.newest()?.checkpoint.map(|(_file, checkpoint)| Self::open(checkpoint)).transpose()
    }

    /// Returns whether the run started from a model with this fingerprint.
    pub fn began_with(&self, model: Fingerprint) -> bool {
        self.identity.initial_model == Some(model.to_string())
    }

    /// Returns the fingerprint of the model that the run started from, if it started from one.
    pub fn initial_model(&self) -> Option<&str> {
        self.identity.initial_model.as_deref()
    }

    /// Returns the recipe of the run.
    ///
    /// # Errors
    /// If it has settings that this version does not know.
    pub fn recipe(&self) -> Result<T::Recipe> {
        Ok(Part { values: self.identity.recipe.clone(), tensors: Vec::new() }.parse("recipe")?)
    }

    /// Returns the assets of the run's model.
    pub fn assets(&self) -> &T::Assets {
        &self.assets
    }
}

impl<T: Task> fmt::Debug for SavedRun<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedRun")
            .field("task", &T::NAME)
            .field("data", &self.identity.data)
            .finish_non_exhaustive()
    }
}

/// Returns an error that names every setting in which two recipes, as JSON objects, differ.
fn same_recipe(now: &Value, then: &Value) -> Result<()> {
    let [now, then] = [now, then].map(settings);
    let names: BTreeSet<_> = now.keys().chain(then.keys()).collect();
    let differing: Vec<_> = names.into_iter().filter(|name| now.get(*name) != then.get(*name)).collect();
    if differing.is_empty() {
        return Ok(());
    }
    let shown = |settings: &Map<String, Value>| {
        let value = |name: &str| printable(&settings.get(name).unwrap_or(&Value::Null).to_string());
        let each = differing.iter().map(|name| format!("{name} {}", value(name)));
        each.collect::<Vec<_>>().join(", ")
    };
    Err(NnError::resume("the recipe", shown(&now), shown(&then)).into())
}

/// Returns the settings of a recipe by name, with those of its groups (`training`) merged in unless another setting
/// has the same name.
fn settings(recipe: &Value) -> Map<String, Value> {
    let recipe = recipe.as_object().cloned().unwrap_or_default();
    let (parts, mut settings): (Map<_, _>, Map<_, _>) =
        recipe.into_iter().partition(|(_, value)| value.is_object());
    for (part, of) in parts {
        for (name, value) in of.as_object().cloned().unwrap_or_default() {
            let name = if settings.contains_key(&name) { format!("{part}.{name}") } else { name };
            settings.insert(name, value);
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_setting_that_differs_is_named() {
        let then = json!({ "units": 64, "level": "char", "training": { "clip": 5.0, "epochs": 3 } });
        same_recipe(&then.clone(), &then).unwrap();
        let now =
            json!({ "units": 128, "level": "char", "new": 1, "training": { "clip": 0.5, "epochs": 3 } });
        assert_eq!(
            same_recipe(&now, &then).unwrap_err().to_string(),
            "cannot resume: the recipe is clip 0.5, new 1, units 128, but the checkpoint's run has clip 5.0, new null, \
             units 64; use the same settings and data, or start a new run"
        );
        // A training setting does not hide the task's own setting of the same name.
        let [now, then] = [1, 2].map(|own| json!({ "decay": own, "training": { "decay": 0.5 } }));
        let error = same_recipe(&now, &then).unwrap_err().to_string();
        assert!(error.contains("the recipe is decay 1, but the checkpoint's run has decay 2;"), "{error}");
        let [now, then] = [0.1, 0.2].map(|rate| json!({ "decay": 1, "training": { "decay": rate } }));
        let error = same_recipe(&now, &then).unwrap_err().to_string();
        assert!(
            error.contains("training.decay 0.1, but the checkpoint's run has training.decay 0.2;"),
            "{error}"
        );
    }
}

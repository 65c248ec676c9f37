//! Which run a checkpoint is of.

use crate::error::Result;
use crate::task::{Fingerprints, Task, parse_assets};
use refrain_nn::Error as NnError;
use refrain_nn::checkpoint::{Checkpoint, CheckpointFolder, Part};
use refrain_nn::file::printable;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;

/// The part of a checkpoint that says which run it is of.
const PART: &str = "run";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    recipe: Value,
    data: Fingerprints,
    assets: Value,
}

/// A checkpoint of a run of a task, opened to resume the run.
///
/// The data of a resumed run is prepared with the saved [assets](SavedRun::assets), so that a vocabulary is the same
/// even where making it again would not be.
pub struct SavedRun<T: Task> {
    recipe: Value,
    data: Fingerprints,
    assets: T::Assets,
    assets_json: Value,
    /// As `fit` wrote it.
    pub(super) checkpoint: Checkpoint,
}

impl<T: Task> SavedRun<T> {
    /// Opens a checkpoint.
    ///
    /// # Errors
    /// If it is of another kind of run, or its assets are not those of this task.
    pub fn open(mut checkpoint: Checkpoint) -> Result<Self> {
        checkpoint.expect_kind(T::NAME)?;
        let Identity { recipe, data, assets } = checkpoint.take(PART)?.parse(PART)?;
        let assets_json = assets.clone();
        let assets = match assets {
            Value::Object(assets) => assets,
            _ => Map::new(),
        };
        let assets = parse_assets::<T>(assets)
            .map_err(|e| NnError::checkpoint("assets", printable(&e.to_string()), "those of such a model"))?;
        Ok(Self { recipe, data, assets, assets_json, checkpoint: checkpoint.with_kind("fit") })
    }

    /// Opens the newest checkpoint of a folder; `None` if the folder has no checkpoint.
    ///
    /// # Errors
    /// If the folder cannot be read, all its checkpoints are damaged, or the newest is of another kind of run.
    pub fn newest(folder: &mut CheckpointFolder) -> Result<Option<Self>> {
        folder.newest()?.checkpoint.map(|(_file, checkpoint)| Self::open(checkpoint)).transpose()
    }

    /// The recipe of the run.
    ///
    /// # Errors
    /// If it has settings that this version does not know.
    pub fn recipe(&self) -> Result<T::Recipe> {
        Ok(Part { values: self.recipe.clone(), tensors: Vec::new() }.parse("recipe")?)
    }

    /// What running the run's model needs.
    pub fn assets(&self) -> &T::Assets {
        &self.assets
    }

    /// An error that says what differs if a run of this recipe on this task's data is another one.
    pub(super) fn check(&self, recipe: &T::Recipe, task: &T) -> Result<()> {
        let data = &task.fingerprints();
        same_recipe(&serde_json::json!(recipe), &self.recipe)?;
        let none = || "none".to_owned();
        let or_none = |of: &Option<String>| of.clone().unwrap_or_else(none);
        expect_same("the data to learn", &data.training, &self.data.training)?;
        let (now, then) = (or_none(&data.validation), or_none(&self.data.validation));
        expect_same("the data to validate on", &now, &then)?;
        expect_same("the data to test on", &or_none(&data.test), &or_none(&self.data.test))?;
        if serde_json::json!(task.assets()) != self.assets_json {
            let (what, then) =
                ("the data", "been prepared with the saved ones, as a resumed run's data must be");
            return Err(NnError::resume(what, "prepared with other assets", then).into());
        }
        Ok(())
    }
}

impl<T: Task> fmt::Debug for SavedRun<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedRun").field("task", &T::NAME).field("data", &self.data).finish_non_exhaustive()
    }
}

/// Adds to what `fit` wrote which run it is of.
pub(super) fn identified<T: Task>(
    checkpoint: Checkpoint,
    recipe: &T::Recipe,
    task: &T,
) -> std::result::Result<Checkpoint, NnError> {
    let mut checkpoint = checkpoint.with_kind(T::NAME);
    let identity = Identity {
        recipe: serde_json::json!(recipe),
        data: task.fingerprints(),
        assets: serde_json::to_value(task.assets()).map_err(|e| NnError::Other(e.into()))?,
    };
    checkpoint.insert(PART, Part::of(&identity)?);
    Ok(checkpoint)
}

/// An error that names every setting in which two recipes, as JSON objects, differ.
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

/// The settings of a recipe, those of training among the others.
fn settings(recipe: &Value) -> Map<String, Value> {
    let mut settings = recipe.as_object().cloned().unwrap_or_default();
    if let Some(Value::Object(training)) = settings.remove("training") {
        settings.extend(training);
    }
    settings
}

fn expect_same(what: &str, now: &String, then: &String) -> Result<()> {
    if now == then { Ok(()) } else { Err(NnError::resume(what, now, printable(then)).into()) }
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
        let error = expect_same("the data to learn", &"fnv1a-1".to_owned(), &"fnv1a-2".to_owned());
        assert!(error.unwrap_err().to_string().contains("fnv1a-2"));
    }
}

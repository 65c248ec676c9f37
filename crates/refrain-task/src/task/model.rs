//! A trained model with its assets, and its file.

use super::{Description, Fingerprint, Fingerprints, Task};
use crate::error::{Error, Result};
use crate::recipe::Recipe;
use refrain_nn::file::{self, ModelFile};
use refrain_nn::{Engine, Memory, Model};
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

/// The field for the task's name in a model file.
const TASK: &str = "task";

/// A trained model of a task: a network, its assets, and the record of its training.
pub struct TaskModel<T: Task> {
    model: Model,
    assets: T::Assets,
    training: Option<Value>,
    task: PhantomData<fn() -> T>,
}

/// The training record of a model file, with the same field names for every task.
#[derive(Debug, Serialize)]
pub(crate) struct Record<'a, T: Task> {
    pub(crate) recipe: &'a T::Recipe,
    pub(crate) data: &'a Fingerprints,
    pub(crate) sizes: &'a T::Sizes,
    pub(crate) epochs: usize,
    pub(crate) best_epoch: usize,
    /// Scores on the validation data.
    pub(crate) metrics: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) test: Option<Map<String, Value>>,
}

impl<T: Task> TaskModel<T> {
    pub(crate) fn new(model: Model, assets: T::Assets, training: Option<Value>) -> Self {
        Self { model, assets, training, task: PhantomData }
    }

    /// Returns the network.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Returns the network, mutably, to run it.
    pub fn model_mut(&mut self) -> &mut Model {
        &mut self.model
    }

    /// Returns what running it needs in addition to the network.
    pub fn assets(&self) -> &T::Assets {
        &self.assets
    }

    /// Returns the network, mutably, and its assets.
    pub fn parts_mut(&mut self) -> (&mut Model, &T::Assets) {
        (&mut self.model, &self.assets)
    }

    pub(crate) fn into_parts(self) -> (Model, T::Assets) {
        (self.model, self.assets)
    }

    /// Returns the training record, if the model file has one.
    pub fn training(&self) -> Option<&Value> {
        self.training.as_ref()
    }

    pub(crate) fn set_training(&mut self, training: Value) {
        self.training = Some(training);
    }

    /// Returns the recipe that it was trained with, if the file records it and this version knows all its settings.
    pub fn recipe(&self) -> Option<T::Recipe> {
        let recipe = self.training.as_ref()?.get("recipe")?.clone();
        serde_json::from_value(T::Recipe::of_earlier_version(recipe)).ok()
    }

    /// Returns a fingerprint of the network's weights.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        self.model.weights().iter().for_each(|weight| fingerprint.add(&weight.to_le_bytes()));
        fingerprint
    }

    /// Copies a model in training so that the copy can be run without disturbing it. The copy has no dropout and is
    /// not compiled.
    ///
    /// # Errors
    /// If a layer is not from this library.
    pub fn without_dropout(model: &Model, assets: &T::Assets) -> Result<Self> {
        Ok(Self::new(model.without_dropout()?, assets.clone(), None))
    }

    /// Writes the model file.
    ///
    /// # Errors
    /// If the file cannot be written. An existing file is then unchanged.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(file::save(path.as_ref(), &self.model, Some(&self.task_json()?), self.training.as_ref())?)
    }

    /// Returns the assets with the task's name.
    fn task_json(&self) -> Result<Value> {
        let mut task = assets_json(T::NAME, &self.assets)?;
        task.insert(TASK.to_owned(), T::NAME.into());
        Ok(Value::Object(task))
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// If the file cannot be read or holds another kind of model.
    pub fn open(path: impl AsRef<Path>, engine: Engine) -> Result<Self> {
        Self::from_file(file::load_with(path.as_ref(), engine, &T::layers())?)
    }

    /// Builds the model from a file that is already read.
    ///
    /// # Errors
    /// [`Error::WrongModel`] if it holds another kind of model, or assets that do not fit its network.
    pub fn from_file(file: ModelFile) -> Result<Self> {
        let wrong = |reason: String| Error::WrongModel { task: T::TITLE, reason: file::printable(&reason) };
        let (name, assets) = match file.task {
            Some(Value::Object(mut task)) => (task.remove(TASK), task),
            Some(_) => return Err(wrong("its task is not a JSON object".to_owned())),
            None => return Err(wrong("the file names no task".to_owned())),
        };
        match name.as_ref().and_then(Value::as_str) {
            Some(name) if name == T::NAME => {}
            Some(name) => return Err(wrong(format!("its task is `{name}`, not `{}`", T::NAME))),
            None => return Err(wrong("the file names no task".to_owned())),
        }
        let assets = parse_assets::<T>(assets).map_err(|e| wrong(format!("its task cannot be read: {e}")))?;
        let mut model = file.model;
        T::check_assets(&assets, &mut model).map_err(wrong)?;
        Ok(Self::new(model, assets, file.training))
    }

    /// Returns the memory needed to run it on one sequence at a time.
    pub fn memory_to_run(&self) -> Memory {
        self.model.memory(&[T::inference_use(&self.assets)])
    }

    /// Describes the assets.
    pub fn describe(&self) -> Description {
        T::describe(&self.assets)
    }
}

/// Returns the task named in a model file; `None` for a bare network.
pub fn task_of(file: &ModelFile) -> Option<&str> {
    file.task.as_ref()?.get(TASK)?.as_str()
}

/// Returns the assets as stored in files, where the field for the task's name must be free.
///
/// # Errors
/// [`Error::Assets`] if they cannot be stored.
pub(crate) fn assets_json(task: &'static str, assets: &impl Serialize) -> Result<Map<String, Value>> {
    let wrong = |problem| Err(Error::Assets { task, problem });
    match serde_json::to_value(assets).map_err(|e| Error::Task(e.into()))? {
        Value::Object(assets) if assets.contains_key(TASK) => {
            wrong("have a field `task`, which is the task's name in a model file; rename the field")
        }
        Value::Object(assets) => Ok(assets),
        Value::Null => Ok(Map::new()),
        _ => wrong("are not a JSON object; make them a struct with named fields"),
    }
}

/// Parses stored assets. Assets without fields are stored as an empty object.
pub(crate) fn parse_assets<T: Task>(assets: Map<String, Value>) -> serde_json::Result<T::Assets> {
    if assets.is_empty()
        && let Ok(nothing) = serde_json::from_value(Value::Null)
    {
        return Ok(nothing);
    }
    serde_json::from_value(Value::Object(assets))
}

impl<T: Task> Clone for TaskModel<T> {
    fn clone(&self) -> Self {
        Self::new(self.model.clone(), self.assets.clone(), self.training.clone())
    }
}

impl<T: Task> fmt::Debug for TaskModel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskModel")
            .field("task", &T::NAME)
            .field("model", &self.model)
            .field("assets", &self.assets)
            .field("training", &self.training)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn assets_that_cannot_be_stored_are_rejected_with_advice() {
        let kept = |assets: Value| assets_json("tides", &assets).map_err(|e| e.to_string());
        assert_eq!(kept(json!({ "scale": 2 })).unwrap()["scale"], 2);
        assert_eq!(kept(Value::Null), Ok(Map::new()));
        let error =
            "the assets of the task `tides` are not a JSON object; make them a struct with named fields";
        assert_eq!(kept(json!([1, 2])), Err(error.to_owned()));
        assert_eq!(kept(json!("scale")), Err(error.to_owned()));
        let error = "the assets of the task `tides` have a field `task`, which is the task's name in a model file; \
                     rename the field";
        assert_eq!(kept(json!({ "task": 1 })), Err(error.to_owned()));
    }
}

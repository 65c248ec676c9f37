//! Recipes: everything that determines a trained model, apart from its data.

use crate::error::Result;
use crate::settings::{TrainingSettings, group_settings};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;

/// Everything that determines a trained model, apart from the data: the network's settings and the training
/// settings.
///
/// Checkpoints and model files store it as JSON. Derive [`Serialize`] and `Deserialize` with
/// `#[serde(default, deny_unknown_fields)]`, so that a mistyped setting is an error, and keep the training settings in
/// a field `training`.
pub trait Recipe: Clone + fmt::Debug + Default + PartialEq + Serialize + DeserializeOwned {
    /// Returns the training settings.
    fn training(&self) -> &TrainingSettings;

    /// Checks the task's own settings against their ranges and against each other.
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) for the first invalid setting.
    fn check_own(&self) -> Result<()> {
        Ok(())
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) for the first invalid setting.
    fn check(&self) -> Result<()> {
        self.training().check()?;
        self.check_own()
    }

    /// Converts a recipe recorded by an earlier version, in which the training settings were not grouped, to
    /// today's form.
    fn of_earlier_version(recipe: Value) -> Value {
        group_settings::<TrainingSettings>(recipe, "training")
    }
}

/// A setting that can be lowered when memory is short.
#[derive(Debug, Clone, Copy)]
pub struct ReducibleSetting<R> {
    pub(crate) option: &'static str,
    pub(crate) value: usize,
    pub(crate) least: usize,
    pub(crate) set: fn(&mut R, usize),
    /// Whether it determines the network's shape, which is fixed for a trained model.
    pub(crate) shape: bool,
}

impl<R> ReducibleSetting<R> {
    /// Creates a training setting from its current value, the smallest value worth suggesting, and a setter.
    pub fn of_training(option: &'static str, value: usize, least: usize, set: fn(&mut R, usize)) -> Self {
        Self { option, value, least, set, shape: false }
    }

    /// Does the same for a setting of the network, such as the number of units.
    pub fn of_network(option: &'static str, value: usize, least: usize, set: fn(&mut R, usize)) -> Self {
        Self { option, value, least, set, shape: true }
    }
}

//! What decides a trained model, besides its data.

use crate::error::Result;
use crate::settings::{TrainingSettings, group_settings};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;

/// Everything that decides what a trained model is, besides the data: the network's settings, and how it is trained.
///
/// It is part of checkpoints and model files, as JSON. Derive [`Serialize`] and `Deserialize` for it with
/// `#[serde(default, deny_unknown_fields)]`, so that a mistyped setting is an error, and keep the settings of training
/// in a field `training`.
pub trait Recipe: Clone + fmt::Debug + Default + PartialEq + Serialize + DeserializeOwned {
    /// How the model is trained.
    fn training(&self) -> &TrainingSettings;

    /// Checks the task's own settings against their ranges, and against each other.
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) for the first that is wrong.
    fn check_own(&self) -> Result<()> {
        Ok(())
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) for the first that is wrong.
    fn check(&self) -> Result<()> {
        self.training().check()?;
        self.check_own()
    }

    /// A recipe as a file of an earlier version recorded it, in today's form: the settings of training stood among the
    /// others then.
    fn of_earlier_version(recipe: Value) -> Value {
        group_settings::<TrainingSettings>(recipe, "training")
    }
}

/// A setting that a run can do with less of when memory is short.
#[derive(Debug, Clone, Copy)]
pub struct ReducibleSetting<R> {
    pub(crate) option: &'static str,
    pub(crate) value: usize,
    pub(crate) least: usize,
    pub(crate) set: fn(&mut R, usize),
    /// Whether it decides the network, which a trained model has already.
    pub(crate) shape: bool,
}

impl<R> ReducibleSetting<R> {
    /// A setting of training with its current value, the smallest that is worth suggesting, and how it is set.
    pub fn of_training(option: &'static str, value: usize, least: usize, set: fn(&mut R, usize)) -> Self {
        Self { option, value, least, set, shape: false }
    }

    /// The same for a setting of the network, such as the number of units.
    pub fn of_network(option: &'static str, value: usize, least: usize, set: fn(&mut R, usize)) -> Self {
        Self { option, value, least, set, shape: true }
    }
}

//! The training settings that every recipe has.

mod range;
mod rate;

pub use range::Range;
pub use rate::RateSchedule;

use crate::error::{Error, Result};
use refrain_nn::{DEFAULT_SEED, ParameterAverage};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Which parameters are validated and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Average {
    /// The trained parameters themselves.
    None,
    /// An exponential moving average, of which each step keeps [`TrainingSettings::average_momentum`].
    Exponential,
    /// The mean of all steps since the validation loss stopped improving. It starts after an epoch whose loss is
    /// higher than the lowest loss of all epochs but the last [`TrainingSettings::patience`] (NT-ASGD, Merity et
    /// al. 2017).
    Triggered,
}

/// How a model is trained: the settings that every recipe shares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingSettings {
    /// Passes over the training data.
    pub epochs: usize,
    /// Sequences in a batch. If `None`, the task chooses.
    pub batch: Option<usize>,
    /// Batches whose gradients are accumulated for one optimiser step.
    pub accumulate: usize,
    /// The optimiser's name. Its other settings are Keras's defaults.
    pub optimizer: String,
    /// The base learning rate, before the schedule.
    pub learning_rate: f64,
    /// How the learning rate changes over the run.
    pub schedule: RateSchedule,
    /// The factor by which the schedules `step` and `plateau` multiply the rate.
    pub decay: f64,
    /// Epochs before the schedule `step` starts.
    pub decay_after: usize,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// The global norm to which gradients are clipped; 0: no clipping.
    pub clip: f64,
    /// Which parameters are validated and kept.
    pub average: Average,
    /// How much of an exponential average each step keeps.
    pub average_momentum: f64,
    /// Epochs without a lower validation loss after which a triggered average starts.
    pub patience: usize,
    /// Epochs without a lower validation loss after which training stops. If `None`, it does not stop early.
    pub early_stopping: Option<usize>,
    /// Share of the data held out for validation.
    pub validation: f64,
    /// Seed of the initial weights, of dropout, and of all other random numbers.
    pub seed: u64,
}

impl Default for TrainingSettings {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch: None,
            accumulate: 1,
            optimizer: "adam".to_owned(),
            learning_rate: 2e-3,
            schedule: RateSchedule::Constant,
            decay: 0.5,
            decay_after: 0,
            weight_decay: 0.0,
            clip: 5.0,
            average: Average::None,
            average_momentum: 0.999,
            patience: 5,
            early_stopping: None,
            validation: 0.1,
            seed: DEFAULT_SEED,
        }
    }
}

impl TrainingSettings {
    /// Checks every setting against its range.
    ///
    /// # Errors
    /// [`Error::Option`] for the first setting that is out of range.
    pub fn check(&self) -> Result<()> {
        for (option, value) in [
            ("epochs", self.epochs),
            ("batch", self.batch.unwrap_or(1)),
            ("accumulate", self.accumulate),
            ("patience", self.patience),
            ("early-stopping", self.early_stopping.unwrap_or(1)),
        ] {
            Range::COUNT.check(option, value as f64)?;
        }
        Range::POSITIVE.check("lr", self.learning_rate)?;
        Range::NOT_NEGATIVE.check("clip", self.clip)?;
        Range::NOT_NEGATIVE.check("weight-decay", self.weight_decay)?;
        Range::FRACTION.check("average-momentum", self.average_momentum)?;
        Range::FRACTION.check("validation", self.validation)?;
        Range::FACTOR.check("decay", self.decay)?;
        self.optimizer(1).map(|_| ())
    }

    /// Checks that no setting depends on a validation loss, for a run without validation.
    ///
    /// # Errors
    /// [`Error::Option`] for the first setting that depends on it.
    pub fn check_without_validation(&self) -> Result<()> {
        let expected = "validation data (a share or a file), because it depends on the validation loss";
        let wrong = |option, got: String| Err(Error::Option { option, got, expected });
        if self.average == Average::Triggered {
            return wrong("average", "triggered without validation".to_owned());
        }
        if self.schedule == RateSchedule::Plateau {
            return wrong("schedule", "plateau without validation".to_owned());
        }
        match self.early_stopping {
            Some(epochs) => wrong("early-stopping", format!("{epochs} without validation")),
            None => Ok(()),
        }
    }

    /// Returns the average in the form that [`Fit`](refrain_nn::Fit) takes.
    pub(crate) fn parameter_average(&self) -> ParameterAverage {
        match self.average {
            Average::None => ParameterAverage::None,
            Average::Exponential => ParameterAverage::Exponential { momentum: self.average_momentum },
            Average::Triggered => ParameterAverage::Triggered { patience: self.patience },
        }
    }

    /// Returns whether training stops early after epochs with these validation losses.
    pub(crate) fn stops_after(&self, val_losses: &[f64]) -> bool {
        let Some(patience) = self.early_stopping else { return false };
        let mut best = f64::INFINITY;
        let mut since = 0;
        for &loss in val_losses {
            since = if loss < best { 0 } else { since + 1 };
            best = best.min(loss);
        }
        since >= patience
    }
}

/// Moves the settings of a group `S` in a flat recipe into a field of their own.
///
/// Recipes in files of earlier versions are flat.
pub fn group_settings<S: Default + Serialize>(recipe: Value, field: &str) -> Value {
    let Value::Object(flat) = recipe else { return recipe };
    if flat.contains_key(field) {
        return Value::Object(flat);
    }
    let Ok(Value::Object(known)) = serde_json::to_value(S::default()) else { return Value::Object(flat) };
    let (group, mut own): (Map<_, _>, Map<_, _>) =
        flat.into_iter().partition(|(name, _)| known.contains_key(name));
    own.insert(field.to_owned(), Value::Object(group));
    Value::Object(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_named() {
        TrainingSettings::default().check().unwrap();
        let default = TrainingSettings::default;
        for (settings, option) in [
            (TrainingSettings { epochs: 0, ..default() }, "epochs"),
            (TrainingSettings { batch: Some(0), ..default() }, "batch"),
            (TrainingSettings { accumulate: 0, ..default() }, "accumulate"),
            (TrainingSettings { patience: 0, ..default() }, "patience"),
            (TrainingSettings { early_stopping: Some(0), ..default() }, "early-stopping"),
            (TrainingSettings { learning_rate: 0.0, ..default() }, "lr"),
            (TrainingSettings { learning_rate: f64::NAN, ..default() }, "lr"),
            (TrainingSettings { clip: -1.0, ..default() }, "clip"),
            (TrainingSettings { weight_decay: f64::INFINITY, ..default() }, "weight-decay"),
            (TrainingSettings { average_momentum: 1.0, ..default() }, "average-momentum"),
            (TrainingSettings { validation: 1.0, ..default() }, "validation"),
            (TrainingSettings { decay: 0.0, ..default() }, "decay"),
            (TrainingSettings { optimizer: String::new(), ..default() }, "optimizer"),
        ] {
            let error = settings.check().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{option} is ")), "{error}");
        }
    }

    #[test]
    fn settings_that_use_a_validation_loss_require_one() {
        let default = TrainingSettings::default;
        default().check_without_validation().unwrap();
        for settings in [
            TrainingSettings { average: Average::Triggered, ..default() },
            TrainingSettings { schedule: RateSchedule::Plateau, ..default() },
            TrainingSettings { early_stopping: Some(3), ..default() },
        ] {
            let error = settings.check_without_validation().unwrap_err().to_string();
            assert!(error.contains("without validation; expected validation data"), "{error}");
        }
    }

    #[test]
    fn early_stopping_counts_epochs_since_the_best() {
        let stops = |patience, losses: &[f64]| {
            let settings = TrainingSettings { early_stopping: patience, ..Default::default() };
            (1..=losses.len()).find(|&n| settings.stops_after(&losses[..n]))
        };
        let losses = [1.0, 0.8, 0.9, 0.8, 0.7, f64::NAN, 0.75, 0.7];
        assert_eq!([1, 2, 3, 4].map(|n| stops(Some(n), &losses)), [Some(3), Some(4), Some(8), None]);
        assert_eq!(stops(None, &losses), None);
    }

    #[test]
    fn unknown_fields_are_rejected_and_old_flat_recipes_are_read() {
        let odd = serde_json::json!({ "epochs": 3, "epoch": 4 });
        assert!(serde_json::from_value::<TrainingSettings>(odd).unwrap_err().to_string().contains("`epoch`"));
        let flat = serde_json::json!({ "units": 7, "epochs": 3, "batch": 64, "seed": 9 });
        let today = group_settings::<TrainingSettings>(flat, "training");
        let expected = serde_json::json!({ "units": 7, "training": { "epochs": 3, "batch": 64, "seed": 9 } });
        assert_eq!(today, expected);
        assert_eq!(group_settings::<TrainingSettings>(today.clone(), "training"), today);
    }
}

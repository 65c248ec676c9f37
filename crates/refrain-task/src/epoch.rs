//! The record of an epoch.

use crate::metric::{Metric, Unit};
use crate::task::Task;
use refrain_nn::checkpoint::exact;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};
use std::fmt;

/// One epoch of a run. Losses are in the task's unit, such as nats per token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: usize,
    /// Loss and metrics by name: the training ones first, then the validation ones with the prefix `val_`.
    metrics: Vec<Metric>,
    /// Whether the averaged parameters were validated.
    pub averaged: bool,
    /// Training speed, in the task's unit per second. Validation is not counted.
    #[serde(with = "exact")]
    pub per_second: f64,
    /// Seconds of training, without validation.
    #[serde(with = "exact")]
    pub seconds: f64,
    /// The learning rate of the epoch's last step.
    #[serde(with = "exact")]
    pub learning_rate: f64,
    /// The mean norm of the epoch's gradients, before clipping.
    #[serde(with = "exact")]
    pub gradient_norm: f64,
}

impl EpochRecord {
    /// Creates a record with these metrics and everything else empty.
    pub fn new(epoch: usize, metrics: impl IntoIterator<Item = (String, f64)>) -> Self {
        Self {
            epoch,
            metrics: metrics.into_iter().map(|(name, value)| Metric { name, value }).collect(),
            averaged: false,
            per_second: 0.0,
            seconds: 0.0,
            learning_rate: 0.0,
            gradient_norm: 0.0,
        }
    }

    /// Returns the loss or metric of this name: `loss`, `accuracy`, `val_loss`.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.metrics().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Returns the mean training loss, with dropout on.
    pub fn loss(&self) -> f64 {
        self.get("loss").unwrap_or(f64::NAN)
    }

    /// Returns the validation loss, if there is validation data.
    pub fn val_loss(&self) -> Option<f64> {
        self.get("val_loss")
    }

    /// Returns the loss and metrics by name.
    pub fn metrics(&self) -> impl Iterator<Item = (&str, f64)> {
        self.metrics.iter().map(|metric| (&*metric.name, metric.value))
    }

    /// Returns a copy with the fields that depend on the machine's speed set to 0, so that two runs of the same
    /// recipe compare equal.
    #[must_use]
    pub fn without_times(mut self) -> Self {
        (self.per_second, self.seconds) = (0.0, 0.0);
        self
    }

    /// Returns the fields by name, in the order of [`log_columns`], as `--json` and logs write them for a task with
    /// this unit. A non-finite number is written as `NaN`, `inf` or `-inf`.
    pub fn fields(&self, unit: Unit) -> Vec<(String, Value)> {
        let mut fields = vec![("epoch".to_owned(), self.epoch.into())];
        fields.extend(self.metrics().map(|(name, value)| (name.to_owned(), number(value))));
        fields.extend(self.averaged.then(|| ("averaged".to_owned(), true.into())));
        let speed = [
            (unit.per_second(), self.per_second),
            ("seconds", self.seconds),
            ("learning_rate", self.learning_rate),
            ("gradient_norm", self.gradient_norm),
        ];
        fields.extend(speed.into_iter().map(|(name, value)| (name.to_owned(), number(value))));
        fields
    }

    /// Returns the fields as a JSON object.
    pub fn to_json(&self, unit: Unit) -> Map<String, Value> {
        self.fields(unit).into_iter().collect()
    }
}

/// Formats the epoch in one line: `epoch 3: loss 0.1234, val_loss 0.2345`.
impl fmt::Display for EpochRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}: ", self.epoch)?;
        for (i, (name, value)) in self.metrics().enumerate() {
            write!(f, "{}{name} {value:.4}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Returns the columns of a task's epoch log: every field that [`EpochRecord::fields`] may have.
pub fn log_columns<T: Task>() -> Vec<String> {
    let trained =
        T::METRICS.iter().filter(|metric| metric.in_training()).map(|metric| metric.name.to_owned());
    let validated =
        T::METRICS.iter().filter(|metric| metric.is_reported()).map(|metric| format!("val_{}", metric.name));
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let mut columns = names(&["epoch", "loss"]);
    columns.extend(trained);
    columns.push("val_loss".to_owned());
    columns.extend(validated);
    columns.extend(names(&["averaged", T::UNIT.per_second(), "seconds", "learning_rate", "gradient_norm"]));
    columns
}

fn number(value: f64) -> Value {
    Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_json_bit_for_bit() {
        let metrics = [("loss", 0.1), ("accuracy", 1.0 / 3.0), ("val_loss", f64::NAN)];
        let record = EpochRecord {
            averaged: true,
            gradient_norm: f64::INFINITY,
            ..EpochRecord::new(3, metrics.map(|(name, value)| (name.to_owned(), value)))
        };
        let back: EpochRecord = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
        let bits = |record: &EpochRecord| {
            let metrics = record.metrics().map(|(name, value)| (name.to_owned(), value.to_bits()));
            (metrics.collect::<Vec<_>>(), record.gradient_norm.to_bits(), record.epoch, record.averaged)
        };
        assert_eq!(bits(&back), bits(&record));
        assert_eq!((back.loss(), back.get("accuracy"), back.get("none")), (0.1, Some(1.0 / 3.0), None));
        assert_eq!(back.to_string(), "epoch 3: loss 0.1000, accuracy 0.3333, val_loss NaN");
        let json = back.to_json(Unit::Tokens);
        assert_eq!((&json["val_loss"], &json["gradient_norm"]), (&"NaN".into(), &"inf".into()));
        assert_eq!((&json["averaged"], &json["tokens_per_second"]), (&true.into(), &0.0.into()));
    }
}

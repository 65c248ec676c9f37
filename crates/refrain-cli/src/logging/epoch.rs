//! An epoch of any training, as `--json` has it.

use serde::Serialize;
use serde_json::{Map, Value};

/// What is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Text,
    Classify,
}

impl Task {
    /// The fields of `--json`'s event `epoch`, those too that only some runs have.
    pub(super) fn columns(self) -> &'static [&'static str] {
        match self {
            Task::Text => &[
                "epoch",
                "loss",
                "accuracy",
                "val_loss",
                "val_accuracy",
                "averaged",
                "tokens_per_second",
                "seconds",
                "learning_rate",
                "gradient_norm",
            ],
            Task::Classify => &[
                "epoch",
                "loss",
                "accuracy",
                "val_loss",
                "val_accuracy",
                "val_macro_f1",
                "samples_per_second",
                "seconds",
                "learning_rate",
                "gradient_norm",
            ],
        }
    }

    /// The column of the training's speed.
    pub(super) fn speed(self) -> &'static str {
        match self {
            Task::Text => "tokens_per_second",
            Task::Classify => "samples_per_second",
        }
    }
}

/// What an epoch came to, by the names of [`Task::columns`].
#[derive(Debug, Clone)]
pub(crate) struct Epoch(pub(super) Map<String, Value>);

impl Epoch {
    pub(crate) fn of(record: &impl Serialize) -> Self {
        match serde_json::to_value(record) {
            Ok(Value::Object(record)) => Self(record),
            _ => Self(Map::new()),
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        number(self.0.get(name)?)
    }

    /// A field as it stands in JSON, without quotes; empty where there is none.
    pub(super) fn text(&self, name: &str) -> String {
        match self.0.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        }
    }
}

/// A number in JSON; what is not finite stands there as a word.
pub(super) fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use refrain::classifier::ClassifierEpoch;
    use refrain::language_model::EpochRecord;

    fn keys(record: &impl Serialize) -> Vec<String> {
        Epoch::of(record).0.into_iter().map(|(name, _)| name).collect()
    }

    /// A field that `--json` has and a log has not would be lost.
    #[test]
    fn every_field_of_an_epoch_has_its_column() {
        let sorted = |task: Task| {
            let mut columns = task.columns().to_vec();
            columns.sort_unstable();
            columns
        };
        let (known, no) = (Some(0.5), f64::NAN);
        let text = EpochRecord {
            epoch: 1,
            loss: no,
            accuracy: known,
            val_loss: known,
            val_accuracy: known,
            averaged: true,
            tokens_per_second: 1.0,
            seconds: 1.0,
            learning_rate: 1e-3,
            gradient_norm: 1.0,
        };
        assert_eq!(keys(&text), sorted(Task::Text));
        let classifier = ClassifierEpoch {
            epoch: 1,
            loss: 1.0,
            accuracy: 0.5,
            val_loss: known,
            val_accuracy: known,
            val_macro_f1: known,
            samples_per_second: 1.0,
            seconds: 1.0,
            learning_rate: 1e-3,
            gradient_norm: 1.0,
        };
        assert_eq!(keys(&classifier), sorted(Task::Classify));
        let epoch = Epoch::of(&EpochRecord { val_loss: None, averaged: false, ..text });
        assert!(epoch.number("loss").is_some_and(f64::is_nan));
        let texts = ["epoch", "loss", "val_loss", "averaged", "learning_rate"].map(|name| epoch.text(name));
        assert_eq!(texts, ["1", "NaN", "", "", "0.001"]);
    }
}

//! Scores of models.

mod confusion;
mod mean;
mod scoring;

pub use confusion::{ClassScore, Confusion, MAX_LABELS};
pub use mean::MeanScore;
pub use scoring::{Scoring, Split};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fmt;

/// The score of a model on data that it was not trained on.
///
/// Checkpoints store its serialized form; use [`exact`](refrain_nn::checkpoint::exact) for its floats.
pub trait Score: Clone + fmt::Debug + PartialEq + Serialize + DeserializeOwned {
    /// Returns the loss. Lower is better: the epoch with the lowest loss is kept.
    fn loss(&self) -> f64;

    /// Returns the metrics, in addition to the loss, that an epoch reports with the prefix `val_`.
    fn metrics(&self) -> Vec<(String, f64)>;

    /// Returns its plain numbers by name, including the loss, for model files and logs.
    fn summary(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        }
    }

    /// Returns everything that `--json` prints.
    fn details(&self) -> Map<String, Value> {
        self.summary()
    }
}

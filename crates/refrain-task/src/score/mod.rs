//! How good a model is.

mod confusion;
mod mean;

pub use confusion::{ClassScore, Confusion, MOST_LABELS};
pub use mean::MeanScore;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fmt;

/// What a model comes to on data that it was not trained on.
///
/// Serialised, it is what a checkpoint keeps of it; use [`exact`](refrain_nn::checkpoint::exact) for its floats.
pub trait Score: Clone + fmt::Debug + PartialEq + Serialize + DeserializeOwned {
    /// The loss: lower is better, and the epoch with the lowest is kept.
    fn loss(&self) -> f64;

    /// The metrics that an epoch reports with `val_` before their names, besides the loss.
    fn metrics(&self) -> Vec<(String, f64)>;

    /// Its plain numbers by name, the loss included: what a model file and a log keep.
    fn summary(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        }
    }

    /// All of it, as `--json` prints it.
    fn details(&self) -> Map<String, Value> {
        self.summary()
    }
}

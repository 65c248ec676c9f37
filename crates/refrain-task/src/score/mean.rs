//! The score of tasks that only need the loss and the compiled metrics.

use super::{Score, Scoring};
use crate::error::Result;
use crate::metric::Metric;
use refrain_nn::checkpoint::exact;
use refrain_nn::data::BatchSource;
use refrain_nn::{Evaluate, Model};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The mean loss on a data set, and the metrics that the model was compiled with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanScore {
    #[serde(with = "exact")]
    loss: f64,
    metrics: Vec<Metric>,
}

impl MeanScore {
    /// Scores a compiled model on all batches of a source.
    ///
    /// # Errors
    /// If the data cannot be read or does not fit the model, or the run is stopped.
    pub fn of(model: &mut Model, data: &dyn BatchSource, scoring: &mut Scoring<'_>) -> Result<Self> {
        let mut on_batch = || scoring.batch_done();
        let evaluate = Evaluate { on_batch: Some(&mut on_batch), ..Evaluate::default() };
        let logs = model.evaluate_source(data, evaluate)?;
        let loss = logs["loss"];
        let metrics = logs.iter().filter(|(name, _)| *name != "loss");
        let metrics = metrics.map(|(name, value)| Metric { name: name.to_owned(), value }).collect();
        Ok(Self { loss, metrics })
    }

    /// Returns a metric by its name: `accuracy`.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value)
    }
}

impl Score for MeanScore {
    fn loss(&self) -> f64 {
        self.loss
    }

    fn metrics(&self) -> Vec<(String, f64)> {
        self.metrics.iter().map(|metric| (metric.name.clone(), metric.value)).collect()
    }

    fn summary(&self) -> Map<String, Value> {
        let all = [("loss".to_owned(), self.loss)].into_iter().chain(self.metrics());
        all.map(|(name, value)| (name, value.into())).collect()
    }
}

//! The score of a classifier.

use super::batches::{Batches, Examples};
use crate::reader::argmax;
use crate::score::BatchDone;
use refrain_nn::checkpoint::exact;
use refrain_nn::data::{Batch, BatchSource};
use refrain_nn::{Error, Model};
use refrain_task::Score;
use refrain_task::score::Confusion;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Texts that are run in one batch. It does not affect the results.
pub(super) const BATCH: usize = 128;

/// A classifier's score on texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierScore {
    /// Mean cross-entropy, in nats a text.
    #[serde(with = "exact")]
    pub loss: f64,
    /// The confusion matrix of the labels.
    pub confusion: Confusion,
    /// Share of the tokens that the vocabulary does not have.
    #[serde(default, with = "exact")]
    pub unknown: f64,
}

/// Scores texts with a compiled model.
pub(super) fn score(
    model: &mut Model,
    examples: &Examples,
    labels: &[String],
    batch_done: BatchDone<'_>,
) -> Result<ClassifierScore, Error> {
    let batches = Batches::new(examples, BATCH, false)?;
    let mut confusion = Confusion::new(labels.to_vec());
    let mut batch = Batch::default();
    model.reset_totals();
    for i in 0..batches.len(0) {
        batches.fill(0, 0, i, &mut batch)?;
        model.test_step(&batch, None)?;
        // The loss is computed from the logits, which a model does not return; the labels come from its
        // predictions.
        let output = model.predict_batch(&batch, None)?.swap_remove(0);
        for (row, &truth) in output.rows().into_iter().zip(&batch.targets[0].ids) {
            confusion.add(truth as usize, argmax(row.iter().copied()).0);
        }
        batch_done()?;
    }
    let unknown = examples.texts.unknown().share();
    Ok(ClassifierScore { loss: model.totals()[0].1, confusion, unknown })
}

impl ClassifierScore {
    /// Returns the share of the texts with the correct prediction.
    pub fn accuracy(&self) -> f64 {
        self.confusion.accuracy()
    }

    /// Returns the mean F1 of the labels, each with the same weight.
    pub fn macro_f1(&self) -> f64 {
        self.confusion.macro_f1()
    }

    /// Returns the number of texts scored.
    pub fn texts(&self) -> usize {
        self.confusion.total()
    }
}

impl Score for ClassifierScore {
    fn loss(&self) -> f64 {
        self.loss
    }

    fn metrics(&self) -> Vec<(String, f64)> {
        vec![("accuracy".to_owned(), self.accuracy()), ("macro_f1".to_owned(), self.macro_f1())]
    }

    fn summary(&self) -> Map<String, Value> {
        let mut summary = Map::from_iter([("loss".to_owned(), self.loss.into())]);
        summary.extend(self.metrics().into_iter().map(|(name, value)| (name, value.into())));
        summary.insert("texts".to_owned(), self.texts().into());
        summary.insert("unknown".to_owned(), self.unknown.into());
        summary
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = self.summary();
        details.extend(self.confusion.details());
        details
    }
}

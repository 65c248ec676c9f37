//! How well a classifier tells labels apart.

use super::batches::{Batches, Examples};
use super::confusion::Confusion;
use refrain_nn::data::{Batch, BatchSource};
use refrain_nn::{Error, Model};
use serde::Serialize;

/// Texts that are run at a time; they do not depend on each other.
pub(super) const BATCH: usize = 128;

/// A classifier's score on texts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassifierScore {
    /// Mean cross-entropy, in nats a text.
    pub loss: f64,
    /// Share of the texts that were given their label.
    pub accuracy: f64,
    /// Mean F1 of the labels, each counting the same.
    pub macro_f1: f64,
    /// Texts scored.
    pub texts: usize,
    /// Which labels were taken for which.
    #[serde(flatten)]
    pub confusion: Confusion,
}

/// Scores texts with a compiled model.
pub(super) fn score(
    model: &mut Model,
    examples: &Examples,
    labels: &[String],
) -> Result<ClassifierScore, Error> {
    let batches = Batches::new(examples, BATCH, false)?;
    let mut confusion = Confusion::new(labels.to_vec());
    let mut batch = Batch::default();
    model.reset_totals();
    for i in 0..batches.len(0) {
        batches.fill(0, 0, i, &mut batch)?;
        model.test_step(&batch, None)?;
        // The loss is of the logits, which a model keeps to itself; the labels are those of its predictions.
        let output = model.predict_batch(&batch, None)?.swap_remove(0);
        for (row, &truth) in output.rows().into_iter().zip(&batch.targets[0].ids) {
            confusion.add(truth as usize, likeliest(row.iter().copied()));
        }
    }
    Ok(ClassifierScore::new(model.totals()[0].1, confusion))
}

impl ClassifierScore {
    pub(super) fn new(loss: f64, confusion: Confusion) -> Self {
        Self {
            loss,
            accuracy: confusion.accuracy(),
            macro_f1: confusion.macro_f1(),
            texts: confusion.total(),
            confusion,
        }
    }
}

/// The place of the largest; of equals the first.
fn likeliest(probabilities: impl Iterator<Item = f32>) -> usize {
    let larger = |best: (usize, f32), (i, p): (usize, f32)| if p > best.1 { (i, p) } else { best };
    probabilities.enumerate().fold((0, f32::NEG_INFINITY), larger).0
}

//! The score of a tagger.

use super::batches::{Batches, Sentences, labels};
use super::spans::Spans;
use crate::reader::argmax;
use crate::score::BatchDone;
use refrain_nn::checkpoint::exact;
use refrain_nn::data::{Batch, BatchSource};
use refrain_nn::{Error, Model};
use refrain_task::Score;
use refrain_task::score::Confusion;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Pieces of lines that are run in one batch. It does not affect the results.
pub(super) const BATCH: usize = 64;

/// A tagger's score on sentences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaggerScore {
    /// Mean cross-entropy, in nats a word.
    #[serde(with = "exact")]
    pub loss: f64,
    /// The confusion matrix of the labels.
    pub confusion: Confusion,
    /// The score of the spans that labels such as `B-PER` mark; `None` if the labels do not mark spans.
    pub spans: Option<Spans>,
    /// Share of the tokens that the vocabulary does not have.
    #[serde(default, with = "exact")]
    pub unknown: f64,
}

/// Runs a model and calls `each` for every word, in order, with its true label, its most likely label and that
/// label's probability. With `losses`, the compiled model also accumulates its loss.
pub(super) fn predict(
    model: &mut Model,
    sentences: &Sentences,
    losses: bool,
    batch_done: BatchDone<'_>,
    mut each: impl FnMut(usize, usize, f32),
) -> Result<(), Error> {
    let batches = Batches::new(sentences, BATCH, false)?;
    let mut batch = Batch::default();
    for i in 0..batches.len(0) {
        batches.fill(0, 0, i, &mut batch)?;
        if losses {
            model.test_step(&batch, None)?;
        }
        // The loss is computed from the logits, which a model does not return; the labels come from its
        // predictions.
        let output = model.predict_batch(&batch, None)?.swap_remove(0);
        for (row, truth) in output.rows().into_iter().zip(labels(&batch)) {
            if let Some(truth) = truth {
                let (label, probability) = argmax(row.iter().copied());
                each(truth as usize, label, probability);
            }
        }
        batch_done()?;
    }
    Ok(())
}

/// Scores sentences with a compiled model.
pub(super) fn score(
    model: &mut Model,
    sentences: &Sentences,
    names: &[String],
    batch_done: BatchDone<'_>,
) -> Result<TaggerScore, Error> {
    let mut confusion = Confusion::new(names.to_vec());
    let mut spans = Spans::are_marked_by(names).then(Spans::default);
    // The labels of the current sentence.
    let (mut truths, mut predictions) = (Vec::new(), Vec::new());
    let mut lengths = sentences.words.iter().filter(|&&words| words > 0);
    let mut length = lengths.next();
    model.reset_totals();
    predict(model, sentences, true, batch_done, |truth, predicted, _| {
        confusion.add(truth, predicted);
        let Some(spans) = &mut spans else { return };
        truths.push(&*names[truth]);
        predictions.push(&*names[predicted]);
        if length == Some(&truths.len()) {
            spans.add(&truths, &predictions);
            truths.clear();
            predictions.clear();
            length = lengths.next();
        }
    })?;
    let unknown = sentences.unknown().share();
    Ok(TaggerScore { loss: model.weighted_loss(), confusion, spans, unknown })
}

impl TaggerScore {
    /// Returns the share of the words with the correct prediction.
    pub fn accuracy(&self) -> f64 {
        self.confusion.accuracy()
    }

    /// Returns the mean F1 of the labels, each with the same weight.
    pub fn macro_f1(&self) -> f64 {
        self.confusion.macro_f1()
    }

    /// Returns the F1 over all spans; `None` if the labels do not mark spans.
    pub fn span_f1(&self) -> Option<f64> {
        self.spans.as_ref().map(|spans| spans.all().f1)
    }

    /// Returns the number of words scored.
    pub fn words(&self) -> usize {
        self.confusion.total()
    }
}

impl Score for TaggerScore {
    fn loss(&self) -> f64 {
        self.loss
    }

    fn metrics(&self) -> Vec<(String, f64)> {
        let mut metrics =
            vec![("accuracy".to_owned(), self.accuracy()), ("macro_f1".to_owned(), self.macro_f1())];
        metrics.extend(self.span_f1().map(|f1| ("span_f1".to_owned(), f1)));
        metrics
    }

    fn summary(&self) -> Map<String, Value> {
        let mut summary = Map::from_iter([("loss".to_owned(), self.loss.into())]);
        summary.extend(self.metrics().into_iter().map(|(name, value)| (name, value.into())));
        summary.insert("words".to_owned(), self.words().into());
        summary.insert("unknown".to_owned(), self.unknown.into());
        summary
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = self.summary();
        if let Some(spans) = &self.spans {
            details.insert("spans".to_owned(), serde_json::json!(spans.kinds()));
        }
        details.extend(self.confusion.details());
        details
    }
}

//! Truncated backpropagation through time over the lanes of a text.

mod chunks;
mod run;

use super::LanguageModel;
use super::codec::Codec;
use super::data::{Passes, Prepared, TrainingData};
use super::evaluate::Score;
use super::recipe::TextRecipe;
use crate::error::Result;
use crate::lanes::Lanes;
use crate::tokens::StoredTokens;
use refrain_nn::{Engine, Model, TrainingState};
use run::{Best, Run};
use serde::Serialize;
use std::path::Path;

/// What happens while a model is trained.
#[derive(Debug, Clone)]
pub enum TextEvent<'a> {
    /// The texts are read, to count words and to make tokens of them.
    Tokenizing {
        /// Bytes read, over all passes.
        done: u64,
        /// Bytes that will be.
        of: u64,
    },
    /// The tokens of a text are kept in a file.
    TokenFile {
        /// The folder; the file has no name in it.
        folder: &'a Path,
        /// Its size.
        bytes: u64,
    },
    /// All is ready.
    Start {
        /// The untrained model.
        model: &'a Model,
        /// Tokens to learn.
        tokens: usize,
        /// Tokens to validate on.
        validation_tokens: usize,
        /// Tokens to test the finished model on.
        test_tokens: usize,
        /// Entries of the vocabulary.
        vocabulary: usize,
        /// Sequences side by side.
        batch: usize,
        /// Batches of the first epoch; where the number of steps varies, others have about as many.
        batches: usize,
        /// Epochs that an earlier run did.
        epochs_done: usize,
    },
    /// A batch was trained.
    Batch {
        /// The epoch, from 1.
        epoch: usize,
        /// Batches done in it.
        done: usize,
        /// Batches of this epoch.
        batches: usize,
        /// Mean training loss of the epoch so far.
        loss: f64,
        /// Training speed of the epoch so far.
        tokens_per_second: f64,
    },
    /// An epoch ended.
    Epoch(&'a EpochRecord),
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Train the next batch.
    Continue,
    /// Stop now and keep what was reached.
    Stop,
}

/// One epoch. Losses in nats a token.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: usize,
    /// Mean training loss, dropout included.
    pub loss: f64,
    /// Share of training tokens predicted right; not known where an adaptive softmax is trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Loss of the validation text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_loss: Option<f64>,
    /// Share of validation tokens predicted right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_accuracy: Option<f64>,
    /// Whether an average of the parameters was validated.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub averaged: bool,
    /// Training tokens a second, validation not counted.
    pub tokens_per_second: f64,
    /// Of training, validation not counted.
    pub seconds: f64,
    /// Of the epoch's last step.
    pub learning_rate: f64,
    /// Mean over the epoch, before clipping.
    pub gradient_norm: f64,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// All epochs are done.
    Epochs,
    /// The reporter said so.
    Interrupted,
    /// The loss was no number any more; an earlier epoch's model is kept.
    Diverged,
}

/// A finished run.
#[derive(Debug)]
pub struct Trained {
    /// The model of the epoch with the lowest validation loss; of the last one without validation.
    pub model: LanguageModel,
    /// Which epoch that is, from 1; 0 when stopped before the first ended.
    pub best_epoch: usize,
    /// Every epoch that ended.
    pub epochs: Vec<EpochRecord>,
    /// Why it ended.
    pub stopped: Stopped,
    /// Of training, validation not counted.
    pub seconds: f64,
    /// The validation score of `model`.
    pub score: Option<Score>,
    /// Its test score.
    pub test: Option<Score>,
    /// What [`TextRecipe::resume`] goes on from, where the reporter stopped the run at the end of an epoch.
    pub progress: Option<Progress>,
}

/// Where a run stands at the end of an epoch: enough to go on as if it had never stopped.
#[derive(Debug, Clone)]
pub struct Progress {
    epochs: Vec<EpochRecord>,
    best: Option<Best>,
    seconds: f64,
    model: TrainingState,
}

impl TextRecipe {
    /// Trains a model on a text, telling `report` what happens.
    ///
    /// # Errors
    /// When a setting is out of range, the text is too short for `steps`, or it cannot be read.
    pub fn train(
        &self,
        data: TrainingData<'_>,
        engine: Engine,
        report: &mut dyn FnMut(&TextEvent<'_>) -> Flow,
    ) -> Result<Trained> {
        self.check()?;
        let options = self.vocabulary_options(data.training)?;
        let mut passes = Passes::new(2, data, report);
        let codec = Codec::from_corpus(data.training, self.level, &options, &mut |bytes| passes.seen(bytes))?;
        codec.check_known(&options)?;
        let prepared = self.prepare(&codec, data, &mut passes)?;
        let model = self.network(&codec, engine, self.updates(&prepared.lanes))?;
        let lm = LanguageModel { model, codec, training: None };
        self.run(lm, prepared, data, None).go(report)
    }

    /// Trains a model further on a text, with its own vocabulary and layers.
    ///
    /// # Errors
    /// As for [`TextRecipe::train`].
    pub fn continue_training(
        &self,
        mut model: LanguageModel,
        data: TrainingData<'_>,
        report: &mut dyn FnMut(&TextEvent<'_>) -> Flow,
    ) -> Result<Trained> {
        self.check()?;
        let prepared = self.prepare(&model.codec, data, &mut Passes::new(1, data, report))?;
        let engine = model.model.engine().clone();
        model.model.compile(self.compile(self.updates(&prepared.lanes), engine)?)?;
        self.run(model, prepared, data, None).go(report)
    }

    /// Goes on with a run that was stopped at an epoch's end, with the model that it gave, the same recipe and the
    /// same texts: to the same bits as if it had not been stopped.
    ///
    /// # Errors
    /// As for [`TextRecipe::train`], and when `progress` is of another model.
    pub fn resume(
        &self,
        mut model: LanguageModel,
        progress: Progress,
        data: TrainingData<'_>,
        report: &mut dyn FnMut(&TextEvent<'_>) -> Flow,
    ) -> Result<Trained> {
        self.check()?;
        let prepared = self.prepare(&model.codec, data, &mut Passes::new(1, data, report))?;
        let engine = model.model.engine().clone();
        model.model.compile(self.compile(self.updates(&prepared.lanes), engine)?)?;
        model.model.set_training_state(&progress.model)?;
        self.run(model, prepared, data, Some(progress)).go(report)
    }

    /// Updates of the whole run.
    fn updates(&self, lanes: &Lanes<StoredTokens>) -> u64 {
        let updates = |epoch| chunks::chunks(self, lanes.lane_len(), epoch).count().div_ceil(self.accumulate);
        // Only where the number of steps varies, epochs differ.
        let counted = if self.variable_steps { self.epochs } else { 1 };
        let sum: usize = (1..=counted).map(updates).sum();
        (sum * (self.epochs / counted)) as u64
    }

    fn run(
        &self,
        lm: LanguageModel,
        prepared: Prepared,
        data: TrainingData<'_>,
        progress: Option<Progress>,
    ) -> Run<'_> {
        let Prepared { lanes, validation, test, fingerprint } = prepared;
        let progress = progress.map(|p| (p.epochs, p.best, p.seconds));
        let (epochs, best, seconds) = progress.unwrap_or_default();
        let record = serde_json::json!({
            "recipe": self,
            "text": fingerprint,
            "characters": data.training.characters(),
        });
        Run { recipe: self, lm, lanes, validation, test, record, epochs, best, seconds }
    }
}

/// The steps of an epoch's chunks.
#[cfg(test)]
pub(super) fn chunk_lengths(recipe: &TextRecipe, lane_len: usize, epoch: usize) -> Vec<usize> {
    chunks::chunks(recipe, lane_len, epoch).map(|chunk| chunk.len()).collect()
}

//! Truncated backpropagation through time over the lanes of a text.

mod checkpoint;
mod chunks;
mod run;

use super::LanguageModel;
use super::codec::Codec;
use super::data::{Fingerprints, Passes, Prepared, TrainingData};
use super::evaluate::Score;
use super::recipe::{ParameterAverage, TextRecipe};
use crate::error::Result;
use crate::lanes::Lanes;
use crate::tokens::StoredTokens;
use checkpoint::Saved;
pub(super) use chunks::longest_chunk;
use refrain_nn::checkpoint::Checkpoint;
use refrain_nn::checkpoint::exact;
use refrain_nn::{Averaging, Engine, Memory, Model};
use run::{Position, Run};
use serde::{Deserialize, Serialize};
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
        /// Epochs that were done before the run was stopped.
        epochs_done: usize,
        /// What the run takes.
        memory: &'a Memory,
        /// Batches of all epochs that were done before the run was stopped.
        batches_done: u64,
    },
    /// A batch was trained.
    Batch {
        /// The epoch, from 1.
        epoch: usize,
        /// Batches done in it.
        done: usize,
        /// Batches of this epoch.
        batches: usize,
        /// Batches done of the whole run.
        batches_done: u64,
        /// Mean training loss of the epoch so far.
        loss: f64,
        /// Training speed of the epoch so far.
        tokens_per_second: f64,
        /// The network behind the batch, with what is left of it to be looked at.
        model: &'a Model,
    },
    /// An epoch ended.
    Epoch {
        /// What it came to.
        record: &'a EpochRecord,
        /// The model behind it and behind its validation.
        model: &'a LanguageModel,
    },
    /// What was asked for with [`Flow::Checkpoint`]: all that [`TextRecipe::resume`] goes on from.
    Checkpoint(&'a Checkpoint),
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Train on.
    Continue,
    /// Train on, and first hand over a checkpoint in an event: an answer to a batch or to an epoch's end.
    Checkpoint,
    /// Train on, and in the next batch keep gates and gradients of every step for
    /// [`Model::recurrences`]: an answer to the start or to a batch.
    Probe,
    /// Stop now and keep what was reached.
    Stop,
}

/// One epoch. Losses in nats a token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: usize,
    /// Mean training loss, dropout included.
    #[serde(with = "exact")]
    pub loss: f64,
    /// Share of training tokens predicted right; not known where an adaptive softmax is trained.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "exact::option")]
    pub accuracy: Option<f64>,
    /// Loss of the validation text.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "exact::option")]
    pub val_loss: Option<f64>,
    /// Share of validation tokens predicted right.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "exact::option")]
    pub val_accuracy: Option<f64>,
    /// Whether an average of the parameters was validated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub averaged: bool,
    /// Training tokens a second, validation not counted.
    #[serde(with = "exact")]
    pub tokens_per_second: f64,
    /// Of training, validation not counted.
    #[serde(with = "exact")]
    pub seconds: f64,
    /// Of the epoch's last step.
    #[serde(with = "exact")]
    pub learning_rate: f64,
    /// Mean over the epoch, before clipping.
    #[serde(with = "exact")]
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
    /// What [`TextRecipe::resume`] goes on from, where the reporter stopped the run.
    pub checkpoint: Option<Checkpoint>,
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
        self.check_memory(&prepared, &codec, data, &engine)?;
        let model = self.network(&codec, engine, self.updates(&prepared.lanes))?;
        let lm = LanguageModel { model, codec, training: None };
        self.run(lm, prepared, data)?.go(report)
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
        self.run(model, prepared, data)?.go(report)
    }

    /// Goes on with a run of [`TextRecipe::train`] or [`TextRecipe::continue_training`] from a checkpoint, wherever in
    /// an epoch that was taken, with the same recipe and the same texts: to the same bits as if the run had not been
    /// stopped, with any number of threads.
    ///
    /// # Errors
    /// As for [`TextRecipe::train`]; when the checkpoint is of another kind of run, of another recipe or other texts,
    /// or contradicts itself.
    pub fn resume(
        &self,
        checkpoint: Checkpoint,
        data: TrainingData<'_>,
        engine: Engine,
        report: &mut dyn FnMut(&TextEvent<'_>) -> Flow,
    ) -> Result<Trained> {
        self.check()?;
        let saved = Saved::of(checkpoint, self, engine.clone())?;
        let prepared = self.prepare(&saved.lm.codec, data, &mut Passes::new(1, data, report))?;
        saved.expect_texts(&prepared.fingerprints)?;
        let compile = self.compile(self.updates(&prepared.lanes), engine)?;
        saved.restore(compile, |lm| self.run(lm, prepared, data))?.go(report)
    }

    /// The recipe of the run that a checkpoint is of.
    ///
    /// # Errors
    /// When the checkpoint is of another kind of run, or has no recipe that this version knows.
    pub fn of_checkpoint(checkpoint: &Checkpoint) -> Result<Self> {
        checkpoint::recipe_of(checkpoint)
    }

    /// Updates of the whole run.
    fn updates(&self, lanes: &Lanes<StoredTokens>) -> u64 {
        let updates = |epoch| chunks::chunks(self, lanes.lane_len(), epoch).count().div_ceil(self.accumulate);
        // Only where the number of steps varies, epochs differ.
        let counted = if self.variable_steps { self.epochs } else { 1 };
        let sum: usize = (1..=counted).map(updates).sum();
        (sum * (self.epochs / counted)) as u64
    }

    fn run(&self, lm: LanguageModel, prepared: Prepared, data: TrainingData<'_>) -> Result<Run<'_>> {
        let memory = self.check_memory_with(&prepared, &lm, data)?;
        let Prepared { lanes, validation, test, fingerprints } = prepared;
        let record = serde_json::json!({
            "recipe": self,
            "text": fingerprints.training,
            "characters": data.training.characters(),
        });
        let mut run = Run {
            recipe: self,
            carry: lm.model.new_state(),
            lm,
            lanes,
            validation,
            test,
            fingerprints,
            memory,
            record,
            epochs: Vec::new(),
            best: None,
            seconds: 0.0,
            position: Position::default(),
        };
        if self.average == ParameterAverage::Exponential {
            let momentum = self.average_momentum;
            run.lm.model.start_averaging(Averaging::Exponential { momentum })?;
        }
        Ok(run)
    }
}

/// The steps of an epoch's chunks.
#[cfg(test)]
pub(super) fn chunk_lengths(recipe: &TextRecipe, lane_len: usize, epoch: usize) -> Vec<usize> {
    chunks::chunks(recipe, lane_len, epoch).map(|chunk| chunk.len()).collect()
}

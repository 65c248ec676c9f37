//! The settings for reading a text: vocabulary, embedding, recurrent layers.

use super::LabelledSizes;
use crate::codec::{Codec, Level, VocabOptions, vocabulary_bytes};
use crate::error::Result;
use crate::words::{WordOptions, WordSplit};
use refrain_nn::layers::Embedding;
use refrain_nn::{Initializer, InputSpec, MemoryUse, Network, Tensor, Work};
use refrain_task::layers::{CellKind, RecurrentOptions, dropout};
use refrain_task::{Error, Range, Recipe, ReducibleSetting, TrainingSettings};
use serde::{Deserialize, Serialize};

/// Sequences in a batch, if the recipe does not set it.
const BATCH: usize = 64;
/// The smallest values that are suggested when memory is short.
const MIN_UNITS: usize = 16;
const MIN_LENGTH: usize = 16;

/// How a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReaderSettings {
    /// The token of a step: a character, a word or a subword.
    pub level: Level,
    /// The recurrent cell.
    pub cell: CellKind,
    /// Hidden units of each layer, per direction.
    pub units: usize,
    /// Number of recurrent layers.
    pub layers: usize,
    /// Width of the embedding.
    pub embedding: usize,
    /// Whether the layers read texts in both directions.
    pub bidirectional: bool,
    /// Dropout before, between and after the recurrent layers, drawn anew at each step.
    pub dropout: f64,
    /// Words that occur less often become the unknown word.
    pub min_count: u64,
    /// Steps of a text that are read in one piece.
    pub max_length: usize,
}

impl Default for ReaderSettings {
    fn default() -> Self {
        Self {
            level: Level::Char,
            cell: CellKind::Lstm,
            units: 128,
            layers: 1,
            embedding: 64,
            bidirectional: true,
            dropout: 0.2,
            min_count: 1,
            max_length: 512,
        }
    }
}

/// A recipe of a model that reads texts.
pub trait ReadsTexts: Recipe {
    /// Returns the settings for reading a text.
    fn reader(&self) -> &ReaderSettings;

    /// Returns them mutably.
    fn reader_mut(&mut self) -> &mut ReaderSettings;

    /// Returns the training settings mutably.
    fn training_mut(&mut self) -> &mut TrainingSettings;

    /// Returns the number of sequences in a batch.
    fn batch(&self) -> usize {
        self.training().batch.unwrap_or(BATCH)
    }
}

impl ReaderSettings {
    /// Checks every setting against its range.
    pub(crate) fn check(&self) -> refrain_task::Result<()> {
        let sizes = [("units", self.units), ("embedding", self.embedding), ("max-length", self.max_length)];
        for (option, size) in sizes {
            Range::COUNT.check(option, size as f64)?;
        }
        Range::LAYERS.check("layers", self.layers as f64)?;
        Range::FRACTION.check("dropout", self.dropout)?;
        if self.level != Level::Word && self.min_count > 1 {
            let got = format!("{} with {}", self.min_count, self.level.plural());
            return Err(Error::option("min-count", got, "1, because it applies to words only"));
        }
        Ok(())
    }

    /// Builds the vocabulary of texts that are split into words by `split`.
    pub(crate) fn codec(
        &self,
        texts: impl IntoIterator<Item = impl AsRef<str>>,
        split: WordSplit,
    ) -> Result<Codec> {
        let words = WordOptions { split, min_count: self.min_count, ..WordOptions::default() };
        let options = VocabOptions { words, ..VocabOptions::default() };
        let codec = Codec::from_chunks(texts.into_iter().map(Ok), self.level, &options)?;
        codec.check_known(&options)?;
        Ok(codec)
    }

    /// Adds the embedding and the recurrent layers for a vocabulary of this size. Returns the output of every step,
    /// or of the last one.
    pub(crate) fn add(
        &self,
        net: &mut Network,
        vocabulary: usize,
        return_sequences: bool,
    ) -> refrain_task::Result<Tensor> {
        let ids = net.input(InputSpec::ids().name("tokens"));
        let embedding = Embedding::new(vocabulary, self.embedding)
            .embeddings_initializer(Initializer::RandomNormal { mean: 0.0, stddev: 1.0 })
            .name("embedding");
        let mut x = net.add(embedding, &[ids])?;
        for layer in 1..=self.layers {
            x = dropout(net, self.dropout, false, x)?;
            let options = RecurrentOptions {
                units: self.units,
                return_sequences: return_sequences || layer < self.layers,
                bidirectional: self.bidirectional,
                ..RecurrentOptions::default()
            };
            x = self.cell.add(net, &options, x)?;
        }
        dropout(net, self.dropout, false, x)
    }

    /// Returns the steps of the longest sequence.
    fn steps(&self, sizes: &LabelledSizes) -> usize {
        self.max_length.min(sizes.longest).max(1)
    }
}

/// Returns the largest batches of a run that scores `scored` sequences at a time.
pub(super) fn memory_uses(recipe: &impl ReadsTexts, sizes: &LabelledSizes, scored: usize) -> Vec<MemoryUse> {
    let steps = recipe.reader().steps(sizes);
    let mut uses = vec![MemoryUse::new(Work::Train, recipe.batch().min(sizes.pieces).max(1), steps)];
    if sizes.scored_pieces > 0 {
        let lanes = scored.min(sizes.scored_pieces);
        uses.extend([Work::Evaluate, Work::Predict].map(|work| MemoryUse::new(work, lanes, steps)));
    }
    uses
}

/// Returns the largest training batch that a recipe allows, for display.
pub(super) fn largest_batch(recipe: &impl ReadsTexts) -> (usize, usize) {
    (recipe.batch(), recipe.reader().max_length)
}

/// Returns what a run keeps in memory in addition to the batches.
pub(super) fn kept_in_memory(sizes: &LabelledSizes) -> Vec<(&'static str, u64)> {
    // One for the best epoch and one for the epoch being scored.
    let confusion = (sizes.labels as u64).saturating_mul(sizes.labels as u64).saturating_mul(2 * 8);
    let vocabulary = vocabulary_bytes(sizes.vocabulary);
    vec![("texts", sizes.held), ("vocabulary", vocabulary), ("confusion", confusion)]
}

/// Returns the settings to lower when memory is short.
pub(super) fn reducible_settings<R: ReadsTexts>(
    recipe: &R,
    sizes: &LabelledSizes,
) -> Vec<ReducibleSetting<R>> {
    let reader = recipe.reader();
    let ReaderSettings { units, embedding, layers, .. } = *reader;
    vec![
        ReducibleSetting::of_training("batch", recipe.batch(), 1, |r, n| r.training_mut().batch = Some(n)),
        ReducibleSetting::of_network("max-length", reader.steps(sizes), MIN_LENGTH, |r, n| {
            r.reader_mut().max_length = n
        }),
        ReducibleSetting::of_network("units", units, MIN_UNITS, |r, n| r.reader_mut().units = n),
        ReducibleSetting::of_network("embedding", embedding, MIN_UNITS, |r, n| r.reader_mut().embedding = n),
        ReducibleSetting::of_network("layers", layers, 1, |r, n| r.reader_mut().layers = n),
    ]
}

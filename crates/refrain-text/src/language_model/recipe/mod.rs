//! How a language model is made and trained.

mod named;
mod network;

pub use named::NamedRecipe;

use crate::bpe::BpeVocab;
use crate::codec::{Level, VocabOptions};
use crate::corpus::Corpus;
use crate::error::Result;
use crate::words::{WordOptions, WordSplit};
use refrain_nn::Reduction;
use refrain_task::layers::CellKind;
use refrain_task::{Error, Range, Recipe, TrainingSettings};
use serde::{Deserialize, Serialize};

/// The largest batch that is chosen for a text when none is given.
const LARGEST_BATCH: usize = 64;
/// Chunks of an epoch that a chosen batch leaves at least: a small text needs its updates.
const LEAST_CHUNKS: usize = 50;
/// The vocabulary from which an adaptive softmax pays (Grave et al. 2017).
const ADAPTIVE_FROM: usize = 30_000;

/// Characters of a text that are looked at to see how it is cut.
const DETECT_IN: usize = 1 << 20;

/// Everything that decides what a trained language model is, besides the text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextRecipe {
    /// Characters, words or parts of words.
    pub level: Level,
    /// How a text is cut into words. If `None`, [`WordSplit::detect`] decides.
    pub words: Option<WordSplit>,
    /// The largest vocabulary; rarer tokens become the unknown one. If `None`: all words, or 8,000 parts of words.
    pub vocabulary: Option<usize>,
    /// Words that occur less often become the unknown one.
    pub min_count: u64,

    /// The recurrence.
    pub cell: CellKind,
    /// Hidden units of each layer; with `tie` the last layer has as many as the embedding is wide.
    pub units: usize,
    /// Recurrent layers.
    pub layers: usize,
    /// Width of the embedding.
    pub embedding: usize,
    /// Whether the output layer uses the embedding's weights (Press & Wolf 2017, Inan et al. 2017).
    pub tie: bool,
    /// Where an adaptive softmax cuts the vocabulary, by frequency (Grave et al. 2017). If `None`: nowhere below 30,000
    /// tokens, else at a tenth and a third. Empty: never.
    pub adaptive: Option<Vec<usize>>,
    /// Matrices begin uniform in ± this. If `None`: Glorot and orthogonal ones, the embedding normal.
    pub init_range: Option<f64>,
    /// What the forget gate's bias of an LSTM begins with: 1 or 0.
    pub forget_bias: bool,

    /// Steps of truncated backpropagation through time.
    pub steps: usize,
    /// Whether the number of steps varies from chunk to chunk, the rate with it (Merity et al. 2017).
    pub variable_steps: bool,
    /// What the gradient is of: the mean over all steps, or their sum a sequence (Zaremba et al. 2014).
    pub reduction: Reduction,

    /// Dropout before, between and after the recurrent layers (Zaremba et al. 2014).
    pub dropout: f64,
    /// Dropout before the first layer, if it is another.
    pub input_dropout: Option<f64>,
    /// Dropout after the last layer, if it is another.
    pub output_dropout: Option<f64>,
    /// Whether these drop the same units at every step of a chunk (Gal & Ghahramani 2016), or others each step.
    pub locked_dropout: bool,
    /// Tokens whose embedding is dropped for a batch (Gal & Ghahramani 2016).
    pub embedding_dropout: f64,
    /// Dropout of the hidden state, the same units at every step, one mask for all gates.
    pub recurrent_dropout: f64,
    /// Dropout of the recurrent kernel, one mask a batch (Merity et al. 2017).
    pub weight_drop: f64,
    /// Weight of the mean square of what the output layer reads (activation regularisation, Merity et al. 2017).
    pub activation_penalty: f64,
    /// Weight of the mean square of the last layer's change from step to step (temporal activation regularisation).
    pub temporal_penalty: f64,

    /// Whether validation and test are scored in one lane, as published figures are, not in lanes of 8,192 tokens.
    pub stream: bool,

    /// How it is trained. Without a batch, a text gets the largest up to 64 sequences that leaves an epoch 50 chunks.
    pub training: TrainingSettings,
}

impl Default for TextRecipe {
    fn default() -> Self {
        Self {
            level: Level::Char,
            words: None,
            vocabulary: None,
            min_count: 1,
            cell: CellKind::Lstm,
            units: 256,
            layers: 2,
            embedding: 64,
            tie: false,
            adaptive: None,
            init_range: None,
            forget_bias: true,
            steps: 64,
            variable_steps: false,
            reduction: Reduction::Mean,
            dropout: 0.0,
            input_dropout: None,
            output_dropout: None,
            locked_dropout: false,
            embedding_dropout: 0.0,
            recurrent_dropout: 0.0,
            weight_drop: 0.0,
            activation_penalty: 0.0,
            temporal_penalty: 0.0,
            stream: false,
            training: TrainingSettings::default(),
        }
    }
}

impl Recipe for TextRecipe {
    fn training(&self) -> &TrainingSettings {
        &self.training
    }

    fn check_own(&self) -> refrain_task::Result<()> {
        let counts = [("units", self.units), ("embedding", self.embedding), ("steps", self.steps)];
        for (option, value) in counts {
            Range::COUNT.check(option, value as f64)?;
        }
        Range::LAYERS.check("layers", self.layers as f64)?;
        Range::POSITIVE.check("init-range", self.init_range.unwrap_or(1.0))?;
        for (option, value) in
            [("activation-penalty", self.activation_penalty), ("temporal-penalty", self.temporal_penalty)]
        {
            Range::NOT_NEGATIVE.check(option, value)?;
        }
        for (option, value) in [
            ("dropout", self.dropout),
            ("input-dropout", self.input_dropout()),
            ("output-dropout", self.output_dropout()),
            ("embedding-dropout", self.embedding_dropout),
            ("recurrent-dropout", self.recurrent_dropout),
            ("weight-drop", self.weight_drop),
        ] {
            Range::SHARE.check(option, value)?;
        }
        self.check_level()?;
        if self.tie && self.layers == 1 && self.embedding != self.units {
            let got = format!("{} with {} units", self.embedding, self.units);
            let expected = "as wide as `units` with `tie` and one layer";
            return Err(Error::Option { option: "embedding", got, expected });
        }
        let adaptive = self.adaptive.as_ref().is_some_and(|cutoffs| !cutoffs.is_empty());
        if adaptive && self.level != Level::Word {
            let got = format!("given with {}", self.level.plural());
            let expected = "words: only their ids are in order of frequency";
            return Err(Error::Option { option: "adaptive", got, expected });
        }
        if self.tie && adaptive {
            let got = "given with `tie`".to_owned();
            let expected = "one of the two: an adaptive softmax has kernels of its own";
            return Err(Error::Option { option: "adaptive", got, expected });
        }
        Ok(())
    }
}

impl TextRecipe {
    /// Checks what holds for some levels only.
    fn check_level(&self) -> refrain_task::Result<()> {
        let wrong = |option, got: String, expected| Err(Error::Option { option, got, expected });
        let at = |what: String| format!("{what} with {}", self.level.plural());
        if self.level != Level::Word && self.min_count > 1 {
            return wrong("min-count", at(self.min_count.to_string()), "1: it is for words");
        }
        if let (Level::Char, Some(size)) = (self.level, self.vocabulary) {
            return wrong("vocab", at(size.to_string()), "no limit: every character counts");
        }
        if let (Level::Bpe, Some(size)) = (self.level, self.vocabulary)
            && !(BpeVocab::MIN_SIZE..=BpeVocab::MAX_SIZE).contains(&size)
        {
            return wrong("vocab", at(size.to_string()), "from 257 to 1048576: every byte has a token");
        }
        if let (Level::Char | Level::Bpe, Some(_)) = (self.level, self.words) {
            return wrong("words", at("given".to_owned()), "nothing: it is for words");
        }
        Ok(())
    }

    /// How the vocabulary of a text is made.
    pub(super) fn vocabulary_options(&self, text: &Corpus) -> Result<VocabOptions> {
        let split = match (self.words, self.level) {
            (Some(split), _) => split,
            (None, Level::Word) => WordSplit::detect(&text.head(DETECT_IN)?),
            (None, _) => WordSplit::default(),
        };
        let words = WordOptions { split, min_count: self.min_count, ..WordOptions::default() };
        Ok(VocabOptions { words, vocab: self.vocabulary })
    }

    /// Dropout before the first layer.
    pub(super) fn input_dropout(&self) -> f64 {
        self.input_dropout.unwrap_or(self.dropout)
    }

    /// Dropout after the last layer.
    pub(super) fn output_dropout(&self) -> f64 {
        self.output_dropout.unwrap_or(self.dropout)
    }

    /// Where an adaptive softmax cuts a vocabulary; nowhere if the softmax is an ordinary one.
    fn cutoffs(&self, size: usize) -> Vec<usize> {
        match &self.adaptive {
            Some(cutoffs) => cutoffs.clone(),
            None if size >= ADAPTIVE_FROM && self.level == Level::Word && !self.tie => {
                vec![size / 10, size / 3]
            }
            None => Vec::new(),
        }
    }

    /// The batch for a text of this many training tokens: what was given, else the largest up to 64 that leaves
    /// an epoch enough updates.
    pub(super) fn batch_for(&self, tokens: usize) -> usize {
        let chunks = tokens / self.steps;
        self.training.batch.unwrap_or_else(|| (chunks / LEAST_CHUNKS).clamp(1, LARGEST_BATCH))
    }
}

//! The recipe of a language model.

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

/// The largest batch that is chosen if none is given.
const LARGEST_BATCH: usize = 64;
/// The minimum number of chunks per epoch for a chosen batch: a small text needs enough updates.
const MIN_CHUNKS: usize = 50;
/// The vocabulary size from which an adaptive softmax pays off (Grave et al. 2017).
const ADAPTIVE_FROM: usize = 30_000;

/// Characters of a text that are examined to detect how it is split.
const DETECT_IN: usize = 1 << 20;

/// Everything that determines a trained language model, apart from the text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextRecipe {
    /// The kind of token: characters, words or subwords.
    pub level: Level,
    /// How a text is split into words. If `None`, [`WordSplit::detect`] decides.
    pub words: Option<WordSplit>,
    /// The maximum vocabulary size; rarer tokens become the unknown one. If `None`: all words, or 8,000 subwords.
    pub vocabulary: Option<usize>,
    /// Words that occur less often become the unknown word.
    pub min_count: u64,

    /// The recurrent cell.
    pub cell: CellKind,
    /// Hidden units of each layer. With `tie`, the last layer is as wide as the embedding.
    pub units: usize,
    /// Number of recurrent layers.
    pub layers: usize,
    /// Width of the embedding.
    pub embedding: usize,
    /// Whether the output layer uses the embedding's weights (Press & Wolf 2017, Inan et al. 2017).
    pub tie: bool,
    /// The vocabulary positions, by frequency, at which an adaptive softmax is split (Grave et al. 2017). If
    /// `None`: no split below 30,000 tokens, otherwise at a tenth and a third. Empty: no split.
    pub adaptive: Option<Vec<usize>>,
    /// Matrices are initialised uniformly in ± this value. If `None`: Glorot uniform and orthogonal, with a normal
    /// embedding.
    pub init_range: Option<f64>,
    /// Whether the forget-gate bias of an LSTM is initialised to 1 instead of 0.
    pub forget_bias: bool,

    /// Steps of truncated backpropagation through time.
    pub steps: usize,
    /// Whether the number of steps varies from chunk to chunk, and the learning rate with it (Merity et al. 2017).
    pub variable_steps: bool,
    /// How the loss is reduced: the mean over all steps, or the sum over a sequence's steps averaged over sequences
    /// (Zaremba et al. 2014).
    pub reduction: Reduction,

    /// Dropout before, between and after the recurrent layers (Zaremba et al. 2014).
    pub dropout: f64,
    /// Dropout before the first layer, if different.
    pub input_dropout: Option<f64>,
    /// Dropout after the last layer, if different.
    pub output_dropout: Option<f64>,
    /// Whether these dropouts use the same mask at every step of a chunk (Gal & Ghahramani 2016), or a new one at
    /// each step.
    pub locked_dropout: bool,
    /// The share of tokens whose embedding is dropped for a batch (Gal & Ghahramani 2016).
    pub embedding_dropout: f64,
    /// Dropout of the hidden state, with the same mask at every step and for all gates.
    pub recurrent_dropout: f64,
    /// Dropout of the recurrent kernel, one mask per batch (Merity et al. 2017).
    pub weight_drop: f64,
    /// Weight of the mean square of the output layer's input (activation regularisation, Merity et al. 2017).
    pub activation_penalty: f64,
    /// Weight of the mean square of the last layer's change between steps (temporal activation regularisation).
    pub temporal_penalty: f64,

    /// Whether validation and test texts are scored in one lane, as for published results, instead of lanes of
    /// 8,192 tokens.
    pub stream: bool,

    /// The training settings. Without a batch, the largest batch up to 64 with at least 50 chunks per epoch is
    /// chosen.
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
            Range::FRACTION.check(option, value)?;
        }
        self.check_level()?;
        if self.tie && self.layers == 1 && self.embedding != self.units {
            let got = format!("{} with {} units", self.embedding, self.units);
            let expected = "the same number as `units` with `tie` and one layer";
            return Err(Error::Option { option: "embedding", got, expected });
        }
        let adaptive = self.adaptive.as_ref().is_some_and(|cutoffs| !cutoffs.is_empty());
        if adaptive && self.level != Level::Word {
            let got = format!("given with {}", self.level.plural());
            let expected = "words, because only their ids are ordered by frequency";
            return Err(Error::Option { option: "adaptive", got, expected });
        }
        if self.tie && adaptive {
            let got = "given with `tie`".to_owned();
            let expected = "only one of the two, because an adaptive softmax has its own kernels";
            return Err(Error::Option { option: "adaptive", got, expected });
        }
        Ok(())
    }
}

impl TextRecipe {
    /// Checks the settings that apply to some levels only.
    fn check_level(&self) -> refrain_task::Result<()> {
        let wrong = |option, got: String, expected| Err(Error::Option { option, got, expected });
        let at = |what: String| format!("{what} with {}", self.level.plural());
        if self.level != Level::Word && self.min_count > 1 {
            return wrong("min-count", at(self.min_count.to_string()), "1, because it applies to words only");
        }
        if let (Level::Char, Some(size)) = (self.level, self.vocabulary) {
            return wrong("vocab", at(size.to_string()), "no limit, because all characters are kept");
        }
        if let (Level::Bpe, Some(size)) = (self.level, self.vocabulary)
            && !(BpeVocab::MIN_SIZE..=BpeVocab::MAX_SIZE).contains(&size)
        {
            return wrong(
                "vocab",
                at(size.to_string()),
                "from 257 to 1048576, because every byte has a token",
            );
        }
        if let (Level::Char | Level::Bpe, Some(_)) = (self.level, self.words) {
            return wrong("words", at("given".to_owned()), "no value, because it applies to words only");
        }
        Ok(())
    }

    /// Returns the options for building the vocabulary of a text.
    pub(super) fn vocabulary_options(&self, text: &Corpus) -> Result<VocabOptions> {
        let split = match (self.words, self.level) {
            (Some(split), _) => split,
            (None, Level::Word) => WordSplit::detect(&text.head(DETECT_IN)?),
            (None, _) => WordSplit::default(),
        };
        let words = WordOptions { split, min_count: self.min_count, ..WordOptions::default() };
        Ok(VocabOptions { words, vocab: self.vocabulary })
    }

    /// Returns the dropout before the first layer.
    pub(super) fn input_dropout(&self) -> f64 {
        self.input_dropout.unwrap_or(self.dropout)
    }

    /// Returns the dropout after the last layer.
    pub(super) fn output_dropout(&self) -> f64 {
        self.output_dropout.unwrap_or(self.dropout)
    }

    /// Returns the cutoffs of an adaptive softmax for a vocabulary of this size; empty for an ordinary softmax.
    fn cutoffs(&self, size: usize) -> Vec<usize> {
        match &self.adaptive {
            Some(cutoffs) => cutoffs.clone(),
            None if size >= ADAPTIVE_FROM && self.level == Level::Word && !self.tie => {
                vec![size / 10, size / 3]
            }
            None => Vec::new(),
        }
    }

    /// Returns the batch for a text of this many training tokens: the given one, or the largest up to 64 that
    /// leaves enough updates per epoch.
    pub(super) fn batch_for(&self, tokens: usize) -> usize {
        let chunks = tokens / self.steps;
        self.training.batch.unwrap_or_else(|| (chunks / MIN_CHUNKS).clamp(1, LARGEST_BATCH))
    }
}

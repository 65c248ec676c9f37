//! How a language model is made and trained.

mod named;
mod network;
mod rate;

pub use named::NamedRecipe;
pub use rate::RateSchedule;

use super::codec::{Level, VocabOptions};
use crate::bpe::BpeVocab;
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::words::{WordOptions, WordSplit};
use refrain_nn::{DEFAULT_SEED, Reduction};
use serde::{Deserialize, Serialize};

/// The recurrence of a language model's layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellKind {
    /// SimpleRNN.
    Rnn,
    /// LSTM.
    Lstm,
    /// GRU with the reset gate after the product.
    Gru,
}

/// Which parameters are validated and kept beside those that are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterAverage {
    /// Those that are trained.
    None,
    /// A running mean with the weight [`TextRecipe::average_momentum`] on what was.
    Exponential,
    /// The mean since validation stopped improving: a step with no better loss than all but the last
    /// [`TextRecipe::patience`] epochs had begins it (NT-ASGD, Merity et al. 2017).
    Triggered,
}

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
    /// How a text is cut into words; none: [`WordSplit::detect`] decides.
    pub words: Option<WordSplit>,
    /// At most so many tokens, the rarest become the unknown one; none: all words, 8,000 parts of words.
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
    /// Where an adaptive softmax cuts the vocabulary (Grave et al. 2017): the first so many tokens, the next …; none:
    /// none below 30,000 tokens, else a tenth and a third; empty: never.
    pub adaptive: Option<Vec<usize>>,
    /// All matrices begin uniform in ± this; none: Glorot and orthogonal ones, the embedding normal.
    pub init_range: Option<f64>,
    /// What the forget gate's bias of an LSTM begins with: 1 or 0.
    pub forget_bias: bool,

    /// Sequences that are trained side by side; none: as many as leave an epoch 50
    /// chunks, 64 at most.
    pub batch: Option<usize>,
    /// Steps of truncated backpropagation through time.
    pub steps: usize,
    /// Whether the number of steps varies from chunk to chunk, the rate with it (Merity et al. 2017).
    pub variable_steps: bool,
    /// Batches whose gradients make one update.
    pub accumulate: usize,
    /// Passes over the text.
    pub epochs: usize,

    /// The optimiser's name, with Keras's defaults.
    pub optimizer: String,
    /// The learning rate, before its schedule.
    pub learning_rate: f64,
    /// How the learning rate goes.
    pub schedule: RateSchedule,
    /// What the schedules `step` and `plateau` multiply the rate by.
    pub decay: f64,
    /// Epochs before the schedule `step` begins.
    pub decay_after: usize,
    /// Decoupled decay of the weights.
    pub weight_decay: f64,
    /// What the gradient is of: the mean over all steps, or their sum a sequence (Zaremba et al. 2014).
    pub reduction: Reduction,
    /// The global norm that gradients are clipped to; 0 for none.
    pub clip: f64,
    /// Which parameters are validated and kept.
    pub average: ParameterAverage,
    /// How much of an exponential average is kept each step.
    pub average_momentum: f64,
    /// Epochs without a better validation loss before a triggered average begins.
    pub patience: usize,

    /// Dropout before, between and behind the recurrent layers (Zaremba et al. 2014).
    pub dropout: f64,
    /// Dropout before the first layer, if it is another.
    pub input_dropout: Option<f64>,
    /// Dropout behind the last layer, if it is another.
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

    /// Share of the text, at its end, that is held out for validation.
    pub validation: f64,
    /// Whether validation and test are scored in one lane, as published figures are, not in lanes of 8,192 tokens.
    pub stream: bool,
    /// Of the initial weights, dropout and the lengths of chunks.
    pub seed: u64,
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
            batch: None,
            steps: 64,
            variable_steps: false,
            accumulate: 1,
            epochs: 20,
            optimizer: "adam".to_owned(),
            learning_rate: 2e-3,
            schedule: RateSchedule::Constant,
            decay: 0.5,
            decay_after: 0,
            weight_decay: 0.0,
            reduction: Reduction::Mean,
            clip: 5.0,
            average: ParameterAverage::None,
            average_momentum: 0.999,
            patience: 5,
            dropout: 0.0,
            input_dropout: None,
            output_dropout: None,
            locked_dropout: false,
            embedding_dropout: 0.0,
            recurrent_dropout: 0.0,
            weight_drop: 0.0,
            activation_penalty: 0.0,
            temporal_penalty: 0.0,
            validation: 0.1,
            stream: false,
            seed: DEFAULT_SEED,
        }
    }
}

/// Numbers from a value on, and below another one.
struct Range {
    from: f64,
    below: f64,
    told: &'static str,
}

const AT_LEAST_1: Range = Range { from: 1.0, below: f64::INFINITY, told: "at least 1" };
const AT_LEAST_0: Range = Range { from: 0.0, below: f64::INFINITY, told: "at least 0" };
const ABOVE_0: Range = Range { from: f64::MIN_POSITIVE, below: f64::INFINITY, told: "above 0" };
const SHARE: Range = Range { from: 0.0, below: 1.0, told: "from 0 and below 1" };

impl Range {
    fn check(&self, option: &'static str, value: f64) -> Result<()> {
        if value >= self.from && value < self.below {
            return Ok(());
        }
        Err(Error::Option { option, got: value.to_string(), expected: self.told })
    }
}

impl TextRecipe {
    /// Checks every setting against its range, and settings against each other.
    ///
    /// # Errors
    /// Of the first that is outside.
    pub fn check(&self) -> Result<()> {
        let counts = [
            ("units", self.units),
            ("layers", self.layers),
            ("embedding", self.embedding),
            ("batch", self.batch.unwrap_or(1)),
            ("steps", self.steps),
            ("accumulate", self.accumulate),
            ("epochs", self.epochs),
            ("patience", self.patience),
        ];
        for (option, value) in counts {
            AT_LEAST_1.check(option, value as f64)?;
        }
        ABOVE_0.check("lr", self.learning_rate)?;
        ABOVE_0.check("init-range", self.init_range.unwrap_or(1.0))?;
        for (option, value) in [
            ("clip", self.clip),
            ("weight-decay", self.weight_decay),
            ("activation-penalty", self.activation_penalty),
            ("temporal-penalty", self.temporal_penalty),
        ] {
            AT_LEAST_0.check(option, value)?;
        }
        for (option, value) in [
            ("dropout", self.dropout),
            ("input-dropout", self.input_dropout()),
            ("output-dropout", self.output_dropout()),
            ("embedding-dropout", self.embedding_dropout),
            ("recurrent-dropout", self.recurrent_dropout),
            ("weight-drop", self.weight_drop),
            ("average-momentum", self.average_momentum),
            ("validation", self.validation),
        ] {
            SHARE.check(option, value)?;
        }
        if !(self.decay > 0.0 && self.decay <= 1.0) {
            let got = self.decay.to_string();
            return Err(Error::Option { option: "decay", got, expected: "above 0 and at most 1" });
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
        self.optimizer(1).map(|_| ())
    }

    /// Checks what holds for some levels only.
    fn check_level(&self) -> Result<()> {
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

    /// Checks that nothing waits for a validation loss, where there will be none.
    pub(super) fn check_without_validation(&self) -> Result<()> {
        let expected = "a share or a file to validate on: it acts when that loss stops falling";
        let wrong = |option, got: &str| Err(Error::Option { option, got: got.to_owned(), expected });
        if self.average == ParameterAverage::Triggered {
            return wrong("average", "triggered without a text to validate on");
        }
        if self.schedule == RateSchedule::Plateau {
            return wrong("schedule", "plateau without a text to validate on");
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

    /// Dropout behind the last layer.
    pub(super) fn output_dropout(&self) -> f64 {
        self.output_dropout.unwrap_or(self.dropout)
    }

    /// Where an adaptive softmax cuts a vocabulary; nowhere where there is none.
    fn cutoffs(&self, size: usize) -> Vec<usize> {
        match &self.adaptive {
            Some(cutoffs) => cutoffs.clone(),
            None if size >= ADAPTIVE_FROM && self.level == Level::Word && !self.tie => {
                vec![size / 10, size / 3]
            }
            None => Vec::new(),
        }
    }

    /// The batch for a text of so many training tokens: what was given, else the largest up to 64 that leaves
    /// an epoch enough updates.
    pub(super) fn batch_for(&self, tokens: usize) -> usize {
        let chunks = tokens / self.steps;
        self.batch.unwrap_or_else(|| (chunks / LEAST_CHUNKS).clamp(1, LARGEST_BATCH))
    }
}

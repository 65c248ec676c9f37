//! How a language model is made and trained.

use super::codec::{Codec, Level};
use crate::error::{Error, Result};
use refrain_nn::layers::{Dense, Dropout, Embedding, Gru, Lstm, RecurrentMask, SimpleRnn, TiedDense};
use refrain_nn::loss::Loss;
use refrain_nn::metrics::Metric;
use refrain_nn::optim::Optimizer;
use refrain_nn::{
    Activation, Compile, DEFAULT_SEED, Engine, Initializer, InputSpec, Model, Network, Schedule,
};
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

/// How the learning rate goes over a whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateSchedule {
    /// It stays.
    Constant,
    /// It rises over the first 2 % of the steps, then falls as a half cosine to 1 % at the end.
    Cosine,
    /// It falls by the same factor each step, to 1 % at the end.
    Exponential,
}

/// Share of the learning rate that a falling schedule ends with.
const FINAL_RATE: f64 = 0.01;
/// Share of the steps over which the cosine schedule warms up.
const WARM_UP: f64 = 0.02;
/// The largest batch that is chosen for a text when none is given.
const LARGEST_BATCH: usize = 64;
/// Chunks of an epoch that a chosen batch leaves at least: a small text needs its updates.
const LEAST_CHUNKS: usize = 50;

/// Everything that decides what a trained language model is, besides the text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextRecipe {
    /// Characters or words.
    pub level: Level,
    /// The recurrence.
    pub cell: CellKind,
    /// Hidden units of each layer.
    pub units: usize,
    /// Recurrent layers.
    pub layers: usize,
    /// Width of the embedding; with `tie`, `units`.
    pub embedding: usize,
    /// Sequences that are trained side by side; none: as many as leave an epoch 50
    /// chunks, 64 at most.
    pub batch: Option<usize>,
    /// Steps of truncated backpropagation through time.
    pub steps: usize,
    /// Passes over the text.
    pub epochs: usize,
    /// The learning rate, before its schedule.
    pub learning_rate: f64,
    /// How the learning rate goes.
    pub schedule: RateSchedule,
    /// The optimiser's name, with Keras's defaults.
    pub optimizer: String,
    /// The global norm that gradients are clipped to; 0 for none.
    pub clip: f64,
    /// Dropout before, between and behind the recurrent layers, fresh each step (Zaremba et al. 2014).
    pub dropout: f64,
    /// Dropout of the hidden state, the same units at every step, one mask for all gates.
    pub recurrent_dropout: f64,
    /// Whether the output layer uses the embedding's weights (Press & Wolf 2017, Inan et al. 2017).
    pub tie: bool,
    /// Words that occur less often become the unknown one.
    pub min_count: u64,
    /// Share of the text, at its end, that is held out for validation.
    pub validation: f64,
    /// Of the initial weights and dropout.
    pub seed: u64,
}

impl Default for TextRecipe {
    fn default() -> Self {
        Self {
            level: Level::Char,
            cell: CellKind::Lstm,
            units: 256,
            layers: 2,
            embedding: 64,
            batch: None,
            steps: 64,
            epochs: 20,
            learning_rate: 2e-3,
            schedule: RateSchedule::Constant,
            optimizer: "adam".to_owned(),
            clip: 5.0,
            dropout: 0.0,
            recurrent_dropout: 0.0,
            tie: false,
            min_count: 1,
            validation: 0.1,
            seed: DEFAULT_SEED,
        }
    }
}

impl TextRecipe {
    /// Checks every setting against its range.
    ///
    /// # Errors
    /// Of the first that is outside.
    pub fn check(&self) -> Result<()> {
        let range = |ok: bool, option: &'static str, got: String, expected: &'static str| {
            if ok { Ok(()) } else { Err(Error::Option { option, got, expected }) }
        };
        range(self.units > 0, "units", self.units.to_string(), "at least 1")?;
        range(self.layers > 0, "layers", self.layers.to_string(), "at least 1")?;
        range(self.embedding > 0, "embedding", self.embedding.to_string(), "at least 1")?;
        range(self.batch != Some(0), "batch", "0".to_owned(), "at least 1")?;
        range(self.steps > 0, "steps", self.steps.to_string(), "at least 1")?;
        range(self.epochs > 0, "epochs", self.epochs.to_string(), "at least 1")?;
        let rate = self.learning_rate;
        range(rate > 0.0 && rate.is_finite(), "lr", rate.to_string(), "above 0")?;
        range(self.clip >= 0.0 && self.clip.is_finite(), "clip", self.clip.to_string(), "at least 0")?;
        let rates = [("dropout", self.dropout), ("recurrent-dropout", self.recurrent_dropout)];
        for (option, rate) in rates {
            range((0.0..1.0).contains(&rate), option, rate.to_string(), "from 0 and below 1")?;
        }
        let share = self.validation;
        range((0.0..1.0).contains(&share), "validation", share.to_string(), "from 0 and below 1")?;
        if self.level == Level::Char && self.min_count > 1 {
            let got = format!("{} with characters", self.min_count);
            return Err(Error::Option { option: "min-count", got, expected: "1: it is for words" });
        }
        if self.tie && self.embedding != self.units {
            let got = format!("{} with {} units", self.embedding, self.units);
            return Err(Error::Option {
                option: "embedding",
                got,
                expected: "as wide as `units` with `tie`",
            });
        }
        self.optimizer(1).map(|_| ())
    }

    /// The batch for a text of so many training tokens: what was given, else the largest up to 64 that leaves
    /// an epoch enough updates.
    pub(super) fn batch_for(&self, tokens: usize) -> usize {
        let chunks = tokens / self.steps;
        self.batch.unwrap_or_else(|| (chunks / LEAST_CHUNKS).clamp(1, LARGEST_BATCH))
    }

    /// The optimiser for a run of `steps` updates.
    pub(super) fn optimizer(&self, steps: u64) -> Result<Optimizer> {
        let unknown = Error::Option {
            option: "optimizer",
            got: self.optimizer.clone(),
            expected: "sgd, rmsprop, adagrad, adadelta, adam, adamw, adamax or nadam",
        };
        let mut optimizer = Optimizer::by_name(&self.optimizer).ok_or(unknown)?;
        let (rate, steps) = (self.learning_rate, steps.max(1));
        optimizer.learning_rate = match self.schedule {
            RateSchedule::Constant => Schedule::from(rate),
            RateSchedule::Exponential => Schedule::ExponentialDecay {
                initial_learning_rate: rate,
                decay_steps: steps,
                decay_rate: FINAL_RATE,
                staircase: false,
            },
            RateSchedule::Cosine => {
                let warm_up = (steps as f64 * WARM_UP).ceil() as u64;
                Schedule::CosineDecay {
                    initial_learning_rate: 0.0,
                    decay_steps: steps.saturating_sub(warm_up).max(1),
                    alpha: FINAL_RATE,
                    warmup_target: Some(rate),
                    warmup_steps: warm_up,
                }
            }
        };
        if self.clip > 0.0 {
            optimizer.clip.global_clipnorm = Some(self.clip);
        }
        optimizer.validate()?;
        Ok(optimizer)
    }

    /// The untrained network for a vocabulary.
    pub(super) fn network(&self, codec: &Codec, engine: Engine, updates: u64) -> Result<Model> {
        let vocab = codec.vocab_size();
        let mut net = Network::new();
        let ids = net.input(InputSpec::ids().name("tokens"));
        // Keras's ±0.05 costs an epoch; a tied embedding is also the output's kernel, where 1 is too large.
        let stddev = if self.tie { (self.embedding as f32).recip().sqrt() } else { 1.0 };
        let embedding = Embedding::new(vocab, self.embedding)
            .embeddings_initializer(Initializer::RandomNormal { mean: 0.0, stddev })
            .name("embedding");
        let mut x = net.add(embedding, &[ids])?;
        for _ in 0..self.layers {
            x = self.drop(&mut net, x)?;
            let (units, rate) = (self.units, self.recurrent_dropout as f32);
            x = match self.cell {
                CellKind::Rnn => net.add(
                    SimpleRnn::new(units)
                        .return_sequences(true)
                        .recurrent_dropout(rate)
                        .recurrent_mask(RecurrentMask::Shared),
                    &[x],
                ),
                CellKind::Lstm => net.add(
                    Lstm::new(units)
                        .return_sequences(true)
                        .recurrent_dropout(rate)
                        .recurrent_mask(RecurrentMask::Shared),
                    &[x],
                ),
                CellKind::Gru => net.add(
                    Gru::new(units)
                        .return_sequences(true)
                        .recurrent_dropout(rate)
                        .recurrent_mask(RecurrentMask::Shared),
                    &[x],
                ),
            }?;
        }
        x = self.drop(&mut net, x)?;
        let y = if self.tie {
            let tied = TiedDense::new("embedding/embeddings").activation(Activation::Softmax).name("output");
            net.add(tied, &[x])?
        } else {
            net.add(Dense::new(vocab).activation(Activation::Softmax).name("output"), &[x])?
        };
        Ok(net.compile(
            &[y],
            Compile {
                loss: Loss::SparseCategoricalCrossentropy,
                optimizer: self.optimizer(updates)?,
                metrics: vec![Metric::Accuracy],
                seed: self.seed,
                engine: Some(engine),
                ..Compile::default()
            },
        )?)
    }

    fn drop(&self, net: &mut Network, x: refrain_nn::Tensor) -> Result<refrain_nn::Tensor> {
        Ok(if self.dropout > 0.0 { net.add(Dropout::new(self.dropout as f32), &[x])? } else { x })
    }
}

//! The cells to compare, and their initialisation.

use super::adding::FEATURES;
use crate::error::{Error, Result};
use refrain_nn::layers::{Dense, Gru, Lstm, SimpleRnn};
use refrain_nn::optim::Optimizer;
use refrain_nn::{Activation, Compile, Initializer, InputSpec, Model, Sequential};
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// A cell and its initialisation; everything else has Keras's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparedCell {
    /// SimpleRNN: tanh, with an orthogonal recurrent kernel times `gain`; Keras's default is 1.
    SimpleRnn {
        /// The factor by which the kernel scales the norm of every state, apart from the tanh.
        gain: f32,
    },
    /// SimpleRNN: tanh, with a normal recurrent kernel of standard deviation `gain / √units`, so `gain` is about
    /// its spectral radius.
    SimpleRnnNormal {
        /// The approximate spectral radius for many units.
        gain: f32,
    },
    /// SimpleRNN: tanh, with a Glorot uniform recurrent kernel, like the input kernel.
    SimpleRnnGlorot,
    /// SimpleRNN: ReLU, with the identity as recurrent kernel, as in the IRNN of Le, Jaitly & Hinton (2015). The
    /// input kernel has Keras's default, which is larger than theirs and makes the gradient explode at once.
    Irnn,
    /// LSTM with forget gate bias 1.
    Lstm,
    /// LSTM with forget gate bias 0.
    LstmWithoutForgetBias,
    /// GRU.
    Gru,
}

/// The names of cells.
const NAMED: [(&str, ComparedCell); 7] = [
    ("rnn", ComparedCell::SimpleRnn { gain: 1.0 }),
    ("rnn-normal", ComparedCell::SimpleRnnNormal { gain: 1.0 }),
    ("rnn-glorot", ComparedCell::SimpleRnnGlorot),
    ("irnn", ComparedCell::Irnn),
    ("lstm", ComparedCell::Lstm),
    ("lstm-without-forget-bias", ComparedCell::LstmWithoutForgetBias),
    ("gru", ComparedCell::Gru),
];

impl ComparedCell {
    /// The three cells with Keras's initialisation.
    pub const CELLS: [Self; 3] = [Self::SimpleRnn { gain: 1.0 }, Self::Lstm, Self::Gru];

    /// Returns the names that [`FromStr`] accepts.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.into_iter().map(|(name, _)| name)
    }

    /// Creates a model of this many units that predicts one number after a sequence of the adding problem.
    ///
    /// # Errors
    /// If a setting is out of range.
    pub fn model(self, units: usize, optimizer: Optimizer, seed: u64) -> Result<Model> {
        let input = Sequential::new().input(InputSpec::features(FEATURES));
        let rnn = |kernel| SimpleRnn::new(units).recurrent_initializer(kernel);
        let normal = |stddev| Initializer::RandomNormal { mean: 0.0, stddev };
        let layers = match self {
            Self::SimpleRnn { gain } => input.add(rnn(Initializer::Orthogonal { gain })),
            Self::SimpleRnnNormal { gain } => input.add(rnn(normal(gain / (units.max(1) as f32).sqrt()))),
            Self::SimpleRnnGlorot => input.add(rnn(Initializer::GlorotUniform)),
            Self::Irnn => input.add(rnn(Initializer::identity()).activation(Activation::Relu)),
            Self::Lstm => input.add(Lstm::new(units)),
            Self::LstmWithoutForgetBias => input.add(Lstm::new(units).unit_forget_bias(false)),
            Self::Gru => input.add(Gru::new(units)),
        };
        // The loss is the default, the mean squared error.
        Ok(layers.add(Dense::new(1)).compile(Compile { optimizer, seed, ..Compile::default() })?)
    }
}

impl FromStr for ComparedCell {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = NAMED.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, kind)| kind).ok_or_else(|| Error::Setting {
            setting: "the cell",
            got: format!("{name:?}"),
            expected: format!("one of {}", Self::names().collect::<Vec<_>>().join(", ")),
        })
    }
}

impl fmt::Display for ComparedCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::SimpleRnn { gain: 1.0 } => f.write_str("SimpleRNN"),
            Self::SimpleRnn { gain } => write!(f, "SimpleRNN, orthogonal × {gain}"),
            Self::SimpleRnnNormal { gain: 1.0 } => f.write_str("SimpleRNN, random normal"),
            Self::SimpleRnnNormal { gain } => write!(f, "SimpleRNN, random normal × {gain}"),
            Self::SimpleRnnGlorot => f.write_str("SimpleRNN, Glorot uniform"),
            Self::Irnn => f.write_str("SimpleRNN, ReLU and identity"),
            Self::Lstm => f.write_str("LSTM"),
            Self::LstmWithoutForgetBias => f.write_str("LSTM, forget bias 0"),
            Self::Gru => f.write_str("GRU"),
        }
    }
}

//! Cells to compare, and how they begin.

use super::adding::FEATURES;
use crate::error::{Error, Result};
use refrain_nn::layers::{Dense, Gru, Lstm, SimpleRnn};
use refrain_nn::optim::Optimizer;
use refrain_nn::{Activation, Compile, Initializer, InputSpec, Model, Sequential};
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// A cell and how its parameters begin; what is not said is Keras's default.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparedCell {
    /// SimpleRNN: tanh, the recurrent kernel orthogonal times `gain`; Keras's default is 1.
    SimpleRnn {
        /// What every state's norm is multiplied by, but for the tanh.
        gain: f32,
    },
    /// SimpleRNN: tanh, the recurrent kernel normal with standard deviation `gain / √units`: `gain` is about its
    /// spectral radius.
    SimpleRnnNormal {
        /// The spectral radius that many units come to.
        gain: f32,
    },
    /// SimpleRNN: tanh, the recurrent kernel Glorot uniform as the kernel.
    SimpleRnnGlorot,
    /// SimpleRNN: ReLU, the recurrent kernel the identity, as in the IRNN of Le, Jaitly & Hinton (2015). Their kernel is
    /// smaller than Keras's default, which this one has; it makes the gradient explode at once.
    Irnn,
    /// LSTM, its forget gate's bias 1.
    Lstm,
    /// LSTM, its forget gate's bias 0.
    LstmWithoutForgetBias,
    /// GRU
    Gru,
}

/// Names, and what they mean.
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
    /// The three cells as Keras begins them.
    pub const CELLS: [Self; 3] = [Self::SimpleRnn { gain: 1.0 }, Self::Lstm, Self::Gru];

    /// The names that [`FromStr`] takes.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.into_iter().map(|(name, _)| name)
    }

    /// A model of this many units that says one number after a sequence of the adding problem.
    ///
    /// # Errors
    /// When a setting is out of range.
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

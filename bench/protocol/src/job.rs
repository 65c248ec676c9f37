//! Jobs: what is timed.

use serde::{Deserialize, Serialize};

/// One job, the same for every peer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Threads that the library may compute with.
    pub threads: usize,
    /// What it does.
    #[serde(flatten)]
    pub work: Work,
}

/// What a job does, told apart by `kind`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Work {
    /// One layer forward and backward.
    Layer(Layer),
    /// One LSTM over one sequence, forward alone.
    Stream(Stream),
    /// Training a language model.
    Train(Train),
    /// The tutorial's whole program, process start to prediction. The driver times it; no peer is asked.
    Program,
}

/// A recurrent layer forward and backward, from a given gradient of its output to those of its input, weights and
/// biases. It has as many inputs as units.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Layer {
    /// Its cell.
    pub cell: Cell,
    /// Its units and inputs.
    pub units: usize,
    /// Steps of each sequence.
    pub lengths: Vec<usize>,
}

impl Layer {
    /// Real steps of all sequences.
    pub fn rows(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// Operations of its matrix products, two for a multiply-add: forward once, backward twice.
    pub fn flops(&self) -> f64 {
        6.0 * self.rows() as f64 * (self.cell.gates() * self.units * 2 * self.units) as f64
    }
}

/// `steps` steps of one sequence, `chunk` steps a call with the state carried, forward alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stream {
    /// Units and inputs.
    pub units: usize,
    /// Steps of the sequence.
    pub steps: usize,
    /// Steps of a call: 1 or `steps`.
    pub chunk: usize,
}

/// Embedding, recurrent layers, an affine output and the mean cross-entropy of its softmax; global-norm clipping and
/// one step of the optimiser.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Train {
    /// The cell of every recurrent layer.
    pub cell: Cell,
    /// Units of each.
    pub units: usize,
    /// How many there are.
    pub layers: usize,
    /// Width of the embedding.
    pub embedding: usize,
    /// Words of the vocabulary.
    pub vocab: usize,
    /// Sequences of a batch.
    pub batch: usize,
    /// Steps of each.
    pub steps: usize,
    /// Whether every step predicts its next token and the state is carried from batch to batch. Otherwise only the
    /// last step predicts, and every batch is the first one, from a zero state.
    pub each_step: bool,
    /// How the parameters change.
    pub optimizer: Optimizer,
    /// The learning rate.
    pub rate: f64,
    /// What the norm of the whole gradient is bounded by.
    pub clip: Option<f64>,
    /// Nothing: a repetition is one step of a model that stays. A number: a repetition builds a model and trains it
    /// for as many epochs of one step.
    pub epochs: Option<usize>,
}

/// An update rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Adam with the library's own epsilon.
    Adam,
    /// Plain gradient descent.
    Sgd,
}

/// A recurrent cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cell {
    /// Four gates.
    Lstm,
    /// Three gates, the reset applied after the recurrent product.
    Gru,
    /// One, tanh.
    Rnn,
}

impl Cell {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Lstm, Self::Gru, Self::Rnn];

    /// As in the names of jobs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lstm => "lstm",
            Self::Gru => "gru",
            Self::Rnn => "rnn",
        }
    }

    /// Matrix products a step.
    pub fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
            Self::Rnn => 1,
        }
    }
}

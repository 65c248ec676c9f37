//! The jobs that are timed.

use serde::{Deserialize, Serialize};

/// One job, the same for every peer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Number of threads that the library may use.
    pub threads: usize,
    /// The work to do.
    #[serde(flatten)]
    pub work: Work,
}

/// The work of a job, distinguished by `kind`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Work {
    /// One layer forward and backward.
    Layer(Layer),
    /// One LSTM over one sequence, forward only.
    Stream(Stream),
    /// Training a language model.
    Train(Train),
    /// The whole tutorial program, from process start to prediction. The driver times it; no peer is asked.
    Program,
}

impl Work {
    /// Returns the cell of its recurrent layers; `None` for a program.
    pub fn cell(&self) -> Option<Cell> {
        match self {
            Self::Layer(layer) => Some(layer.cell),
            Self::Stream(_) => Some(Cell::Lstm),
            Self::Train(train) => Some(train.cell),
            Self::Program => None,
        }
    }

    /// Returns the steps of all sequences in a repetition (tokens for a model); `None` for a program.
    pub fn steps(&self) -> Option<usize> {
        match self {
            Self::Layer(layer) => Some(layer.rows()),
            Self::Stream(stream) => Some(stream.steps),
            Self::Train(train) => Some(train.rows()),
            Self::Program => None,
        }
    }

    /// Returns the floating-point operations of a repetition's matrix products, two per multiply-add; `None` for a
    /// program.
    pub fn flops(&self) -> Option<f64> {
        match self {
            Self::Layer(layer) => Some(layer.flops()),
            Self::Stream(stream) => Some((2 * stream.steps * 4 * stream.units * 2 * stream.units) as f64),
            Self::Train(train) => Some(train.flops()),
            Self::Program => None,
        }
    }
}

/// A recurrent layer, forward and backward: from a given gradient of its output to the gradients of its input,
/// weights and biases. It has as many inputs as units.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Layer {
    /// Its cell.
    pub cell: Cell,
    /// Its units and inputs.
    pub units: usize,
    /// Number of steps of each sequence.
    pub lengths: Vec<usize>,
}

impl Layer {
    /// Returns the real steps of all sequences.
    pub fn rows(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// Returns the floating-point operations of its matrix products, two per multiply-add: forward once, backward
    /// twice.
    pub fn flops(&self) -> f64 {
        6.0 * self.rows() as f64 * (self.cell.gates() * self.units * 2 * self.units) as f64
    }
}

/// `steps` steps of one sequence, forward only, in calls of `chunk` steps with the state carried over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stream {
    /// Units and inputs.
    pub units: usize,
    /// Steps of the sequence.
    pub steps: usize,
    /// Steps per call: 1 or `steps`.
    pub chunk: usize,
}

/// Embedding, recurrent layers, an affine output and the mean softmax cross-entropy; global-norm clipping and one
/// optimiser step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Train {
    /// The cell of every recurrent layer.
    pub cell: Cell,
    /// Units of each layer.
    pub units: usize,
    /// Number of layers.
    pub layers: usize,
    /// Width of the embedding.
    pub embedding: usize,
    /// Number of words in the vocabulary.
    pub vocab: usize,
    /// Sequences per batch.
    pub batch: usize,
    /// Steps per sequence.
    pub steps: usize,
    /// Whether every step predicts its next token and the state is carried from batch to batch. Otherwise only the
    /// last step predicts, and every batch is the first one, from a zero state.
    pub each_step: bool,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// The learning rate.
    pub rate: f64,
    /// The limit for clipping by global norm.
    pub clip: Option<f64>,
    /// If absent, a repetition is one step of a model that persists. If present, a repetition builds a model and
    /// trains it for this many epochs of one step.
    pub epochs: Option<usize>,
}

impl Train {
    /// Returns the tokens that a repetition reads.
    pub fn rows(&self) -> usize {
        self.batch * self.steps * self.epochs.unwrap_or(1)
    }

    /// Returns the floating-point operations of its matrix products, two per multiply-add: forward once, backward
    /// twice. An embedding is a lookup and has none.
    pub fn flops(&self) -> f64 {
        let first = self.cell.gates() * self.units * (self.embedding + self.units);
        let further = self.cell.gates() * self.units * 2 * self.units;
        let recurrent = first + (self.layers - 1) * further;
        let predictions = if self.each_step { self.rows() } else { self.rows() / self.steps };
        6.0 * (self.rows() as f64 * recurrent as f64 + predictions as f64 * (self.units * self.vocab) as f64)
    }
}

/// An optimiser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Adam with the library's default epsilon.
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
    /// Three gates, with the reset applied after the recurrent product.
    Gru,
    /// One gate, tanh.
    Rnn,
}

impl Cell {
    /// All cells.
    pub const ALL: [Self; 3] = [Self::Lstm, Self::Gru, Self::Rnn];

    /// Returns the cell's name in the names of jobs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lstm => "lstm",
            Self::Gru => "gru",
            Self::Rnn => "rnn",
        }
    }

    /// Returns the number of matrix products per step.
    pub fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
            Self::Rnn => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_match_a_manual_count() {
        let layer = Work::Layer(Layer { cell: Cell::Gru, units: 2, lengths: vec![1, 2] });
        // 3 steps, 3 gates of 2 units, 4 factors each; times two, for forward once and backward twice.
        assert_eq!((layer.steps(), layer.flops()), (Some(3), Some((3 * 6 * 4 * 2 * 3) as f64)));
        let model = Train {
            cell: Cell::Rnn,
            units: 2,
            layers: 3,
            embedding: 5,
            vocab: 7,
            batch: 2,
            steps: 4,
            each_step: true,
            optimizer: Optimizer::Sgd,
            rate: 1.0,
            clip: None,
            epochs: None,
        };
        // Per token: 2 · (5 + 2) in the first layer, 2 · (2 + 2) in each other layer, 2 · 7 in the output.
        assert_eq!(Work::Train(model.clone()).flops(), Some((8 * (14 + 16 + 14) * 6) as f64));
        let last = Train { each_step: false, epochs: Some(3), ..model };
        assert_eq!(Work::Train(last.clone()).flops(), Some((3 * (8 * 30 + 2 * 14) * 6) as f64));
        assert_eq!(Work::Train(last).steps(), Some(24));
        assert_eq!((Work::Program.steps(), Work::Program.flops()), (None, None));
    }
}

//! Compiling a model: the settings of its training, and what training keeps.

use super::average::Averages;
use super::head::Head;
use super::{Model, Reduction};
use crate::error::Error;
use crate::loss::Loss;
use crate::metrics::{Mean, Metric};
use crate::optim::{Optimizer, OptimizerState, RmsProp};
use refrain_kernels::Engine;

/// The settings of a model's training.
#[derive(Debug, Clone)]
pub struct Compile {
    /// The loss to minimise.
    pub loss: Loss,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// Metrics to report in addition to the loss.
    pub metrics: Vec<Metric>,
    /// Whether the gradient is of the mean over rows or of the sum over steps.
    pub reduction: Reduction,
    /// The number of batches per optimiser step, at least 1. The step uses the mean of their gradients;
    /// clipping applies to that mean, and schedules count optimiser steps. A step may have fewer batches: see
    /// [`Model::flush_gradients`].
    pub gradient_accumulation_steps: u32,
    /// The seed of the initial weights, dropout and shuffling.
    pub seed: u64,
    /// The engine, with its instruction set and threads. By default it uses everything available.
    pub engine: Option<Engine>,
}

/// The default seed.
pub const DEFAULT_SEED: u64 = 1;

impl Default for Compile {
    fn default() -> Self {
        Self {
            loss: Loss::MeanSquaredError,
            optimizer: RmsProp::default().into(),
            metrics: Vec::new(),
            reduction: Reduction::default(),
            gradient_accumulation_steps: 1,
            seed: DEFAULT_SEED,
            engine: None,
        }
    }
}

/// The state of a compiled model.
#[derive(Debug, Clone)]
pub(super) struct Training {
    pub(super) optimizer: Optimizer,
    pub(super) state: OptimizerState,
    pub(super) heads: Vec<Head>,
    /// Final activations that the losses skip.
    pub(super) skip: Vec<usize>,
    /// Batches trained on since the model was compiled.
    pub(super) steps: u64,
    /// Batches per optimiser step.
    pub(super) accumulation: u32,
    /// Batches whose gradients are summed in the parameters' buffers.
    pub(super) accumulated: u32,
    pub(super) averages: Option<Averages>,
    pub(super) rate_factor: f64,
    /// The factor of the current batch.
    pub(super) batch_rate_factor: f64,
    /// The learning rate of the last optimiser step.
    pub(super) last_rate: f64,
    pub(super) loss: Mean,
    /// Σ w·l over Σ w of the first output; `loss` divides by the number of rows instead.
    pub(super) weighted: Mean,
    pub(super) last_loss: f64,
    pub(super) gradient_norm: f64,
}

impl Model {
    /// Prepares the model for training, with a new optimiser. The parameters do not change.
    ///
    /// A loss from probabilities after a final softmax or sigmoid is computed from the logits. If there are
    /// several outputs, each has the same loss, and the losses are added.
    ///
    /// # Errors
    /// Returns an error if a setting of the optimiser is out of range, or if the number of batches per step
    /// is 0.
    pub fn compile(&mut self, compile: Compile) -> Result<(), Error> {
        compile.optimizer.validate()?;
        let accumulation = compile.gradient_accumulation_steps;
        if accumulation == 0 {
            return Err(Error::setting("compile", "gradient_accumulation_steps", 0, "at least 1"));
        }
        let mut skip = Vec::new();
        let mut heads = Vec::new();
        for (i, &output) in self.outputs.iter().enumerate() {
            let prefix = if self.outputs.len() > 1 { format!("output_{i}_") } else { String::new() };
            let head = Head::new(&self.graph, output, &compile, &prefix, &mut skip)?;
            if heads.iter().any(|h: &Head| h.edge() == head.edge()) {
                let reason = "two outputs are identical: use only one of them";
                return Err(Error::unsupported("training this model", reason));
            }
            heads.push(head);
        }
        if let Some(engine) = compile.engine {
            self.engine = engine;
        }
        self.seed = compile.seed;
        // Several batches together read most rows of a table, so their sum is stored as a full gradient.
        self.params.keep_by_rows(accumulation == 1 && compile.optimizer.leaves_zero_gradients());
        self.training = Some(Training {
            state: OptimizerState::new(&compile.optimizer, &self.params),
            optimizer: compile.optimizer,
            heads,
            skip,
            steps: 0,
            accumulation,
            accumulated: 0,
            averages: None,
            rate_factor: 1.0,
            batch_rate_factor: 1.0,
            last_rate: 0.0,
            loss: Mean::default(),
            weighted: Mean::default(),
            last_loss: f64::NAN,
            gradient_norm: 0.0,
        });
        Ok(())
    }

    pub(super) fn training(&self) -> Result<&Training, Error> {
        self.training.as_ref().ok_or_else(not_compiled)
    }
}

pub(super) fn not_compiled() -> Error {
    Error::unsupported("training or evaluating", "the model has no loss and optimiser: call `compile` first")
}

//! Training steps and running totals.

use super::average::Averages;
use super::head::{Head, HeadLoss};
use super::{Model, Reduction};
use crate::data::Batch;
use crate::error::Error;
use crate::graph::{Graph, Mode, RandomKey};
use crate::loss::Loss;
use crate::metrics::{Mean, Metric};
use crate::optim::{Optimizer, OptimizerState, RmsProp};
use crate::params::{Params, SpanId};
use crate::state::State;
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

    /// Trains on one batch: computes the loss and its gradient and takes an optimiser step. With gradient
    /// accumulation, only the last batch of a step takes it. Adds loss and metrics to the totals. With
    /// `carry`, every recurrent layer starts from that state and stores its final state there; the gradient
    /// stops at the beginning of the batch.
    ///
    /// # Errors
    /// Returns an error if the batch does not fit the model, or if the model is not compiled or uses its
    /// averages. Accumulated gradients of earlier batches may be lost in that case.
    pub fn train_step(&mut self, batch: &Batch, carry: Option<&mut State>) -> Result<(), Error> {
        self.refuse_averages("training")?;
        let loss = self.differentiate(batch, carry)?;
        self.count(loss);
        let training = self.training()?;
        if training.accumulated == training.accumulation {
            self.update()?;
        }
        Ok(())
    }

    /// Takes an optimiser step on the mean of the gradients accumulated since the last step, even if the step
    /// is incomplete. Returns whether there were any. By default, [`Model::fit`] keeps them for the next
    /// epoch, as Keras does.
    ///
    /// # Errors
    /// Returns an error if the model is not compiled or uses its averages.
    pub fn flush_gradients(&mut self) -> Result<bool, Error> {
        self.refuse_averages("training")?;
        let some = self.training()?.accumulated > 0;
        if some {
            self.update()?;
        }
        Ok(some)
    }

    /// Takes an optimiser step on the mean of the accumulated gradients.
    fn update(&mut self) -> Result<(), Error> {
        let Self { graph, params, engine, training, .. } = self;
        let training = training.as_mut().ok_or_else(not_compiled)?;
        let batches = std::mem::take(&mut training.accumulated);
        let rate = training.next_rate();
        let report = training.state.apply(engine, &training.optimizer, params, rate, batches);
        graph.packed = false;
        (training.gradient_norm, training.last_rate) = (report.gradient_norm, rate);
        if let Some(averages) = &mut training.averages {
            averages.add(engine, params.values());
        }
        Ok(())
    }

    /// Adds a batch's loss to the totals, as a step does.
    pub(super) fn count(&mut self, loss: BatchLoss) {
        if let Some(training) = &mut self.training {
            training.steps += 1;
            training.add(loss);
        }
    }

    /// Discards accumulated gradients.
    pub(super) fn forget_gradients(&mut self) {
        if let Some(training) = &mut self.training {
            training.accumulated = 0;
        }
    }

    /// Computes the loss of one batch, penalties included, and adds the gradient of every parameter to the
    /// accumulated gradients.
    pub(super) fn differentiate(
        &mut self,
        batch: &Batch,
        carry: Option<&mut State>,
    ) -> Result<BatchLoss, Error> {
        self.forward_training(batch, carry)?;
        let Self { graph, params, engine, training, seed, .. } = self;
        let training = training.as_mut().ok_or_else(not_compiled)?;
        let random = RandomKey { seed: *seed, counter: training.steps };
        // After an error the sum would contain part of this batch, so it is discarded.
        let before = std::mem::take(&mut training.accumulated);
        if before == 0 {
            params.begin_gradients();
        }
        graph.begin_backward();
        let mut loss = training.score(batch, graph, params, engine, true)?;
        graph.backward(engine, params, random, &training.skip)?;
        params.finish_gradients();
        loss.penalty += graph.penalty();
        for i in 0..params.spans().len() {
            let span = &params.spans()[i];
            if let (Some(regularizer), true) = (span.regularizer, span.trainable) {
                let (values, gradients) = params.value_and_gradient(SpanId(i));
                loss.penalty += regularizer.apply(values, gradients);
            }
        }
        training.accumulated = before + 1;
        Ok(loss)
    }

    /// Runs a batch forward as the next training step would, dropout included.
    pub(super) fn forward_training(&mut self, batch: &Batch, carry: Option<&mut State>) -> Result<(), Error> {
        self.feed(batch)?;
        let Self { graph, params, engine, training, own_state, seed, .. } = self;
        let training = training.as_ref().ok_or_else(not_compiled)?;
        let random = RandomKey { seed: *seed, counter: training.steps };
        let state = carry.unwrap_or(own_state);
        graph.forward(engine, params, Mode::Train, random, state, &training.skip)
    }

    /// Scores the outputs of the last forward pass, penalties included.
    pub(super) fn score(&mut self, batch: &Batch) -> Result<BatchLoss, Error> {
        let Self { graph, params, engine, training, .. } = self;
        let training = training.as_mut().ok_or_else(not_compiled)?;
        let mut loss = training.score(batch, graph, params, engine, false)?;
        loss.penalty += graph.penalty();
        for (i, span) in params.spans().iter().enumerate() {
            if let (Some(regularizer), true) = (span.regularizer, span.trainable) {
                loss.penalty += regularizer.penalty(params.value(SpanId(i)));
            }
        }
        Ok(loss)
    }

    /// Computes loss and metrics of one batch and adds them to the totals, without training.
    ///
    /// # Errors
    /// Returns an error if the batch does not fit the model, or if the model is not compiled.
    pub fn test_step(&mut self, batch: &Batch, carry: Option<&mut State>) -> Result<(), Error> {
        let skip = std::mem::take(&mut self.training.as_mut().ok_or_else(not_compiled)?.skip);
        let result = self.infer(batch, carry, &skip);
        self.training.as_mut().ok_or_else(not_compiled)?.skip = skip;
        result?;
        let loss = self.score(batch)?;
        self.training.as_mut().ok_or_else(not_compiled)?.add(loss);
        Ok(())
    }

    /// Trains on one batch and returns its loss and metrics under their names.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Model::train_step`].
    pub fn train_on_batch(&mut self, batch: &Batch) -> Result<Vec<(String, f64)>, Error> {
        self.reset_totals();
        self.train_step(batch, None)?;
        Ok(self.totals())
    }

    /// Sets whether further batches update the metrics in addition to the loss. After [`Model::compile`] they
    /// do. The accuracy of an adaptive softmax may cost as much as training it. Metrics without data are 0 in
    /// [`Model::totals`].
    pub fn take_metrics(&mut self, take: bool) {
        self.training.iter_mut().flat_map(|t| &mut t.heads).for_each(|head| head.take_metrics(take));
    }

    /// Resets the totals.
    pub fn reset_totals(&mut self) {
        if let Some(training) = &mut self.training {
            training.loss = Mean::default();
            training.weighted = Mean::default();
            training.heads.iter_mut().for_each(Head::reset);
        }
    }

    /// Returns the loss (regularisation included) and the metrics since the last [`Model::reset_totals`],
    /// weighted by real rows.
    pub fn totals(&self) -> Vec<(String, f64)> {
        let Some(training) = &self.training else { return Vec::new() };
        let mut totals = vec![("loss".to_owned(), training.loss.result())];
        for head in &training.heads {
            totals.extend(head.names().iter().cloned().zip(head.results()));
        }
        totals
    }

    /// Returns the names of the metrics, without the loss.
    pub fn metric_names(&self) -> Vec<String> {
        self.training.iter().flat_map(|t| &t.heads).flat_map(|h| h.names().to_vec()).collect()
    }

    /// Returns the loss of the first output divided by the sum of the weights since the last
    /// [`Model::reset_totals`]. If all weights are 0 or 1, it is the mean over the rows with weight 1.
    pub fn weighted_loss(&self) -> f64 {
        self.training.as_ref().map_or(f64::NAN, |t| t.weighted.result())
    }

    /// Returns whether the model is compiled.
    pub fn is_compiled(&self) -> bool {
        self.training.is_some()
    }

    /// Returns the loss of the last batch.
    pub fn last_loss(&self) -> f64 {
        self.training.as_ref().map_or(f64::NAN, |t| t.last_loss)
    }

    /// Returns the norm of the last step's gradient over all parameters, before clipping. With gradient
    /// accumulation it is that of the mean gradient.
    pub fn last_gradient_norm(&self) -> f64 {
        self.training.as_ref().map_or(0.0, |t| t.gradient_norm)
    }

    /// Returns the learning rate of the next step.
    pub fn learning_rate(&self) -> f64 {
        self.training.as_ref().map_or(0.0, Training::next_rate)
    }

    /// Returns the learning rate of the last optimiser step; 0 before the first.
    pub fn last_learning_rate(&self) -> f64 {
        self.training.as_ref().map_or(0.0, |t| t.last_rate)
    }

    /// Sets a factor for the learning rate of the next steps, in addition to the factor of
    /// [`Model::set_learning_rate_factor`]. [`Model::fit`] sets it for each batch.
    pub(crate) fn set_batch_rate_factor(&mut self, factor: f64) {
        if let Some(training) = &mut self.training {
            training.batch_rate_factor = factor;
        }
    }

    /// Sets a factor for the schedule's learning rate. A plateau callback lowers it.
    pub fn set_learning_rate_factor(&mut self, factor: f64) {
        if let Some(training) = &mut self.training {
            training.rate_factor = factor;
        }
    }

    /// Returns the factor set with [`Model::set_learning_rate_factor`].
    pub fn learning_rate_factor(&self) -> f64 {
        self.training.as_ref().map_or(1.0, |t| t.rate_factor)
    }

    /// Returns the number of batches trained on since the model was compiled. With gradient accumulation
    /// there are fewer optimiser steps.
    pub fn steps_done(&self) -> u64 {
        self.training.as_ref().map_or(0, |t| t.steps)
    }

    /// Returns the number of optimiser steps since the model was compiled.
    pub fn optimizer_steps(&self) -> u64 {
        self.training.as_ref().map_or(0, |t| t.state.steps())
    }

    /// Returns the optimiser that the model was compiled with.
    ///
    /// # Errors
    /// Returns an error if the model is not compiled.
    pub fn optimizer(&self) -> Result<&Optimizer, Error> {
        Ok(&self.training()?.optimizer)
    }
}

pub(super) fn not_compiled() -> Error {
    Error::unsupported("training or evaluating", "the model has no loss and optimiser: call `compile` first")
}

/// The loss of one batch.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BatchLoss {
    /// The mean over real rows, summed over outputs.
    mean: f64,
    /// The loss whose gradient is used, without the penalty.
    reduced: f64,
    /// The real rows of the first output.
    rows: f64,
    penalty: f64,
}

impl BatchLoss {
    /// Returns the reported loss.
    fn total(self) -> f64 {
        self.mean + self.penalty
    }

    /// Returns the loss that training minimises.
    pub(super) fn objective(self) -> f64 {
        self.reduced + self.penalty
    }
}

impl Training {
    /// Returns the learning rate of the next step.
    fn next_rate(&self) -> f64 {
        let scheduled = self.optimizer.learning_rate.learning_rate(self.state.steps());
        scheduled * (self.rate_factor * self.batch_rate_factor)
    }

    /// Scores the outputs of a forward pass. With `gradients`, also seeds the backward pass.
    fn score(
        &mut self,
        batch: &Batch,
        graph: &mut Graph,
        params: &mut Params,
        engine: &Engine,
        gradients: bool,
    ) -> Result<BatchLoss, Error> {
        if batch.targets.len() != self.heads.len() {
            let (got, expected) = (batch.targets.len(), self.heads.len());
            return Err(Error::data(
                "the target",
                format!("{got} arrays"),
                format!("{expected}, one per output"),
            ));
        }
        let mut loss = BatchLoss::default();
        for (i, head) in self.heads.iter_mut().enumerate() {
            let HeadLoss { sum, rows, weight, scale } =
                head.score(i, batch, graph, params, engine, gradients)?;
            loss.mean += if rows > 0.0 { sum / rows } else { 0.0 };
            loss.reduced += sum * scale;
            if i == 0 {
                loss.rows = rows;
                self.weighted.add(sum, weight);
            }
        }
        Ok(loss)
    }

    fn add(&mut self, loss: BatchLoss) {
        self.last_loss = loss.total();
        self.loss.add(self.last_loss * loss.rows, loss.rows);
    }
}

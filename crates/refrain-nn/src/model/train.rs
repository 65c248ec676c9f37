//! Training steps and their totals.

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

/// How a model is trained, and on what.
#[derive(Debug, Clone)]
pub struct Compile {
    /// What training lowers.
    pub loss: Loss,
    /// How.
    pub optimizer: Optimizer,
    /// What is reported beside the loss.
    pub metrics: Vec<Metric>,
    /// What the gradient is of: the mean over rows, or the sum over steps.
    pub reduction: Reduction,
    /// The optimiser steps once for this many batches, on the mean of their gradients, which is what bounds see;
    /// schedules count these steps. At least 1. A step may have fewer: see [`Model::flush_gradients`].
    pub gradient_accumulation_steps: u32,
    /// Of the initial weights, dropout and shuffling.
    pub seed: u64,
    /// Instructions and threads; all there are when none is given.
    pub engine: Option<Engine>,
}

/// The seed of a run that names none.
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

/// What a compiled model keeps from step to step.
#[derive(Debug, Clone)]
pub(super) struct Training {
    pub(super) optimizer: Optimizer,
    pub(super) state: OptimizerState,
    pub(super) heads: Vec<Head>,
    /// Final activations that the losses see through.
    pub(super) skip: Vec<usize>,
    /// Batches trained since the model was compiled.
    pub(super) steps: u64,
    /// Batches to a step of the optimiser.
    pub(super) accumulation: u32,
    /// Batches whose gradients the parameters' buffers hold the sum of.
    pub(super) accumulated: u32,
    pub(super) averages: Option<Averages>,
    pub(super) rate_factor: f64,
    /// Of the current batch alone.
    pub(super) batch_rate_factor: f64,
    /// Of the optimiser's last step.
    pub(super) last_rate: f64,
    pub(super) loss: Mean,
    /// Σ w·l over Σ w of the first output, where `loss` divides by the number of rows.
    pub(super) weighted: Mean,
    pub(super) last_loss: f64,
    pub(super) gradient_norm: f64,
}

impl Model {
    /// Makes the model ready to train, with a fresh optimiser. The parameters stay as they are.
    ///
    /// A loss from probabilities after a final softmax or sigmoid is computed from the logits. Of several
    /// outputs each has the same loss, and the losses are added.
    ///
    /// # Errors
    /// When a setting of the optimiser is out of range, or the number of batches to a step is 0.
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
                let reason = "two outputs are the same values: give the loss one of them";
                return Err(Error::unsupported("training this model", reason));
            }
            heads.push(head);
        }
        if let Some(engine) = compile.engine {
            self.engine = engine;
        }
        self.seed = compile.seed;
        // Several batches read most of what one reads few rows of: their sum is kept whole.
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

    /// Trains on one batch: the loss, its gradient, one step of the optimiser; where several batches make a step,
    /// with the last of them. Loss and metrics are added to the totals. With `carry` every recurrent layer starts
    /// from that state and leaves its final one there; the gradient stops at the batch's beginning.
    ///
    /// # Errors
    /// When the batch does not fit the model, or the model is not compiled or uses its averages. Gradients that
    /// earlier batches accumulated may be forgotten then.
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

    /// Takes the optimiser's step on the mean of the gradients that have accumulated since the last one, however
    /// few: for the end of an epoch. Returns whether there were any. [`Model::fit`] lets them wait for the next
    /// epoch's, as Keras does.
    ///
    /// # Errors
    /// When the model is not compiled or uses its averages.
    pub fn flush_gradients(&mut self) -> Result<bool, Error> {
        self.refuse_averages("training")?;
        let some = self.training()?.accumulated > 0;
        if some {
            self.update()?;
        }
        Ok(some)
    }

    /// Takes the optimiser's step on the mean of what has accumulated.
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

    /// Begins the sum of gradients anew.
    pub(super) fn forget_gradients(&mut self) {
        if let Some(training) = &mut self.training {
            training.accumulated = 0;
        }
    }

    /// The loss of one batch, its penalties included. The gradient of every parameter joins what has accumulated.
    pub(super) fn differentiate(
        &mut self,
        batch: &Batch,
        carry: Option<&mut State>,
    ) -> Result<BatchLoss, Error> {
        self.forward_training(batch, carry)?;
        let Self { graph, params, engine, training, seed, .. } = self;
        let training = training.as_mut().ok_or_else(not_compiled)?;
        let random = RandomKey { seed: *seed, counter: training.steps };
        // After an error the sum would hold a part of this batch: it begins anew.
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

    /// Runs a batch as the next training step does, dropout included.
    pub(super) fn forward_training(&mut self, batch: &Batch, carry: Option<&mut State>) -> Result<(), Error> {
        self.feed(batch)?;
        let Self { graph, params, engine, training, own_state, seed, .. } = self;
        let training = training.as_ref().ok_or_else(not_compiled)?;
        let random = RandomKey { seed: *seed, counter: training.steps };
        let state = carry.unwrap_or(own_state);
        graph.forward(engine, params, Mode::Train, random, state, &training.skip)
    }

    /// Scores the outputs that a forward pass left, penalties included.
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
    /// When the batch does not fit the model, or the model is not compiled.
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
    /// As for [`Model::train_step`].
    pub fn train_on_batch(&mut self, batch: &Batch) -> Result<Vec<(String, f64)>, Error> {
        self.reset_totals();
        self.train_step(batch, None)?;
        Ok(self.totals())
    }

    /// Sets whether batches add to the metrics from now on, beside the loss: after [`Model::compile`] they do. The
    /// accuracy of an adaptive softmax may cost as much as training it. Metrics that nothing was added to are 0 in
    /// [`Model::totals`].
    pub fn take_metrics(&mut self, take: bool) {
        self.training.iter_mut().flat_map(|t| &mut t.heads).for_each(|head| head.take_metrics(take));
    }

    /// Starts new totals.
    pub fn reset_totals(&mut self) {
        if let Some(training) = &mut self.training {
            training.loss = Mean::default();
            training.weighted = Mean::default();
            training.heads.iter_mut().for_each(Head::reset);
        }
    }

    /// The loss (regularisers included) and the metrics since the last [`Model::reset_totals`], weighted by
    /// real rows.
    pub fn totals(&self) -> Vec<(String, f64)> {
        let Some(training) = &self.training else { return Vec::new() };
        let mut totals = vec![("loss".to_owned(), training.loss.result())];
        for head in &training.heads {
            totals.extend(head.names().iter().cloned().zip(head.results()));
        }
        totals
    }

    /// The names of the metrics, without the loss.
    pub fn metric_names(&self) -> Vec<String> {
        self.training.iter().flat_map(|t| &t.heads).flat_map(|h| h.names().to_vec()).collect()
    }

    /// The loss of the first output over the sum of the weights since the last [`Model::reset_totals`]: of the
    /// rows with weight 1 alone, where the others have weight 0.
    pub fn weighted_loss(&self) -> f64 {
        self.training.as_ref().map_or(f64::NAN, |t| t.weighted.result())
    }

    /// Whether it has a loss and an optimiser.
    pub fn is_compiled(&self) -> bool {
        self.training.is_some()
    }

    /// The loss of the last batch.
    pub fn last_loss(&self) -> f64 {
        self.training.as_ref().map_or(f64::NAN, |t| t.last_loss)
    }

    /// The norm of the last step's gradient over all parameters, before clipping; of several batches' mean where
    /// they make a step.
    pub fn last_gradient_norm(&self) -> f64 {
        self.training.as_ref().map_or(0.0, |t| t.gradient_norm)
    }

    /// The learning rate of the next step.
    pub fn learning_rate(&self) -> f64 {
        self.training.as_ref().map_or(0.0, Training::next_rate)
    }

    /// The learning rate of the optimiser's last step; 0 before the first.
    pub fn last_learning_rate(&self) -> f64 {
        self.training.as_ref().map_or(0.0, |t| t.last_rate)
    }

    /// Sets what the learning rate of the next steps is multiplied by, besides the factor of
    /// [`Model::set_learning_rate_factor`]: that of a batch, which [`Model::fit`] sets for each.
    pub(crate) fn set_batch_rate_factor(&mut self, factor: f64) {
        if let Some(training) = &mut self.training {
            training.batch_rate_factor = factor;
        }
    }

    /// Multiplies the schedule's learning rate from now on: what a plateau lowers.
    pub fn set_learning_rate_factor(&mut self, factor: f64) {
        if let Some(training) = &mut self.training {
            training.rate_factor = factor;
        }
    }

    /// See [`Model::set_learning_rate_factor`].
    pub fn learning_rate_factor(&self) -> f64 {
        self.training.as_ref().map_or(1.0, |t| t.rate_factor)
    }

    /// Batches trained since the model was compiled. The optimiser's steps are fewer where several batches make
    /// one.
    pub fn steps_done(&self) -> u64 {
        self.training.as_ref().map_or(0, |t| t.steps)
    }

    /// Steps of the optimiser since the model was compiled.
    pub fn optimizer_steps(&self) -> u64 {
        self.training.as_ref().map_or(0, |t| t.state.steps())
    }

    /// How it was compiled to train.
    ///
    /// # Errors
    /// When it was not.
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
    /// Mean over real rows, summed over outputs.
    mean: f64,
    /// What the gradient is of, without the penalty.
    reduced: f64,
    /// Real rows of the first output.
    rows: f64,
    penalty: f64,
}

impl BatchLoss {
    /// What is reported.
    fn total(self) -> f64 {
        self.mean + self.penalty
    }

    /// What training lowers.
    pub(super) fn objective(self) -> f64 {
        self.reduced + self.penalty
    }
}

impl Training {
    /// The learning rate of the next step.
    fn next_rate(&self) -> f64 {
        let scheduled = self.optimizer.learning_rate.learning_rate(self.state.steps());
        scheduled * (self.rate_factor * self.batch_rate_factor)
    }

    /// Scores the outputs of a forward pass; with `gradients` seeds backward.
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
                format!("{expected}, one an output"),
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

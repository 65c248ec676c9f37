//! Training and test steps.

use super::Model;
use super::compile::{Training, not_compiled};
use super::head::HeadLoss;
use crate::data::Batch;
use crate::error::Error;
use crate::graph::{Graph, Mode, RandomKey};
use crate::params::{Params, SpanId};
use crate::state::State;
use refrain_kernels::Engine;

impl Model {
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
        let loss = self.differentiate(batch, carry).map_err(|error| error.in_rows(&batch.rows))?;
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
        self.try_test_step(batch, carry).map_err(|error| error.in_rows(&batch.rows))
    }

    fn try_test_step(&mut self, batch: &Batch, carry: Option<&mut State>) -> Result<(), Error> {
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

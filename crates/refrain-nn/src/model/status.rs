//! The state of a training in numbers: totals, rates and counts.

use super::Model;
use super::compile::Training;
use super::head::Head;
use crate::error::Error;
use crate::metrics::Mean;
use crate::optim::Optimizer;

impl Model {
    /// Sets whether further batches update the metrics in addition to the loss. After [`Model::compile`] they
    /// do. The accuracy of an adaptive softmax may cost as much as training it. Metrics without data are 0 in
    /// [`Model::totals`].
    pub fn set_metrics_enabled(&mut self, enabled: bool) {
        self.training
            .iter_mut()
            .flat_map(|t| &mut t.heads)
            .for_each(|head| head.set_metrics_enabled(enabled));
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

    /// Returns how many rows were scored since the last [`Model::reset_totals`].
    pub(crate) fn scored_rows(&self) -> f64 {
        self.training.as_ref().map_or(0.0, |t| t.loss.weight)
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

impl Training {
    /// Returns the learning rate of the next step.
    pub(super) fn next_rate(&self) -> f64 {
        let scheduled = self.optimizer.learning_rate.learning_rate(self.state.steps());
        scheduled * (self.rate_factor * self.batch_rate_factor)
    }
}

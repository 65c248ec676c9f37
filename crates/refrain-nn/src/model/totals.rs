//! Loss and metrics of an epoch that is not over, as a value.

use super::Model;
use super::train::not_compiled;
use crate::error::Error;
use crate::metrics::Mean;
use serde::{Deserialize, Serialize};

/// Loss and metrics since the last [`Model::reset_totals`], and what is known of the last batch: beside a
/// [`TrainingState`](super::TrainingState) what a model reports at the end of an epoch that it goes on with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// The loss, the loss over the sum of weights, and the metrics of each output.
    means: Vec<Mean>,
    #[serde(with = "crate::exact")]
    last_loss: f64,
    #[serde(with = "crate::exact")]
    gradient_norm: f64,
}

impl Model {
    /// The totals so far, with every bit of their sums.
    ///
    /// # Errors
    /// When the model is not compiled.
    pub fn running_totals(&self) -> Result<Totals, Error> {
        let training = self.training()?;
        let metrics = training.heads.iter().flat_map(|head| head.means());
        Ok(Totals {
            means: [training.loss, training.weighted].into_iter().chain(metrics).collect(),
            last_loss: training.last_loss,
            gradient_norm: training.gradient_norm,
        })
    }

    /// Goes on from totals that a model with the same metrics had.
    ///
    /// # Errors
    /// When the model is not compiled, or has other metrics.
    pub fn set_running_totals(&mut self, totals: &Totals) -> Result<(), Error> {
        let training = self.training.as_mut().ok_or_else(not_compiled)?;
        let metrics = training.heads.iter_mut().flat_map(|head| head.means_mut());
        let means: Vec<_> = [&mut training.loss, &mut training.weighted].into_iter().chain(metrics).collect();
        if means.len() != totals.means.len() {
            let (got, expected) = (totals.means.len(), means.len().to_string());
            return Err(Error::data("the number of sums of loss and metrics", got, expected));
        }
        means.into_iter().zip(&totals.means).for_each(|(to, from)| *to = *from);
        training.last_loss = totals.last_loss;
        training.gradient_norm = totals.gradient_norm;
        Ok(())
    }
}

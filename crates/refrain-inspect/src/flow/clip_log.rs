//! The norm of the gradient at each training step, before and after clipping.

use crate::error::Result;
use crate::sample::unsupported;
use refrain_nn::Model;
use serde::Serialize;

/// Losses and gradient norms during training, with a bound on the global norm or without one.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ClipLog {
    /// The bound, if any.
    pub bound: Option<f64>,
    /// The loss of each step's batch.
    pub losses: Vec<f64>,
    /// The norm of each step's gradient before clipping. Non-finite values are `null` in JSON.
    pub norms: Vec<f64>,
}

impl ClipLog {
    /// Creates an empty log for a compiled model.
    ///
    /// # Errors
    /// If the model is not compiled, or its optimiser clips each parameter or entry separately, so that the norm
    /// after clipping is unknown.
    pub fn new(model: &Model) -> Result<Self> {
        let clip = model.optimizer()?.clip;
        if clip.clipnorm.is_some() || clip.clipvalue.is_some() {
            let reason =
                "its optimiser has `clipnorm` or `clipvalue`; expected `global_clipnorm`, or no clipping";
            return Err(unsupported("follow how the gradient is clipped", reason));
        }
        Ok(Self { bound: clip.global_clipnorm, ..Self::default() })
    }

    /// Records the step that the model has just taken.
    pub fn record(&mut self, model: &Model) {
        self.losses.push(model.last_loss());
        self.norms.push(model.last_gradient_norm());
    }

    /// Returns the norm of each step's gradient after clipping.
    pub fn clipped(&self) -> impl Iterator<Item = f64> {
        let bound = self.bound.unwrap_or(f64::INFINITY);
        // `f64::min` would drop a NaN, which the optimiser keeps.
        self.norms.iter().map(move |&norm| if norm > bound { bound } else { norm })
    }

    /// Returns the share of steps whose gradient was clipped; 0 without steps.
    pub fn share(&self) -> f64 {
        let bound = self.bound.unwrap_or(f64::INFINITY);
        let clipped = self.norms.iter().filter(|&&norm| norm > bound).count();
        clipped as f64 / self.norms.len().max(1) as f64
    }

    /// Returns the first step, from 1, whose loss or gradient was not finite.
    pub fn diverged_at(&self) -> Option<usize> {
        let mut steps = self.losses.iter().zip(&self.norms);
        steps.position(|(loss, norm)| !(loss.is_finite() && norm.is_finite())).map(|step| step + 1)
    }
}

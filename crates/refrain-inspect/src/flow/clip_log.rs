//! The norm of the gradient from step to step, before and after a bound.

use crate::error::Result;
use crate::sample::unsupported;
use refrain_nn::Model;
use serde::Serialize;

/// Losses and norms of the gradient over a training, under a bound of the norm over all parameters or none.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ClipLog {
    /// The bound.
    pub bound: Option<f64>,
    /// The loss of each step's batch.
    pub losses: Vec<f64>,
    /// The norm of each step's gradient as backward left it. What is not finite is `null` in JSON.
    pub norms: Vec<f64>,
}

impl ClipLog {
    /// An empty one for a compiled model.
    ///
    /// # Errors
    /// When the model is not compiled, or its optimiser bounds the gradient of each parameter or entry: what a step's
    /// norm is after that is not known.
    pub fn new(model: &Model) -> Result<Self> {
        let clip = model.optimizer()?.clip;
        if clip.clipnorm.is_some() || clip.clipvalue.is_some() {
            let reason =
                "its optimiser has `clipnorm` or `clipvalue`; expected `global_clipnorm`, or no bound";
            return Err(unsupported("follow how the gradient is clipped", reason));
        }
        Ok(Self { bound: clip.global_clipnorm, ..Self::default() })
    }

    /// Adds the step that the model has just taken.
    pub fn record(&mut self, model: &Model) {
        self.losses.push(model.last_loss());
        self.norms.push(model.last_gradient_norm());
    }

    /// The norm of each step's gradient as the optimiser got it.
    pub fn clipped(&self) -> impl Iterator<Item = f64> {
        let bound = self.bound.unwrap_or(f64::INFINITY);
        // `f64::min` would drop a NaN, which the optimiser does not.
        self.norms.iter().map(move |&norm| if norm > bound { bound } else { norm })
    }

    /// The share of steps whose gradient was scaled down; 0 of none.
    pub fn share(&self) -> f64 {
        let bound = self.bound.unwrap_or(f64::INFINITY);
        let clipped = self.norms.iter().filter(|&&norm| norm > bound).count();
        clipped as f64 / self.norms.len().max(1) as f64
    }

    /// The first step, from 1, whose loss or gradient was not finite.
    pub fn diverged_at(&self) -> Option<usize> {
        let mut steps = self.losses.iter().zip(&self.norms);
        steps.position(|(loss, norm)| !(loss.is_finite() && norm.is_finite())).map(|step| step + 1)
    }
}

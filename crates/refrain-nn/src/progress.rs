//! The progress of an epoch.

use crate::data::{Batch, BatchInput, Extent};
use crate::model::Model;
use serde::{Deserialize, Serialize};

/// What has been trained on so far in an epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochProgress {
    /// The number of batches.
    pub batches: usize,
    /// The number of sequences.
    pub sequences: usize,
    /// Real steps of the first input of those sequences: tokens, for text.
    pub tokens: usize,
    /// Seconds spent reading batches and training on them. Validation, callbacks and reporters do not count.
    #[serde(with = "crate::exact")]
    pub seconds: f64,
    /// Optimiser steps.
    updates: usize,
    /// The sum of the gradient norms of those steps.
    #[serde(with = "crate::exact")]
    norms: f64,
}

impl EpochProgress {
    /// Returns the mean gradient norm of the optimiser's steps, before clipping; 0 before the first step.
    pub fn gradient_norm(&self) -> f64 {
        if self.updates == 0 { 0.0 } else { self.norms / self.updates as f64 }
    }

    /// Counts a batch. The sums saturate, because counts from a checkpoint can have any value.
    pub(crate) fn add_batch(&mut self, batch: &Batch) {
        let tokens = batch.inputs.first().map_or(0, |input| real_steps(input, batch.lanes));
        self.batches += 1;
        self.sequences = self.sequences.saturating_add(batch.lanes);
        self.tokens = self.tokens.saturating_add(tokens);
    }

    /// Counts the optimiser's last step.
    pub(crate) fn add_update(&mut self, model: &Model) {
        self.updates = self.updates.saturating_add(1);
        self.norms += model.last_gradient_norm();
    }
}

fn real_steps(input: &BatchInput, lanes: usize) -> usize {
    match input.extent {
        Extent::Full => lanes * input.steps,
        Extent::Lengths => input.lengths.iter().sum(),
        Extent::Mask => input.mask.iter().filter(|&&real| real).count(),
    }
}

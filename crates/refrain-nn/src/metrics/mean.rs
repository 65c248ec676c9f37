//! Running means.

use serde::{Deserialize, Serialize};

/// A running weighted mean, for example of batch losses weighted by real rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mean {
    /// `Σ w·v`
    #[serde(with = "crate::exact")]
    pub sum: f64,
    /// `Σ w`
    #[serde(with = "crate::exact")]
    pub weight: f64,
}

impl Mean {
    /// Adds a sum of values that are already weighted, and its weight.
    pub fn add(&mut self, sum: f64, weight: f64) {
        self.sum += sum;
        self.weight += weight;
    }

    /// Returns `Σ w·v / Σ w`; 0 without any weight, as in Keras.
    pub fn result(&self) -> f64 {
        if self.weight == 0.0 { 0.0 } else { self.sum / self.weight }
    }
}

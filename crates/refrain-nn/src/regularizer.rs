//! Penalties on weights that are added to the loss.

use serde::{Deserialize, Serialize};

/// The penalty `l1 · Σ|w| + l2 · Σw²`, as in Keras's `L1L2`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regularizer {
    /// The factor of the sum of absolute values.
    #[serde(default)]
    pub l1: f32,
    /// The factor of the sum of squares.
    #[serde(default)]
    pub l2: f32,
}

impl Regularizer {
    /// Returns the penalty `factor · Σ|w|`.
    pub fn l1(factor: f32) -> Self {
        Self { l1: factor, l2: 0.0 }
    }

    /// Returns the penalty `factor · Σw²`.
    pub fn l2(factor: f32) -> Self {
        Self { l1: 0.0, l2: factor }
    }

    /// Returns both penalties.
    pub fn l1_l2(l1: f32, l2: f32) -> Self {
        Self { l1, l2 }
    }

    /// Returns the penalty and adds its gradient to `gradients`. At zero the slope of |w| is zero, as in
    /// Keras.
    pub(crate) fn apply(self, values: &[f32], gradients: &mut [f32]) -> f64 {
        let mut penalty = 0.0;
        for (w, g) in values.iter().zip(gradients) {
            let sign = if *w == 0.0 { 0.0 } else { w.signum() };
            *g += self.l1 * sign + 2.0 * self.l2 * w;
            penalty += self.l1 as f64 * w.abs() as f64 + self.l2 as f64 * (*w as f64) * *w as f64;
        }
        penalty
    }

    /// Returns the penalty.
    pub(crate) fn penalty(self, values: &[f32]) -> f64 {
        values.iter().map(|&w| self.l1 as f64 * w.abs() as f64 + self.l2 as f64 * w as f64 * w as f64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_the_derivative_of_the_penalty() {
        let r = Regularizer::l1_l2(0.1, 0.01);
        let w = [0.5, -2.0, 0.0];
        let mut g = [0.0; 3];
        let penalty = r.apply(&w, &mut g);
        assert!((penalty - (0.1 * 2.5 + 0.01 * 4.25)).abs() < 1e-7);
        assert_eq!(penalty, r.penalty(&w));
        for (got, want) in g.iter().zip([0.1 + 0.01, -0.1 - 0.04, 0.0]) {
            assert!((got - want).abs() < 1e-7, "{got} {want}");
        }
    }
}

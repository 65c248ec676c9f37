//! The divisor of a batch's loss for its gradient.

use serde::{Deserialize, Serialize};

/// The loss whose gradient a training step follows. The reported loss and metrics are means over real rows in
/// either case; penalties are added unscaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// `Σ w·l` divided by the number of real rows in the batch, as in Keras.
    #[default]
    Mean,
    /// `Σ w·l` divided by the number of sequences in the batch: the sum over steps, the mean over the batch.
    /// The learning rate (1.0) and the gradient bound (5) of Zaremba et al. 2014 are meant for this. For an
    /// output without a time axis it equals `Mean`.
    SumOverSteps,
}

impl Reduction {
    /// Returns the factor of `Σ w·l` for this many real rows of this many sequences.
    pub(super) fn scale(self, rows: usize, sequences: usize) -> f64 {
        let count = match self {
            Reduction::Mean => rows,
            Reduction::SumOverSteps => sequences,
        };
        if count > 0 { 1.0 / count as f64 } else { 0.0 }
    }
}

//! What the loss of a batch is divided by where its gradient begins.

use serde::{Deserialize, Serialize};

/// What the gradient of a training step is of. The loss and the metrics that are reported are means over real rows
/// either way; penalties join as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// `Σ w·l` over the real rows of the batch: Keras's.
    #[default]
    Mean,
    /// `Σ w·l` over the sequences of the batch: the sum over the steps, the mean over the batch. Learning rates and
    /// bounds of Zaremba et al. 2014 (1.0 and 5) are meant for it. Of an output without a time axis it is the mean.
    SumOverSteps,
}

impl Reduction {
    /// The factor of `Σ w·l` over this many real rows of this many sequences.
    pub(super) fn scale(self, rows: usize, sequences: usize) -> f64 {
        let count = match self {
            Reduction::Mean => rows,
            Reduction::SumOverSteps => sequences,
        };
        if count > 0 { 1.0 / count as f64 } else { 0.0 }
    }
}

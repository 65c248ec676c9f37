//! Training with parameter averaging.

use crate::error::Error;
use crate::history::History;
use crate::logs::Logs;
use crate::model::{Averaging, Model};
use serde::{Deserialize, Serialize};

/// Which parameters [`Model::fit`] validates, passes to callbacks at the end of an epoch, and leaves in the
/// model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ParameterAverage {
    /// The trained parameters.
    #[default]
    None,
    /// A running mean of the parameters, as with Keras's `use_ema`.
    Exponential {
        /// The fraction of the mean that is kept at each step, between 0 and 1.
        momentum: f64,
    },
    /// The mean over all steps since the validation loss stopped improving (NT-ASGD, Merity et al. 2017). It
    /// starts after an epoch whose validation loss is higher than the lowest of all earlier epochs except the
    /// most recent `patience`.
    Triggered {
        /// The number of most recent epochs that are left out of the comparison.
        patience: usize,
    },
}

impl ParameterAverage {
    /// Starts an average that begins with the first step.
    pub(super) fn begin(self, model: &mut Model) -> Result<(), Error> {
        match self {
            Self::Exponential { momentum } => model.start_averaging(Averaging::Exponential { momentum }),
            Self::None | Self::Triggered { .. } => Ok(()),
        }
    }

    /// Starts a triggered average if this epoch meets the condition. `history` holds the earlier epochs.
    pub(super) fn end_epoch(self, model: &mut Model, logs: &Logs, history: &History) -> Result<(), Error> {
        let Self::Triggered { patience } = self else { return Ok(()) };
        let Some(loss) = logs.get("val_loss").filter(|_| !model.is_averaging()) else { return Ok(()) };
        let before = history.get("val_loss").unwrap_or_default();
        let compared = &before[..before.len().saturating_sub(patience)];
        let best = compared.iter().copied().reduce(f64::min);
        if best.is_some_and(|best| loss > best) { model.start_averaging(Averaging::Mean) } else { Ok(()) }
    }
}

//! A probe of the model after a batch: histograms of weights, gradients, gates and states, the size of the update, and
//! how much of the gradient is carried through time.

use super::budget::Budget;
use refrain::Model;
use refrain::custom::Params;
use refrain::inspect::Result;
use refrain::inspect::tensorboard::{EventWriter, log_gradients, log_parameters, log_recurrences};

/// Intervals of scalars per probe.
const SPREAD: u64 = 10;
/// Minimum intervals of scalars between two probes, even if epochs are shorter.
const CLOSEST: u64 = 2;
/// When to probe, and the state it needs.
#[derive(Debug)]
pub(super) struct ModelProbe {
    /// Batches between two points of the curves.
    every: u64,
    /// The batch of the last probe.
    last: Option<u64>,
    /// The parameters before the batch to probe; empty if there is none.
    before: Vec<f32>,
    budget: Budget,
}

impl ModelProbe {
    pub(super) fn new(every: u64) -> Self {
        Self { every, last: None, before: Vec::new(), budget: Budget::new() }
    }

    /// Returns whether to probe the next batch of the run, which may be the last of its epoch.
    fn is_due(&self, next: u64, is_last: bool) -> bool {
        let Some(last) = self.last else { return true };
        let since = next.saturating_sub(last);
        let far = since >= self.every.saturating_mul(SPREAD);
        let at_end = is_last && since >= self.every.saturating_mul(CLOSEST);
        (far || at_end) && self.budget.allows()
    }

    /// Prepares for the next batch if it is due, and returns whether to probe it.
    pub(super) fn prepare(&mut self, model: &Model, next: u64, is_last: bool) -> bool {
        if !self.is_due(next, is_last) {
            return false;
        }
        let Self { before, budget, .. } = self;
        budget.spend(|| model.params().values().clone_into(before));
        true
    }

    /// Logs the last batch if it was probed. A due checkpoint may have replaced the probe.
    pub(super) fn write(&mut self, writer: &mut EventWriter, model: &Model, batch: u64) -> Result<()> {
        let before = std::mem::take(&mut self.before);
        let mut probed = model.recurrences().filter(|layer| layer.layout().rows() > 0);
        if before.is_empty() || !probed.any(|layer| layer.hidden_gradient(0).is_some()) {
            return Ok(());
        }
        self.last = Some(batch);
        self.budget.spend(|| {
            log_parameters(writer, batch, model)?;
            log_gradients(writer, batch, model)?;
            log_norms(writer, batch, model.params(), &before)?;
            log_recurrences(writer, batch, model)
        })
    }
}

/// Logs the norm of each trained parameter and the relative size of its update. A batch that only accumulates gradients
/// has no update.
fn log_norms(writer: &mut EventWriter, step: u64, now: &Params, before: &[f32]) -> Result<()> {
    for span in now.spans().iter().filter(|span| span.trainable) {
        let (before, now) = (&before[span.range()], &now.values()[span.range()]);
        let norm_before = norm(before.iter().copied());
        let update = norm(now.iter().zip(before).map(|(now, before)| now - before));
        writer.scalar(&format!("{}/norm", span.name), step, norm(now.iter().copied()))?;
        if update > 0.0 && norm_before > 0.0 {
            writer.scalar(&format!("{}/update_ratio", span.name), step, update / norm_before)?;
        }
    }
    Ok(())
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_come_at_ends_of_epochs_and_not_too_often() {
        let mut probe = ModelProbe::new(5);
        let mut looks = Vec::new();
        for batch in 1..=200_u64 {
            // Epochs of 8 batches up to 80, then one of 120.
            let is_last = if batch <= 80 { batch % 8 == 0 } else { batch == 200 };
            if probe.is_due(batch, is_last) {
                probe.last = Some(batch);
                looks.push(batch);
            }
        }
        assert_eq!(looks, [1, 16, 32, 48, 64, 80, 130, 180, 200]);
    }
}

//! The state of `stateful` layers, and what it demands of batches.

use super::Model;
use crate::error::Error;

impl Model {
    /// Returns whether a layer is `stateful`: the state after one batch is then the state before the next.
    pub(crate) fn is_stateful(&self) -> bool {
        self.own_state.layers().next().is_some()
    }

    /// Resets the states of `stateful` layers to zero.
    pub fn reset_states(&mut self) {
        self.own_state.reset();
    }

    /// Returns the number of sequences that `stateful` layers continue, if there are any.
    pub(crate) fn state_lanes(&self) -> Option<usize> {
        Some(self.own_state.lanes()).filter(|&lanes| lanes > 0)
    }

    /// Runs `work` with zero states in `stateful` layers. Their own states are there again afterwards.
    pub(crate) fn with_zero_states<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let zero = self.graph.own_state();
        let own = std::mem::replace(&mut self.own_state, zero);
        let result = work(self);
        self.own_state = own;
        result
    }

    /// Returns the batch size that the caller chose. Without one, it must not show: it is `default`, or all
    /// sequences if a layer is `stateful`.
    pub(crate) fn batch_size(&self, chosen: Option<usize>, sequences: usize, default: usize) -> usize {
        let unchosen = if self.is_stateful() { sequences.max(1) } else { default };
        chosen.unwrap_or(unchosen)
    }

    /// Checks that each batch can continue the one before if a layer is `stateful`. The first batch continues a
    /// state of `lanes` sequences, if there is one.
    pub(crate) fn check_batches(
        &self,
        call: &str,
        sequences: usize,
        batch_size: usize,
        lanes: Option<usize>,
    ) -> Result<(), Error> {
        let size = batch_size.min(sequences);
        if !self.is_stateful() || size == 0 {
            return Ok(());
        }
        if !sequences.is_multiple_of(size) {
            let got = format!("{size} for {sequences} sequences");
            let expected = format!(
                "a divisor of {sequences}: a layer is `stateful`, so each batch continues the sequences of the one before"
            );
            return Err(Error::setting(call, "batch_size", got, expected));
        }
        match lanes.filter(|&lanes| lanes != size) {
            Some(lanes) => {
                let got = format!("a batch of {size} sequences");
                let expected = format!(
                    "{lanes}, which a `stateful` layer continues from the batch before; call `reset_states` to begin anew"
                );
                Err(Error::data(format!("the data for {call}"), got, expected))
            }
            None => Ok(()),
        }
    }
}

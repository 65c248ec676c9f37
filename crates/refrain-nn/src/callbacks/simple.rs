//! Small callbacks.

use super::{BatchContext, Callback, EpochContext, Logs};
use crate::answer::Answer;
use crate::error::Error;
use std::fmt;

/// Stops training when the loss becomes NaN or infinite.
#[derive(Debug, Clone, Copy, Default)]
pub struct TerminateOnNan {
    /// Whether `fit` returns [`Error::Diverged`] immediately, instead of ending the epoch and stopping.
    pub raise_error: bool,
}

impl Callback for TerminateOnNan {
    fn on_batch_end(&mut self, cx: &mut BatchContext<'_>) -> Result<(), Error> {
        match cx.logs.get("loss") {
            Some(loss) if !loss.is_finite() => {
                if self.raise_error {
                    return Err(Error::Diverged { loss, epoch: cx.epoch + 1 });
                }
                cx.answer(Answer::Stop);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Calls a closure with the epoch, counted from 0, and its logs.
///
/// ```
/// use refrain_nn::{Fit, callbacks::OnEpochEnd};
///
/// let mut losses = Vec::new();
/// let fit = Fit {
///     callbacks: vec![Box::new(OnEpochEnd::new(|_epoch, logs| losses.push(logs["loss"])))],
///     ..Fit::default()
/// };
/// ```
pub struct OnEpochEnd<F> {
    f: F,
}

impl<F: FnMut(usize, &Logs)> OnEpochEnd<F> {
    /// Creates a callback that calls `f(epoch, logs)` at the end of each epoch.
    pub fn new(f: F) -> Self {
        Self { f }
    }
}

impl<F: FnMut(usize, &Logs)> Callback for OnEpochEnd<F> {
    fn on_epoch_end(&mut self, cx: &mut EpochContext<'_>) -> Result<(), Error> {
        (self.f)(cx.epoch, cx.logs);
        Ok(())
    }
}

impl<F> fmt::Debug for OnEpochEnd<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnEpochEnd").finish_non_exhaustive()
    }
}

//! The receiver of a run's checkpoints.

use super::{Checkpoint, CheckpointFolder};
use crate::answer::Answer;
use crate::error::Error;

/// Decides when a run's checkpoints are due, and receives them: see [`Fit::checkpoints`](crate::Fit).
/// Callbacks may ask for one after any batch or epoch with [`Answer::Checkpoint`].
pub trait Checkpoints {
    /// Returns whether a checkpoint is due after this many batches of the run. Called after each batch and
    /// its callbacks and events.
    fn is_due(&self, batches: u64) -> bool;

    /// Returns whether a checkpoint is due at the end of an epoch, after its validation and callbacks. By
    /// default only after the last epoch.
    fn is_due_after_epoch(&self, last: bool) -> bool {
        last
    }

    /// Receives a checkpoint that is due or was asked for, or that was taken because a callback stopped the
    /// run within an epoch. The answer [`Answer::Stop`] ends the run at this checkpoint, from which it can
    /// resume: an unfinished epoch is neither validated nor ended.
    ///
    /// # Errors
    /// An error ends training.
    fn write(&mut self, checkpoint: Checkpoint) -> Result<Answer, Error>;
}

impl Checkpoints for CheckpointFolder {
    fn is_due(&self, batches: u64) -> bool {
        CheckpointFolder::is_due(self, batches)
    }

    fn write(&mut self, checkpoint: Checkpoint) -> Result<Answer, Error> {
        CheckpointFolder::write(self, &checkpoint)?;
        Ok(Answer::Continue)
    }
}

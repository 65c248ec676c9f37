//! Where the checkpoints of a run go.

use super::{Checkpoint, CheckpointFolder};
use crate::error::Error;
use std::ops::ControlFlow;

/// Says when a run's checkpoints are due, and takes them: [`Fit::checkpoints`](crate::Fit).
pub trait Checkpoints {
    /// Whether one is due after so many batches of the run. Asked after each batch, its callbacks and events.
    fn is_due(&self, batches: u64) -> bool;

    /// Whether one is due at the end of an epoch, its validation and callbacks included. As it is, at the end of the
    /// last: elsewhere the next batch is soon enough.
    fn is_due_after_epoch(&self, last: bool) -> bool {
        last
    }

    /// Takes a checkpoint: one that is due, or that of a batch after which a callback stopped the run. To break ends the
    /// run as a callback's stop does, and this checkpoint is its last one.
    ///
    /// # Errors
    /// Ends the training.
    fn write(&mut self, checkpoint: Checkpoint) -> Result<ControlFlow<()>, Error>;
}

impl Checkpoints for CheckpointFolder {
    fn is_due(&self, batches: u64) -> bool {
        CheckpointFolder::is_due(self, batches)
    }

    fn write(&mut self, checkpoint: Checkpoint) -> Result<ControlFlow<()>, Error> {
        CheckpointFolder::write(self, &checkpoint)?;
        Ok(ControlFlow::Continue(()))
    }
}

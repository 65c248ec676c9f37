//! Where the checkpoints of a run go.

use super::{Checkpoint, CheckpointFolder};
use crate::answer::Answer;
use crate::error::Error;

/// Says when a run's checkpoints are due, and takes them: [`Fit::checkpoints`](crate::Fit). Callbacks may ask for one at
/// any batch or epoch with [`Answer::Checkpoint`].
pub trait Checkpoints {
    /// Whether one is due after this many batches of the run. Asked after each batch, its callbacks and events.
    fn is_due(&self, batches: u64) -> bool;

    /// Whether one is due at the end of an epoch, its validation and callbacks included. By default only
    /// after the last epoch.
    fn is_due_after_epoch(&self, last: bool) -> bool {
        last
    }

    /// Takes a checkpoint: one that is due or asked for, or that of a batch after which a callback stopped the run. The
    /// answer [`Answer::Stop`] ends the run at this checkpoint, to be resumed from it: an epoch that is not over is
    /// neither validated nor ended.
    ///
    /// # Errors
    /// Ends the training.
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

//! What a run reports.

use crate::epoch::EpochRecord;
use crate::task::{Task, TaskModel};
use refrain_nn::checkpoint::Checkpoint;
use refrain_nn::{Memory, Model};
use serde::{Deserialize, Serialize};
use std::fmt;

/// An event of a run. The report answers it with [`Answer`](refrain_nn::Answer).
#[non_exhaustive]
pub enum RunEvent<'a, T: Task> {
    /// All is ready. The answer `Stop` ends the run before its first batch, `Probe` looks into that batch.
    Start(RunStart<'a, T>),
    /// A batch was trained.
    Batch(RunBatch<'a>),
    /// An epoch ended.
    Epoch(RunEpoch<'a, T>),
    /// A checkpoint was taken: of a batch or an epoch whose answer was `Checkpoint`, or because one was due. The answer
    /// `Stop` ends the run there.
    Checkpoint(&'a Checkpoint),
    /// The model is trained, and is scored on the test data next: it can be saved before. The answer `Stop` leaves the
    /// scoring out.
    Test(&'a TaskModel<T>),
}

/// All that is known before the first batch.
#[non_exhaustive]
pub struct RunStart<'a, T: Task> {
    /// The model, untrained or as it was given. That of a resumed run gets its parameters after this event.
    pub model: &'a Model,
    /// The sizes of the data.
    pub sizes: &'a T::Sizes,
    /// Batches of the first epoch that is trained.
    pub batches: usize,
    /// Epochs that had ended before a resumed run was stopped.
    pub epochs_done: usize,
    /// Batches that were trained before a resumed run was stopped.
    pub batches_done: u64,
    /// Whether epochs are validated.
    pub validates: bool,
    /// What the run takes.
    pub memory: &'a Memory,
}

/// A batch that was trained.
#[non_exhaustive]
pub struct RunBatch<'a> {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Batches done in it.
    pub done: usize,
    /// Batches of this epoch.
    pub batches: usize,
    /// Batches done of the whole run.
    pub batches_done: u64,
    /// Mean training loss of the epoch so far.
    pub loss: f64,
    /// Training speed of the epoch so far, in the task's unit.
    pub per_second: f64,
    /// The network after the batch, with what a probe kept of it.
    pub model: &'a Model,
}

/// An epoch that ended.
#[non_exhaustive]
pub struct RunEpoch<'a, T: Task> {
    /// What it came to.
    pub record: &'a EpochRecord,
    /// Whether it is the last one of the run.
    pub is_last: bool,
    /// The model after it; with averages, the averaged one.
    pub model: &'a Model,
    /// What running the model needs besides.
    pub assets: &'a T::Assets,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// All epochs are done.
    Epochs,
    /// The validation loss stopped improving, or a callback stopped the run.
    Early,
    /// The answer to an event was to stop.
    Interrupted,
    /// The loss was not a number any more; an earlier epoch's model is kept.
    Diverged,
}

/// A finished run.
#[derive(Debug)]
pub struct Trained<T: Task> {
    /// The model of the epoch with the lowest validation loss; without validation, of the last one.
    pub model: T::Model,
    /// Which epoch that is, from 1; 0 if the run was stopped before the first ended.
    pub best_epoch: usize,
    /// Every epoch that ended.
    pub epochs: Vec<EpochRecord>,
    /// Why it ended.
    pub stopped: Stopped,
    /// Seconds of training, without validation.
    pub seconds: f64,
    /// The validation score of `model`.
    pub score: Option<T::Score>,
    /// Its test score. An interrupted run has none.
    pub test: Option<T::Score>,
    /// What an interrupted run resumes from; none if nothing was trained, or if the run had a place for its
    /// checkpoints.
    pub checkpoint: Option<Checkpoint>,
}

impl<T: Task> fmt::Debug for RunEvent<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(start) => start.fmt(f),
            Self::Batch(batch) => batch.fmt(f),
            Self::Epoch(epoch) => epoch.fmt(f),
            Self::Checkpoint(checkpoint) => f.debug_tuple("Checkpoint").field(&checkpoint.kind()).finish(),
            Self::Test(model) => f.debug_tuple("Test").field(model).finish(),
        }
    }
}

impl<T: Task> fmt::Debug for RunStart<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunStart")
            .field("sizes", self.sizes)
            .field("batches", &self.batches)
            .field("epochs_done", &self.epochs_done)
            .field("batches_done", &self.batches_done)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RunBatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunBatch")
            .field("epoch", &self.epoch)
            .field("done", &self.done)
            .field("loss", &self.loss)
            .finish_non_exhaustive()
    }
}

impl<T: Task> fmt::Debug for RunEpoch<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunEpoch")
            .field("record", self.record)
            .field("is_last", &self.is_last)
            .finish_non_exhaustive()
    }
}

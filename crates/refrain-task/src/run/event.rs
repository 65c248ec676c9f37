//! The events and the result of a run.

use crate::epoch::EpochRecord;
use crate::task::{Task, TaskModel};
use refrain_nn::checkpoint::Checkpoint;
use refrain_nn::{Memory, Model};
use serde::{Deserialize, Serialize};
use std::fmt;

/// An event of a run. The report callback returns an [`Answer`](refrain_nn::Answer) to it.
#[non_exhaustive]
pub enum RunEvent<'a, T: Task> {
    /// The run is ready. The answer `Stop` ends it before its first batch; `Probe` records that batch's activations
    /// and gradients.
    Start(RunStart<'a, T>),
    /// A batch was trained.
    Batch(RunBatch<'a>),
    /// A batch of the validation or the test data was scored. The answer `Stop` ends the run, whose checkpoint is
    /// from before the scoring; of the test data, it skips the rest. Other answers have no effect.
    Scored,
    /// An epoch ended.
    Epoch(RunEpoch<'a, T>),
    /// A checkpoint was taken: after a batch or an epoch whose answer was `Checkpoint`, or because one was due. The
    /// answer `Stop` ends the run.
    Checkpoint(&'a Checkpoint),
    /// The model is trained and will be scored on the test data next, so it can be saved before. The answer `Stop`
    /// skips the scoring.
    Test(&'a TaskModel<T>),
}

/// What is known before the first batch.
#[non_exhaustive]
pub struct RunStart<'a, T: Task> {
    /// The model, untrained or as given. A resumed run's model gets its parameters after this event.
    pub model: &'a Model,
    /// The sizes of the data.
    pub sizes: &'a T::Sizes,
    /// Batches in the first epoch to be trained.
    pub batches: usize,
    /// Epochs that a resumed run had finished before it was stopped.
    pub epochs_done: usize,
    /// The records of those epochs.
    pub records: Vec<EpochRecord>,
    /// Batches that a resumed run had trained before it was stopped.
    pub batches_done: u64,
    /// Whether epochs are validated.
    pub validates: bool,
    /// The memory that the run needs.
    pub memory: &'a Memory,
}

/// A batch that was trained.
#[non_exhaustive]
pub struct RunBatch<'a> {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Batches of this epoch that are done.
    pub done: usize,
    /// Batches in this epoch.
    pub batches: usize,
    /// Batches of the whole run that are done.
    pub batches_done: u64,
    /// Mean training loss of the epoch so far.
    pub loss: f64,
    /// Training speed of the epoch so far, in the task's unit.
    pub per_second: f64,
    /// The network after the batch, with what a probe recorded.
    pub model: &'a Model,
}

/// An epoch that ended.
#[non_exhaustive]
pub struct RunEpoch<'a, T: Task> {
    /// The epoch's record.
    pub record: &'a EpochRecord,
    /// Whether it is the run's last epoch.
    pub is_last: bool,
    /// The model after the epoch; if parameters are averaged, the averaged model.
    pub model: &'a Model,
    /// What running the model needs in addition to the network.
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
    /// The answer to an event was `Stop`.
    Interrupted,
    /// The loss became NaN; the model of an earlier epoch is kept.
    Diverged,
}

/// A finished run.
#[derive(Debug)]
pub struct Trained<T: Task> {
    /// The model of the epoch with the lowest validation loss; without validation, of the last epoch.
    pub model: T::Model,
    /// That epoch, counted from 1; 0 if the run was stopped before the first epoch ended.
    pub best_epoch: usize,
    /// Every finished epoch.
    pub epochs: Vec<EpochRecord>,
    /// Why the run ended.
    pub stopped: Stopped,
    /// Seconds of training, without validation.
    pub seconds: f64,
    /// The validation score of `model`.
    pub score: Option<T::Score>,
    /// The test score of `model`. An interrupted run has none.
    pub test: Option<T::Score>,
    /// The checkpoint from which an interrupted run resumes; `None` if nothing was trained or if checkpoints were
    /// written to a folder.
    pub checkpoint: Option<Checkpoint>,
}

impl<T: Task> fmt::Debug for RunEvent<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(start) => start.fmt(f),
            Self::Batch(batch) => batch.fmt(f),
            Self::Scored => f.write_str("Scored"),
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

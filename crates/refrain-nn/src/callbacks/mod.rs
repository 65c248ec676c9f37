//! What happens during training besides training.

mod checkpoint;
mod csv;
mod early;
mod logs;
mod monitor;
mod path;
mod plateau;
mod simple;

pub use checkpoint::{CheckpointSeen, ModelCheckpoint};
pub use csv::{CsvFile, CsvLogger};
pub use early::{EarlyStopping, EarlyStoppingSeen};
pub use logs::Logs;
pub use monitor::Mode;
pub use plateau::{PlateauSeen, ReduceLrOnPlateau};
pub use simple::{OnEpochEnd, TerminateOnNan};

use crate::checkpoint::Part;
use crate::error::Error;
use crate::model::Model;

/// Called by [`Model::fit`] as training goes on, in the order of [`Fit::callbacks`](crate::Fit).
///
/// An error ends the training and is what `fit` returns. A callback that the caller wants back is given as
/// `Box::new(&mut callback)`.
pub trait Callback {
    /// Before the first epoch of a call of `fit`.
    ///
    /// # Errors
    /// Ends the training.
    fn on_train_begin(&mut self, _model: &mut Model) -> Result<(), Error> {
        Ok(())
    }

    /// Before the first batch of an epoch, counted from 0.
    ///
    /// # Errors
    /// Ends the training.
    fn on_epoch_begin(&mut self, _epoch: usize, _model: &mut Model) -> Result<(), Error> {
        Ok(())
    }

    /// After each batch of training.
    ///
    /// # Errors
    /// Ends the training.
    fn on_batch_end(&mut self, _cx: &mut BatchContext<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// After the last batch and the validation of an epoch.
    ///
    /// # Errors
    /// Ends the training.
    fn on_epoch_end(&mut self, _cx: &mut EpochContext<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// After the last epoch, also when a callback stopped the training, but not after an error.
    ///
    /// # Errors
    /// Is what `fit` returns.
    fn on_train_end(&mut self, _model: &mut Model) -> Result<(), Error> {
        Ok(())
    }

    /// What it has seen, for a checkpoint: all that [`Callback::resume`] needs to go on as if training had never
    /// stopped. As it is, nothing.
    ///
    /// # Errors
    /// Ends the training.
    fn checkpoint(&self) -> Result<Part, Error> {
        Ok(Part::default())
    }

    /// Instead of [`Callback::on_train_begin`], where `fit` goes on from a checkpoint: takes what
    /// [`Callback::checkpoint`] gave. Who stopped the run for good says so again by `cx.stop`; otherwise it goes on,
    /// and within an epoch without another [`Callback::on_epoch_begin`]. As it is, begins as any training does.
    ///
    /// # Errors
    /// Ends the training.
    fn resume(&mut self, part: Part, cx: &mut ResumeContext<'_>) -> Result<(), Error> {
        if part != Part::default() {
            return Err(Error::data("what the checkpoint holds of a callback", "something", "nothing"));
        }
        self.on_train_begin(cx.model)
    }
}

/// The point from which training goes on.
#[derive(Debug)]
#[non_exhaustive]
pub struct ResumeContext<'a> {
    /// The epoch that goes on or begins, from 0.
    pub epoch: usize,
    /// Batches of it that are done; 0 where it begins.
    pub done: usize,
    /// The model, as it was at the checkpoint, the totals of loss and metrics included.
    pub model: &'a mut Model,
    /// Set, the training ends here; within an epoch, after its validation.
    pub stop: &'a mut bool,
}

/// The end of a batch.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchContext<'a> {
    /// The epoch, from 0.
    pub epoch: usize,
    /// The batch of this epoch, from 0.
    pub step: usize,
    /// Loss and metrics of this epoch so far.
    pub logs: &'a Logs,
    /// The model.
    pub model: &'a mut Model,
    /// Set, it ends the epoch here, and the training after this epoch's validation.
    pub stop: &'a mut bool,
}

/// The end of an epoch.
#[derive(Debug)]
#[non_exhaustive]
pub struct EpochContext<'a> {
    /// The epoch, from 0.
    pub epoch: usize,
    /// Loss and metrics of the epoch and of its validation. What a callback adds, later ones and the history
    /// see.
    pub logs: &'a mut Logs,
    /// The model.
    pub model: &'a mut Model,
    /// Set, it ends the training here.
    pub stop: &'a mut bool,
}

impl<C: Callback + ?Sized> Callback for &mut C {
    fn on_train_begin(&mut self, model: &mut Model) -> Result<(), Error> {
        (**self).on_train_begin(model)
    }

    fn on_epoch_begin(&mut self, epoch: usize, model: &mut Model) -> Result<(), Error> {
        (**self).on_epoch_begin(epoch, model)
    }

    fn on_batch_end(&mut self, cx: &mut BatchContext<'_>) -> Result<(), Error> {
        (**self).on_batch_end(cx)
    }

    fn on_epoch_end(&mut self, cx: &mut EpochContext<'_>) -> Result<(), Error> {
        (**self).on_epoch_end(cx)
    }

    fn on_train_end(&mut self, model: &mut Model) -> Result<(), Error> {
        (**self).on_train_end(model)
    }

    fn checkpoint(&self) -> Result<Part, Error> {
        (**self).checkpoint()
    }

    fn resume(&mut self, part: Part, cx: &mut ResumeContext<'_>) -> Result<(), Error> {
        (**self).resume(part, cx)
    }
}

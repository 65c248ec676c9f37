//! What happens during training besides training.

mod checkpoint;
mod csv;
mod early;
mod monitor;
mod path;
mod plateau;
mod simple;

pub use crate::logs::Logs;
pub use checkpoint::{CheckpointSeen, ModelCheckpoint};
pub use csv::{CsvFile, CsvLogger};
pub use early::{EarlyStopping, EarlyStoppingSeen};
pub use monitor::Mode;
pub use plateau::{PlateauSeen, ReduceLrOnPlateau};
pub use simple::{OnEpochEnd, TerminateOnNan};

use crate::answer::{Answer, Answers};
use crate::error::Error;
use crate::model::Model;
use crate::part::Part;
use crate::progress::EpochProgress;

/// Called by [`Model::fit`] during training, in the order of [`Fit::callbacks`](crate::Fit).
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

    /// Returns what it has seen, for a checkpoint: all that [`Callback::resume`] needs. By default nothing.
    ///
    /// # Errors
    /// Ends the training.
    fn checkpoint(&self) -> Result<Part, Error> {
        Ok(Part::default())
    }

    /// Instead of [`Callback::on_train_begin`], when `fit` resumes from a checkpoint: takes what
    /// [`Callback::checkpoint`] gave. A callback that stopped the run for good answers [`Answer::Stop`] again; otherwise
    /// training continues, within an epoch without another [`Callback::on_epoch_begin`]. By default it begins as any
    /// training does.
    ///
    /// # Errors
    /// Ends the training.
    fn resume(&mut self, part: Part, cx: &mut ResumeContext<'_>) -> Result<(), Error> {
        if part != Part::default() {
            return Err(Error::checkpoint(
                "part of a callback",
                "not empty",
                "nothing: such a callback saves none",
            ));
        }
        self.on_train_begin(cx.model)
    }
}

/// The point from which training resumes.
#[derive(Debug)]
#[non_exhaustive]
pub struct ResumeContext<'a> {
    /// The epoch that resumes or begins, from 0.
    pub epoch: usize,
    /// Batches of it that are done; 0 if it begins.
    pub done: usize,
    /// The model, as it was at the checkpoint, the totals of loss and metrics included.
    pub model: &'a mut Model,
    pub(crate) answers: &'a mut Answers,
}

impl ResumeContext<'_> {
    /// Answers. [`Answer::Stop`] ends the training; within an epoch, after its validation. [`Answer::Checkpoint`] does
    /// nothing here.
    pub fn answer(&mut self, answer: Answer) {
        self.answers.add(answer);
    }
}

/// The end of a batch.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchContext<'a> {
    /// The epoch, from 0.
    pub epoch: usize,
    /// The batch of this epoch, from 0.
    pub step: usize,
    /// Batches of this epoch.
    pub batches: usize,
    /// What the epoch has trained on so far.
    pub progress: EpochProgress,
    /// Loss and metrics of this epoch so far.
    pub logs: &'a Logs,
    /// The model.
    pub model: &'a mut Model,
    pub(crate) answers: &'a mut Answers,
}

impl BatchContext<'_> {
    /// Answers. [`Answer::Stop`] ends the epoch here, and the training after this epoch's validation.
    pub fn answer(&mut self, answer: Answer) {
        self.answers.add(answer);
    }
}

/// The end of an epoch.
#[derive(Debug)]
#[non_exhaustive]
pub struct EpochContext<'a> {
    /// The epoch, from 0.
    pub epoch: usize,
    /// The epoch after the last one.
    pub epochs: usize,
    /// Batches of this epoch. If a callback stopped it, `progress` has fewer.
    pub batches: usize,
    /// What the epoch has trained on.
    pub progress: EpochProgress,
    /// Whether the model has averages in place of its parameters: see [`ParameterAverage`](crate::ParameterAverage).
    pub averaged: bool,
    /// Loss and metrics of the epoch and of its validation. Later callbacks and the history see what a callback adds.
    pub logs: &'a mut Logs,
    /// The model.
    pub model: &'a mut Model,
    pub(crate) answers: &'a mut Answers,
}

impl EpochContext<'_> {
    /// Answers. [`Answer::Stop`] ends the training here.
    pub fn answer(&mut self, answer: Answer) {
        self.answers.add(answer);
    }

    /// Whether it is the last epoch, as far as the callbacks before this one decide.
    pub fn is_last(&self) -> bool {
        self.answers.stop || self.epoch + 1 == self.epochs
    }
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

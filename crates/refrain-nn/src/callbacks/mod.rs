//! Callbacks: user code that runs during training.

mod checkpoint;
mod csv;
mod early;
mod monitor;
mod path;
mod plateau;
mod simple;

pub use crate::logs::Logs;
pub use checkpoint::{ModelCheckpoint, ModelCheckpointState};
pub use csv::{CsvFile, CsvLogger};
pub use early::{EarlyStopping, EarlyStoppingState};
pub use monitor::Mode;
pub use plateau::{PlateauState, ReduceLrOnPlateau};
pub use simple::{OnEpochEnd, TerminateOnNan};

use crate::answer::{Answer, Answers};
use crate::error::Error;
use crate::model::Model;
use crate::part::Part;
use crate::progress::EpochProgress;

/// Called by [`Model::fit`] during training, in the order of [`Fit::callbacks`](crate::Fit).
///
/// An error ends training and is returned by `fit`. To use a callback after training, pass it as
/// `Box::new(&mut callback)`.
pub trait Callback {
    /// Called at the beginning of `fit`, before anything else, to refuse a run that would fail later.
    ///
    /// # Errors
    /// `fit` returns the error before it trains.
    fn check_run(&self, _run: &RunPlan<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// Called before the first epoch of a call of `fit`.
    ///
    /// # Errors
    /// An error ends training.
    fn on_train_begin(&mut self, _model: &mut Model) -> Result<(), Error> {
        Ok(())
    }

    /// Called before the first batch of an epoch, counted from 0.
    ///
    /// # Errors
    /// An error ends training.
    fn on_epoch_begin(&mut self, _epoch: usize, _model: &mut Model) -> Result<(), Error> {
        Ok(())
    }

    /// Called after each training batch.
    ///
    /// # Errors
    /// An error ends training.
    fn on_batch_end(&mut self, _cx: &mut BatchContext<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// Called at the end of an epoch, after its validation.
    ///
    /// # Errors
    /// An error ends training.
    fn on_epoch_end(&mut self, _cx: &mut EpochContext<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// Called after the last epoch, also if a callback stopped training, but not after an error.
    ///
    /// # Errors
    /// `fit` returns the error.
    fn on_train_end(&mut self, _model: &mut Model) -> Result<(), Error> {
        Ok(())
    }

    /// Returns the callback's state for a checkpoint: everything that [`Callback::resume`] needs. By default
    /// it is empty.
    ///
    /// # Errors
    /// An error ends training.
    fn checkpoint(&self) -> Result<Part, Error> {
        Ok(Part::default())
    }

    /// Called instead of [`Callback::on_train_begin`] when `fit` resumes from a checkpoint, with the state
    /// that [`Callback::checkpoint`] returned. A callback that stopped the run must answer [`Answer::Stop`]
    /// again. Otherwise training continues; within an epoch, [`Callback::on_epoch_begin`] is not called
    /// again. By default this calls [`Callback::on_train_begin`].
    ///
    /// # Errors
    /// An error ends training.
    fn resume(&mut self, part: Part, cx: &mut ResumeContext<'_>) -> Result<(), Error> {
        if part != Part::default() {
            return Err(Error::checkpoint(
                "state of a callback",
                "not empty",
                "no state, as this callback saves none",
            ));
        }
        self.on_train_begin(cx.model)
    }
}

/// What is known of a call of `fit` before it trains.
#[derive(Debug)]
#[non_exhaustive]
pub struct RunPlan<'a> {
    /// The model.
    pub model: &'a Model,
    /// Whether each epoch is validated, or scored by [`Fit::score`](crate::Fit).
    pub validates: bool,
}

impl RunPlan<'_> {
    /// Returns why an epoch's logs will not contain a name, if that is certain: it is the loss or a metric of
    /// validation, and nothing validates. Other names may come from callbacks.
    pub fn why_missing(&self, log: &str) -> Option<&'static str> {
        let name = log.strip_prefix("val_")?;
        let known = name == "loss" || self.model.metric_names().iter().any(|metric| metric == name);
        (known && !self.validates).then_some("there is no validation data")
    }
}

/// The point at which training resumes.
#[derive(Debug)]
#[non_exhaustive]
pub struct ResumeContext<'a> {
    /// The epoch that resumes or begins, counted from 0.
    pub epoch: usize,
    /// Batches of the epoch that are done; 0 if it begins.
    pub done: usize,
    /// The model at the checkpoint, including the totals of loss and metrics.
    pub model: &'a mut Model,
    pub(crate) answers: &'a mut Answers,
}

impl ResumeContext<'_> {
    /// Answers the event. [`Answer::Stop`] ends training; within an epoch, after that epoch's validation.
    /// [`Answer::Checkpoint`] has no effect here.
    pub fn answer(&mut self, answer: Answer) {
        self.answers.add(answer);
    }
}

/// The end of a batch.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchContext<'a> {
    /// The epoch, counted from 0.
    pub epoch: usize,
    /// The batch within the epoch, counted from 0.
    pub step: usize,
    /// The number of batches in the epoch.
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
    /// Answers the event. [`Answer::Stop`] ends the epoch here, and training after this epoch's validation.
    pub fn answer(&mut self, answer: Answer) {
        self.answers.add(answer);
    }
}

/// The end of an epoch.
#[derive(Debug)]
#[non_exhaustive]
pub struct EpochContext<'a> {
    /// The epoch, counted from 0.
    pub epoch: usize,
    /// The end of training, exclusive: one after the last epoch.
    pub epochs: usize,
    /// The number of batches in the epoch. If a callback stopped it, `progress` has fewer.
    pub batches: usize,
    /// What the epoch has trained on.
    pub progress: EpochProgress,
    /// Whether the model holds averaged parameters: see [`ParameterAverage`](crate::ParameterAverage).
    pub averaged: bool,
    /// Loss and metrics of the epoch and its validation. Values that a callback adds are visible to later
    /// callbacks and the history.
    pub logs: &'a mut Logs,
    /// The model.
    pub model: &'a mut Model,
    pub(crate) answers: &'a mut Answers,
}

impl EpochContext<'_> {
    /// Answers the event. [`Answer::Stop`] ends training here.
    pub fn answer(&mut self, answer: Answer) {
        self.answers.add(answer);
    }

    /// Returns whether this is the last epoch, as far as earlier callbacks have decided.
    pub fn is_last(&self) -> bool {
        self.answers.stop || self.epoch + 1 == self.epochs
    }
}

impl<C: Callback + ?Sized> Callback for &mut C {
    fn check_run(&self, run: &RunPlan<'_>) -> Result<(), Error> {
        (**self).check_run(run)
    }

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

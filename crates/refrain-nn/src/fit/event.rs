//! The events of training, and who receives them.

use crate::logs::Logs;
use std::fmt;

/// Observes training and evaluation: prints lines, draws a progress bar, writes JSON. This crate itself
/// prints nothing.
pub trait Reporter {
    /// Called for each event, in order.
    fn event(&mut self, event: &Event<'_>);
}

/// A closure is a reporter.
impl<F: FnMut(&Event<'_>)> Reporter for F {
    fn event(&mut self, event: &Event<'_>) {
        self(event);
    }
}

/// An event during training or evaluation. The seconds are for display only: they come from a clock and do
/// not influence results.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// `fit` begins.
    TrainBegin {
        /// The end of training, exclusive: one after the last epoch.
        epochs: usize,
        /// The first epoch of this call, counted from 0.
        initial_epoch: usize,
        /// The number of batches in the first epoch.
        batches: usize,
        /// The number of parameters in the model.
        parameters: usize,
        /// The model's seed.
        seed: u64,
    },
    /// An epoch begins.
    EpochBegin {
        /// The epoch, counted from 0.
        epoch: usize,
        /// The end of training, exclusive: one after the last epoch.
        epochs: usize,
        /// The number of batches in the epoch.
        batches: usize,
    },
    /// A training batch is done.
    Batch {
        /// The epoch, counted from 0.
        epoch: usize,
        /// Batches done in this epoch, this one included.
        done: usize,
        /// The number of batches in the epoch.
        batches: usize,
        /// Seconds since the epoch began or was resumed.
        seconds: f64,
        /// Loss and metrics of the epoch so far.
        logs: &'a Logs,
    },
    /// An epoch ended, including its validation and callbacks.
    EpochEnd {
        /// The epoch, counted from 0.
        epoch: usize,
        /// The end of training, exclusive: one after the last epoch.
        epochs: usize,
        /// Batches trained on in this epoch.
        steps: usize,
        /// The number of batches in the epoch, also if it was stopped early.
        batches: usize,
        /// Seconds since the epoch began, validation included.
        seconds: f64,
        /// Seconds spent only on reading batches and training on them.
        train_seconds: f64,
        /// Sequences trained on.
        sequences: usize,
        /// Real steps of the first input of those sequences: tokens, for text.
        tokens: usize,
        /// The learning rate of the epoch's last step.
        learning_rate: f64,
        /// The mean norm of the epoch's gradients, before clipping.
        gradient_norm: f64,
        /// Loss and metrics, with validation values under `val_`, and values that callbacks added.
        logs: &'a Logs,
    },
    /// `fit` ended without an error.
    TrainEnd {
        /// The number of epochs in this call.
        epochs: usize,
        /// Whether a callback stopped training before the last epoch.
        stopped: bool,
        /// Seconds since training began.
        seconds: f64,
    },
    /// `evaluate` begins. The validation within `fit` has no events.
    EvaluateBegin {
        /// The number of batches.
        batches: usize,
    },
    /// An evaluation batch is done.
    EvaluateBatch {
        /// Batches done, this one included.
        done: usize,
        /// The number of batches.
        batches: usize,
        /// Seconds since evaluation began.
        seconds: f64,
        /// Loss and metrics so far.
        logs: &'a Logs,
    },
    /// `evaluate` ended.
    EvaluateEnd {
        /// The number of batches.
        batches: usize,
        /// Seconds since evaluation began.
        seconds: f64,
        /// Loss and metrics.
        logs: &'a Logs,
    },
}

/// What `fit` and `evaluate` print themselves: nothing, or what a built-in reporter prints.
///
/// This crate has only [`Verbose::Silent`]. The `refrain` crate adds `Verbose::EpochLines` and
/// `Verbose::Bar`, which print as Keras does.
#[derive(Clone, Copy, Default)]
pub struct Verbose {
    make: Option<fn() -> Box<dyn Reporter>>,
}

impl Verbose {
    /// Prints nothing.
    #[allow(non_upper_case_globals, reason = "reads like the choice it is: Verbose::Silent, Verbose::Bar")]
    pub const Silent: Self = Self { make: None };

    /// Prints with a reporter created by `make`.
    pub const fn with(make: fn() -> Box<dyn Reporter>) -> Self {
        Self { make: Some(make) }
    }
}

impl fmt::Debug for Verbose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.make.is_some() { "Verbose(reporter)" } else { "Verbose::Silent" })
    }
}

/// The reporters of one run.
pub(super) struct Reporters<'a> {
    own: Option<Box<dyn Reporter>>,
    given: Option<&'a mut dyn Reporter>,
}

impl<'a> Reporters<'a> {
    pub(super) fn new(verbose: Verbose, given: Option<&'a mut dyn Reporter>) -> Self {
        Self { own: verbose.make.map(|make| make()), given }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.own.is_none() && self.given.is_none()
    }

    pub(super) fn event(&mut self, event: &Event<'_>) {
        if let Some(reporter) = &mut self.own {
            reporter.event(event);
        }
        if let Some(reporter) = &mut self.given {
            reporter.event(event);
        }
    }
}

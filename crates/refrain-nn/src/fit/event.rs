//! The events of a training, and who receives them.

use crate::logs::Logs;
use std::fmt;

/// Watches training and evaluation: prints lines, draws a bar, writes JSON. This crate prints nothing itself.
pub trait Reporter {
    /// Called for each event, in their order.
    fn event(&mut self, event: &Event<'_>);
}

/// A closure is a reporter.
impl<F: FnMut(&Event<'_>)> Reporter for F {
    fn event(&mut self, event: &Event<'_>) {
        self(event);
    }
}

/// A point of training or evaluation. Seconds are for display: they are read from a clock and reach no
/// result.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// `fit` begins.
    TrainBegin {
        /// The epoch after the last one.
        epochs: usize,
        /// The first epoch of this call, from 0.
        initial_epoch: usize,
        /// Batches of the first epoch.
        batches: usize,
        /// The model's parameters.
        parameters: usize,
        /// The model's seed.
        seed: u64,
    },
    /// An epoch begins.
    EpochBegin {
        /// The epoch, from 0.
        epoch: usize,
        /// The epoch after the last one.
        epochs: usize,
        /// Its batches.
        batches: usize,
    },
    /// A batch was trained on.
    Batch {
        /// The epoch, from 0.
        epoch: usize,
        /// Batches done in this epoch, this one included.
        done: usize,
        /// Batches of the epoch.
        batches: usize,
        /// Since the epoch began or was resumed.
        seconds: f64,
        /// Loss and metrics of the epoch so far.
        logs: &'a Logs,
    },
    /// An epoch ended, its validation and the callbacks too.
    EpochEnd {
        /// The epoch, from 0.
        epoch: usize,
        /// The epoch after the last one.
        epochs: usize,
        /// Batches trained on in this epoch.
        steps: usize,
        /// Batches the epoch would have had, were it not stopped.
        batches: usize,
        /// Since the epoch began, validation included.
        seconds: f64,
        /// Reading batches and training on them alone.
        train_seconds: f64,
        /// Sequences trained on.
        sequences: usize,
        /// Real steps of the first input of those sequences: tokens, for text.
        tokens: usize,
        /// The learning rate of the epoch's last step.
        learning_rate: f64,
        /// The mean norm of the epoch's gradients, before clipping.
        gradient_norm: f64,
        /// Loss and metrics, those of validation under `val_`, and what callbacks added.
        logs: &'a Logs,
    },
    /// `fit` ended without an error.
    TrainEnd {
        /// Epochs of this call.
        epochs: usize,
        /// Whether a callback stopped it before its last epoch.
        stopped: bool,
        /// Since it began.
        seconds: f64,
    },
    /// `evaluate` begins. The validation within `fit` has no events.
    EvaluateBegin {
        /// Batches.
        batches: usize,
    },
    /// A batch was evaluated.
    EvaluateBatch {
        /// Batches done, this one included.
        done: usize,
        /// Batches.
        batches: usize,
        /// Since it began.
        seconds: f64,
        /// Loss and metrics so far.
        logs: &'a Logs,
    },
    /// `evaluate` ended.
    EvaluateEnd {
        /// Batches.
        batches: usize,
        /// Since it began.
        seconds: f64,
        /// Loss and metrics.
        logs: &'a Logs,
    },
}

/// How much `fit` and `evaluate` show by themselves: nothing, or what a reporter that this makes shows.
///
/// This crate has [`Verbose::Silent`] only. The `refrain` crate adds `Verbose::EpochLines` and `Verbose::Bar`,
/// which print as Keras does.
#[derive(Clone, Copy, Default)]
pub struct Verbose {
    make: Option<fn() -> Box<dyn Reporter>>,
}

impl Verbose {
    /// Shows nothing.
    #[allow(non_upper_case_globals, reason = "reads like the choice it is: Verbose::Silent, Verbose::Bar")]
    pub const Silent: Self = Self { make: None };

    /// Shows what a reporter that `make` makes shows.
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

//! The training loop over epochs and batches.

use super::event::{Event, Reporters};
use super::resume::{Position, Resumed, Start};
use super::{Fit, ParameterAverage, Scorer};
use crate::answer::Answers;
use crate::callbacks::{BatchContext, Callback, EpochContext};
use crate::checkpoint::{Checkpoint, Checkpoints};
use crate::data::{Batch, BatchSource};
use crate::error::Error;
use crate::history::History;
use crate::logs::Logs;
use crate::model::Model;
use crate::progress::EpochProgress;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::time::Instant;

/// The state of one call of `fit`.
pub(super) struct FitLoop<'m, 'a> {
    pub(super) model: &'m mut Model,
    pub(super) epochs: Range<usize>,
    pub(super) callbacks: Vec<Box<dyn Callback + 'a>>,
    reporters: Reporters<'a>,
    pub(super) checkpoints: Option<&'a mut dyn Checkpoints>,
    resume: Option<Checkpoint>,
    pub(super) settings: LoopSettings,
    score: Option<Scorer<'a>>,
    pub(super) carries_state: bool,
    batch: Batch,
    /// Whether to stop after the current batch.
    pub(super) stop: bool,
    /// Whether the run ends immediately, even within an epoch.
    pub(super) halt: bool,
}

/// The settings that a resumed run must share.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoopSettings {
    /// `None` if the batches come from a source.
    pub(super) order: Option<Order>,
    pub(super) flush_gradients: bool,
    pub(super) average: ParameterAverage,
    pub(super) training_metrics: bool,
}

/// How arrays become batches.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    pub(super) batch_size: usize,
    pub(super) shuffle: bool,
}

impl<'m, 'a> FitLoop<'m, 'a> {
    /// `order` describes batches of arrays; it is `None` if the batches come from a source.
    pub(super) fn new(model: &'m mut Model, fit: Fit<'a>, order: Option<Order>) -> Result<Self, Error> {
        model.optimizer()?;
        let settings = LoopSettings {
            order,
            flush_gradients: fit.flush_gradients,
            average: fit.average,
            training_metrics: fit.training_metrics,
        };
        Ok(Self {
            model,
            epochs: fit.initial_epoch..fit.epochs,
            callbacks: fit.callbacks,
            reporters: Reporters::new(fit.verbose, fit.reporter),
            checkpoints: fit.checkpoints,
            resume: fit.resume,
            settings,
            score: fit.score,
            carries_state: false,
            batch: Batch::default(),
            stop: false,
            halt: false,
        })
    }

    pub(super) fn train(
        mut self,
        train: &dyn BatchSource,
        validation: Option<&dyn BatchSource>,
    ) -> Result<History, Error> {
        let history = self.run(train, validation);
        self.model.set_metrics_enabled(true);
        self.model.set_gradient_probe(false);
        self.model.set_batch_rate_factor(1.0);
        history
    }

    fn run(
        &mut self,
        train: &dyn BatchSource,
        validation: Option<&dyn BatchSource>,
    ) -> Result<History, Error> {
        let start = Instant::now();
        self.check_validation(validation)?;
        self.carries_state = train.carries_state();
        let resumed = self.resume.is_some();
        let Start { epoch: first, mut resumed_epoch, mut history } = match self.resume.take() {
            Some(checkpoint) => self.restore(checkpoint, train)?,
            None => Start { epoch: self.epochs.start, resumed_epoch: None, history: History::default() },
        };
        let earlier = history.epochs.len();
        self.reporters.event(&Event::TrainBegin {
            epochs: self.epochs.end,
            initial_epoch: first,
            batches: train.len(first),
            parameters: self.model.params().spans().iter().map(|span| span.len()).sum(),
            seed: self.model.seed(),
        });
        if !resumed {
            self.settings.average.begin(self.model)?;
            for callback in &mut self.callbacks {
                callback.on_train_begin(self.model)?;
            }
        }
        for epoch in first..self.epochs.end {
            // An epoch that a callback stopped partway still has to end.
            if self.stop && resumed_epoch.is_none() {
                break;
            }
            self.epoch(epoch, resumed_epoch.take(), (train, validation), &mut history)?;
        }
        if self.settings.average != ParameterAverage::None && !self.halt && self.model.is_averaging() {
            self.model.swap_averages()?;
            self.model.stop_averaging();
        }
        for callback in &mut self.callbacks {
            callback.on_train_end(self.model)?;
        }
        let (epochs, seconds) = (history.epochs.len(), start.elapsed().as_secs_f64());
        history.stopped = epochs < self.epochs.len();
        self.reporters.event(&Event::TrainEnd {
            epochs: epochs - earlier,
            stopped: history.stopped,
            seconds,
        });
        Ok(history)
    }

    fn check_validation(&self, validation: Option<&dyn BatchSource>) -> Result<(), Error> {
        if self.score.is_some() && validation.is_some() {
            let reason = "only one of the two can validate an epoch; leave out the data or `score`";
            return Err(Error::unsupported("validation data together with `score`", reason));
        }
        let validates = self.score.is_some() || validation.is_some();
        if matches!(self.settings.average, ParameterAverage::Triggered { .. }) && !validates {
            let expected = "`None` or `Exponential` in a run without validation";
            return Err(Error::setting("fit", "average", "`Triggered`", expected));
        }
        Ok(())
    }

    fn epoch(
        &mut self,
        epoch: usize,
        resumed: Option<Resumed>,
        (train, validation): (&dyn BatchSource, Option<&dyn BatchSource>),
        history: &mut History,
    ) -> Result<(), Error> {
        let start = Instant::now();
        let (epochs, batches) = (self.epochs.end, train.len(epoch));
        if batches == 0 {
            return Err(Error::data(
                "the number of training batches",
                format!("0 in epoch {}", epoch + 1),
                "at least one",
            ));
        }
        self.model.set_metrics_enabled(self.settings.training_metrics);
        self.reporters.event(&Event::EpochBegin { epoch, epochs, batches });
        let mut now = match resumed {
            Some(resumed) => resumed,
            None => self.begin_epoch(epoch)?,
        };
        self.batches((epoch, batches), &mut now, train, start, history)?;
        if self.halt {
            return Ok(());
        }
        let cut_short = self.stop;
        let mut progress = now.progress;
        self.flush(&mut progress)?;
        let mut logs = self.training_logs();
        self.model.set_metrics_enabled(true);
        let mut answers = Answers::default();
        // Validation and callbacks see the averaged parameters; checkpoints always hold the trained ones.
        let averaged = self.settings.average != ParameterAverage::None && self.model.is_averaging();
        if averaged {
            self.model.swap_averages()?;
        }
        let ended =
            self.end_epoch((epoch, progress, averaged), (batches, validation), &mut logs, &mut answers);
        if averaged {
            self.model.swap_averages()?;
        }
        ended?;
        self.settings.average.end_epoch(self.model, &logs, history)?;
        history.push(epoch, &logs);
        self.stop |= answers.stop;
        if answers.probe {
            self.model.set_gradient_probe(true);
        }
        self.reporters.event(&Event::EpochEnd {
            epoch,
            epochs,
            steps: progress.batches,
            batches,
            seconds: start.elapsed().as_secs_f64(),
            train_seconds: progress.seconds,
            sequences: progress.sequences,
            tokens: progress.tokens,
            learning_rate: self.model.last_learning_rate(),
            gradient_norm: progress.gradient_norm(),
            logs: &logs,
        });
        let last = self.stop || epoch + 1 == epochs;
        let due = self.checkpoints.as_ref().is_some_and(|c| c.is_due_after_epoch(last));
        if (due || answers.checkpoint) && !cut_short {
            self.write_checkpoint(Position { epoch, batches, progress, ended: true }, None, history)?;
        }
        Ok(())
    }

    fn begin_epoch(&mut self, epoch: usize) -> Result<Resumed, Error> {
        for callback in &mut self.callbacks {
            callback.on_epoch_begin(epoch, self.model)?;
        }
        self.model.reset_totals();
        let carry = self.carries_state.then(|| self.model.new_state());
        Ok(Resumed { progress: EpochProgress::default(), carry })
    }

    /// Trains the remaining batches of an epoch.
    fn batches(
        &mut self,
        (epoch, batches): (usize, usize),
        now: &mut Resumed,
        train: &dyn BatchSource,
        start: Instant,
        history: &History,
    ) -> Result<(), Error> {
        let Resumed { progress, carry } = now;
        while !self.stop && progress.batches < batches {
            let step = progress.batches;
            let before = Instant::now();
            train.fill(self.model.seed(), epoch, step, &mut self.batch)?;
            self.model.set_batch_rate_factor(train.rate_factor(self.model.seed(), epoch, step));
            let updates = self.model.optimizer_steps();
            self.model.train_step(&self.batch, carry.as_mut())?;
            if self.model.optimizer_steps() > updates {
                progress.add_update(self.model);
            }
            progress.add_batch(&self.batch);
            progress.seconds += before.elapsed().as_secs_f64();
            let mut answers = Answers::default();
            if !(self.callbacks.is_empty() && self.reporters.is_empty()) {
                let logs = self.training_logs();
                for callback in &mut self.callbacks {
                    let answers = &mut answers;
                    callback.on_batch_end(&mut BatchContext {
                        epoch,
                        step,
                        batches,
                        progress: *progress,
                        logs: &logs,
                        model: self.model,
                        answers,
                    })?;
                }
                let (done, seconds) = (progress.batches, start.elapsed().as_secs_f64());
                self.reporters.event(&Event::Batch { epoch, done, batches, seconds, logs: &logs });
            }
            self.stop |= answers.stop;
            self.model.set_gradient_probe(answers.probe);
            let trained = self.model.steps_done();
            let due = self.checkpoints.as_ref().is_some_and(|c| self.stop || c.is_due(trained));
            // A run cannot recover from a non-finite loss, and the checkpoint would replace an older one.
            if (due || answers.checkpoint) && self.model.last_loss().is_finite() {
                let place = Position { epoch, batches, progress: *progress, ended: false };
                self.write_checkpoint(place, carry.as_ref(), history)?;
            }
        }
        Ok(())
    }

    /// Takes a step with the gradients still accumulated at the end of an epoch, if the run asks for it.
    fn flush(&mut self, progress: &mut EpochProgress) -> Result<(), Error> {
        let before = Instant::now();
        if self.settings.flush_gradients && self.model.flush_gradients()? {
            progress.add_update(self.model);
            progress.seconds += before.elapsed().as_secs_f64();
        }
        Ok(())
    }

    /// Returns loss and metrics of the epoch so far, sorted as in Keras, so that a `learning_rate` that a
    /// callback adds comes last, as it does there.
    fn training_logs(&self) -> Logs {
        let mut totals = self.model.totals();
        if !self.settings.training_metrics {
            totals.truncate(1);
        }
        totals.into_iter().collect::<Logs>().sorted()
    }

    /// Validates an epoch and calls the callbacks.
    fn end_epoch(
        &mut self,
        (epoch, progress, averaged): (usize, EpochProgress, bool),
        (batches, validation): (usize, Option<&dyn BatchSource>),
        logs: &mut Logs,
        answers: &mut Answers,
    ) -> Result<(), Error> {
        let scores = match (&mut self.score, validation) {
            (Some(score), _) => score(self.model)?,
            (None, Some(validation)) => evaluate_quietly(self.model, validation, &mut |_, _| {})?,
            (None, None) => Logs::new(),
        };
        for (name, value) in scores.sorted().iter() {
            logs.insert(format!("val_{name}"), value);
        }
        answers.stop |= self.stop;
        for callback in &mut self.callbacks {
            callback.on_epoch_end(&mut EpochContext {
                epoch,
                epochs: self.epochs.end,
                batches,
                progress,
                averaged,
                logs,
                model: self.model,
                answers,
            })?;
        }
        Ok(())
    }
}

/// Returns loss and metrics on a source's epoch 0. Calls `each` after each batch with the number of batches
/// done.
pub(super) fn evaluate_quietly(
    model: &mut Model,
    source: &dyn BatchSource,
    each: &mut dyn FnMut(usize, &Model),
) -> Result<Logs, Error> {
    let batches = source.len(0);
    if batches == 0 {
        return Err(Error::data("the number of batches to evaluate", "0", "at least one"));
    }
    let mut state = source.carries_state().then(|| model.new_state());
    let mut batch = Batch::default();
    model.reset_totals();
    for i in 0..batches {
        source.fill(model.seed(), 0, i, &mut batch)?;
        model.test_step(&batch, state.as_mut())?;
        each(i + 1, model);
    }
    if model.scored_rows() == 0.0 {
        let expected = "at least one that is not masked or beyond its sequence's length";
        return Err(Error::data("the number of steps to evaluate", "0", expected));
    }
    Ok(model.totals().into_iter().collect())
}

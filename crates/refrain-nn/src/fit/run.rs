//! The loop over epochs and batches.

use super::Fit;
use super::event::{Event, Reporters};
use super::going_on::{Ongoing, Place, Start};
use crate::callbacks::{BatchContext, Callback, EpochContext, Logs};
use crate::checkpoint::{Checkpoint, Checkpoints};
use crate::data::{Batch, BatchInput, BatchSource, Extent};
use crate::error::Error;
use crate::history::History;
use crate::model::Model;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::time::Instant;

/// One call of `fit`.
pub(super) struct Run<'m, 'a> {
    pub(super) model: &'m mut Model,
    pub(super) epochs: Range<usize>,
    pub(super) callbacks: Vec<Box<dyn Callback + 'a>>,
    reporters: Reporters<'a>,
    pub(super) checkpoints: Option<&'a mut dyn Checkpoints>,
    resume: Option<Checkpoint>,
    pub(super) order: Option<Order>,
    pub(super) carries_state: bool,
    batch: Batch,
    pub(super) stop: bool,
}

/// How arrays become batches.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    pub(super) batch_size: usize,
    pub(super) shuffle: bool,
}

/// What was trained on in an epoch.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Done {
    pub(super) steps: usize,
    sequences: usize,
    tokens: usize,
}

impl<'m, 'a> Run<'m, 'a> {
    /// The batches are in the order of arrays, or of a source.
    pub(super) fn new(model: &'m mut Model, fit: Fit<'a>, order: Option<Order>) -> Result<Self, Error> {
        model.optimizer()?;
        Ok(Self {
            model,
            epochs: fit.initial_epoch..fit.epochs,
            callbacks: fit.callbacks,
            reporters: Reporters::new(fit.verbose, fit.reporter),
            checkpoints: fit.checkpoints,
            resume: fit.resume,
            order,
            carries_state: false,
            batch: Batch::default(),
            stop: false,
        })
    }

    pub(super) fn train(
        mut self,
        train: &dyn BatchSource,
        validation: Option<&dyn BatchSource>,
    ) -> Result<History, Error> {
        let start = Instant::now();
        self.carries_state = train.carries_state();
        let resumed = self.resume.is_some();
        let Start { epoch: first, mut ongoing, mut history } = match self.resume.take() {
            Some(checkpoint) => self.go_on(checkpoint, train)?,
            None => Start { epoch: self.epochs.start, ongoing: None, history: History::default() },
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
            for callback in &mut self.callbacks {
                callback.on_train_begin(self.model)?;
            }
        }
        for epoch in first..self.epochs.end {
            // A callback may have stopped the run before it was taken up again.
            if self.stop && ongoing.is_none() {
                break;
            }
            self.epoch(epoch, ongoing.take(), (train, validation), &mut history)?;
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

    fn epoch(
        &mut self,
        epoch: usize,
        ongoing: Option<Ongoing>,
        (train, validation): (&dyn BatchSource, Option<&dyn BatchSource>),
        history: &mut History,
    ) -> Result<(), Error> {
        let start = Instant::now();
        let (epochs, batches) = (self.epochs.end, train.len(epoch));
        if batches == 0 {
            return Err(Error::data(
                "the training data",
                format!("no batch in epoch {epoch}"),
                "at least one",
            ));
        }
        self.reporters.event(&Event::EpochBegin { epoch, epochs, batches });
        let mut now = match ongoing {
            Some(ongoing) => ongoing,
            None => self.begin_epoch(epoch)?,
        };
        self.batches((epoch, batches), &mut now, train, start, history)?;
        let (done, cut_short) = (now.done, self.stop);
        let train_seconds = start.elapsed().as_secs_f64();
        let gradient_norm = self.model.last_gradient_norm();
        // Sorted as in Keras, so that a `learning_rate` that a callback adds comes last there and here.
        let mut logs = self.model.totals().into_iter().collect::<Logs>().sorted();
        if let Some(validation) = validation {
            for (name, value) in evaluate_quietly(self.model, validation, &mut |_, _| {})?.sorted().iter() {
                logs.insert(format!("val_{name}"), value);
            }
        }
        for callback in &mut self.callbacks {
            let (model, stop) = (&mut *self.model, &mut self.stop);
            callback.on_epoch_end(&mut EpochContext { epoch, logs: &mut logs, model, stop })?;
        }
        history.push(epoch, &logs);
        self.reporters.event(&Event::EpochEnd {
            epoch,
            epochs,
            steps: done.steps,
            batches,
            seconds: start.elapsed().as_secs_f64(),
            train_seconds,
            sequences: done.sequences,
            tokens: done.tokens,
            learning_rate: self.model.learning_rate(),
            gradient_norm,
            logs: &logs,
        });
        let last = self.stop || epoch + 1 == epochs;
        let due = self.checkpoints.as_ref().is_some_and(|c| c.is_due_after_epoch(last));
        if due && !cut_short {
            self.write_checkpoint(Place { epoch, batches, done, ended: true }, None, history)?;
        }
        Ok(())
    }

    fn begin_epoch(&mut self, epoch: usize) -> Result<Ongoing, Error> {
        for callback in &mut self.callbacks {
            callback.on_epoch_begin(epoch, self.model)?;
        }
        self.model.reset_totals();
        Ok(Ongoing { done: Done::default(), carry: self.carries_state.then(|| self.model.new_state()) })
    }

    /// Trains the batches of an epoch that are left.
    fn batches(
        &mut self,
        (epoch, batches): (usize, usize),
        now: &mut Ongoing,
        train: &dyn BatchSource,
        start: Instant,
        history: &History,
    ) -> Result<(), Error> {
        let Ongoing { done, carry } = now;
        while !self.stop && done.steps < batches {
            let step = done.steps;
            train.fill(self.model.seed(), epoch, step, &mut self.batch)?;
            self.model.train_step(&self.batch, carry.as_mut())?;
            done.steps += 1;
            let tokens = self.batch.inputs.first().map_or(0, |input| real_steps(input, self.batch.lanes));
            // A checkpoint's counts may be any.
            done.sequences = done.sequences.saturating_add(self.batch.lanes);
            done.tokens = done.tokens.saturating_add(tokens);
            if !(self.callbacks.is_empty() && self.reporters.is_empty()) {
                let logs = self.model.totals().into_iter().collect::<Logs>().sorted();
                for callback in &mut self.callbacks {
                    let (model, stop) = (&mut *self.model, &mut self.stop);
                    callback.on_batch_end(&mut BatchContext { epoch, step, logs: &logs, model, stop })?;
                }
                let (done, seconds) = (done.steps, start.elapsed().as_secs_f64());
                self.reporters.event(&Event::Batch { epoch, done, batches, seconds, logs: &logs });
            }
            let trained = self.model.steps_done();
            // Going on from a loss that is no number leads nowhere, and an older checkpoint would go for it.
            let is_sound = self.model.last_loss().is_finite();
            if is_sound && self.checkpoints.as_ref().is_some_and(|c| self.stop || c.is_due(trained)) {
                let place = Place { epoch, batches, done: *done, ended: false };
                self.write_checkpoint(place, carry.as_ref(), history)?;
            }
        }
        Ok(())
    }
}

fn real_steps(input: &BatchInput, lanes: usize) -> usize {
    match input.extent {
        Extent::Full => lanes * input.steps,
        Extent::Lengths => input.lengths.iter().sum(),
        Extent::Mask => input.mask.iter().filter(|&&real| real).count(),
    }
}

/// Loss and metrics of a source's epoch 0; `each` is called after each batch with how many are done.
pub(super) fn evaluate_quietly(
    model: &mut Model,
    source: &dyn BatchSource,
    each: &mut dyn FnMut(usize, &Model),
) -> Result<Logs, Error> {
    let batches = source.len(0);
    if batches == 0 {
        return Err(Error::data("the data to evaluate on", "no batch", "at least one"));
    }
    let mut state = source.carries_state().then(|| model.new_state());
    let mut batch = Batch::default();
    model.reset_totals();
    for i in 0..batches {
        source.fill(model.seed(), 0, i, &mut batch)?;
        model.test_step(&batch, state.as_mut())?;
        each(i + 1, model);
    }
    Ok(model.totals().into_iter().collect())
}

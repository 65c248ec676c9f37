//! The loop over epochs and batches.

use super::Fit;
use super::event::{Event, Reporters};
use crate::callbacks::{BatchContext, Callback, EpochContext, Logs};
use crate::data::{Batch, BatchInput, BatchSource, Extent};
use crate::error::Error;
use crate::history::History;
use crate::model::Model;
use std::ops::Range;
use std::time::Instant;

/// One call of `fit`.
pub(super) struct Run<'m, 'a> {
    model: &'m mut Model,
    epochs: Range<usize>,
    callbacks: Vec<Box<dyn Callback + 'a>>,
    reporters: Reporters<'a>,
    batch: Batch,
    stop: bool,
}

/// What was trained on in an epoch.
#[derive(Default)]
struct Done {
    steps: usize,
    sequences: usize,
    tokens: usize,
}

impl<'m, 'a> Run<'m, 'a> {
    pub(super) fn new(model: &'m mut Model, fit: Fit<'a>) -> Result<Self, Error> {
        model.optimizer()?;
        Ok(Self {
            model,
            epochs: fit.initial_epoch..fit.epochs,
            callbacks: fit.callbacks,
            reporters: Reporters::new(fit.verbose, fit.reporter),
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
        let mut history = History::default();
        self.reporters.event(&Event::TrainBegin {
            epochs: self.epochs.end,
            initial_epoch: self.epochs.start,
            batches: train.len(self.epochs.start),
            parameters: self.model.params().spans().iter().map(|span| span.len()).sum(),
            seed: self.model.seed(),
        });
        for callback in &mut self.callbacks {
            callback.on_train_begin(self.model)?;
        }
        for epoch in self.epochs.clone() {
            self.epoch(epoch, train, validation, &mut history)?;
            if self.stop {
                break;
            }
        }
        for callback in &mut self.callbacks {
            callback.on_train_end(self.model)?;
        }
        let (epochs, seconds) = (history.epochs.len(), start.elapsed().as_secs_f64());
        history.stopped = epochs < self.epochs.len();
        self.reporters.event(&Event::TrainEnd { epochs, stopped: history.stopped, seconds });
        Ok(history)
    }

    fn epoch(
        &mut self,
        epoch: usize,
        train: &dyn BatchSource,
        validation: Option<&dyn BatchSource>,
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
        for callback in &mut self.callbacks {
            callback.on_epoch_begin(epoch, self.model)?;
        }
        let done = self.batches(epoch, batches, train, start)?;
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
        Ok(())
    }

    fn batches(
        &mut self,
        epoch: usize,
        batches: usize,
        train: &dyn BatchSource,
        start: Instant,
    ) -> Result<Done, Error> {
        let mut done = Done::default();
        let mut state = train.carries_state().then(|| self.model.new_state());
        self.model.reset_totals();
        for step in 0..batches {
            train.fill(self.model.seed(), epoch, step, &mut self.batch)?;
            self.model.train_step(&self.batch, state.as_mut())?;
            done.steps += 1;
            done.sequences += self.batch.lanes;
            done.tokens += self.batch.inputs.first().map_or(0, |input| real_steps(input, self.batch.lanes));
            if self.callbacks.is_empty() && self.reporters.is_empty() {
                continue;
            }
            let logs = self.model.totals().into_iter().collect::<Logs>().sorted();
            for callback in &mut self.callbacks {
                let (model, stop) = (&mut *self.model, &mut self.stop);
                callback.on_batch_end(&mut BatchContext { epoch, step, logs: &logs, model, stop })?;
            }
            let (done, seconds) = (step + 1, start.elapsed().as_secs_f64());
            self.reporters.event(&Event::Batch { epoch, done, batches, seconds, logs: &logs });
            if self.stop {
                break;
            }
        }
        Ok(done)
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

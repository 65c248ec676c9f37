//! A run: epochs of training, what they are validated on, and what is kept.

use super::chunks::chunks;
use super::{EpochRecord, Flow, Progress, Stopped, TextEvent, Trained};
use crate::error::Result;
use crate::lanes::Lanes;
use crate::language_model::evaluate::{Score, ScoredText};
use crate::language_model::{LanguageModel, ParameterAverage, TextRecipe};
use crate::tokens::{StoredTokens, Tokens};
use refrain_nn::Averaging;
use refrain_nn::data::Batch;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Tells what happens and hears whether to go on.
pub(super) type Report<'r> = &'r mut dyn FnMut(&TextEvent<'_>) -> Flow;

/// The parameters of the best epoch so far.
#[derive(Debug, Clone)]
pub(super) struct Best {
    epoch: usize,
    score: Option<Score>,
    weights: Vec<f32>,
}

/// What a run works on.
pub(super) struct Run<'a> {
    pub(super) recipe: &'a TextRecipe,
    pub(super) lm: LanguageModel,
    pub(super) lanes: Lanes<StoredTokens>,
    pub(super) validation: Option<ScoredText>,
    pub(super) test: Option<ScoredText>,
    pub(super) record: serde_json::Value,
    pub(super) epochs: Vec<EpochRecord>,
    pub(super) best: Option<Best>,
    pub(super) seconds: f64,
}

/// How a pass over the lanes ended.
enum Pass {
    Done(EpochRecord),
    /// The reporter stopped it.
    Stopped,
    /// The loss became this.
    Diverged(f64),
}

impl Run<'_> {
    /// Trains the epochs that are left.
    pub(super) fn go(mut self, report: Report<'_>) -> Result<Trained> {
        if self.recipe.average == ParameterAverage::Exponential && !self.lm.model.is_averaging() {
            let momentum = self.recipe.average_momentum;
            self.lm.model.start_averaging(Averaging::Exponential { momentum })?;
        }
        let mut stopped = self.announce(report);
        // What a later run goes on from: only an epoch's end is such a place.
        let mut progress = None;
        while stopped == Stopped::Epochs && self.epochs.len() < self.recipe.epochs {
            let epoch = self.epochs.len() + 1;
            let mut watch = Stopwatch::default();
            let pass = self.train_epoch(epoch, &mut watch, report)?;
            self.seconds += watch.total.as_secs_f64();
            match pass {
                Pass::Done(record) => {
                    if self.end_epoch(record, report)? == Flow::Stop {
                        stopped = Stopped::Interrupted;
                        progress = Some(self.progress()?);
                    }
                }
                Pass::Stopped => stopped = Stopped::Interrupted,
                // What an earlier epoch reached is worth keeping.
                Pass::Diverged(_) if self.best.is_some() => stopped = Stopped::Diverged,
                Pass::Diverged(loss) => return Err(refrain_nn::Error::Diverged { loss, epoch }.into()),
            }
        }
        self.finish(stopped, progress)
    }

    fn announce(&self, report: Report<'_>) -> Stopped {
        let batch = self.lanes.batch();
        let start = TextEvent::Start {
            model: &self.lm.model,
            tokens: self.lanes.lane_len() * batch,
            validation_tokens: self.validation.as_ref().map_or(0, |t| t.tokens.len()),
            test_tokens: self.test.as_ref().map_or(0, |t| t.tokens.len()),
            vocabulary: self.lm.codec.vocab_size(),
            batch,
            batches: chunks(self.recipe, self.lanes.lane_len(), self.epochs.len() + 1).count(),
            epochs_done: self.epochs.len(),
        };
        match report(&start) {
            Flow::Continue => Stopped::Epochs,
            Flow::Stop => Stopped::Interrupted,
        }
    }

    /// One pass over the lanes.
    fn train_epoch(&mut self, epoch: usize, watch: &mut Stopwatch, report: Report<'_>) -> Result<Pass> {
        let Self { recipe, lm, lanes, .. } = self;
        let model = &mut lm.model;
        let val_losses: Vec<f64> = self.epochs.iter().filter_map(|e| e.val_loss).collect();
        let factor = recipe.epoch_factor(epoch, &val_losses);
        let ranges: Vec<_> = chunks(recipe, lanes.lane_len(), epoch).collect();
        let mut state = model.new_state();
        let mut batch = Batch::default();
        batch.inputs.resize_with(1, Default::default);
        batch.targets.resize_with(1, Default::default);
        // To rank all tokens of an adaptive softmax costs as much as to train it.
        let ranks = model.architecture().layers.iter().all(|l| l.class_name != "AdaptiveSoftmax");
        model.take_metrics(ranks);
        model.reset_totals();
        model.set_learning_rate_factor(factor);
        let (mut tokens, mut norms, mut rate) = (0, Norms::default(), 0.0);
        // Steps and chunks since the last update.
        let (mut steps, mut pending) = (0, 0);
        for (i, range) in ranges.iter().enumerate() {
            let start = Instant::now();
            let (n, t) = fill(lanes, range.clone(), &mut batch)?;
            (steps, pending) = (steps + t, pending + 1);
            if recipe.variable_steps {
                // A longer chunk's mean is of more steps, and may take a longer one.
                model.set_learning_rate_factor(factor * steps as f64 / (pending * recipe.steps) as f64);
            }
            rate = model.learning_rate();
            model.train_step(&batch, Some(&mut state))?;
            if pending == recipe.accumulate {
                (steps, pending) = (0, 0);
                norms.add(model.last_gradient_norm());
            }
            if !model.last_loss().is_finite() {
                return Ok(Pass::Diverged(model.last_loss()));
            }
            tokens += n * t;
            watch.total += start.elapsed();
            let event = TextEvent::Batch {
                epoch,
                done: i + 1,
                batches: ranges.len(),
                loss: model.totals()[0].1,
                tokens_per_second: tokens as f64 / watch.total.as_secs_f64(),
            };
            if report(&event) == Flow::Stop {
                return Ok(Pass::Stopped);
            }
        }
        if model.flush_gradients()? {
            norms.add(model.last_gradient_norm());
        }
        model.take_metrics(true);
        let totals = model.totals();
        let seconds = watch.total.as_secs_f64();
        Ok(Pass::Done(EpochRecord {
            epoch,
            loss: totals[0].1,
            accuracy: ranks.then_some(totals[1].1),
            val_loss: None,
            val_accuracy: None,
            averaged: model.is_averaging(),
            tokens_per_second: tokens as f64 / seconds,
            seconds,
            learning_rate: rate,
            gradient_norm: norms.mean(),
        }))
    }

    /// Validates an epoch, keeps its parameters if they are the best, and tells of it.
    fn end_epoch(&mut self, mut record: EpochRecord, report: Report<'_>) -> Result<Flow> {
        let averaged = self.lm.model.is_averaging();
        if averaged {
            self.lm.model.swap_averages()?;
        }
        let score = match &self.validation {
            Some(text) => Some(text.score(&mut self.lm.model, &self.lm.codec, self.recipe.stream)?),
            None => None,
        };
        record.val_loss = score.map(|s| s.loss);
        record.val_accuracy = score.map(|s| s.accuracy);
        let loss = |score: &Option<Score>| score.map_or(0.0, |s| s.loss);
        let better = |best: &Best| score.is_none() || loss(&score) < loss(&best.score);
        if loss(&score).is_finite() && self.best.as_ref().is_none_or(better) {
            self.best = Some(Best { epoch: record.epoch, score, weights: self.lm.model.weights() });
        }
        if averaged {
            self.lm.model.swap_averages()?;
        } else if self.stopped_improving(score) {
            self.lm.model.start_averaging(Averaging::Mean)?;
        }
        let flow = report(&TextEvent::Epoch(&record));
        self.epochs.push(record);
        Ok(flow)
    }

    /// Whether validation says that an average is due: no better than all but the last epochs were.
    fn stopped_improving(&self, score: Option<Score>) -> bool {
        let Some(score) = score.filter(|_| self.recipe.average == ParameterAverage::Triggered) else {
            return false;
        };
        let before = self.epochs.len().saturating_sub(self.recipe.patience);
        let best = self.epochs[..before].iter().filter_map(|e| e.val_loss).reduce(f64::min);
        best.is_some_and(|best| score.loss > best)
    }

    fn progress(&self) -> Result<Progress> {
        Ok(Progress {
            epochs: self.epochs.clone(),
            best: self.best.clone(),
            seconds: self.seconds,
            model: self.lm.model.training_state()?,
        })
    }

    /// Takes the best epoch's parameters.
    fn finish(mut self, stopped: Stopped, progress: Option<Progress>) -> Result<Trained> {
        let (mut best_epoch, mut score) = (0, None);
        if let Some(best) = self.best {
            self.lm.model.stop_averaging();
            self.lm.model.set_weights_flat(&best.weights)?;
            (best_epoch, score) = (best.epoch, best.score);
        }
        let test = match self.test {
            Some(text) if stopped != Stopped::Interrupted => {
                Some(text.score(&mut self.lm.model, &self.lm.codec, self.recipe.stream)?)
            }
            _ => None,
        };
        let record = &mut self.record;
        record["epochs"] = self.epochs.len().into();
        record["best_epoch"] = best_epoch.into();
        record["metrics"] = serde_json::json!(score);
        if test.is_some() {
            record["test"] = serde_json::json!(test);
        }
        self.lm.training = Some(self.record);
        let Self { lm, epochs, seconds, .. } = self;
        Ok(Trained { model: lm, best_epoch, epochs, stopped, seconds, score, test, progress })
    }
}

/// Makes a batch of a range of the lanes' steps.
fn fill(lanes: &Lanes<StoredTokens>, range: Range<usize>, batch: &mut Batch) -> Result<(usize, usize)> {
    let (input, target) = (&mut batch.inputs[0], &mut batch.targets[0]);
    let (n, t) = lanes.fill_range(range, &mut input.ids, &mut target.ids)?;
    (batch.lanes, input.steps, target.steps) = (n, t, t);
    Ok((n, t))
}

/// Time spent training, which stands still while others work.
#[derive(Debug, Default)]
struct Stopwatch {
    total: Duration,
}

/// The norms of the gradients that were stepped by.
#[derive(Debug, Default)]
struct Norms {
    sum: f64,
    steps: usize,
}

impl Norms {
    fn add(&mut self, norm: f64) {
        self.sum += norm;
        self.steps += 1;
    }

    fn mean(&self) -> f64 {
        self.sum / self.steps as f64
    }
}

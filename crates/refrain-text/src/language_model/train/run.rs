//! A run: epochs of training, what they are validated on, and what is kept.

use super::chunks::chunks;
use super::{EpochRecord, Fingerprints, Flow, Stopped, TextEvent, Trained};
use crate::error::Result;
use crate::lanes::Lanes;
use crate::language_model::evaluate::{Score, ScoredText};
use crate::language_model::{LanguageModel, ParameterAverage, TextRecipe};
use crate::tokens::{StoredTokens, Tokens};
use refrain_nn::checkpoint::Checkpoint;
use refrain_nn::checkpoint::exact;
use refrain_nn::data::Batch;
use refrain_nn::{Averaging, Memory, State};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::time::Instant;

/// Tells what happens and hears whether to go on.
pub(super) type Report<'r> = &'r mut dyn FnMut(&TextEvent<'_>) -> Flow;

/// The parameters of the best epoch so far.
#[derive(Debug, Clone)]
pub(super) struct Best {
    pub(super) epoch: usize,
    pub(super) score: Option<Score>,
    pub(super) weights: Vec<f32>,
}

/// What a run works on.
pub(super) struct Run<'a> {
    pub(super) recipe: &'a TextRecipe,
    pub(super) lm: LanguageModel,
    pub(super) lanes: Lanes<StoredTokens>,
    pub(super) validation: Option<ScoredText>,
    pub(super) test: Option<ScoredText>,
    pub(super) fingerprints: Fingerprints,
    pub(super) memory: Memory,
    pub(super) record: serde_json::Value,
    pub(super) epochs: Vec<EpochRecord>,
    pub(super) best: Option<Best>,
    /// Of the epochs that ended.
    pub(super) seconds: f64,
    pub(super) position: Position,
    /// What the recurrent layers carry from chunk to chunk.
    pub(super) carry: State,
}

/// Where the epoch stands that goes on. What the model has summed up belongs to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    /// Chunks done.
    pub(super) chunk: usize,
    /// Steps and chunks since the last update.
    steps: usize,
    pending: usize,
    tokens: usize,
    /// The norms of the gradients that were stepped by.
    #[serde(with = "exact")]
    norms: f64,
    updates: usize,
    /// Of the last update.
    #[serde(with = "exact")]
    learning_rate: f64,
    /// Spent training: time in which others work does not count.
    #[serde(with = "exact")]
    seconds: f64,
}

impl Position {
    fn updated(&mut self, norm: f64) {
        self.norms += norm;
        self.updates += 1;
    }

    /// An error where no run has such a position in an epoch of so many chunks.
    pub(super) fn check(&self, chunks: usize, recipe: &TextRecipe) -> Result<()> {
        const MOST: usize = 1 << 53;
        let limits = [
            ("chunk", self.chunk, chunks),
            ("pending", self.pending, recipe.accumulate - 1),
            ("steps", self.steps, MOST),
            ("tokens", self.tokens, MOST),
            ("updates", self.updates, MOST),
        ];
        for (what, got, most) in limits {
            if got > most {
                let (what, got) = (format!("the checkpoint's position: {what}"), got.to_string());
                return Err(refrain_nn::Error::Data { what, got, expected: format!("at most {most}") }.into());
            }
        }
        Ok(())
    }

    fn tokens_per_second(&self) -> f64 {
        self.tokens as f64 / self.seconds
    }
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
    /// Trains what is left.
    pub(super) fn go(mut self, report: Report<'_>) -> Result<Trained> {
        let mut stopped = self.announce(report);
        while stopped == Stopped::Epochs && self.epochs.len() < self.recipe.epochs {
            let epoch = self.epochs.len() + 1;
            match self.train_epoch(epoch, report)? {
                Pass::Done(record) => {
                    if self.end_epoch(record, report)? == Flow::Stop {
                        stopped = Stopped::Interrupted;
                    }
                }
                Pass::Stopped => stopped = Stopped::Interrupted,
                // What an earlier epoch reached is worth keeping.
                Pass::Diverged(_) if self.best.is_some() => stopped = Stopped::Diverged,
                Pass::Diverged(loss) => return Err(refrain_nn::Error::Diverged { loss, epoch }.into()),
            }
        }
        let checkpoint = match stopped {
            Stopped::Interrupted => Some(self.checkpoint()?),
            _ => None,
        };
        self.finish(stopped, checkpoint)
    }

    fn announce(&mut self, report: Report<'_>) -> Stopped {
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
            memory: &self.memory,
            batches_done: self.lm.model.steps_done(),
        };
        let answer = report(&start);
        self.lm.model.set_gradient_probe(answer == Flow::Probe);
        if answer == Flow::Stop { Stopped::Interrupted } else { Stopped::Epochs }
    }

    /// What is left of a pass over the lanes.
    fn train_epoch(&mut self, epoch: usize, report: Report<'_>) -> Result<Pass> {
        let val_losses: Vec<f64> = self.epochs.iter().filter_map(|e| e.val_loss).collect();
        let factor = self.recipe.epoch_factor(epoch, &val_losses);
        let ranges: Vec<_> = chunks(self.recipe, self.lanes.lane_len(), epoch).collect();
        let model = &mut self.lm.model;
        // To rank all tokens of an adaptive softmax costs as much as to train it.
        let ranks = model.architecture().layers.iter().all(|l| l.class_name != "AdaptiveSoftmax");
        model.take_metrics(ranks);
        if self.position.chunk == 0 {
            self.position = Position::default();
            self.carry.reset();
            model.reset_totals();
            model.set_learning_rate_factor(factor);
        }
        let mut batch = Batch::default();
        batch.inputs.resize_with(1, Default::default);
        batch.targets.resize_with(1, Default::default);
        while let Some(range) = ranges.get(self.position.chunk) {
            self.train_chunk(range.clone(), factor, &mut batch)?;
            let (model, position) = (&self.lm.model, &self.position);
            if !model.last_loss().is_finite() {
                return Ok(Pass::Diverged(model.last_loss()));
            }
            let event = TextEvent::Batch {
                epoch,
                done: position.chunk,
                batches: ranges.len(),
                batches_done: model.steps_done(),
                loss: model.totals()[0].1,
                tokens_per_second: position.tokens_per_second(),
                model,
            };
            let answer = report(&event);
            self.lm.model.set_gradient_probe(answer == Flow::Probe);
            match answer {
                Flow::Continue | Flow::Probe => {}
                Flow::Stop => return Ok(Pass::Stopped),
                Flow::Checkpoint => {
                    if report(&TextEvent::Checkpoint(&self.checkpoint()?)) == Flow::Stop {
                        return Ok(Pass::Stopped);
                    }
                }
            }
        }
        let (model, position) = (&mut self.lm.model, &mut self.position);
        if model.flush_gradients()? {
            position.updated(model.last_gradient_norm());
        }
        model.take_metrics(true);
        let totals = model.totals();
        Ok(Pass::Done(EpochRecord {
            epoch,
            loss: totals[0].1,
            accuracy: ranks.then_some(totals[1].1),
            val_loss: None,
            val_accuracy: None,
            averaged: model.is_averaging(),
            tokens_per_second: position.tokens_per_second(),
            seconds: position.seconds,
            learning_rate: position.learning_rate,
            gradient_norm: position.norms / position.updates as f64,
        }))
    }

    /// One batch; `factor` is the epoch's of the learning rate.
    fn train_chunk(&mut self, range: Range<usize>, factor: f64, batch: &mut Batch) -> Result<()> {
        let Self { recipe, lm: LanguageModel { model, .. }, lanes, position, carry, .. } = self;
        let start = Instant::now();
        let (n, t) = fill(lanes, range, batch)?;
        position.steps += t;
        position.pending += 1;
        if recipe.variable_steps {
            // A longer chunk's mean is of more steps, and may take a longer one.
            let usual = (position.pending * recipe.steps) as f64;
            model.set_learning_rate_factor(factor * position.steps as f64 / usual);
        }
        position.learning_rate = model.learning_rate();
        model.train_step(batch, Some(carry))?;
        if position.pending == recipe.accumulate {
            (position.steps, position.pending) = (0, 0);
            position.updated(model.last_gradient_norm());
        }
        position.chunk += 1;
        position.tokens += n * t;
        position.seconds += start.elapsed().as_secs_f64();
        Ok(())
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
        let flow = report(&TextEvent::Epoch { record: &record, model: &self.lm });
        self.seconds += record.seconds;
        self.epochs.push(record);
        self.position = Position::default();
        match flow {
            Flow::Checkpoint => Ok(report(&TextEvent::Checkpoint(&self.checkpoint()?))),
            flow => Ok(flow),
        }
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

    /// Takes the best epoch's parameters.
    fn finish(mut self, stopped: Stopped, checkpoint: Option<Checkpoint>) -> Result<Trained> {
        let (mut best_epoch, mut score) = (0, None);
        self.lm.model.set_gradient_probe(false);
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
        let seconds = self.seconds + self.position.seconds;
        let Self { lm, epochs, .. } = self;
        Ok(Trained { model: lm, best_epoch, epochs, stopped, seconds, score, test, checkpoint })
    }
}

/// Makes a batch of a range of the lanes' steps.
fn fill(lanes: &Lanes<StoredTokens>, range: Range<usize>, batch: &mut Batch) -> Result<(usize, usize)> {
    let (input, target) = (&mut batch.inputs[0], &mut batch.targets[0]);
    let (n, t) = lanes.fill_range(range, &mut input.ids, &mut target.ids)?;
    (batch.lanes, input.steps, target.steps) = (n, t, t);
    Ok((n, t))
}

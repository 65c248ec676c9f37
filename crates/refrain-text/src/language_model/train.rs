//! Truncated backpropagation through time over the lanes of a text.

use super::LanguageModel;
use super::codec::{Codec, Level};
use super::evaluate::{Score, score};
use super::recipe::TextRecipe;
use crate::error::{Error, Result};
use crate::lanes::Lanes;
use crate::words::WordOptions;
use refrain_nn::data::Batch;
use refrain_nn::{Engine, Model};
use serde::Serialize;
use std::time::{Duration, Instant};

/// The texts of a run.
#[derive(Debug, Clone, Copy)]
pub struct TrainingData<'a> {
    /// What is learned, and where the vocabulary comes from.
    pub training: &'a str,
    /// What the loss is measured on after each epoch; none where it is empty.
    pub validation: &'a str,
}

/// What happens while a model is trained.
#[derive(Debug, Clone)]
pub enum TextEvent<'a> {
    /// All is ready.
    Start {
        /// The untrained model.
        model: &'a Model,
        /// Tokens to learn.
        tokens: usize,
        /// Tokens to validate on.
        validation_tokens: usize,
        /// Entries of the vocabulary.
        vocabulary: usize,
        /// Sequences side by side.
        batch: usize,
        /// Batches of an epoch.
        batches: usize,
    },
    /// A batch was trained.
    Batch {
        /// The epoch, from 1.
        epoch: usize,
        /// Batches done in it.
        done: usize,
        /// Batches of an epoch.
        batches: usize,
        /// Mean training loss of the epoch so far.
        loss: f64,
        /// Training speed of the epoch so far.
        tokens_per_second: f64,
    },
    /// An epoch ended.
    Epoch(&'a EpochRecord),
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Train the next batch.
    Continue,
    /// Stop now and keep what was reached.
    Stop,
}

/// One epoch. Losses in nats a token.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: usize,
    /// Mean training loss, dropout included.
    pub loss: f64,
    /// Share of training tokens predicted right.
    pub accuracy: f64,
    /// Loss of the validation text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_loss: Option<f64>,
    /// Share of validation tokens predicted right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_accuracy: Option<f64>,
    /// Training tokens a second, validation not counted.
    pub tokens_per_second: f64,
    /// Of training, validation not counted.
    pub seconds: f64,
    /// Of the epoch's last step.
    pub learning_rate: f64,
    /// Mean over the epoch, before clipping.
    pub gradient_norm: f64,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// All epochs are done.
    Epochs,
    /// The reporter said so.
    Interrupted,
    /// The loss was no number any more; an earlier epoch's model is kept.
    Diverged,
}

/// A finished run.
#[derive(Debug)]
pub struct Trained {
    /// The model of the epoch with the lowest validation loss; of the last one without validation.
    pub model: LanguageModel,
    /// Which epoch that is, from 1; 0 when stopped before the first ended.
    pub best_epoch: usize,
    /// Every epoch that ended.
    pub epochs: Vec<EpochRecord>,
    /// Why it ended.
    pub stopped: Stopped,
    /// Of training, validation not counted.
    pub seconds: f64,
    /// The validation score of `model`.
    pub score: Option<Score>,
}

/// Cuts off the last `share` of a text's characters; for words the cut is behind the next line break, where one
/// leaves a rest, else behind the next space.
pub fn split_text(text: &str, share: f64, level: Level) -> (&str, &str) {
    let characters = text.chars().count();
    let training = ((characters as f64) * (1.0 - share)).floor() as usize;
    let mut at = text.char_indices().nth(training).map_or(text.len(), |(i, _)| i);
    if level == Level::Word && share > 0.0 {
        let behind = |mark: fn(char) -> bool| text[at..].find(mark).map(|i| at + i + 1);
        let leaves_a_rest = |cut: &usize| !text[*cut..].trim().is_empty();
        let cut = behind(|c| c == '\n').filter(leaves_a_rest);
        at = cut.or_else(|| behind(|c| c == ' ').filter(leaves_a_rest)).unwrap_or(at);
    }
    text.split_at(at)
}

impl TextRecipe {
    /// Trains a model on a text, telling `report` what happens.
    ///
    /// # Errors
    /// When a setting is out of range or the text is too short for `steps`.
    pub fn train(
        &self,
        data: TrainingData<'_>,
        engine: Engine,
        report: &mut dyn FnMut(&TextEvent<'_>) -> Flow,
    ) -> Result<Trained> {
        self.check()?;
        let words = WordOptions { min_count: self.min_count, ..WordOptions::default() };
        let codec = Codec::from_text(data.training, self.level, words)?;
        let (lanes, validation) = self.tokens(&codec, data)?;
        let updates = (lanes.len() * self.epochs) as u64;
        let model = self.network(&codec, engine, updates)?;
        let model = LanguageModel { model, codec, training: None };
        self.run(model, lanes, validation, data, report)
    }

    /// Trains a model further on a text, with its own vocabulary and layers.
    ///
    /// # Errors
    /// When a setting is out of range or the text is too short for `steps`.
    pub fn continue_training(
        &self,
        mut model: LanguageModel,
        data: TrainingData<'_>,
        report: &mut dyn FnMut(&TextEvent<'_>) -> Flow,
    ) -> Result<Trained> {
        self.check()?;
        let (lanes, validation) = self.tokens(&model.codec, data)?;
        let updates = (lanes.len() * self.epochs) as u64;
        let engine = model.model.engine().clone();
        model.model.compile(refrain_nn::Compile {
            loss: refrain_nn::loss::Loss::SparseCategoricalCrossentropy,
            optimizer: self.optimizer(updates)?,
            metrics: vec![refrain_nn::metrics::Metric::Accuracy],
            seed: self.seed,
            engine: Some(engine),
            ..Default::default()
        })?;
        self.run(model, lanes, validation, data, report)
    }

    fn tokens(&self, codec: &Codec, data: TrainingData<'_>) -> Result<(Lanes<Vec<u32>>, Vec<u32>)> {
        let tokens = codec.encode(data.training);
        if tokens.len() <= self.steps {
            return Err(Error::TooShort {
                got: tokens.len(),
                needed: self.steps + 1,
                purpose: "one chunk of `steps` tokens and the token after it",
                advice: "lower `steps`, or use a longer text",
            });
        }
        let batch = self.batch_for(tokens.len());
        let validation = codec.encode(data.validation);
        if validation.len() == 1 {
            return Err(Error::TooShort {
                got: 1,
                needed: 2,
                purpose: "validation",
                advice: "hold out a larger share, or none with a share of 0",
            });
        }
        Ok((Lanes::new(tokens, batch, self.steps)?, validation))
    }

    fn run(
        &self,
        mut lm: LanguageModel,
        lanes: Lanes<Vec<u32>>,
        validation: Vec<u32>,
        data: TrainingData<'_>,
        report: &mut dyn FnMut(&TextEvent<'_>) -> Flow,
    ) -> Result<Trained> {
        let batch = lanes.batch();
        let mut stopped = match report(&TextEvent::Start {
            model: &lm.model,
            tokens: lanes.lane_len() * batch,
            validation_tokens: validation.len(),
            vocabulary: lm.codec.vocab_size(),
            batch,
            batches: lanes.len(),
        }) {
            Flow::Continue => Stopped::Epochs,
            Flow::Stop => Stopped::Interrupted,
        };
        let mut epochs: Vec<EpochRecord> = Vec::new();
        let mut best: Option<(Option<Score>, usize, Vec<f32>)> = None;
        let mut seconds = 0.0;
        for epoch in 1..=self.epochs {
            if stopped != Stopped::Epochs {
                break;
            }
            let mut watch = Stopwatch::default();
            let pass = train_epoch(&mut lm.model, &lanes, epoch, &mut watch, report)?;
            seconds += watch.total.as_secs_f64();
            let mut record = match pass {
                Pass::Done(record) => record,
                Pass::Stopped => {
                    stopped = Stopped::Interrupted;
                    break;
                }
                Pass::Diverged(loss) => {
                    // What an earlier epoch reached is worth keeping.
                    if best.is_none() {
                        return Err(refrain_nn::Error::Diverged { loss, epoch }.into());
                    }
                    stopped = Stopped::Diverged;
                    break;
                }
            };
            let mut found = None;
            if !validation.is_empty() {
                let score = score(&mut lm.model, &lm.codec, &validation, data.validation, false)?;
                record.val_loss = Some(score.loss);
                record.val_accuracy = Some(score.accuracy);
                found = Some(score);
            }
            let loss = |score: &Option<Score>| score.map_or(0.0, |s| s.loss);
            if loss(&found).is_finite()
                && best.as_ref().is_none_or(|(b, ..)| loss(&found) < loss(b) || found.is_none())
            {
                best = Some((found, epoch, lm.model.weights()));
            }
            if report(&TextEvent::Epoch(&record)) == Flow::Stop {
                stopped = Stopped::Interrupted;
            }
            epochs.push(record);
        }
        let (mut best_epoch, mut score) = (0, None);
        if let Some((found, epoch, weights)) = best {
            lm.model.set_weights_flat(&weights)?;
            (best_epoch, score) = (epoch, found);
        }
        lm.training = Some(serde_json::json!({
            "recipe": self,
            "text": fingerprint(data.training),
            "characters": data.training.chars().count(),
            "epochs": epochs.len(),
            "best_epoch": best_epoch,
            "metrics": score,
        }));
        Ok(Trained { model: lm, best_epoch, epochs, stopped, seconds, score })
    }
}

/// Time spent training, which stands still while others work.
#[derive(Debug, Default)]
struct Stopwatch {
    total: Duration,
}

/// How a pass over the lanes ended.
enum Pass {
    Done(EpochRecord),
    /// The reporter stopped it.
    Stopped,
    /// The loss became this.
    Diverged(f64),
}

/// One pass over the lanes.
fn train_epoch(
    model: &mut Model,
    lanes: &Lanes<Vec<u32>>,
    epoch: usize,
    watch: &mut Stopwatch,
    report: &mut dyn FnMut(&TextEvent<'_>) -> Flow,
) -> Result<Pass> {
    let mut state = model.new_state();
    let mut batch = Batch::default();
    batch.inputs.resize_with(1, Default::default);
    batch.targets.resize_with(1, Default::default);
    model.reset_totals();
    let (mut tokens, mut norms) = (0, 0.0);
    for i in 0..lanes.len() {
        let start = Instant::now();
        let (input, target) = (&mut batch.inputs[0], &mut batch.targets[0]);
        let (n, t) = lanes.fill(i, &mut input.ids, &mut target.ids);
        (batch.lanes, input.steps, target.steps) = (n, t, t);
        model.train_step(&batch, Some(&mut state))?;
        if !model.last_loss().is_finite() {
            return Ok(Pass::Diverged(model.last_loss()));
        }
        tokens += n * t;
        norms += model.last_gradient_norm();
        watch.total += start.elapsed();
        let event = TextEvent::Batch {
            epoch,
            done: i + 1,
            batches: lanes.len(),
            loss: model.totals()[0].1,
            tokens_per_second: tokens as f64 / watch.total.as_secs_f64(),
        };
        if report(&event) == Flow::Stop {
            return Ok(Pass::Stopped);
        }
    }
    let totals = model.totals();
    let seconds = watch.total.as_secs_f64();
    Ok(Pass::Done(EpochRecord {
        epoch,
        loss: totals[0].1,
        accuracy: totals[1].1,
        val_loss: None,
        val_accuracy: None,
        tokens_per_second: tokens as f64 / seconds,
        seconds,
        learning_rate: model.learning_rate(),
        gradient_norm: norms / lanes.len() as f64,
    }))
}

/// FNV-1a of a text, to tell whether two runs had the same one.
fn fingerprint(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("fnv1a-{hash:016x}")
}

//! Training a classifier.

use super::Classifier;
use super::batches::{Batches, Examples};
use super::examples::{LabelledText, fingerprint, labels_of};
use super::recipe::{ClassWeight, ClassifierRecipe};
use super::score::{ClassifierScore, score};
use crate::language_model::{Codec, Flow, Stopped, VocabOptions};
use crate::words::WordOptions;
use refrain_nn::callbacks::{BatchContext, Callback, EpochContext};
use refrain_nn::data::BatchSource;
use refrain_nn::{Engine, Error, Fit, Memory, Model};
use serde::Serialize;
use std::time::{Duration, Instant};

/// The texts of a run.
#[derive(Debug, Clone, Copy)]
pub struct LabelledData<'a> {
    /// What is learned, and where vocabulary and labels come from.
    pub training: &'a [LabelledText],
    /// What is measured on after each epoch; nothing where it is empty.
    pub validation: &'a [LabelledText],
    /// Bytes of memory that the run may take; none: any. One that needs more is refused before it takes them.
    pub memory: Option<u64>,
}

/// What happens while a classifier is trained.
#[derive(Debug, Clone)]
pub enum ClassifierEvent<'a> {
    /// All is ready.
    Start {
        /// The untrained model.
        model: &'a Model,
        /// Texts to learn.
        texts: usize,
        /// Texts to validate on.
        validation_texts: usize,
        /// Texts of both that are longer than `max_length` and were cut.
        cut: usize,
        /// Different labels.
        labels: usize,
        /// Entries of the vocabulary.
        vocabulary: usize,
        /// Batches of an epoch.
        batches: usize,
        /// What the run takes at most.
        memory: &'a Memory,
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
        samples_per_second: f64,
    },
    /// An epoch ended.
    Epoch(&'a ClassifierEpoch),
}

/// One epoch. Losses in nats a text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassifierEpoch {
    /// From 1.
    pub epoch: usize,
    /// Mean training loss, dropout and the labels' weights included.
    pub loss: f64,
    /// Share of training texts given their label.
    pub accuracy: f64,
    /// Loss of the validation texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_loss: Option<f64>,
    /// Share of validation texts given their label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_accuracy: Option<f64>,
    /// Mean F1 of the labels on the validation texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_macro_f1: Option<f64>,
    /// Training texts a second, validation not counted.
    pub samples_per_second: f64,
    /// Of training, validation not counted.
    pub seconds: f64,
    /// Of the epoch's last step.
    pub learning_rate: f64,
    /// Mean over the epoch, before clipping.
    pub gradient_norm: f64,
}

/// A finished run.
#[derive(Debug)]
pub struct TrainedClassifier {
    /// The model of the epoch with the lowest validation loss; of the last one without validation.
    pub model: Classifier,
    /// Which epoch that is, from 1; 0 when stopped before the first ended.
    pub best_epoch: usize,
    /// Every epoch that ended.
    pub epochs: Vec<ClassifierEpoch>,
    /// Why it ended.
    pub stopped: Stopped,
    /// Of training, validation not counted.
    pub seconds: f64,
    /// The validation score of `model`.
    pub score: Option<ClassifierScore>,
}

impl ClassifierRecipe {
    /// Trains a classifier on texts, telling `report` what happens.
    ///
    /// # Errors
    /// When a setting is out of range, there are fewer than two labels or two texts of one, or a validation text has
    /// a label that no training text has.
    pub fn train(
        &self,
        data: LabelledData<'_>,
        engine: Engine,
        report: &mut dyn FnMut(&ClassifierEvent<'_>) -> Flow,
    ) -> crate::Result<TrainedClassifier> {
        self.check()?;
        let labels = labels_of(data.training)?;
        let codec = self.codec(data.training)?;
        let encode = |texts| Examples::new(texts, &labels, &codec, self.max_length);
        let (training, validation) = (encode(data.training)?, encode(data.validation)?);
        let mut batches = Batches::new(&training, self.batch, true)?;
        if self.class_weight == ClassWeight::Balanced {
            batches = batches.weighted(training.balanced_weights(labels.len()))?;
        }
        let plan = Plan { texts: training.texts.len(), batch: self.batch, batches: batches.len(0) };
        let memory = self.check_memory(data, &codec, (&training, &validation), labels.len(), &engine)?;
        let mut model = self.network(&codec, labels.len(), engine, (plan.batches * self.epochs) as u64)?;
        let go_on = report(&ClassifierEvent::Start {
            model: &model,
            texts: plan.texts,
            validation_texts: validation.texts.len(),
            cut: training.texts.cut + validation.texts.cut,
            labels: labels.len(),
            vocabulary: codec.vocab_size(),
            batches: plan.batches,
            memory: &memory,
        });
        let mut watch = Watch::new(&validation, &labels, plan, report);
        if go_on == Flow::Continue {
            let callbacks: Vec<Box<dyn Callback + '_>> = vec![Box::new(&mut watch)];
            model.fit_source(&batches, None, Fit { epochs: self.epochs, callbacks, ..Fit::default() })?;
        } else {
            watch.stopped = Stopped::Interrupted;
        }
        let Watch { epochs, best, stopped, seconds, .. } = watch;
        let (mut best_epoch, mut score) = (0, None);
        if let Some(best) = best {
            model.set_weights_flat(&best.weights)?;
            (best_epoch, score) = (best.epoch, best.score);
        }
        let metrics = score.as_ref().map(|ClassifierScore { loss, accuracy, macro_f1, texts, .. }| {
            serde_json::json!({ "loss": loss, "accuracy": accuracy, "macro_f1": macro_f1, "texts": texts })
        });
        let training = Some(serde_json::json!({
            "recipe": self,
            "texts": plan.texts,
            "data": fingerprint(data.training),
            "epochs": epochs.len(),
            "best_epoch": best_epoch,
            "metrics": metrics,
        }));
        let model = Classifier { model, codec, labels, max_length: self.max_length, training };
        Ok(TrainedClassifier { model, best_epoch, epochs, stopped, seconds, score })
    }

    /// The vocabulary of the training texts.
    fn codec(&self, training: &[LabelledText]) -> crate::Result<Codec> {
        let words = WordOptions { min_count: self.min_count, ..WordOptions::default() };
        let options = VocabOptions { words, ..VocabOptions::default() };
        let codec = Codec::from_chunks(training.iter().map(|e| Ok(&e.text)), self.level, &options)?;
        codec.check_known(&options)?;
        Ok(codec)
    }
}

/// What the best epoch so far left.
struct Best {
    epoch: usize,
    score: Option<ClassifierScore>,
    weights: Vec<f32>,
}

/// Validates after each epoch, keeps the best, and stops when it is told to.
struct Watch<'a> {
    validation: &'a Examples,
    labels: &'a [String],
    plan: Plan,
    report: &'a mut dyn FnMut(&ClassifierEvent<'_>) -> Flow,
    epochs: Vec<ClassifierEpoch>,
    best: Option<Best>,
    stopped: Stopped,
    /// Of all epochs.
    seconds: f64,
    epoch: Epoch,
}

/// How an epoch is parted.
#[derive(Clone, Copy)]
struct Plan {
    texts: usize,
    batch: usize,
    batches: usize,
}

/// The epoch that is going on.
struct Epoch {
    /// When training, and nothing else, went on.
    since: Instant,
    trained: Duration,
    texts: usize,
    norms: f64,
    /// Whether it was stopped before its last batch.
    cut_short: bool,
}

impl Epoch {
    fn new() -> Self {
        Self { since: Instant::now(), trained: Duration::ZERO, texts: 0, norms: 0.0, cut_short: false }
    }

    fn speed(&self) -> f64 {
        self.texts as f64 / self.trained.as_secs_f64()
    }
}

impl<'a> Watch<'a> {
    fn new(
        validation: &'a Examples,
        labels: &'a [String],
        plan: Plan,
        report: &'a mut dyn FnMut(&ClassifierEvent<'_>) -> Flow,
    ) -> Self {
        Self {
            validation,
            labels,
            plan,
            report,
            epochs: Vec::new(),
            best: None,
            stopped: Stopped::Epochs,
            seconds: 0.0,
            epoch: Epoch::new(),
        }
    }

    /// Keeps the weights if they are the best so far; without a score they always are.
    fn keep_best(&mut self, epoch: usize, score: Option<ClassifierScore>, model: &Model) {
        let loss = |score: &Option<ClassifierScore>| score.as_ref().map_or(0.0, |s| s.loss);
        let better = |best: &Best| score.is_none() || loss(&score) < loss(&best.score);
        if loss(&score).is_finite() && self.best.as_ref().is_none_or(better) {
            self.best = Some(Best { epoch, score, weights: model.weights() });
        }
    }
}

impl Callback for Watch<'_> {
    fn on_epoch_begin(&mut self, _epoch: usize, _model: &mut Model) -> Result<(), Error> {
        self.epoch = Epoch::new();
        Ok(())
    }

    fn on_batch_end(&mut self, cx: &mut BatchContext<'_>) -> Result<(), Error> {
        let trained = self.epoch.since.elapsed();
        self.epoch.trained += trained;
        self.seconds += trained.as_secs_f64();
        let (epoch, loss) = (cx.epoch + 1, cx.model.last_loss());
        if !loss.is_finite() {
            // What an earlier epoch reached is worth keeping.
            if self.best.is_none() {
                return Err(Error::Diverged { loss, epoch });
            }
            self.stopped = Stopped::Diverged;
            (self.epoch.cut_short, *cx.stop) = (true, true);
            return Ok(());
        }
        let Plan { texts, batch, batches } = self.plan;
        let done = cx.step + 1;
        self.epoch.texts = texts.min(done * batch);
        self.epoch.norms += cx.model.last_gradient_norm();
        let event = ClassifierEvent::Batch {
            epoch,
            done,
            batches,
            loss: cx.logs.get("loss").unwrap_or(loss),
            samples_per_second: self.epoch.speed(),
        };
        if (self.report)(&event) == Flow::Stop {
            self.stopped = Stopped::Interrupted;
            (self.epoch.cut_short, *cx.stop) = (true, true);
        }
        self.epoch.since = Instant::now();
        Ok(())
    }

    fn on_epoch_end(&mut self, cx: &mut EpochContext<'_>) -> Result<(), Error> {
        if self.epoch.cut_short {
            return Ok(());
        }
        let score = match self.validation.labels.is_empty() {
            true => None,
            false => Some(score(cx.model, self.validation, self.labels)?),
        };
        let record = ClassifierEpoch {
            epoch: cx.epoch + 1,
            loss: cx.logs.get("loss").unwrap_or(f64::NAN),
            accuracy: cx.logs.get("accuracy").unwrap_or(f64::NAN),
            val_loss: score.as_ref().map(|s| s.loss),
            val_accuracy: score.as_ref().map(|s| s.accuracy),
            val_macro_f1: score.as_ref().map(|s| s.macro_f1),
            samples_per_second: self.epoch.speed(),
            seconds: self.epoch.trained.as_secs_f64(),
            learning_rate: cx.model.learning_rate(),
            gradient_norm: self.epoch.norms / self.plan.batches as f64,
        };
        self.keep_best(record.epoch, score, cx.model);
        if (self.report)(&ClassifierEvent::Epoch(&record)) == Flow::Stop {
            self.stopped = Stopped::Interrupted;
            *cx.stop = true;
        }
        self.epochs.push(record);
        Ok(())
    }
}

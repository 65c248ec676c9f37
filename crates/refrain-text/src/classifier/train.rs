//! Training a classifier.

use super::Classifier;
use super::batches::{Batches, Examples};
use super::checkpoint::{Handed, Identity};
use super::examples::{LabelledText, fingerprint, labels_of};
use super::recipe::{ClassWeight, ClassifierRecipe};
use super::score::ClassifierScore;
use super::watch::{Plan, Told, Watch};
use crate::language_model::{Codec, Flow, Stopped, VocabOptions};
use crate::words::WordOptions;
use refrain_nn::callbacks::Callback;
use refrain_nn::checkpoint::{Checkpoint, exact};
use refrain_nn::data::BatchSource;
use refrain_nn::{Engine, Fit, Memory, Model, TrainingCounters};
use serde::{Deserialize, Serialize};

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
        /// Epochs that had ended before, where the run goes on.
        epochs_done: usize,
        /// Batches that were trained before, where the run goes on.
        batches_done: u64,
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
        /// Batches done in the whole run.
        batches_done: u64,
        /// Mean training loss of the epoch so far.
        loss: f64,
        /// Training speed of the epoch so far.
        samples_per_second: f64,
        /// The network behind the batch, with what is left of it to be looked at.
        model: &'a Model,
    },
    /// An epoch ended.
    Epoch {
        /// What it came to.
        record: &'a ClassifierEpoch,
        /// The network behind it and behind its validation.
        model: &'a Model,
    },
    /// What [`Flow::Checkpoint`], the answer to a batch or an epoch, asked for. To stop is an answer to it too.
    Checkpoint(&'a Checkpoint),
}

/// One epoch. Losses in nats a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierEpoch {
    /// From 1.
    pub epoch: usize,
    /// Mean training loss, dropout and the labels' weights included.
    #[serde(with = "exact")]
    pub loss: f64,
    /// Share of training texts given their label.
    #[serde(with = "exact")]
    pub accuracy: f64,
    /// Loss of the validation texts.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "exact::option")]
    pub val_loss: Option<f64>,
    /// Share of validation texts given their label.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "exact::option")]
    pub val_accuracy: Option<f64>,
    /// Mean F1 of the labels on the validation texts.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "exact::option")]
    pub val_macro_f1: Option<f64>,
    /// Training texts a second, validation not counted.
    #[serde(with = "exact")]
    pub samples_per_second: f64,
    /// Of training, validation not counted.
    #[serde(with = "exact")]
    pub seconds: f64,
    /// Of the epoch's last step.
    #[serde(with = "exact")]
    pub learning_rate: f64,
    /// Mean over the epoch, before clipping.
    #[serde(with = "exact")]
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
    /// What [`ClassifierRecipe::resume`] goes on from, where the run was interrupted behind its first batch.
    pub checkpoint: Option<Checkpoint>,
}

/// What a run is made of before it begins.
struct Ready {
    labels: Vec<String>,
    codec: Codec,
    /// Where it goes on.
    from: Option<Checkpoint>,
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
        self.run(Ready { labels, codec, from: None }, data, engine, report)
    }

    /// Goes on with a run that was stopped anywhere, with the same recipe and the same texts: to the same bits as if
    /// it had not been stopped.
    ///
    /// # Errors
    /// As for [`ClassifierRecipe::train`], and when the checkpoint is of another run.
    pub fn resume(
        &self,
        checkpoint: Checkpoint,
        data: LabelledData<'_>,
        engine: Engine,
        report: &mut dyn FnMut(&ClassifierEvent<'_>) -> Flow,
    ) -> crate::Result<TrainedClassifier> {
        self.check()?;
        let labels = labels_of(data.training)?;
        let codec = Identity::of(&checkpoint)?.check(self, data, &labels, &checkpoint)?;
        self.run(Ready { labels, codec, from: Some(checkpoint) }, data, engine, report)
    }

    /// The recipe of the run that a checkpoint is of.
    ///
    /// # Errors
    /// When the checkpoint is of another kind of run, or has no recipe that this version knows.
    pub fn of_checkpoint(checkpoint: &Checkpoint) -> crate::Result<Self> {
        Identity::of(checkpoint)?.recipe()
    }

    fn run(
        &self,
        Ready { labels, codec, from }: Ready,
        data: LabelledData<'_>,
        engine: Engine,
        report: &mut dyn FnMut(&ClassifierEvent<'_>) -> Flow,
    ) -> crate::Result<TrainedClassifier> {
        let encode = |texts| Examples::new(texts, &labels, &codec, self.max_length);
        let (training, validation) = (encode(data.training)?, encode(data.validation)?);
        let mut batches = Batches::new(&training, self.batch, true)?;
        if self.class_weight == ClassWeight::Balanced {
            batches = batches.weighted(training.balanced_weights(labels.len()))?;
        }
        let plan = Plan { texts: training.texts.len(), batch: self.batch, batches: batches.len(0) };
        let memory = self.check_memory(data, &codec, (&training, &validation), labels.len(), &engine)?;
        let mut model = self.network(&codec, labels.len(), engine, (plan.batches * self.epochs) as u64)?;
        let identity = Identity::new(self, data, &labels, &codec);
        let told = Told::new(report);
        let answer = told.event(&ClassifierEvent::Start {
            model: &model,
            texts: plan.texts,
            validation_texts: validation.texts.len(),
            cut: training.texts.cut + validation.texts.cut,
            labels: labels.len(),
            vocabulary: codec.vocab_size(),
            batches: plan.batches,
            epochs_done: from.as_ref().map_or(Ok(0), Watch::epochs_in)?,
            batches_done: match &from {
                Some(from) => from.part("training")?.parse::<TrainingCounters>("training state")?.batches,
                None => 0,
            },
            memory: &memory,
        });
        model.set_gradient_probe(answer == Flow::Probe);
        let mut watch = Watch::new(&validation, &labels, plan, &told);
        let mut handed = Handed::new(&told, &identity);
        if answer == Flow::Stop {
            told.interrupt();
            handed.kept = from.clone();
        }
        // What was reached before is read even if the run is to stop at once.
        if answer != Flow::Stop || from.is_some() {
            let callbacks: Vec<Box<dyn Callback + '_>> = vec![Box::new(&mut watch)];
            let resume = from.map(Handed::as_fit).transpose()?;
            let fit = Fit { epochs: self.epochs, callbacks, resume, ..Fit::default() };
            model.fit_source(&batches, None, Fit { checkpoints: Some(&mut handed), ..fit })?;
        }
        let (checkpoint, stopped) = (handed.kept, watch.stopped());
        let Watch { epochs, best, seconds, .. } = watch;
        let (mut best_epoch, mut score) = (0, None);
        model.set_gradient_probe(false);
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
        Ok(TrainedClassifier { model, best_epoch, epochs, stopped, seconds, score, checkpoint })
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

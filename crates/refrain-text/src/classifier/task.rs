//! Text classification as a task: one label per text.

use super::Classifier;
use super::batches::{Batches, Examples};
use super::examples::{LabelledText, fingerprint, labels_of};
use super::recipe::{ClassWeight, ClassifierRecipe};
use super::score::{BATCH, ClassifierScore, score};
use crate::reader::{
    LabelAssets, LabelTask, LabelledData, LabelledSizes, Labelling, ReadsTexts, string_bytes,
};
use crate::score::BatchDone;
use crate::words::WordSplit;
use refrain_nn::checkpoint::Checkpoint;
use refrain_nn::data::BatchSource;
use refrain_nn::{Answer, Engine, Error, Model};
use refrain_task::{MetricInfo, RunEvent, SavedRun, Trained, TrainingRun, Unit};
use serde_json::Value;

/// The encoded texts on which a classifier is trained, validated and tested.
pub type ClassifierTask = LabelTask<TextLabelling>;

/// The labelling of whole texts.
#[derive(Debug)]
pub struct TextLabelling;

impl Labelling for TextLabelling {
    const NAME: &'static str = "classify";
    const TITLE: &'static str = "a classifier";
    const UNIT: Unit = Unit::Samples { plural: "texts" };
    const METRICS: &'static [MetricInfo] = &[MetricInfo::ACCURACY, MetricInfo::f1("macro_f1", "macro-F1")];
    const EVERY_STEP: bool = false;
    const SCORED: usize = BATCH;

    type Text = LabelledText;
    type Examples = Examples;
    type Recipe = ClassifierRecipe;
    type Score = ClassifierScore;
    type Model = Classifier;

    fn assets(recipe: &ClassifierRecipe, texts: &[LabelledText]) -> crate::Result<LabelAssets> {
        let labels = labels_of(texts)?;
        let texts = texts.iter().map(|example| &*example.text);
        let codec = recipe.reader.codec(texts, WordSplit::default())?;
        Ok(LabelAssets { labels, max_length: recipe.reader.max_length, codec })
    }

    fn encode(texts: &[LabelledText], assets: &LabelAssets) -> crate::Result<Examples> {
        Examples::new(texts, assets)
    }

    fn fingerprint(texts: &[LabelledText]) -> String {
        fingerprint(texts)
    }

    fn bytes(text: &LabelledText) -> u64 {
        string_bytes(&text.text) + string_bytes(&text.label)
    }

    fn batches<'a>(
        recipe: &'a ClassifierRecipe,
        examples: &'a Examples,
        labels: usize,
    ) -> Result<Box<dyn BatchSource + 'a>, Error> {
        let mut batches = Batches::new(examples, recipe.batch(), true)?;
        if recipe.class_weight == ClassWeight::Balanced {
            batches = batches.weighted(examples.balanced_weights(labels))?;
        }
        Ok(Box::new(batches))
    }

    fn score(
        model: &mut Model,
        examples: &Examples,
        labels: &[String],
        batch_done: BatchDone<'_>,
    ) -> Result<ClassifierScore, Error> {
        score(model, examples, labels, batch_done)
    }

    fn sizes_of_old_record(
        record: &Value,
        recipe: &ClassifierRecipe,
        assets: &LabelAssets,
    ) -> Option<LabelledSizes> {
        let texts = usize::try_from(record.get("texts")?.as_u64()?).ok()?;
        let share = recipe.training.validation;
        let validation_texts = (texts as f64 / (1.0 - share) * share) as usize;
        Some(LabelledSizes {
            vocabulary: assets.codec.vocab_size(),
            labels: assets.labels.len(),
            longest: recipe.reader.max_length,
            texts,
            validation_texts,
            test_texts: 0,
            pieces: texts,
            scored_pieces: validation_texts,
            held: 0,
        })
    }
}

impl ClassifierRecipe {
    /// Trains a classifier, passing events to `report`. To set a memory limit, checkpoints or callbacks, use
    /// [`ClassifierTask::prepare`] with a [`TrainingRun`] instead.
    ///
    /// # Errors
    /// If a setting is out of range, there are fewer than two labels or fewer than two texts of one, or a
    /// validation text has a label that no training text has.
    pub fn train(
        &self,
        data: LabelledData<'_, LabelledText>,
        engine: Engine,
        report: &mut dyn FnMut(&RunEvent<'_, ClassifierTask>) -> Answer,
    ) -> crate::Result<Trained<ClassifierTask>> {
        ClassifierTask::train(self, data, engine, report)
    }

    /// Resumes a stopped run with the same recipe and texts. The result is bit for bit the same as without the
    /// stop.
    ///
    /// # Errors
    /// As for [`ClassifierRecipe::train`], and if the checkpoint belongs to another run.
    pub fn resume(
        &self,
        checkpoint: Checkpoint,
        data: LabelledData<'_, LabelledText>,
        engine: Engine,
        report: &mut dyn FnMut(&RunEvent<'_, ClassifierTask>) -> Answer,
    ) -> crate::Result<Trained<ClassifierTask>> {
        let saved = SavedRun::<ClassifierTask>::open(checkpoint)?;
        let task = ClassifierTask::prepare(self, data, Some(saved.assets().clone()))?;
        Ok(TrainingRun::new(self, &task).engine(engine).resume(saved).train(report)?)
    }
}

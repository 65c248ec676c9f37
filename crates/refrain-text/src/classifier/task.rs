//! Classifiers as a task: labelled texts of any lengths.

use super::Classifier;
use super::batches::{Batches, Examples};
use super::examples::{LabelledText, fingerprint, labels_of};
use super::recipe::{ClassWeight, ClassifierRecipe};
use super::score::{BATCH, ClassifierScore, score};
use crate::reader::{self, LabelAssets, LabelledData, LabelledSizes, Prepared, ReadsTexts};
use crate::words::WordSplit;
use refrain_nn::checkpoint::Checkpoint;
use refrain_nn::data::BatchSource;
use refrain_nn::layers::Dense;
use refrain_nn::loss::Loss;
use refrain_nn::metrics::Metric;
use refrain_nn::{Activation, Answer, Engine, MemoryUse, Model, Network, Tensor};
use refrain_task::{
    Description, Fingerprints, Knob, MetricInfo, Objective, Recipe, Result, RunEvent, SavedRun, Split, Task,
    Trained, TrainingRun, Unit,
};
use serde_json::Value;

/// The encoded texts of a run: what a classifier is trained, validated and tested on.
#[derive(Debug)]
pub struct ClassifierTask(Prepared<Examples>);

impl ClassifierTask {
    /// Encodes texts for a run of a recipe: with the `assets` of a trained model or a checkpoint, or with labels and a
    /// vocabulary made of the texts to learn.
    ///
    /// # Errors
    /// If a setting is out of range, there are fewer than two labels or two texts of one, or a text has a label that is
    /// not known.
    pub fn prepare(
        recipe: &ClassifierRecipe,
        data: LabelledData<'_, LabelledText>,
        assets: Option<LabelAssets>,
    ) -> crate::Result<Self> {
        recipe.check()?;
        let assets = match assets {
            Some(assets) => assets,
            None => {
                let labels = labels_of(data.training)?;
                let texts = data.training.iter().map(|example| &*example.text);
                let codec = recipe.reader.codec(texts, WordSplit::default())?;
                LabelAssets { labels, max_length: recipe.reader.max_length, codec }
            }
        };
        let bytes = |e: &LabelledText| (e.text.capacity() + e.label.capacity()) as u64;
        Ok(Self(Prepared::new(data, assets, Examples::new, fingerprint, bytes)?))
    }

    /// Texts that are longer than `max_length` and were cut.
    pub fn cut(&self) -> usize {
        self.0.cut()
    }
}

impl Task for ClassifierTask {
    const NAME: &'static str = "classify";
    const TITLE: &'static str = "a classifier";
    const UNIT: Unit = Unit::Samples { plural: "texts" };
    const METRICS: &'static [MetricInfo] = &[MetricInfo::ACCURACY, MetricInfo::f1("macro_f1", "macro-F1")];

    type Recipe = ClassifierRecipe;
    type Assets = LabelAssets;
    type Sizes = LabelledSizes;
    type Score = ClassifierScore;
    type Model = Classifier;

    fn network(recipe: &ClassifierRecipe, sizes: &LabelledSizes) -> Result<(Network, Vec<Tensor>)> {
        let mut net = Network::new();
        let x = recipe.reader.add(&mut net, sizes.vocabulary, false)?;
        let y = net.add(Dense::new(sizes.labels).activation(Activation::Softmax).name("output"), &[x])?;
        Ok((net, vec![y]))
    }

    fn objective(_recipe: &ClassifierRecipe) -> Objective {
        Objective::new(Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
    }

    fn check_assets(assets: &LabelAssets, model: &mut Model) -> std::result::Result<(), String> {
        assets.check(model, &[1])
    }

    fn uses(recipe: &ClassifierRecipe, sizes: &LabelledSizes) -> Vec<MemoryUse> {
        reader::uses(recipe, sizes, BATCH)
    }

    fn held(sizes: &LabelledSizes) -> Vec<(&'static str, u64)> {
        reader::held(sizes)
    }

    fn knobs(recipe: &ClassifierRecipe, sizes: &LabelledSizes) -> Vec<Knob<ClassifierRecipe>> {
        reader::knobs(recipe, sizes)
    }

    fn use_to_run(assets: &LabelAssets) -> MemoryUse {
        assets.use_to_run()
    }

    fn largest_batch(recipe: &ClassifierRecipe, _sizes: &LabelledSizes) -> (usize, usize) {
        reader::largest_batch(recipe)
    }

    fn describe(assets: &LabelAssets) -> Description {
        assets.describe()
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

    fn assets(&self) -> &LabelAssets {
        &self.0.assets
    }

    fn sizes(&self) -> LabelledSizes {
        self.0.sizes()
    }

    fn fingerprints(&self) -> Fingerprints {
        self.0.fingerprints.clone()
    }

    fn batches<'a>(&'a self, recipe: &'a ClassifierRecipe) -> Result<Box<dyn BatchSource + 'a>> {
        let examples = &self.0.training;
        let mut batches = Batches::new(examples, recipe.batch(), true)?;
        if recipe.class_weight == ClassWeight::Balanced {
            batches = batches.weighted(examples.balanced_weights(self.0.assets.labels.len()))?;
        }
        Ok(Box::new(batches))
    }

    fn score(&self, _recipe: &ClassifierRecipe, model: &mut Model, split: Split) -> Result<ClassifierScore> {
        Ok(score(model, self.0.scored(split), &self.0.assets.labels)?)
    }
}

impl ClassifierRecipe {
    /// Trains a classifier on texts, reporting what happens. [`ClassifierTask::prepare`] with a [`TrainingRun`] is the
    /// same, and takes a limit of memory, a place for checkpoints and callbacks too.
    ///
    /// # Errors
    /// If a setting is out of range, there are fewer than two labels or two texts of one, or a validation text has a
    /// label that no training text has.
    pub fn train(
        &self,
        data: LabelledData<'_, LabelledText>,
        engine: Engine,
        report: &mut dyn FnMut(&RunEvent<'_, ClassifierTask>) -> Answer,
    ) -> crate::Result<Trained<ClassifierTask>> {
        let task = ClassifierTask::prepare(self, data, None)?;
        Ok(TrainingRun::new(self, &task).engine(engine).train(report)?)
    }

    /// Resumes a run that was stopped anywhere, with the same recipe and the same texts: to the same bits as if it had
    /// not been stopped.
    ///
    /// # Errors
    /// As for [`ClassifierRecipe::train`], and if the checkpoint is of another run.
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

//! Classifiers as a task: labelled texts of any lengths.

use super::Classifier;
use super::batches::{Batches, Examples};
use super::examples::{LabelledText, fingerprint, labels_of};
use super::recipe::{ClassWeight, ClassifierRecipe};
use super::score::{BATCH, ClassifierScore, score};
use crate::codec::{Codec, vocabulary_bytes};
use crate::words::WordSplit;
use refrain_nn::checkpoint::Checkpoint;
use refrain_nn::data::{Batch, BatchSource};
use refrain_nn::layers::Dense;
use refrain_nn::loss::Loss;
use refrain_nn::metrics::Metric;
use refrain_nn::{Activation, Answer, Engine, MemoryUse, Model, Network, Reduction, Tensor, Work};
use refrain_task::score::MOST_LABELS;
use refrain_task::{
    Description, Fingerprints, Knob, MetricFormat, MetricInfo, MetricSource, Objective, Recipe, Result,
    RunEvent, SavedRun, Split, Task, Trained, TrainingRun, Unit,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The smallest values that are suggested where memory is short.
const LEAST_UNITS: usize = 16;
const LEAST_LENGTH: usize = 16;

/// The texts of a run.
#[derive(Debug, Clone, Copy)]
pub struct LabelledData<'a> {
    /// What is learned, and where vocabulary and labels come from.
    pub training: &'a [LabelledText],
    /// What is measured on after each epoch; nothing if it is empty.
    pub validation: &'a [LabelledText],
    /// What the finished model is scored on, once; nothing if it is empty.
    pub test: &'a [LabelledText],
}

impl<'a> LabelledData<'a> {
    /// Texts to learn, and none to score on.
    pub fn new(training: &'a [LabelledText]) -> Self {
        Self { training, validation: &[], test: &[] }
    }
}

/// The encoded texts of a run: what a classifier is trained, validated and tested on.
#[derive(Debug)]
pub struct ClassifierTask {
    assets: ClassifierAssets,
    training: Examples,
    validation: Examples,
    test: Examples,
    fingerprints: Fingerprints,
    /// Bytes of the texts as they are.
    text_bytes: u64,
}

/// All that running a classifier needs besides its network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassifierAssets {
    /// The labels, sorted.
    pub labels: Vec<String>,
    /// Steps of a text that are read.
    pub max_length: usize,
    /// The vocabulary.
    #[serde(flatten)]
    pub codec: Codec,
}

/// What a run's memory depends on, besides its recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierSizes {
    /// Entries of the vocabulary.
    pub vocabulary: usize,
    /// Different labels.
    pub labels: usize,
    /// Steps of the longest text, at most `max_length`.
    pub longest: usize,
    /// Texts to learn.
    pub texts: usize,
    /// Texts to validate on.
    pub validation_texts: usize,
    /// Texts to test on.
    pub test_texts: usize,
    /// Bytes that the texts take, as they are and encoded. A model file does not record it.
    #[serde(skip)]
    pub held: u64,
}

impl ClassifierTask {
    /// Encodes texts for a run of a recipe: with the `assets` of a trained model or a checkpoint, or with labels and a
    /// vocabulary made of the texts to learn.
    ///
    /// # Errors
    /// If a setting is out of range, there are fewer than two labels or two texts of one, or a text has a label that is
    /// not known.
    pub fn prepare(
        recipe: &ClassifierRecipe,
        data: LabelledData<'_>,
        assets: Option<ClassifierAssets>,
    ) -> crate::Result<Self> {
        recipe.check()?;
        let assets = match assets {
            Some(assets) => assets,
            None => {
                let labels = labels_of(data.training)?;
                let texts = data.training.iter().map(|example| &*example.text);
                let codec = recipe.reader().codec(texts, WordSplit::default())?;
                ClassifierAssets { labels, max_length: recipe.max_length, codec }
            }
        };
        let ClassifierAssets { labels, max_length, codec } = &assets;
        let encode = |texts| Examples::new(texts, labels, codec, *max_length);
        let (training, validation) = (encode(data.training)?, encode(data.validation)?);
        let test = encode(data.test)?;
        let of = |texts: &[LabelledText]| (!texts.is_empty()).then(|| fingerprint(texts));
        let fingerprints = Fingerprints {
            training: fingerprint(data.training),
            validation: of(data.validation),
            test: of(data.test),
        };
        let texts = data.training.iter().chain(data.validation).chain(data.test);
        let text_bytes = texts.map(|e| (e.text.capacity() + e.label.capacity()) as u64).sum();
        Ok(Self { assets, training, validation, test, fingerprints, text_bytes })
    }

    /// Texts that are longer than `max_length` and were cut.
    pub fn cut(&self) -> usize {
        [&self.training, &self.validation, &self.test].iter().map(|examples| examples.texts.cut).sum()
    }
}

impl Task for ClassifierTask {
    const NAME: &'static str = "classify";
    const TITLE: &'static str = "a classifier";
    const UNIT: Unit = Unit::Samples { plural: "texts" };
    const METRICS: &'static [MetricInfo] = &[
        MetricInfo {
            name: "accuracy",
            label: "accuracy",
            source: MetricSource::Both,
            format: MetricFormat::Percent,
        },
        MetricInfo {
            name: "macro_f1",
            label: "macro-F1",
            source: MetricSource::Validation,
            format: MetricFormat::Decimals(3),
        },
    ];

    type Recipe = ClassifierRecipe;
    type Assets = ClassifierAssets;
    type Sizes = ClassifierSizes;
    type Score = ClassifierScore;
    type Model = Classifier;

    fn network(recipe: &ClassifierRecipe, sizes: &ClassifierSizes) -> Result<(Network, Vec<Tensor>)> {
        let mut net = Network::new();
        let x = recipe.reader().add(&mut net, sizes.vocabulary, false)?;
        let y = net.add(Dense::new(sizes.labels).activation(Activation::Softmax).name("output"), &[x])?;
        Ok((net, vec![y]))
    }

    fn objective(_recipe: &ClassifierRecipe) -> Objective {
        Objective {
            loss: Loss::SparseCategoricalCrossentropy,
            metrics: vec![Metric::Accuracy],
            reduction: Reduction::default(),
        }
    }

    fn check_assets(assets: &ClassifierAssets, model: &mut Model) -> std::result::Result<(), String> {
        let ClassifierAssets { labels, max_length, codec } = assets;
        if labels.len() < 2 || !labels.is_sorted_by(|a, b| a < b) {
            return Err("its labels are not two or more in order, each once".to_owned());
        }
        if labels.len() > MOST_LABELS || labels.iter().any(|l| l.contains(char::is_control)) {
            return Err(format!("it has more than {MOST_LABELS} labels, or one with a control character"));
        }
        if *max_length == 0 {
            return Err("its `max_length` is 0".to_owned());
        }
        check_network(model, labels.len(), codec.vocab_size())
    }

    fn uses(recipe: &ClassifierRecipe, sizes: &ClassifierSizes) -> Vec<MemoryUse> {
        let steps = recipe.max_length.min(sizes.longest).max(1);
        let mut uses = vec![MemoryUse::new(Work::Train, recipe.batch().min(sizes.texts).max(1), steps)];
        let scored = sizes.validation_texts.max(sizes.test_texts);
        if scored > 0 {
            let lanes = BATCH.min(scored);
            uses.push(MemoryUse::new(Work::Evaluate, lanes, steps));
            uses.push(MemoryUse::new(Work::Predict, lanes, steps));
        }
        uses
    }

    fn held(sizes: &ClassifierSizes) -> Vec<(&'static str, u64)> {
        let confusion = (sizes.labels as u64).saturating_mul(sizes.labels as u64).saturating_mul(8);
        let vocabulary = vocabulary_bytes(sizes.vocabulary);
        vec![("texts", sizes.held), ("vocabulary", vocabulary), ("confusion", confusion)]
    }

    fn knobs(recipe: &ClassifierRecipe, sizes: &ClassifierSizes) -> Vec<Knob<ClassifierRecipe>> {
        let longest = recipe.max_length.min(sizes.longest);
        vec![
            Knob::of_training("batch", recipe.batch(), 1, |r, n| r.training.batch = Some(n)),
            Knob::of_network("max-length", longest, LEAST_LENGTH, |r, n| r.max_length = n),
            Knob::of_network("units", recipe.units, LEAST_UNITS, |r, n| r.units = n),
            Knob::of_network("embedding", recipe.embedding, LEAST_UNITS, |r, n| r.embedding = n),
            Knob::of_network("layers", recipe.layers, 1, |r, n| r.layers = n),
        ]
    }

    fn use_to_run(assets: &ClassifierAssets) -> MemoryUse {
        MemoryUse::new(Work::Predict, 1, assets.max_length)
    }

    fn largest_batch(recipe: &ClassifierRecipe, _sizes: &ClassifierSizes) -> (usize, usize) {
        (recipe.batch(), recipe.max_length)
    }

    fn describe(assets: &ClassifierAssets) -> Description {
        let mut description = assets.codec.describe();
        let labels = &assets.labels;
        description.fields.insert("labels".to_owned(), serde_json::json!(labels));
        description.lines.push(format!("{} labels: {}", labels.len(), labels.join(", ")));
        description
    }

    fn sizes_of_old_record(
        record: &Value,
        recipe: &ClassifierRecipe,
        assets: &ClassifierAssets,
    ) -> Option<ClassifierSizes> {
        let texts = usize::try_from(record.get("texts")?.as_u64()?).ok()?;
        let share = recipe.training.validation;
        Some(ClassifierSizes {
            vocabulary: assets.codec.vocab_size(),
            labels: assets.labels.len(),
            longest: recipe.max_length,
            texts,
            validation_texts: (texts as f64 / (1.0 - share) * share) as usize,
            test_texts: 0,
            held: 0,
        })
    }

    fn assets(&self) -> &ClassifierAssets {
        &self.assets
    }

    fn sizes(&self) -> ClassifierSizes {
        let all = [&self.training, &self.validation, &self.test];
        ClassifierSizes {
            vocabulary: self.assets.codec.vocab_size(),
            labels: self.assets.labels.len(),
            longest: all.iter().map(|examples| examples.texts.longest()).max().unwrap_or(0),
            texts: self.training.texts.len(),
            validation_texts: self.validation.texts.len(),
            test_texts: self.test.texts.len(),
            held: self.text_bytes + all.iter().map(|examples| examples.texts.bytes()).sum::<u64>(),
        }
    }

    fn fingerprints(&self) -> Fingerprints {
        self.fingerprints.clone()
    }

    fn batches<'a>(&'a self, recipe: &'a ClassifierRecipe) -> Result<Box<dyn BatchSource + 'a>> {
        let mut batches = Batches::new(&self.training, recipe.batch(), true)?;
        if recipe.class_weight == ClassWeight::Balanced {
            batches = batches.weighted(self.training.balanced_weights(self.assets.labels.len()))?;
        }
        Ok(Box::new(batches))
    }

    fn score(&self, _recipe: &ClassifierRecipe, model: &mut Model, split: Split) -> Result<ClassifierScore> {
        let examples = match split {
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        };
        Ok(score(model, examples, &self.assets.labels)?)
    }
}

/// Runs the network on a text of the vocabulary's last id, which shows whether it takes ids, enough of them, and
/// gives one row of probabilities a text.
fn check_network(model: &mut Model, labels: usize, vocabulary: usize) -> std::result::Result<(), String> {
    let mut batch = Batch { lanes: 1, ..Batch::default() };
    batch.inputs.resize_with(1, Default::default);
    batch.inputs[0].steps = 1;
    batch.inputs[0].ids.push((vocabulary - 1) as u32);
    let outputs = model.predict_batch(&batch, None);
    let outputs = outputs.map_err(|e| format!("its network does not read its vocabulary: {e}"))?;
    match &outputs[..] {
        [output] if output.shape() == [1, labels] => Ok(()),
        [output] => Err(format!(
            "its network makes {:?} numbers of a text of one step, and it has {labels} labels",
            output.shape()
        )),
        many => Err(format!("its network has {} outputs", many.len())),
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
        data: LabelledData<'_>,
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
        data: LabelledData<'_>,
        engine: Engine,
        report: &mut dyn FnMut(&RunEvent<'_, ClassifierTask>) -> Answer,
    ) -> crate::Result<Trained<ClassifierTask>> {
        let saved = SavedRun::<ClassifierTask>::open(checkpoint)?;
        let task = ClassifierTask::prepare(self, data, Some(saved.assets().clone()))?;
        Ok(TrainingRun::new(self, &task).engine(engine).resume(saved).train(report)?)
    }
}

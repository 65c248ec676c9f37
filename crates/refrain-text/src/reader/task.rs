//! Labelling as a task: texts of any length, with a label for each text or for each word.

use super::settings::{kept_in_memory, largest_batch, memory_uses, reducible_settings};
use super::{Encoded, LabelAssets, LabelledData, LabelledSizes, ReadsTexts};
use crate::error::Result;
use crate::score::BatchDone;
use crate::unknown::UnknownParts;
use refrain_nn::Error as NnError;
use refrain_nn::data::BatchSource;
use refrain_nn::layers::Dense;
use refrain_nn::loss::Loss;
use refrain_nn::metrics::Metric;
use refrain_nn::{Activation, Answer, Engine, MemoryUse, Model, Network, Tensor};
use refrain_task::{
    Description, Fingerprints, MetricInfo, Objective, Recipe, ReducibleSetting, RunEvent, Score, Scoring,
    Split, Task, TaskModel, Trained, TrainingRun, Unit,
};
use serde_json::Value;
use std::fmt;

/// What one kind of labelling adds to [`LabelTask`].
pub trait Labelling: fmt::Debug + Sized + 'static {
    /// [`Task::NAME`].
    const NAME: &'static str;
    /// [`Task::TITLE`].
    const TITLE: &'static str;
    /// [`Task::UNIT`].
    const UNIT: Unit;
    /// [`Task::METRICS`].
    const METRICS: &'static [MetricInfo];
    /// Whether every step has a label, or only the last one.
    const EVERY_STEP: bool;
    /// Sequences that are scored at a time.
    const SCORED: usize;

    /// A labelled text.
    type Text;
    /// Encoded texts.
    type Examples: HasTexts + fmt::Debug;
    /// [`Task::Recipe`].
    type Recipe: ReadsTexts;
    /// [`Task::Score`].
    type Score: Score;
    /// [`Task::Model`].
    type Model: From<TaskModel<LabelTask<Self>>>;

    /// Builds the labels and the vocabulary from the training texts.
    ///
    /// # Errors
    /// If there are too few or too many labels.
    fn assets(recipe: &Self::Recipe, texts: &[Self::Text]) -> Result<LabelAssets>;

    /// Encodes texts.
    ///
    /// # Errors
    /// If a label is unknown.
    fn encode(texts: &[Self::Text], assets: &LabelAssets) -> Result<Self::Examples>;

    /// Returns a fingerprint of texts.
    fn fingerprint(texts: &[Self::Text]) -> String;

    /// Returns the bytes that a text takes in memory before it is encoded.
    fn bytes(text: &Self::Text) -> u64;

    /// Implements [`Task::batches`].
    ///
    /// # Errors
    /// If a setting does not fit the data.
    fn batches<'a>(
        recipe: &'a Self::Recipe,
        examples: &'a Self::Examples,
        labels: usize,
    ) -> std::result::Result<Box<dyn BatchSource + 'a>, NnError>;

    /// Implements [`Task::score`].
    ///
    /// # Errors
    /// If the network fails.
    fn score(
        model: &mut Model,
        examples: &Self::Examples,
        labels: &[String],
        batch_done: BatchDone<'_>,
    ) -> std::result::Result<Self::Score, NnError>;

    /// Implements [`Task::sizes_of_old_record`].
    fn sizes_of_old_record(
        _record: &Value,
        _recipe: &Self::Recipe,
        _assets: &LabelAssets,
    ) -> Option<LabelledSizes> {
        None
    }
}

/// Labelled texts, encoded.
pub trait HasTexts {
    /// Returns the texts without labels; those that are read in several pieces, as pieces.
    fn pieces(&self) -> &Encoded;

    /// Returns the number of texts.
    fn count(&self) -> usize {
        self.pieces().len()
    }

    /// Returns how many words are longer than a piece and therefore cut off.
    fn cut_words(&self) -> usize {
        0
    }

    /// Returns the bytes that they take in memory.
    fn bytes(&self) -> u64 {
        self.pieces().bytes()
    }
}

/// The encoded texts on which a labelling model is trained, validated and tested.
#[derive(Debug)]
pub struct LabelTask<L: Labelling> {
    assets: LabelAssets,
    training: L::Examples,
    validation: L::Examples,
    test: L::Examples,
    fingerprints: Fingerprints,
    /// Bytes of the texts before they are encoded.
    bytes: u64,
}

impl<L: Labelling> LabelTask<L> {
    /// Encodes texts for a run of a recipe. Uses the `assets` of a trained model or a checkpoint, if given;
    /// otherwise builds labels and a vocabulary from the training texts.
    ///
    /// # Errors
    /// If a setting is out of range, there are fewer than two labels (or, for a classifier, fewer than two texts of
    /// one), or a label is unknown.
    pub fn prepare(
        recipe: &L::Recipe,
        data: LabelledData<'_, L::Text>,
        assets: Option<LabelAssets>,
    ) -> Result<Self> {
        recipe.check()?;
        let assets = assets.map_or_else(|| L::assets(recipe, data.training), Ok)?;
        let of = |texts: &[L::Text]| (!texts.is_empty()).then(|| L::fingerprint(texts));
        let task = Self {
            training: L::encode(data.training, &assets)?,
            validation: L::encode(data.validation, &assets).map_err(|e| e.of_part(Split::Validation))?,
            test: L::encode(data.test, &assets).map_err(|e| e.of_part(Split::Test))?,
            fingerprints: Fingerprints {
                training: L::fingerprint(data.training),
                validation: of(data.validation),
                test: of(data.test),
            },
            bytes: data.all().map(L::bytes).sum(),
            assets,
        };
        let checked = |part: &L::Examples| part.pieces().unknown().check();
        checked(&task.training)?;
        checked(&task.validation).map_err(|e| e.of_part(Split::Validation))?;
        checked(&task.test).map_err(|e| e.of_part(Split::Test))?;
        Ok(task)
    }

    /// Returns how many texts are longer than `max_length`. A classifier cuts them off; a tagger reads them in
    /// several pieces.
    pub fn too_long(&self) -> usize {
        self.parts().iter().map(|part| part.pieces().cut).sum()
    }

    /// Returns how many words are longer than `max_length`. A tagger reads only their beginning.
    pub fn cut_words(&self) -> usize {
        self.parts().iter().map(|part| part.cut_words()).sum()
    }

    /// Returns how many tokens of each part are unknown to the vocabulary.
    pub fn unknown(&self) -> UnknownParts {
        let of = |part: &L::Examples| (part.count() > 0).then(|| part.pieces().unknown());
        UnknownParts {
            training: self.training.pieces().unknown(),
            validation: of(&self.validation),
            test: of(&self.test),
        }
    }

    /// Prepares data and trains on it.
    pub(crate) fn train(
        recipe: &L::Recipe,
        data: LabelledData<'_, L::Text>,
        engine: Engine,
        report: &mut dyn FnMut(&RunEvent<'_, Self>) -> Answer,
    ) -> Result<Trained<Self>> {
        let task = Self::prepare(recipe, data, None)?;
        Ok(TrainingRun::new(recipe, &task).engine(engine).train(report)?)
    }

    fn parts(&self) -> [&L::Examples; 3] {
        [&self.training, &self.validation, &self.test]
    }
}

impl<L: Labelling> Task for LabelTask<L> {
    const NAME: &'static str = L::NAME;
    const TITLE: &'static str = L::TITLE;
    const UNIT: Unit = L::UNIT;
    const METRICS: &'static [MetricInfo] = L::METRICS;

    type Recipe = L::Recipe;
    type Assets = LabelAssets;
    type Sizes = LabelledSizes;
    type Score = L::Score;
    type Model = L::Model;

    fn network(recipe: &L::Recipe, sizes: &LabelledSizes) -> refrain_task::Result<(Network, Vec<Tensor>)> {
        let mut net = Network::new();
        let x = recipe.reader().add(&mut net, sizes.vocabulary, L::EVERY_STEP)?;
        let y = net.add(Dense::new(sizes.labels).activation(Activation::Softmax).name("output"), &[x])?;
        Ok((net, vec![y]))
    }

    fn objective(_recipe: &L::Recipe) -> Objective {
        Objective::new(Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
    }

    fn check_assets(assets: &LabelAssets, model: &mut Model) -> std::result::Result<(), String> {
        assets.check(model, if L::EVERY_STEP { &[1, 1] } else { &[1] })
    }

    fn memory_uses(recipe: &L::Recipe, sizes: &LabelledSizes) -> Vec<MemoryUse> {
        memory_uses(recipe, sizes, L::SCORED)
    }

    fn kept_in_memory(sizes: &LabelledSizes) -> Vec<(&'static str, u64)> {
        kept_in_memory(sizes)
    }

    fn reducible_settings(recipe: &L::Recipe, sizes: &LabelledSizes) -> Vec<ReducibleSetting<L::Recipe>> {
        reducible_settings(recipe, sizes)
    }

    fn inference_use(assets: &LabelAssets) -> MemoryUse {
        assets.inference_use()
    }

    fn largest_batch(recipe: &L::Recipe, _sizes: &LabelledSizes) -> (usize, usize) {
        largest_batch(recipe)
    }

    fn describe(assets: &LabelAssets) -> Description {
        assets.describe()
    }

    fn sizes_of_old_record(
        record: &Value,
        recipe: &L::Recipe,
        assets: &LabelAssets,
    ) -> Option<LabelledSizes> {
        L::sizes_of_old_record(record, recipe, assets)
    }

    fn assets(&self) -> &LabelAssets {
        &self.assets
    }

    fn sizes(&self) -> LabelledSizes {
        let pieces = self.parts().map(HasTexts::pieces);
        let [texts, validation_texts, test_texts] = self.parts().map(HasTexts::count);
        LabelledSizes {
            vocabulary: self.assets.codec.vocab_size(),
            labels: self.assets.labels.len(),
            longest: pieces.iter().map(|pieces| pieces.longest()).max().unwrap_or(0),
            texts,
            validation_texts,
            test_texts,
            pieces: pieces[0].len(),
            scored_pieces: pieces[1].len().max(pieces[2].len()),
            held: self.bytes + self.parts().iter().map(|part| part.bytes()).sum::<u64>(),
        }
    }

    fn fingerprints(&self) -> Fingerprints {
        self.fingerprints.clone()
    }

    fn batches<'a>(&'a self, recipe: &'a L::Recipe) -> refrain_task::Result<Box<dyn BatchSource + 'a>> {
        Ok(L::batches(recipe, &self.training, self.assets.labels.len())?)
    }

    fn score(
        &self,
        _recipe: &L::Recipe,
        model: &mut Model,
        scoring: &mut Scoring<'_>,
    ) -> refrain_task::Result<L::Score> {
        let examples = match scoring.split {
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        };
        Ok(L::score(model, examples, &self.assets.labels, &mut || scoring.batch_done())?)
    }
}

//! Taggers as a task: sentences of any lengths whose words have labels.

use super::Tagger;
use super::batches::{Batches, Sentences};
use super::recipe::TaggerRecipe;
use super::score::{BATCH, TaggerScore, score};
use super::sentences::{TaggedSentence, fingerprint, labels_of};
use crate::reader::{self, LabelAssets, LabelledData, LabelledSizes, Prepared, ReadsTexts};
use crate::words::WordSplit;
use refrain_nn::data::BatchSource;
use refrain_nn::layers::Dense;
use refrain_nn::loss::Loss;
use refrain_nn::metrics::Metric;
use refrain_nn::{Activation, Answer, Engine, MemoryUse, Model, Network, Tensor};
use refrain_task::{
    Description, Fingerprints, Knob, MetricInfo, Objective, Recipe, Result, RunEvent, Split, Task, Trained,
    TrainingRun, Unit,
};

/// The encoded sentences of a run: what a tagger is trained, validated and tested on.
#[derive(Debug)]
pub struct TaggerTask(Prepared<Sentences>);

impl TaggerTask {
    /// Encodes sentences for a run of a recipe: with the `assets` of a trained model or a checkpoint, or with labels and
    /// a vocabulary made of the sentences to learn.
    ///
    /// # Errors
    /// If a setting is out of range, there are fewer than two labels, or a word has a label that is not known.
    pub fn prepare(
        recipe: &TaggerRecipe,
        data: LabelledData<'_, TaggedSentence>,
        assets: Option<LabelAssets>,
    ) -> crate::Result<Self> {
        recipe.check()?;
        let assets = match assets {
            Some(assets) => assets,
            None => {
                let labels = labels_of(data.training)?;
                let lines: Vec<String> = data.training.iter().map(TaggedSentence::line).collect();
                let codec = recipe.reader.codec(lines.iter().map(String::as_str), WordSplit::Whitespace)?;
                LabelAssets { labels, max_length: recipe.reader.max_length, codec }
            }
        };
        let bytes = |sentence: &TaggedSentence| {
            let words = sentence.words.iter();
            words.map(|word| (size_of_val(word) + word.word.capacity() + word.label.capacity()) as u64).sum()
        };
        Ok(Self(Prepared::new(data, assets, Sentences::new, fingerprint, bytes)?))
    }

    /// Sentences that are longer than `max_length` and are read in several pieces.
    pub fn parted(&self) -> usize {
        self.0.cut()
    }
}

impl Task for TaggerTask {
    const NAME: &'static str = "tag";
    const TITLE: &'static str = "a tagger";
    const UNIT: Unit = Unit::Tokens;
    const METRICS: &'static [MetricInfo] =
        &[MetricInfo::ACCURACY, MetricInfo::f1("macro_f1", "macro-F1"), MetricInfo::f1("span_f1", "span F1")];

    type Recipe = TaggerRecipe;
    type Assets = LabelAssets;
    type Sizes = LabelledSizes;
    type Score = TaggerScore;
    type Model = Tagger;

    fn network(recipe: &TaggerRecipe, sizes: &LabelledSizes) -> Result<(Network, Vec<Tensor>)> {
        let mut net = Network::new();
        let x = recipe.reader.add(&mut net, sizes.vocabulary, true)?;
        let y = net.add(Dense::new(sizes.labels).activation(Activation::Softmax).name("output"), &[x])?;
        Ok((net, vec![y]))
    }

    fn objective(_recipe: &TaggerRecipe) -> Objective {
        Objective::new(Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
    }

    fn check_assets(assets: &LabelAssets, model: &mut Model) -> std::result::Result<(), String> {
        assets.check(model, &[1, 1])
    }

    fn uses(recipe: &TaggerRecipe, sizes: &LabelledSizes) -> Vec<MemoryUse> {
        reader::uses(recipe, sizes, BATCH)
    }

    fn held(sizes: &LabelledSizes) -> Vec<(&'static str, u64)> {
        reader::held(sizes)
    }

    fn knobs(recipe: &TaggerRecipe, sizes: &LabelledSizes) -> Vec<Knob<TaggerRecipe>> {
        reader::knobs(recipe, sizes)
    }

    fn use_to_run(assets: &LabelAssets) -> MemoryUse {
        assets.use_to_run()
    }

    fn largest_batch(recipe: &TaggerRecipe, _sizes: &LabelledSizes) -> (usize, usize) {
        reader::largest_batch(recipe)
    }

    fn describe(assets: &LabelAssets) -> Description {
        assets.describe()
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

    fn batches<'a>(&'a self, recipe: &'a TaggerRecipe) -> Result<Box<dyn BatchSource + 'a>> {
        Ok(Box::new(Batches::new(&self.0.training, recipe.batch(), true)?))
    }

    fn score(&self, _recipe: &TaggerRecipe, model: &mut Model, split: Split) -> Result<TaggerScore> {
        Ok(score(model, self.0.scored(split), &self.0.assets.labels)?)
    }
}

impl TaggerRecipe {
    /// Trains a tagger on sentences, reporting what happens. [`TaggerTask::prepare`] with a [`TrainingRun`] is the same,
    /// and takes a limit of memory, a place for checkpoints, a checkpoint to resume from and callbacks too.
    ///
    /// # Errors
    /// If a setting is out of range, there are fewer than two labels, or a sentence to validate or to test on has a label
    /// that none to learn has.
    pub fn train(
        &self,
        data: LabelledData<'_, TaggedSentence>,
        engine: Engine,
        report: &mut dyn FnMut(&RunEvent<'_, TaggerTask>) -> Answer,
    ) -> crate::Result<Trained<TaggerTask>> {
        let task = TaggerTask::prepare(self, data, None)?;
        Ok(TrainingRun::new(self, &task).engine(engine).train(report)?)
    }
}

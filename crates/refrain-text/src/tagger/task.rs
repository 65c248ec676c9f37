//! Tagging as a task: a label for each word.

use super::Tagger;
use super::batches::{Batches, Sentences};
use super::recipe::TaggerRecipe;
use super::score::{BATCH, TaggerScore, score};
use super::sentences::{TaggedSentence, fingerprint, labels_of};
use crate::reader::{LabelAssets, LabelTask, LabelledData, Labelling, ReadsTexts, string_bytes};
use crate::score::BatchDone;
use crate::words::WordSplit;
use refrain_nn::data::BatchSource;
use refrain_nn::{Answer, Engine, Error, Model};
use refrain_task::{MetricInfo, RunEvent, Trained, Unit};

/// The encoded sentences on which a tagger is trained, validated and tested.
pub type TaggerTask = LabelTask<WordLabelling>;

/// The labelling of words.
#[derive(Debug)]
pub struct WordLabelling;

impl Labelling for WordLabelling {
    const NAME: &'static str = "tag";
    const TITLE: &'static str = "a tagger";
    const UNIT: Unit = Unit::Tokens;
    const METRICS: &'static [MetricInfo] =
        &[MetricInfo::ACCURACY, MetricInfo::f1("macro_f1", "macro-F1"), MetricInfo::f1("span_f1", "span F1")];
    const EVERY_STEP: bool = true;
    const SCORED: usize = BATCH;

    type Text = TaggedSentence;
    type Examples = Sentences;
    type Recipe = TaggerRecipe;
    type Score = TaggerScore;
    type Model = Tagger;

    fn assets(recipe: &TaggerRecipe, sentences: &[TaggedSentence]) -> crate::Result<LabelAssets> {
        let labels = labels_of(sentences)?;
        let lines = sentences.iter().map(TaggedSentence::line);
        let codec = recipe.reader.codec(lines, WordSplit::Whitespace)?;
        Ok(LabelAssets { labels, max_length: recipe.reader.max_length, codec })
    }

    fn encode(sentences: &[TaggedSentence], assets: &LabelAssets) -> crate::Result<Sentences> {
        Sentences::new(sentences, assets)
    }

    fn fingerprint(sentences: &[TaggedSentence]) -> String {
        fingerprint(sentences)
    }

    fn bytes(sentence: &TaggedSentence) -> u64 {
        sentence.words.iter().map(|word| string_bytes(&word.word) + string_bytes(&word.label)).sum()
    }

    fn batches<'a>(
        recipe: &'a TaggerRecipe,
        sentences: &'a Sentences,
        _labels: usize,
    ) -> Result<Box<dyn BatchSource + 'a>, Error> {
        Ok(Box::new(Batches::new(sentences, recipe.batch(), true)?))
    }

    fn score(
        model: &mut Model,
        sentences: &Sentences,
        labels: &[String],
        batch_done: BatchDone<'_>,
    ) -> Result<TaggerScore, Error> {
        score(model, sentences, labels, batch_done)
    }
}

impl TaggerRecipe {
    /// Trains a tagger, passing events to `report`. To set a memory limit, checkpoints or callbacks, or to resume a
    /// run, use [`TaggerTask::prepare`] with a [`TrainingRun`](refrain_task::TrainingRun) instead.
    ///
    /// # Errors
    /// If a setting is out of range, there are fewer than two labels, or a validation or test sentence has a label
    /// that no training sentence has.
    pub fn train(
        &self,
        data: LabelledData<'_, TaggedSentence>,
        engine: Engine,
        report: &mut dyn FnMut(&RunEvent<'_, TaggerTask>) -> Answer,
    ) -> crate::Result<Trained<TaggerTask>> {
        TaggerTask::train(self, data, engine, report)
    }
}

//! Language modelling as a task: truncated backpropagation through time over the lanes of a text.

use super::LanguageModel;
use super::chunks::{chunks, longest_chunk};
use super::data::TrainingData;
use super::evaluate::{ScoredText, TextScore, scored_at_once};
use super::recipe::TextRecipe;
use crate::codec::{Codec, Level, vocabulary_bytes};
use crate::lanes::Lanes;
use crate::tokens::{StoredTokens, Tokens};
use crate::unknown::UnknownParts;
use refrain_nn::checkpoint::Checkpoint;
use refrain_nn::data::{Batch, BatchSource};
use refrain_nn::loss::Loss;
use refrain_nn::metrics::Metric;
use refrain_nn::shown::counted;
use refrain_nn::{Answer, Engine, Error as NnError, Memory, MemoryUse, Model, Network, Tensor, Work};
use refrain_task::{
    Description, Fingerprints, HasTaskModel, MetricFormat, MetricInfo, MetricSource, Objective,
    ReducibleSetting, Result, RunEvent, SavedRun, Score, Scoring, Split, Task, Trained, TrainingRun, Unit,
    memory_to_train,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ops::Range;
use std::sync::Mutex;

/// The smallest values that are suggested when memory is short.
const MIN_STEPS: usize = 8;
const MIN_UNITS: usize = 16;
const MIN_WORDS: usize = 1_000;

/// The tokens of a run's texts, on which a language model is trained, validated and tested.
#[derive(Debug)]
pub struct TextTask {
    pub(super) codec: Codec,
    pub(super) lanes: Lanes<StoredTokens>,
    pub(super) validation: Option<ScoredText>,
    pub(super) test: Option<ScoredText>,
    /// Computed before the run, because the files may be gone when it ends.
    pub(super) fingerprints: Fingerprints,
}

/// What a run's memory depends on, apart from its recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSizes {
    /// Number of entries in the vocabulary.
    pub vocabulary: usize,
    /// Number of training tokens.
    pub tokens: usize,
    /// Number of validation tokens.
    pub validation_tokens: usize,
    /// Number of test tokens.
    pub test_tokens: usize,
    /// Bytes of the tokens that are kept in memory. Not stored in model files.
    #[serde(skip)]
    pub held: u64,
}

impl TextTask {
    /// Returns the number of sequences in a batch.
    pub fn batch(&self) -> usize {
        self.lanes.batch()
    }

    /// Returns how many tokens of each text are unknown to the vocabulary.
    ///
    /// # Errors
    /// If the tokens cannot be read.
    pub fn unknown(&self) -> crate::Result<UnknownParts> {
        let of = |text: &Option<ScoredText>| text.as_ref().map(|text| text.tokens.unknown()).transpose();
        Ok(UnknownParts {
            training: self.lanes.tokens().unknown()?,
            validation: of(&self.validation)?,
            test: of(&self.test)?,
        })
    }
}

impl TextSizes {
    /// Returns the number of tokens that a run trains on: those that fill the lanes.
    pub fn trained_tokens(&self, recipe: &TextRecipe) -> usize {
        let batch = recipe.batch_for(self.tokens);
        (self.tokens.saturating_sub(1) / batch) * batch
    }
}

/// The lanes of a text in chunks.
struct Chunks<'a> {
    recipe: &'a TextRecipe,
    lanes: &'a Lanes<StoredTokens>,
    /// The chunks of the epoch that was asked for last.
    epoch: Mutex<(usize, Vec<Range<usize>>)>,
}

impl Chunks<'_> {
    /// Applies `get` to the chunks of an epoch, from 0.
    fn of<R>(&self, epoch: usize, get: impl FnOnce(&[Range<usize>]) -> R) -> R {
        let mut known = self.epoch.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.0 != epoch || known.1.is_empty() {
            *known = (epoch, chunks(self.recipe, self.lanes.lane_len(), epoch + 1).collect());
        }
        get(&known.1)
    }
}

impl BatchSource for Chunks<'_> {
    fn len(&self, epoch: usize) -> usize {
        if !self.recipe.variable_steps {
            return self.lanes.lane_len().div_ceil(self.recipe.steps);
        }
        self.of(epoch, <[_]>::len)
    }

    fn fill(
        &self,
        _seed: u64,
        epoch: usize,
        i: usize,
        batch: &mut Batch,
    ) -> std::result::Result<(), NnError> {
        let range = self.of(epoch, |chunks| chunks[i].clone());
        batch.inputs.resize_with(1, Default::default);
        batch.targets.resize_with(1, Default::default);
        let (input, target) = (&mut batch.inputs[0], &mut batch.targets[0]);
        let (n, t) = self.lanes.fill_range(range, &mut input.ids, &mut target.ids)?;
        (batch.lanes, input.steps, target.steps) = (n, t, t);
        Ok(())
    }

    /// Returns a larger factor for a longer chunk, whose mean covers more steps. Several chunks that make one
    /// optimiser step count together.
    fn rate_factor(&self, _seed: u64, epoch: usize, i: usize) -> f64 {
        if !self.recipe.variable_steps {
            return 1.0;
        }
        let first = i - i % self.recipe.training.accumulate;
        let steps: usize = self.of(epoch, |chunks| chunks[first..=i].iter().map(Range::len).sum());
        steps as f64 / ((i - first + 1) * self.recipe.steps) as f64
    }

    fn carries_state(&self) -> bool {
        true
    }
}

impl Task for TextTask {
    const NAME: &'static str = "text";
    const TITLE: &'static str = "a language model";
    const UNIT: Unit = Unit::Tokens;
    const METRICS: &'static [MetricInfo] = &[
        MetricInfo {
            name: "perplexity",
            label: "perplexity",
            source: MetricSource::Loss(f64::exp),
            format: MetricFormat::Decimals(2),
        },
        MetricInfo::ACCURACY,
    ];

    type Recipe = TextRecipe;
    type Assets = Codec;
    type Sizes = TextSizes;
    type Score = TextScore;
    type Model = LanguageModel;

    fn network(recipe: &TextRecipe, sizes: &TextSizes) -> Result<(Network, Vec<Tensor>)> {
        recipe.network(sizes.vocabulary)
    }

    fn objective(recipe: &TextRecipe) -> Objective {
        Objective {
            loss: Loss::SparseCategoricalCrossentropy,
            metrics: vec![Metric::Accuracy],
            reduction: recipe.reduction,
        }
    }

    /// Returns `false` for an adaptive softmax, for which ranking all tokens costs as much as training.
    fn has_training_metrics(model: &Model) -> bool {
        model.architecture().layers.iter().all(|layer| layer.class_name != "AdaptiveSoftmax")
    }

    fn check_assets(codec: &Codec, model: &mut Model) -> std::result::Result<(), String> {
        if model.output_count() != 1 || model.output_width(0) != codec.vocab_size() {
            let (width, vocabulary) = (model.output_width(0), codec.vocab_size());
            return Err(format!(
                "its output has {}, but its vocabulary has {}",
                counted(width, "feature"),
                counted(vocabulary, "entry")
            ));
        }
        // Reading the last id shows whether the network takes ids, and enough of them.
        let last = codec.vocab_size() as u32 - 1;
        let read = model.session(1).and_then(|mut session| session.step_ids(&[last]).map(|_| ()));
        read.map_err(|e| format!("its network does not accept its vocabulary: {e}"))
    }

    fn memory_uses(recipe: &TextRecipe, sizes: &TextSizes) -> Vec<MemoryUse> {
        let batch = recipe.batch_for(sizes.tokens);
        let lane = (sizes.tokens.saturating_sub(1) / batch).max(1);
        let mut uses = vec![MemoryUse::new(Work::Train, batch, longest_chunk(recipe).min(lane))];
        let scored = sizes.validation_tokens.max(sizes.test_tokens);
        if scored > 0 {
            let (lanes, steps) = scored_at_once(scored, recipe.stream);
            uses.push(MemoryUse::new(Work::Evaluate, lanes, steps));
        }
        uses
    }

    fn kept_in_memory(sizes: &TextSizes) -> Vec<(&'static str, u64)> {
        vec![("tokens", sizes.held), ("vocabulary", vocabulary_bytes(sizes.vocabulary))]
    }

    fn reducible_settings(recipe: &TextRecipe, sizes: &TextSizes) -> Vec<ReducibleSetting<TextRecipe>> {
        let batch = recipe.batch_for(sizes.tokens);
        let mut reducible_settings = vec![
            ReducibleSetting::of_training("batch", batch, 1, |r: &mut TextRecipe, n| {
                r.training.batch = Some(n)
            }),
            ReducibleSetting::of_training("steps", recipe.steps, MIN_STEPS, |r, n| r.steps = n),
            ReducibleSetting::of_network("units", recipe.units, MIN_UNITS, |r, n| r.units = n),
            ReducibleSetting::of_network("embedding", recipe.embedding, MIN_UNITS, |r, n| r.embedding = n),
            ReducibleSetting::of_network("layers", recipe.layers, 1, |r, n| r.layers = n),
        ];
        if recipe.level == Level::Word {
            let set = |r: &mut TextRecipe, n| r.vocabulary = Some(n);
            reducible_settings.push(ReducibleSetting::of_network("vocab", sizes.vocabulary, MIN_WORDS, set));
        }
        reducible_settings
    }

    /// Keeps the number of tokens, because rarer words become the unknown one.
    fn sizes_with(recipe: &TextRecipe, sizes: &TextSizes) -> TextSizes {
        let vocabulary = recipe.vocabulary.map_or(sizes.vocabulary, |most| most.min(sizes.vocabulary));
        TextSizes { vocabulary, ..*sizes }
    }

    fn inference_use(_codec: &Codec) -> MemoryUse {
        MemoryUse::new(Work::Predict, 1, 1)
    }

    fn largest_batch(recipe: &TextRecipe, sizes: &TextSizes) -> (usize, usize) {
        (recipe.batch_for(sizes.tokens), recipe.steps)
    }

    fn describe(codec: &Codec) -> Description {
        codec.describe()
    }

    /// Reads the number of characters, which is at least the number of tokens.
    fn sizes_of_old_record(record: &Value, recipe: &TextRecipe, codec: &Codec) -> Option<TextSizes> {
        let tokens = usize::try_from(record.get("characters")?.as_u64()?).ok()?;
        let share = recipe.training.validation;
        Some(TextSizes {
            vocabulary: codec.vocab_size(),
            tokens,
            validation_tokens: (tokens as f64 / (1.0 - share) * share) as usize,
            test_tokens: 0,
            held: 0,
        })
    }

    fn assets(&self) -> &Codec {
        &self.codec
    }

    fn sizes(&self) -> TextSizes {
        let of = |text: &Option<ScoredText>| text.as_ref().map_or(0, |text| text.tokens.len());
        let scored = [&self.validation, &self.test].into_iter().flatten().map(|text| &text.tokens);
        let held = std::iter::once(self.lanes.tokens()).chain(scored).map(StoredTokens::memory).sum();
        TextSizes {
            vocabulary: self.codec.vocab_size(),
            tokens: self.lanes.tokens().len(),
            validation_tokens: of(&self.validation),
            test_tokens: of(&self.test),
            held,
        }
    }

    fn fingerprints(&self) -> Fingerprints {
        self.fingerprints.clone()
    }

    fn batches<'a>(&'a self, recipe: &'a TextRecipe) -> Result<Box<dyn BatchSource + 'a>> {
        Ok(Box::new(Chunks { recipe, lanes: &self.lanes, epoch: Mutex::default() }))
    }

    fn score(&self, recipe: &TextRecipe, model: &mut Model, scoring: &mut Scoring<'_>) -> Result<TextScore> {
        let text = match scoring.split {
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        };
        let text = text.as_ref().expect("a text that has a fingerprint");
        Ok(text.score(model, &self.codec, recipe.stream, &mut || scoring.batch_done())?)
    }
}

impl Score for TextScore {
    fn loss(&self) -> f64 {
        self.loss
    }

    fn metrics(&self) -> Vec<(String, f64)> {
        vec![("accuracy".to_owned(), self.accuracy)]
    }
}

impl TextRecipe {
    /// Trains a model on a text, passing events to `report`. To set a memory limit, checkpoints or callbacks, use
    /// [`TextTask::prepare`] with a [`TrainingRun`] instead.
    ///
    /// # Errors
    /// If a setting is out of range, the text is too short for `steps`, or it cannot be read.
    pub fn train(
        &self,
        data: TrainingData<'_>,
        engine: Engine,
        report: &mut dyn FnMut(&RunEvent<'_, TextTask>) -> Answer,
    ) -> crate::Result<Trained<TextTask>> {
        let task = TextTask::prepare(self, data, None, &mut |_| {})?;
        Ok(TrainingRun::new(self, &task).engine(engine).train(report)?)
    }

    /// Continues training a model on a text, with the model's own vocabulary and layers.
    ///
    /// # Errors
    /// As for [`TextRecipe::train`].
    pub fn continue_training(
        &self,
        model: LanguageModel,
        data: TrainingData<'_>,
        report: &mut dyn FnMut(&RunEvent<'_, TextTask>) -> Answer,
    ) -> crate::Result<Trained<TextTask>> {
        let task = TextTask::prepare(self, data, Some(model.codec().clone()), &mut |_| {})?;
        Ok(TrainingRun::new(self, &task).from_model(model.into_task_model()).train(report)?)
    }

    /// Resumes a run of [`TextRecipe::train`] or [`TextRecipe::continue_training`] from a checkpoint, with the same
    /// recipe and texts. The result is bit for bit the same as without the stop, with any number of threads.
    ///
    /// # Errors
    /// As for [`TextRecipe::train`], and if the checkpoint belongs to another kind of run, recipe or text, or is
    /// inconsistent.
    pub fn resume(
        &self,
        checkpoint: Checkpoint,
        data: TrainingData<'_>,
        engine: Engine,
        report: &mut dyn FnMut(&RunEvent<'_, TextTask>) -> Answer,
    ) -> crate::Result<Trained<TextTask>> {
        let saved = SavedRun::<TextTask>::open(checkpoint)?;
        let task = TextTask::prepare(self, data, Some(saved.assets().clone()), &mut |_| {})?;
        Ok(TrainingRun::new(self, &task).engine(engine).resume(saved).train(report)?)
    }

    /// Returns the memory that training needs, without allocating it.
    ///
    /// # Errors
    /// If a setting is out of range.
    pub fn memory(&self, sizes: &TextSizes, engine: Engine) -> crate::Result<Memory> {
        Ok(memory_to_train::<TextTask>(self, sizes, engine)?)
    }
}

//! What a run takes, said before it takes it.

use super::codec::{Codec, Level};
use super::data::{Prepared, TrainingData};
use super::evaluate::scored_at_once;
use super::train::longest_chunk;
use super::{LanguageModel, ParameterAverage, TextRecipe};
use crate::error::Result;
use crate::memory::{Knob, check};
use crate::tokens::{StoredTokens, Tokens};
use refrain_nn::{Engine, Memory, MemoryUse, Work};

/// Of an entry of a vocabulary: its text, and the tables that find it.
const ENTRY_BYTES: u64 = 256;
/// Of the weights: the best epoch's stays while that of a better one is made, and a file is put together in memory.
pub(crate) const COPIES: u64 = 2;
/// Of the program itself, its threads and what the system's allocator keeps.
pub(crate) const PROGRAM_BYTES: u64 = 13_000_000;

/// What a run's memory depends on, beside its recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextSizes {
    /// Entries of the vocabulary.
    pub vocabulary: usize,
    /// Tokens to learn.
    pub tokens: usize,
    /// Tokens of the longest text that is scored; 0 without one.
    pub scored: usize,
    /// Bytes of tokens that are kept in memory.
    pub held: u64,
}

impl TextRecipe {
    /// What training takes. Nothing of it is taken to answer.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn memory(&self, sizes: &TextSizes, engine: Engine) -> Result<Memory> {
        let uses = self.uses(sizes);
        let planned = self.plan(sizes.vocabulary, engine, 1)?;
        Ok(self.with_text(planned.memory(&uses), sizes))
    }

    fn uses(&self, sizes: &TextSizes) -> Vec<MemoryUse> {
        let batch = self.batch_for(sizes.tokens);
        let lane = (sizes.tokens.saturating_sub(1) / batch).max(1);
        let mut uses = vec![MemoryUse::new(Work::Train, batch, longest_chunk(self).min(lane))];
        if sizes.scored > 0 {
            let (lanes, steps) = scored_at_once(sizes.scored, self.stream);
            uses.push(MemoryUse::new(Work::Evaluate, lanes, steps));
        }
        uses
    }

    fn with_text(&self, memory: Memory, sizes: &TextSizes) -> Memory {
        let parameters = memory.of("parameters");
        let averages = match self.average {
            ParameterAverage::None => 0,
            _ => parameters.saturating_sub(memory.of("averages")),
        };
        // A checkpoint copies parameters, slots, averages, gradients that wait and the best epoch; no other copy is
        // made meanwhile.
        let waiting = if self.accumulate > 1 { parameters } else { 0 };
        let kept = [parameters, memory.of("optimizer"), memory.of("averages"), averages, waiting];
        let checkpoint = kept.into_iter().fold(0, u64::saturating_add);
        let vocabulary = (sizes.vocabulary as u64).saturating_mul(ENTRY_BYTES);
        memory
            .with("averages", averages)
            .with("copies of the weights", parameters.saturating_mul(COPIES))
            .with("checkpoint", checkpoint)
            .with("tokens", sizes.held)
            .with("vocabulary", vocabulary)
            .with("program", PROGRAM_BYTES)
    }

    /// Refuses a run that needs more than [`TrainingData::memory`], before any of it is taken.
    pub(super) fn check_memory(
        &self,
        prepared: &Prepared,
        codec: &Codec,
        data: TrainingData<'_>,
        engine: &Engine,
    ) -> Result<Memory> {
        let sizes = prepared.sizes(codec);
        let mut knobs = self.knobs_of_a_batch(&sizes);
        knobs.push(knob("units", self.units, LEAST_UNITS, |r, n| r.units = n));
        knobs.push(knob("embedding", self.embedding, LEAST_UNITS, |r, n| r.embedding = n));
        knobs.push(knob("layers", self.layers, 1, |r, n| r.layers = n));
        if self.level == Level::Word {
            knobs.push(knob("vocab", sizes.vocabulary, LEAST_WORDS, |r, n| r.vocabulary = Some(n)));
        }
        check(self, data.memory, &knobs, |recipe| {
            recipe.check()?;
            // Rarer words become the unknown one: the text has as many tokens.
            let vocabulary = recipe.vocabulary.map_or(sizes.vocabulary, |most| most.min(sizes.vocabulary));
            recipe.memory(&TextSizes { vocabulary, ..sizes }, engine.clone())
        })
    }

    /// The same for a compiled model that is trained further: its shape stays.
    pub(super) fn check_memory_with(
        &self,
        prepared: &Prepared,
        model: &LanguageModel,
        data: TrainingData<'_>,
    ) -> Result<Memory> {
        let sizes = prepared.sizes(&model.codec);
        check(self, data.memory, &self.knobs_of_a_batch(&sizes), |recipe| {
            let uses = recipe.uses(&sizes);
            Ok(recipe.with_text(model.model.memory(&uses), &sizes))
        })
    }

    fn knobs_of_a_batch(&self, sizes: &TextSizes) -> Vec<Knob<Self>> {
        vec![
            knob("batch", self.batch_for(sizes.tokens), 1, |r, n| r.batch = Some(n)),
            knob("steps", self.steps, LEAST_STEPS, |r, n| r.steps = n),
        ]
    }
}

fn knob(
    option: &'static str,
    value: usize,
    least: usize,
    set: fn(&mut TextRecipe, usize),
) -> Knob<TextRecipe> {
    Knob { option, value, least, set }
}

/// What is suggested at least.
const LEAST_STEPS: usize = 8;
/// Likewise.
const LEAST_UNITS: usize = 16;
/// Likewise.
const LEAST_WORDS: usize = 1_000;

impl Prepared {
    fn sizes(&self, codec: &Codec) -> TextSizes {
        let scored = || [&self.validation, &self.test].into_iter().flatten().map(|text| &text.tokens);
        let held = std::iter::once(self.lanes.tokens()).chain(scored()).map(StoredTokens::memory).sum();
        TextSizes {
            vocabulary: codec.vocab_size(),
            tokens: self.lanes.tokens().len(),
            scored: scored().map(Tokens::len).max().unwrap_or(0),
            held,
        }
    }
}

impl LanguageModel {
    /// What one sequence takes, read step by step.
    pub fn memory_to_run(&self) -> Memory {
        self.model.memory(&[MemoryUse::new(Work::Predict, 1, 1)])
    }

    /// What training takes as the model's file records it, with the batch and the steps, if it does. A batch that the
    /// recipe leaves to the text is at most the one that is told.
    pub fn memory_to_train(&self) -> Option<(Memory, usize, usize)> {
        let training = self.training.as_ref()?;
        let recipe: TextRecipe = serde_json::from_value(training.get("recipe")?.clone()).ok()?;
        recipe.check().ok()?;
        let characters = training.get("characters").and_then(serde_json::Value::as_u64);
        let tokens = usize::try_from(characters?).ok()?;
        let sizes = TextSizes {
            vocabulary: self.codec.vocab_size(),
            tokens,
            scored: (tokens as f64 / (1.0 - recipe.validation) * recipe.validation) as usize,
            held: 0,
        };
        let batch = recipe.batch_for(tokens);
        Some((recipe.memory(&sizes, self.model.engine().clone()).ok()?, batch, recipe.steps))
    }
}

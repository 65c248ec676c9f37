//! What a run takes, said before it takes it.

use super::batches::{Encoded, Examples};
use super::score::BATCH;
use super::{Classifier, ClassifierRecipe, LabelledData};
use crate::error::Result;
use crate::language_model::{COPIES, Codec, PROGRAM_BYTES};
use crate::memory::{Knob, check};
use refrain_nn::{Engine, Memory, MemoryUse, Work};

/// What is suggested at least.
const LEAST_UNITS: usize = 16;
/// Likewise.
const LEAST_LENGTH: usize = 16;

/// What a run's memory depends on, beside its recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassifierSizes {
    /// Entries of the vocabulary.
    pub vocabulary: usize,
    /// Different labels.
    pub labels: usize,
    /// Steps of the longest text, before it is cut.
    pub longest: usize,
    /// Texts to learn.
    pub texts: usize,
    /// Texts to validate on.
    pub validation_texts: usize,
    /// Bytes that the texts take, as they are and encoded.
    pub held: u64,
}

impl ClassifierRecipe {
    /// What training takes at most: with all texts of a batch as long as the longest. Nothing of it is taken to answer.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn memory(&self, sizes: &ClassifierSizes, engine: Engine) -> Result<Memory> {
        let steps = self.max_length.min(sizes.longest).max(1);
        let mut uses = vec![MemoryUse::new(Work::Train, self.batch.min(sizes.texts).max(1), steps)];
        if sizes.validation_texts > 0 {
            let lanes = BATCH.min(sizes.validation_texts);
            uses.push(MemoryUse::new(Work::Evaluate, lanes, steps));
            uses.push(MemoryUse::new(Work::Predict, lanes, steps));
        }
        let memory = self.plan(sizes.vocabulary, sizes.labels, engine, 1)?.memory(&uses);
        let (parameters, optimizer) = (memory.of("parameters"), memory.of("optimizer"));
        let confusion = (sizes.labels as u64).saturating_mul(sizes.labels as u64).saturating_mul(8);
        Ok(memory
            .with("copies of the weights", parameters.saturating_mul(COPIES))
            // No other copy of the weights is made meanwhile.
            .with("checkpoint", parameters.saturating_add(optimizer))
            .with("texts", sizes.held)
            .with("confusion", confusion)
            .with("program", PROGRAM_BYTES))
    }

    /// Refuses a run that needs more than [`LabelledData::memory`], before any of it is taken; what it takes.
    pub(super) fn check_memory(
        &self,
        data: LabelledData<'_>,
        codec: &Codec,
        (training, validation): (&Examples, &Examples),
        labels: usize,
        engine: &Engine,
    ) -> Result<Memory> {
        let texts = || data.training.iter().chain(data.validation);
        let as_they_are: usize = texts().map(|e| e.text.capacity() + e.label.capacity()).sum();
        let sizes = ClassifierSizes {
            vocabulary: codec.vocab_size(),
            labels,
            longest: training.texts.longest().max(validation.texts.longest()),
            texts: training.texts.len(),
            validation_texts: validation.texts.len(),
            held: as_they_are as u64 + training.texts.bytes() + validation.texts.bytes(),
        };
        let knob = |option, value, least, set| Knob { option, value, least, set };
        let knobs: [Knob<Self>; 5] = [
            knob("batch", self.batch, 1, |r, n| r.batch = n),
            knob("max-length", self.max_length.min(sizes.longest), LEAST_LENGTH, |r, n| r.max_length = n),
            knob("units", self.units, LEAST_UNITS, |r, n| r.units = n),
            knob("embedding", self.embedding, LEAST_UNITS, |r, n| r.embedding = n),
            knob("layers", self.layers, 1, |r, n| r.layers = n),
        ];
        check(self, data.memory, &knobs, |recipe| recipe.memory(&sizes, engine.clone()))
    }
}

impl Encoded {
    /// Steps of the longest text.
    fn longest(&self) -> usize {
        (0..self.len()).map(|i| self.text(i).len()).max().unwrap_or(0)
    }

    /// Bytes that they take, with a label and a number each.
    fn bytes(&self) -> u64 {
        4 * self.steps() as u64 + 16 * self.len() as u64
    }
}

impl Classifier {
    /// What one text of the longest length takes.
    pub fn memory_to_run(&self) -> Memory {
        self.model.memory(&[MemoryUse::new(Work::Predict, 1, self.max_length)])
    }

    /// What training takes at most as the model's file records it, with the batch and the steps, if it does.
    pub fn memory_to_train(&self) -> Option<(Memory, usize, usize)> {
        let training = self.training.as_ref()?;
        let recipe: ClassifierRecipe = serde_json::from_value(training.get("recipe")?.clone()).ok()?;
        recipe.check().ok()?;
        let texts = usize::try_from(training.get("texts")?.as_u64()?).ok()?;
        let sizes = ClassifierSizes {
            vocabulary: self.codec.vocab_size(),
            labels: self.labels.len(),
            longest: recipe.max_length,
            texts,
            validation_texts: (texts as f64 / (1.0 - recipe.validation) * recipe.validation) as usize,
            held: 0,
        };
        let memory = recipe.memory(&sizes, self.model.engine().clone()).ok()?;
        Some((memory, recipe.batch, recipe.max_length))
    }
}

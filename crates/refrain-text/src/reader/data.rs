//! Labelled data in parts, and how much of it there is.

use serde::{Deserialize, Serialize};

/// The texts of a run, each an `E`.
#[derive(Debug)]
pub struct LabelledData<'a, E> {
    /// The training texts. The vocabulary and the labels come from them.
    pub training: &'a [E],
    /// Texts that are scored after each epoch; may be empty.
    pub validation: &'a [E],
    /// Texts that the finished model is scored on once; may be empty.
    pub test: &'a [E],
}

impl<E> Clone for LabelledData<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for LabelledData<'_, E> {}

impl<'a, E> LabelledData<'a, E> {
    /// Training texts alone.
    pub fn new(training: &'a [E]) -> Self {
        Self { training, validation: &[], test: &[] }
    }

    /// All texts.
    pub(super) fn all(&self) -> impl Iterator<Item = &'a E> {
        self.training.iter().chain(self.validation).chain(self.test)
    }
}

/// What a run's memory depends on, besides its recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelledSizes {
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
    /// Sequences to learn. A text that is read in several pieces counts as several.
    pub pieces: usize,
    /// Sequences to validate or to test on, the larger of the two.
    pub scored_pieces: usize,
    /// Bytes that the texts take, as they are and encoded. A model file does not record it.
    #[serde(skip)]
    pub held: u64,
}

//! Labelled data and its sizes.

use serde::{Deserialize, Serialize};

/// The texts of a run, each of type `E`.
#[derive(Debug)]
pub struct LabelledData<'a, E> {
    /// The training texts. The vocabulary and the labels come from them.
    pub training: &'a [E],
    /// Texts that are scored after each epoch; may be empty.
    pub validation: &'a [E],
    /// Texts on which the finished model is scored once; may be empty.
    pub test: &'a [E],
}

impl<E> Clone for LabelledData<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for LabelledData<'_, E> {}

impl<'a, E> LabelledData<'a, E> {
    /// Creates data with training texts only.
    pub fn new(training: &'a [E]) -> Self {
        Self { training, validation: &[], test: &[] }
    }

    /// Returns all texts.
    pub(super) fn all(&self) -> impl Iterator<Item = &'a E> {
        self.training.iter().chain(self.validation).chain(self.test)
    }
}

/// What a run's memory depends on, apart from its recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelledSizes {
    /// Number of entries in the vocabulary.
    pub vocabulary: usize,
    /// Number of different labels.
    pub labels: usize,
    /// Steps of the longest text, at most `max_length`.
    pub longest: usize,
    /// Number of training texts.
    pub texts: usize,
    /// Number of validation texts.
    pub validation_texts: usize,
    /// Number of test texts.
    pub test_texts: usize,
    /// Number of training sequences. A text that is read in several pieces counts as several.
    pub pieces: usize,
    /// Number of validation or test sequences, the larger of the two.
    pub scored_pieces: usize,
    /// Bytes of the texts, both as text and encoded. Not stored in model files.
    #[serde(skip)]
    pub held: u64,
}

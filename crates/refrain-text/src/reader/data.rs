//! The parts of labelled data, as they are and encoded.

use super::{Encoded, LabelAssets};
use crate::error::Result;
use refrain_task::{Fingerprints, Split};
use serde::{Deserialize, Serialize};

/// The texts of a run, each an `E`.
#[derive(Debug)]
pub struct LabelledData<'a, E> {
    /// What is learned, and where vocabulary and labels come from.
    pub training: &'a [E],
    /// What is measured on after each epoch; nothing if it is empty.
    pub validation: &'a [E],
    /// What the finished model is scored on, once; nothing if it is empty.
    pub test: &'a [E],
}

impl<E> Clone for LabelledData<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for LabelledData<'_, E> {}

impl<'a, E> LabelledData<'a, E> {
    /// Texts to learn, and none to score on.
    pub fn new(training: &'a [E]) -> Self {
        Self { training, validation: &[], test: &[] }
    }

    /// All texts.
    fn all(&self) -> impl Iterator<Item = &'a E> {
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
    /// Sequences to learn: a text that is read in several pieces is as many.
    pub pieces: usize,
    /// Sequences to validate or to test on, the larger of the two.
    pub scored_pieces: usize,
    /// Bytes that the texts take, as they are and encoded. A model file does not record it.
    #[serde(skip)]
    pub held: u64,
}

/// Labelled texts, encoded.
pub(crate) trait HasTexts {
    /// The texts alone, those that are read in several pieces in pieces.
    fn pieces(&self) -> &Encoded;

    /// The number of texts.
    fn count(&self) -> usize {
        self.pieces().len()
    }
}

/// All parts of a run's data, encoded.
#[derive(Debug)]
pub(crate) struct Prepared<T> {
    pub(crate) assets: LabelAssets,
    pub(crate) training: T,
    validation: T,
    test: T,
    pub(crate) fingerprints: Fingerprints,
    /// Bytes of the texts as they are.
    bytes: u64,
}

impl<T: HasTexts> Prepared<T> {
    /// Encodes each part. `bytes` are those that one text takes as it is.
    ///
    /// # Errors
    /// Those of `encode`.
    pub(crate) fn new<E>(
        data: LabelledData<'_, E>,
        assets: LabelAssets,
        encode: impl Fn(&[E], &LabelAssets) -> Result<T>,
        fingerprint: impl Fn(&[E]) -> String,
        bytes: impl Fn(&E) -> u64,
    ) -> Result<Self> {
        let of = |texts: &[E]| (!texts.is_empty()).then(|| fingerprint(texts));
        Ok(Self {
            training: encode(data.training, &assets)?,
            validation: encode(data.validation, &assets)?,
            test: encode(data.test, &assets)?,
            fingerprints: Fingerprints {
                training: fingerprint(data.training),
                validation: of(data.validation),
                test: of(data.test),
            },
            bytes: data.all().map(bytes).sum(),
            assets,
        })
    }

    /// A part that is scored.
    pub(crate) fn scored(&self, split: Split) -> &T {
        match split {
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        }
    }

    fn parts(&self) -> [&T; 3] {
        [&self.training, &self.validation, &self.test]
    }

    /// Texts that are longer than is read in one piece.
    pub(crate) fn cut(&self) -> usize {
        self.parts().iter().map(|part| part.pieces().cut).sum()
    }

    pub(crate) fn sizes(&self) -> LabelledSizes {
        let pieces = self.parts().map(T::pieces);
        let [texts, validation_texts, test_texts] = self.parts().map(T::count);
        LabelledSizes {
            vocabulary: self.assets.codec.vocab_size(),
            labels: self.assets.labels.len(),
            longest: pieces.iter().map(|pieces| pieces.longest()).max().unwrap_or(0),
            texts,
            validation_texts,
            test_texts,
            pieces: pieces[0].len(),
            scored_pieces: pieces[1].len().max(pieces[2].len()),
            held: self.bytes + pieces.iter().map(|pieces| pieces.bytes()).sum::<u64>(),
        }
    }
}

//! Labelled texts as batches of ids, each text with its own length.

use super::examples::LabelledText;
use crate::error::{Error, Result};
use crate::reader::{Encoded, HasTexts, LabelAssets};
use refrain_nn::Error as NnError;
use refrain_nn::data::{Arrays, Batch, BatchSource};
use std::collections::BTreeMap;

/// Texts with the indices of their labels.
#[derive(Debug)]
pub struct Examples {
    pub(super) texts: Encoded,
    pub(super) labels: Vec<u32>,
}

impl Examples {
    /// Encodes texts.
    ///
    /// # Errors
    /// If a text has no ids, or its label is not among `labels`.
    pub(super) fn new(examples: &[LabelledText], assets: &LabelAssets) -> Result<Self> {
        let LabelAssets { labels, max_length, codec } = assets;
        let texts = Encoded::new(examples.iter().map(|e| e.text.as_str()), codec, *max_length)?;
        let place = |example: &LabelledText| match labels.binary_search(&example.label) {
            // The number of labels fits 32 bits.
            Ok(at) => Ok(at as u32),
            Err(_) => Err(Error::UnknownLabel { label: example.label.clone(), known: labels.clone() }),
        };
        let labels = examples.iter().map(place).collect::<Result<Vec<u32>>>()?;
        Ok(Self { texts, labels })
    }

    /// Returns the weight of each label that makes all labels count the same, as scikit-learn's `balanced`: the
    /// number of texts divided by the number of labels and by the label's number of texts.
    pub(super) fn balanced_weights(&self, labels: usize) -> BTreeMap<u32, f32> {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        self.labels.iter().for_each(|&label| *counts.entry(label).or_default() += 1);
        let weight = |texts: usize| self.labels.len() as f64 / (labels * texts) as f64;
        counts.into_iter().map(|(label, texts)| (label, weight(texts) as f32)).collect()
    }
}

impl HasTexts for Examples {
    fn pieces(&self) -> &Encoded {
        &self.texts
    }
}

/// Batches of [`Examples`].
#[derive(Debug)]
pub(super) struct Batches<'a> {
    examples: &'a Examples,
    /// The index of each text in place of the text, with its label and weight.
    numbers: Arrays<'a>,
}

impl<'a> Batches<'a> {
    /// Creates batches of `size` texts, in order or reshuffled for each epoch.
    ///
    /// # Errors
    /// If `size` is 0.
    pub(super) fn new(
        examples: &'a Examples,
        size: usize,
        shuffle: bool,
    ) -> std::result::Result<Self, NnError> {
        let numbers =
            Arrays::new((examples.texts.numbers(), &examples.labels))?.batch_size(size)?.shuffle(shuffle);
        Ok(Self { examples, numbers })
    }

    /// Weights each text by its label.
    ///
    /// # Errors
    /// If a weight is not finite.
    pub(super) fn weighted(mut self, weights: BTreeMap<u32, f32>) -> std::result::Result<Self, NnError> {
        self.numbers = self.numbers.class_weight(weights)?;
        Ok(self)
    }
}

impl BatchSource for Batches<'_> {
    fn len(&self, epoch: usize) -> usize {
        self.numbers.len(epoch)
    }

    fn fill(&self, seed: u64, epoch: usize, i: usize, batch: &mut Batch) -> std::result::Result<(), NnError> {
        self.examples.texts.fill(&self.numbers, (seed, epoch, i), batch).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CharVocab, Codec};

    fn examples() -> Examples {
        let texts = [("b", "xyz"), ("a", "y"), ("b", "zzzzz")];
        let texts =
            texts.map(|(label, text)| LabelledText { label: label.to_owned(), text: text.to_owned() });
        let codec = Codec::Char(CharVocab::from_texts(["xyz"]));
        let labels = vec!["a".to_owned(), "b".to_owned()];
        Examples::new(&texts, &LabelAssets { labels, max_length: 4, codec }).unwrap()
    }

    #[test]
    fn batches_hold_texts_with_their_lengths_and_labels() {
        let examples = examples();
        assert_eq!(examples.texts.cut, 1);
        let batches = Batches::new(&examples, 2, false).unwrap();
        let mut batch = Batch::default();
        batches.fill(0, 0, 0, &mut batch).unwrap();
        let input = &batch.inputs[0];
        assert_eq!((batch.lanes, input.steps, &input.lengths[..]), (2, 3, &[3, 1][..]));
        assert_eq!((&input.ids[..], &batch.targets[0].ids[..]), (&[1, 2, 3, 2, 0, 0][..], &[1, 0][..]));
        batches.fill(0, 0, 1, &mut batch).unwrap();
        assert_eq!((batches.len(0), &batch.inputs[0].ids[..]), (2, &[3, 3, 3, 3][..]));
    }

    #[test]
    fn balanced_weights_match_scikit_learn() {
        let examples = examples();
        let weights = examples.balanced_weights(2);
        assert_eq!(weights, BTreeMap::from([(0, 1.5), (1, 0.75)]));
        let batches = Batches::new(&examples, 3, false).unwrap().weighted(weights).unwrap();
        let mut batch = Batch::default();
        batches.fill(0, 0, 0, &mut batch).unwrap();
        assert_eq!(batch.weights, [0.75, 1.5, 0.75]);
    }
}

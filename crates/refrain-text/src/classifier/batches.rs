//! Texts as batches of ids of any lengths.

use super::examples::LabelledText;
use crate::error::Error;
use crate::language_model::Codec;
use refrain_nn::Error as NnError;
use refrain_nn::data::{Arrays, Batch, BatchInput, BatchSource, Extent};
use std::collections::BTreeMap;

/// Encoded texts, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    ids: Vec<u32>,
    /// Where each text ends.
    ends: Vec<usize>,
    /// Texts that were cut.
    pub(super) cut: usize,
}

impl Encoded {
    /// The first `max_length` ids of each text.
    ///
    /// # Errors
    /// When a text has none.
    pub(super) fn new<'a>(
        texts: impl IntoIterator<Item = &'a str>,
        codec: &Codec,
        max_length: usize,
    ) -> Result<Self, Error> {
        let mut encoded = Self::default();
        for (position, text) in texts.into_iter().enumerate() {
            let ids = codec.encode(text);
            if ids.is_empty() {
                return Err(Error::EmptyText { position });
            }
            encoded.cut += usize::from(ids.len() > max_length);
            encoded.ids.extend(&ids[..ids.len().min(max_length)]);
            encoded.ends.push(encoded.ids.len());
        }
        Ok(encoded)
    }

    /// How many texts there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Their steps, of all together.
    pub(super) fn steps(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn text(&self, i: usize) -> &[u32] {
        let start = i.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.ids[start..self.ends[i]]
    }

    /// Writes some texts as a batch's input. What stands behind a text's end is no step of it.
    pub(super) fn lay_out(&self, texts: &[u32], input: &mut BatchInput) {
        let lengths = texts.iter().map(|&i| self.text(i as usize).len());
        input.lengths.clear();
        input.lengths.extend(lengths);
        input.steps = input.lengths.iter().copied().max().unwrap_or(0);
        input.extent = Extent::Lengths;
        input.ids.clear();
        for &i in texts {
            let end = input.ids.len() + input.steps;
            input.ids.extend(self.text(i as usize));
            input.ids.resize(end, 0);
        }
    }
}

/// Texts with the places of their labels.
#[derive(Debug)]
pub(super) struct Examples {
    pub(super) texts: Encoded,
    pub(super) labels: Vec<u32>,
    /// 0, 1, …
    numbers: Vec<u32>,
}

impl Examples {
    /// Encodes texts.
    ///
    /// # Errors
    /// When a text has no ids, or a label that is not among `labels`.
    pub(super) fn new(
        examples: &[LabelledText],
        labels: &[String],
        codec: &Codec,
        max_length: usize,
    ) -> Result<Self, Error> {
        let texts = Encoded::new(examples.iter().map(|e| e.text.as_str()), codec, max_length)?;
        let place = |example: &LabelledText| match labels.binary_search(&example.label) {
            // A model's labels are fewer than its 32-bit ids.
            Ok(at) => Ok(at as u32),
            Err(_) => Err(Error::UnknownLabel { label: example.label.clone(), known: labels.to_vec() }),
        };
        let labels = examples.iter().map(place).collect::<Result<Vec<u32>, Error>>()?;
        Ok(Self { numbers: (0..texts.len() as u32).collect(), texts, labels })
    }

    /// The weight of each label that makes the labels count the same, as scikit-learn's `balanced`: all texts over
    /// the number of labels and the label's texts.
    pub(super) fn balanced_weights(&self, labels: usize) -> BTreeMap<u32, f32> {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        self.labels.iter().for_each(|&label| *counts.entry(label).or_default() += 1);
        let weight = |texts: usize| self.labels.len() as f64 / (labels * texts) as f64;
        counts.into_iter().map(|(label, texts)| (label, weight(texts) as f32)).collect()
    }
}

/// Batches of [`Examples`].
#[derive(Debug)]
pub(super) struct Batches<'a> {
    examples: &'a Examples,
    /// The texts' numbers in place of the texts: their order, labels and weights.
    numbers: Arrays<'a>,
}

impl<'a> Batches<'a> {
    /// Batches of `size` texts in their order, or shuffled anew for each epoch.
    ///
    /// # Errors
    /// When `size` is 0.
    pub(super) fn new(examples: &'a Examples, size: usize, shuffle: bool) -> Result<Self, NnError> {
        let numbers = Arrays::new((&examples.numbers, &examples.labels))?.batch_size(size)?.shuffle(shuffle);
        Ok(Self { examples, numbers })
    }

    /// Weights each text by its label.
    ///
    /// # Errors
    /// When a weight is not finite.
    pub(super) fn weighted(mut self, weights: BTreeMap<u32, f32>) -> Result<Self, NnError> {
        self.numbers = self.numbers.class_weight(weights)?;
        Ok(self)
    }
}

impl BatchSource for Batches<'_> {
    fn len(&self, epoch: usize) -> usize {
        self.numbers.len(epoch)
    }

    fn fill(&self, seed: u64, epoch: usize, i: usize, batch: &mut Batch) -> Result<(), NnError> {
        self.numbers.fill(seed, epoch, i, batch)?;
        let input = &mut batch.inputs[0];
        let texts = std::mem::take(&mut input.ids);
        self.examples.texts.lay_out(&texts, input);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CharVocab;

    fn examples() -> Examples {
        let texts = [("b", "xyz"), ("a", "y"), ("b", "zzzzz")];
        let texts =
            texts.map(|(label, text)| LabelledText { label: label.to_owned(), text: text.to_owned() });
        let codec = Codec::Char(CharVocab::from_texts(["xyz"]));
        Examples::new(&texts, &["a".to_owned(), "b".to_owned()], &codec, 4).unwrap()
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
    fn balanced_weights_are_those_of_scikit_learn() {
        let examples = examples();
        let weights = examples.balanced_weights(2);
        assert_eq!(weights, BTreeMap::from([(0, 1.5), (1, 0.75)]));
        let batches = Batches::new(&examples, 3, false).unwrap().weighted(weights).unwrap();
        let mut batch = Batch::default();
        batches.fill(0, 0, 0, &mut batch).unwrap();
        assert_eq!(batch.weights, [0.75, 1.5, 0.75]);
    }
}

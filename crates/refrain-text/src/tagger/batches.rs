//! Sentences as batches of ids, with each label at the last step of its word.

use super::sentences::TaggedSentence;
use crate::error::{Error, Result};
use crate::reader::{Encoded, HasTexts, LabelAssets};
use crate::unknown::UnknownTokens;
use refrain_nn::Error as NnError;
use refrain_nn::data::{Arrays, Batch, BatchSource};

/// Marks a step at which no word ends.
const NO_LABEL: u32 = u32::MAX;

/// Encoded sentences. One that is too long to read in one piece is split between words.
#[derive(Debug, Default)]
pub struct Sentences {
    /// Each sentence in one or more pieces.
    pieces: Encoded,
    /// For each step of all pieces, the index of the label of the word that ends there, or [`NO_LABEL`].
    labels: Vec<u32>,
    /// Number of words in each sentence.
    pub(super) words: Vec<usize>,
    /// Number of words that are longer than a piece; only their beginning is read.
    pub(super) cut_words: usize,
}

impl Sentences {
    /// Encodes labelled sentences.
    ///
    /// # Errors
    /// If a word has a label that is not in `assets`.
    pub(super) fn new(sentences: &[TaggedSentence], assets: &LabelAssets) -> Result<Self> {
        let mut encoded = Self::default();
        let mut words = Vec::new();
        for sentence in sentences {
            words.clear();
            for word in &sentence.words {
                let place = assets.labels.binary_search(&word.label).map_err(|_| Error::UnknownLabel {
                    label: word.label.clone(),
                    known: assets.labels.clone(),
                })?;
                // The number of labels fits 32 bits.
                words.push((&*word.word, place as u32));
            }
            encoded.push(&words, assets);
        }
        Ok(encoded)
    }

    /// Encodes sentences without labels.
    pub(super) fn unlabelled(sentences: &[Vec<&str>], assets: &LabelAssets) -> Self {
        let mut encoded = Self::default();
        for sentence in sentences {
            let words: Vec<_> = sentence.iter().map(|&word| (word, 0)).collect();
            encoded.push(&words, assets);
        }
        encoded
    }

    /// Adds a sentence, with a space before every word except a piece's first.
    fn push(&mut self, words: &[(&str, u32)], assets: &LabelAssets) {
        let LabelAssets { max_length, .. } = assets;
        let mut piece = Vec::new();
        let mut is_split = false;
        for &(word, label) in words {
            let mut ids = ids_of(assets, word, !piece.is_empty());
            if !piece.is_empty() && piece.len() + ids.len() > *max_length {
                self.pieces.push(&piece);
                piece.clear();
                is_split = true;
                ids = ids_of(assets, word, false);
            }
            self.cut_words += usize::from(ids.len() > *max_length);
            ids.truncate(*max_length);
            piece.extend(&ids);
            self.labels.extend((1..ids.len()).map(|_| NO_LABEL));
            self.labels.push(label);
        }
        if !piece.is_empty() {
            self.pieces.push(&piece);
        }
        self.pieces.cut += usize::from(is_split);
        self.words.push(words.len());
    }

    /// # Errors
    /// If there are no words.
    pub(super) fn unknown(&self) -> UnknownTokens {
        self.pieces.unknown()
    }

    /// Returns an error if there are no words.
    pub(super) fn check_not_empty(&self) -> Result<()> {
        if self.pieces.len() > 0 {
            return Ok(());
        }
        let (place, got) = ("the sentences to score".to_owned(), "no words found".to_owned());
        Err(Error::Labelled { place, got, expected: "at least one" })
    }

    /// Returns all sentences as one batch.
    pub(super) fn in_one_batch(&self) -> std::result::Result<Batch, NnError> {
        let mut batch = Batch::default();
        Batches::new(self, self.pieces.len(), false)?.fill(0, 0, 0, &mut batch)?;
        Ok(batch)
    }
}

/// Returns the ids of a word, with a space before it if it follows another word; at least one.
pub(super) fn ids_of(assets: &LabelAssets, word: &str, follows: bool) -> Vec<u32> {
    let mut ids = if follows { assets.codec.encode(&format!(" {word}")) } else { assets.codec.encode(word) };
    if ids.is_empty() {
        // A word vocabulary finds no word in what it treats as whitespace.
        ids.push(0);
    }
    ids
}

/// Returns the labels of a batch's steps, in row order; `None` for steps at which no word ends.
pub(super) fn labels(batch: &Batch) -> impl Iterator<Item = Option<u32>> {
    let steps = batch.targets[0].ids.iter().zip(&batch.weights);
    steps.map(|(&label, &weight)| (weight > 0.0).then_some(label))
}

impl HasTexts for Sentences {
    fn pieces(&self) -> &Encoded {
        &self.pieces
    }

    fn count(&self) -> usize {
        self.words.len()
    }

    fn cut_words(&self) -> usize {
        self.cut_words
    }

    fn bytes(&self) -> u64 {
        self.pieces.bytes() + 4 * self.labels.len() as u64 + 8 * self.words.len() as u64
    }
}

/// Batches of [`Sentences`].
#[derive(Debug)]
pub(super) struct Batches<'a> {
    sentences: &'a Sentences,
    /// The index of each piece in place of the piece.
    numbers: Arrays<'a>,
    /// The weight of a word's label: all steps divided by all words, so that the mean over steps equals the mean
    /// over words.
    weight: f32,
}

impl<'a> Batches<'a> {
    /// Creates batches of `size` pieces, in order or reshuffled for each epoch.
    ///
    /// # Errors
    /// If `size` is 0.
    pub(super) fn new(
        sentences: &'a Sentences,
        size: usize,
        shuffle: bool,
    ) -> std::result::Result<Self, NnError> {
        let Sentences { pieces, labels, words, .. } = sentences;
        let numbers = pieces.numbers();
        let numbers = Arrays::new((numbers, numbers))?.batch_size(size)?.shuffle(shuffle);
        let words: usize = words.iter().sum();
        Ok(Self { sentences, numbers, weight: labels.len() as f32 / words.max(1) as f32 })
    }
}

impl BatchSource for Batches<'_> {
    fn len(&self, epoch: usize) -> usize {
        self.numbers.len(epoch)
    }

    fn fill(&self, seed: u64, epoch: usize, i: usize, batch: &mut Batch) -> std::result::Result<(), NnError> {
        let pieces = self.sentences.pieces.fill(&self.numbers, (seed, epoch, i), batch)?;
        let (steps, target) = (batch.inputs[0].steps, &mut batch.targets[0]);
        target.steps = steps;
        target.ids.clear();
        batch.weights.clear();
        for &piece in &pieces {
            let end = target.ids.len() + steps;
            for &label in &self.sentences.labels[self.sentences.pieces.range(piece as usize)] {
                let is_label = label != NO_LABEL;
                target.ids.push(if is_label { label } else { 0 });
                batch.weights.push(if is_label { self.weight } else { 0.0 });
            }
            target.ids.resize(end, 0);
            batch.weights.resize(end, 0.0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_tagged;
    use super::*;
    use crate::codec::Codec;
    use crate::{CharVocab, WordOptions, WordSplit, WordVocab};

    fn sentences(codec: Codec, max_length: usize) -> Sentences {
        let labels = vec!["X".to_owned(), "Y".to_owned()];
        let sentences = parse_tagged("ab/Y c/X\nabc/X b/Y\na/Y", "lines").unwrap();
        Sentences::new(&sentences, &LabelAssets { labels, max_length, codec }).unwrap()
    }

    fn batch(sentences: &Sentences, size: usize) -> Batch {
        let mut batch = Batch::default();
        Batches::new(sentences, size, false).unwrap().fill(0, 0, 0, &mut batch).unwrap();
        batch
    }

    #[test]
    fn a_label_is_at_the_last_step_of_its_word_and_weighs_its_steps() {
        let sentences = sentences(Codec::Char(CharVocab::from_texts(["abc "])), 9);
        let batch = batch(&sentences, 2);
        let input = &batch.inputs[0];
        assert_eq!((&input.lengths[..], input.steps), (&[4, 5][..], 5));
        assert_eq!(input.ids, [2, 3, 1, 4, 0, 2, 3, 4, 1, 3]);
        assert_eq!(batch.targets[0].ids, [0, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
        // Ten steps and five words.
        assert_eq!(batch.weights, [0.0, 2.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 2.0]);
        let labels: Vec<_> = super::labels(&batch).flatten().collect();
        assert_eq!((labels, sentences.pieces.cut), (vec![1, 0, 0, 1], 0));
    }

    #[test]
    fn words_are_single_steps() {
        let options = WordOptions { split: WordSplit::Whitespace, ..WordOptions::default() };
        let codec = Codec::Word(WordVocab::from_texts(["ab c ab c abc"], options).unwrap());
        let batch = batch(&sentences(codec, 9), 3);
        assert_eq!((&batch.inputs[0].ids[..], batch.inputs[0].steps), (&[1, 2, 3, 0, 0, 0][..], 2));
        assert_eq!(batch.weights, [1.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn long_sentences_are_split_between_words_and_long_words_cut() {
        let sentences = sentences(Codec::Char(CharVocab::from_texts(["abc "])), 2);
        let pieces: Vec<_> = (0..sentences.pieces.len()).map(|i| sentences.pieces.text(i)).collect();
        assert_eq!(pieces, [&[2, 3][..], &[4], &[2, 3], &[3], &[2]]);
        assert_eq!((sentences.pieces.cut, &sentences.words[..]), (2, &[2, 2, 1][..]));
        assert_eq!(sentences.labels, [NO_LABEL, 1, 0, NO_LABEL, 0, 1, 1]);
        // Only `abc`.
        assert_eq!(sentences.cut_words, 1);
    }
}

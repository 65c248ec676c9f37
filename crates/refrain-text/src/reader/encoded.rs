//! Texts as ids, each with its own length.

use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::unknown::UnknownTokens;
use refrain_nn::Error as NnError;
use refrain_nn::data::{Arrays, Batch, BatchInput, BatchSource, Extent};
use std::ops::Range;

/// Encoded texts, one after the other.
#[derive(Debug, Default)]
pub struct Encoded {
    ids: Vec<u32>,
    /// Where each text ends.
    ends: Vec<usize>,
    /// 0, 1, …: the text indices that batches draw.
    numbers: Vec<u32>,
    /// Number of texts that were cut.
    pub(crate) cut: usize,
}

impl Encoded {
    /// Encodes the first `max_length` ids of each text.
    ///
    /// # Errors
    /// If a text has no ids.
    pub(crate) fn new<'a>(
        texts: impl IntoIterator<Item = &'a str>,
        codec: &Codec,
        max_length: usize,
    ) -> Result<Self> {
        let mut encoded = Self::default();
        for (position, text) in texts.into_iter().enumerate() {
            let ids = codec.encode(text);
            if ids.is_empty() {
                return Err(Error::EmptyText { position });
            }
            encoded.cut += usize::from(ids.len() > max_length);
            encoded.push(&ids[..ids.len().min(max_length)]);
        }
        Ok(encoded)
    }

    /// Appends a text.
    pub(crate) fn push(&mut self, ids: &[u32]) {
        self.ids.extend(ids);
        self.numbers.push(self.ends.len() as u32);
        self.ends.push(self.ids.len());
    }

    /// Returns the text indices.
    pub(crate) fn numbers(&self) -> &Vec<u32> {
        &self.numbers
    }

    /// Fills a batch with the texts whose indices `order` draws, and returns the indices.
    pub(crate) fn fill(
        &self,
        order: &Arrays<'_>,
        (seed, epoch, i): (u64, usize, usize),
        batch: &mut Batch,
    ) -> std::result::Result<Vec<u32>, NnError> {
        order.fill(seed, epoch, i, batch)?;
        let input = &mut batch.inputs[0];
        let texts = std::mem::take(&mut input.ids);
        self.lay_out(&texts, input);
        Ok(texts)
    }

    /// Returns how many ids are unknown to the vocabulary.
    pub(crate) fn unknown(&self) -> UnknownTokens {
        UnknownTokens::of(&self.ids)
    }

    /// Returns the number of texts.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the ids of a text.
    pub(crate) fn text(&self, i: usize) -> &[u32] {
        &self.ids[self.range(i)]
    }

    /// Returns the range of a text's ids among all ids.
    pub(crate) fn range(&self, i: usize) -> Range<usize> {
        i.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[i]
    }

    /// Returns the steps of the longest text.
    pub(crate) fn longest(&self) -> usize {
        (0..self.len()).map(|i| self.text(i).len()).max().unwrap_or(0)
    }

    /// Returns the bytes that the texts take, with one label and one index each.
    pub(crate) fn bytes(&self) -> u64 {
        4 * self.ids.len() as u64 + 16 * self.len() as u64
    }

    /// Writes some texts as a batch's input. Positions after a text's end are not steps of it.
    pub(crate) fn lay_out(&self, texts: &[u32], input: &mut BatchInput) {
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

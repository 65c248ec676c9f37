//! The subword vocabulary of language models: byte-pair encoding.

mod document;
mod pieces;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::unknown::UNKNOWN;
use pieces::for_each_piece;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Model};

/// The options of a [`BpeVocab`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BpeOptions {
    /// The maximum number of ids: the unknown one, the 256 bytes, and merged tokens. A short text gives fewer.
    /// Default: 8,000.
    pub vocab_size: usize,
    /// Pairs that occur less often are not merged. Default: 2.
    pub min_frequency: u64,
}

impl Default for BpeOptions {
    fn default() -> Self {
        Self { vocab_size: 8000, min_frequency: 2 }
    }
}

/// Subwords, each with an id: byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019).
///
/// A text is split at spaces, punctuation and line breaks as in GPT-2. Training starts with the 256 bytes and
/// repeatedly merges the most frequent pair of neighbours; encoding applies the same merges in the same order. So
/// no text is unknown, and every text is decoded exactly. Id 0, the unknown id of Refrain's other vocabularies, is
/// never produced. No token spans a line break, so a text can be cut after its line breaks without changing a
/// token. A piece of more than 512 bytes without a space (a text in Chinese, a sequence of DNA) is cut after
/// 512, to bound the time; Hugging Face's libraries do not cut it.
///
/// It is stored as Hugging Face's `tokenizer.json`.
///
/// ```
/// use refrain_text::{BpeOptions, BpeVocab};
///
/// let song = "Row, row, row your boat,\nGently down the stream.\n";
/// let vocab = BpeVocab::train([Ok(song)], &BpeOptions::default())?;
/// let ids = vocab.encode(" row a 🛶!");
/// assert_eq!(vocab.token(ids[0]), Some(" row".as_bytes()));
/// assert_eq!(vocab.decode(&ids)?, " row a 🛶!");
/// # Ok::<(), refrain_text::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "serde_json::Value", into = "serde_json::Value")]
pub struct BpeVocab {
    /// The bytes of each id.
    tokens: Vec<Vec<u8>>,
    /// In the order in which they are applied.
    merges: Vec<(u32, u32)>,
    model: BPE,
}

impl PartialEq for BpeVocab {
    fn eq(&self, other: &Self) -> bool {
        self.tokens == other.tokens && self.merges == other.merges
    }
}

impl BpeVocab {
    /// The unknown id, which no text contains.
    pub const UNKNOWN: u32 = UNKNOWN;
    /// The text of the unknown id.
    pub const UNKNOWN_TEXT: &str = "<unk>";
    /// The smallest vocabulary: the unknown id and the bytes.
    pub const MIN_SIZE: usize = 257;
    /// The largest vocabulary that is built or read: four times that of any published model.
    pub const MAX_SIZE: usize = 1 << 20;

    /// Builds the vocabulary of a text in chunks, cut after line breaks. Only the count of each word is kept in
    /// memory. The same text gives the same vocabulary, however it is cut.
    ///
    /// # Errors
    ///
    /// An error about an option if `vocab_size` is not from [`MIN_SIZE`](Self::MIN_SIZE) to
    /// [`MAX_SIZE`](Self::MAX_SIZE) or `min_frequency` is 0, and a chunk's own error.
    pub fn train<I, S>(chunks: I, options: &BpeOptions) -> Result<Self>
    where
        I: IntoIterator<Item = Result<S>>,
        S: AsRef<str>,
    {
        if !(Self::MIN_SIZE..=Self::MAX_SIZE).contains(&options.vocab_size) {
            let (got, expected) = (options.vocab_size.to_string(), "from 257 to 1048576");
            return Err(Error::option("vocab_size", got, expected));
        }
        if options.min_frequency == 0 {
            return Err(Error::option("min_frequency", 0, "at least 1"));
        }
        let mut counts: HashMap<String, u64> = HashMap::new();
        for chunk in chunks {
            for_each_piece(chunk?.as_ref(), |piece| match counts.get_mut(piece) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(piece.to_owned(), 1);
                }
            });
        }
        let trainer = BpeTrainer::builder()
            .show_progress(false)
            .vocab_size(options.vocab_size)
            .min_frequency(options.min_frequency)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .special_tokens(vec![AddedToken::from(Self::UNKNOWN_TEXT, true)])
            .build();
        let mut model = BPE::default();
        let counts = counts.into_iter().map(|(piece, count)| (piece.into(), count)).collect();
        trainer.do_train(&counts, &mut model).expect("the trainer cannot fail");
        Self::from_trained(&model)
    }

    /// Returns the number of ids, including the unknown one.
    pub fn vocab_size(&self) -> usize {
        self.tokens.len()
    }

    /// Returns the bytes of an id, which need not be whole characters; `<unk>` for the unknown id, `None` for an id
    /// outside the vocabulary.
    pub fn token(&self, id: u32) -> Option<&[u8]> {
        self.tokens.get(id as usize).map(Vec::as_slice)
    }

    /// Returns the ids of a text.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        for_each_piece(text, |piece| {
            let tokens = self.model.tokenize(piece).expect("every byte is in the vocabulary");
            ids.extend(tokens.iter().map(|token| token.id));
        });
        ids
    }

    /// Returns the text of some ids. Invalid UTF-8 becomes U+FFFD, as in [`String::from_utf8_lossy`].
    ///
    /// # Errors
    ///
    /// [`Error::UnknownId`] for an id outside the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let mut bytes = Vec::new();
        for (position, &id) in ids.iter().enumerate() {
            bytes.extend_from_slice(self.token(id).ok_or_else(|| self.unknown_id(id, position))?);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(crate) fn unknown_id(&self, id: u32, position: usize) -> Error {
        Error::UnknownId { id, position, vocab_size: self.vocab_size() }
    }
}

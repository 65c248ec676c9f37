//! Keras's `Tokenizer`: converts words (or characters) to ids by frequency, and back.
//!
//! The same texts give the same ids, sequences, matrices and JSON as `keras.preprocessing.text.Tokenizer`, which
//! the tests check against a golden file made with Keras. The differences are:
//!
//! * Lower-casing follows the Unicode tables of the Rust release, not those of the Python release. Both apply the rule
//!   for the Greek final sigma and turn `İ` into `i` and a combining dot, so only letters newer than one of the two
//!   differ.
//! * [`Tokenizer::vocab_size`] is the largest id plus 1. Keras users usually write `len(word_index) + 1`, which is the
//!   same unless `oov_token` also occurs in the texts: then Keras leaves id 1 unused and that number is one too small.
//! * With `oov_token` set, a Keras tokenizer that has seen no text returns `None` for each word; this one drops the
//!   words.
//! * `word_docs` in the JSON is in order of first appearance; in Keras it has the order of a Python set.
//! * The JSON is checked when read (see [`Tokenizer::from_json`]); Keras accepts anything.

mod convert;
mod keras_json;
mod matrix;
mod ordered;
mod split;
#[cfg(test)]
mod tests;

pub use matrix::MatrixMode;
pub use split::{DEFAULT_FILTERS, text_to_word_sequence};

use crate::error::{Error, Result};
use ordered::OrderedMap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How a [`Tokenizer`] splits texts and which words it keeps. The defaults are Keras's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenizerConfig {
    /// Only ids below this are returned, so at most `num_words - 1` words; `None` or 0: all. The word index itself
    /// is never truncated.
    pub num_words: Option<usize>,
    /// Characters that are removed and separate words. Default: [`DEFAULT_FILTERS`]. Not used at character level.
    pub filters: String,
    /// Whether texts are lower-cased first. Default: true.
    pub lower: bool,
    /// The string that separates words. Default: one space.
    pub split: String,
    /// Whether each character is a token. Default: false.
    pub char_level: bool,
    /// The token, with id 1, for words that are unknown or have an id of at least `num_words`. Without it, they are
    /// dropped.
    pub oov_token: Option<String>,
}

impl Default for TokenizerConfig {
    fn default() -> Self {
        Self {
            num_words: None,
            filters: DEFAULT_FILTERS.to_owned(),
            lower: true,
            split: " ".to_owned(),
            char_level: false,
            oov_token: None,
        }
    }
}

/// Maps words to ids by frequency: id 1 for the most frequent word (or `oov_token`), ties by first appearance, 0
/// reserved for padding.
///
/// ```
/// use refrain_text::Tokenizer;
///
/// let mut tokenizer = Tokenizer::default();
/// tokenizer.fit_on_texts(["Row, row, row your boat", "Gently down the stream, row!"]);
/// assert_eq!(tokenizer.id("row"), Some(1));
/// assert_eq!(tokenizer.vocab_size(), 8);
/// assert_eq!(tokenizer.texts_to_sequences(["Your boat! My boat?"]), [[2, 3, 3]]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "keras_json::Document", into = "keras_json::Document")]
pub struct Tokenizer {
    config: TokenizerConfig,
    document_count: u64,
    tallies: OrderedMap<Tally>,
    word_index: OrderedMap<u32>,
    index_word: HashMap<u32, Arc<str>>,
    index_docs: BTreeMap<u32, u64>,
}

/// How often a word occurs, and in how many texts.
#[derive(Clone, Copy, Debug)]
struct Tally {
    count: u64,
    documents: u64,
    /// The number of the text in which it was last seen; not saved and not compared.
    last_document: u64,
}

impl PartialEq for Tally {
    fn eq(&self, other: &Self) -> bool {
        (self.count, self.documents) == (other.count, other.documents)
    }
}

impl Tokenizer {
    /// Creates a tokenizer that has not seen any text.
    ///
    /// # Errors
    ///
    /// An error about an option if `split` is empty and `char_level` is off.
    ///
    /// ```
    /// use refrain_text::{Tokenizer, TokenizerConfig};
    ///
    /// let mut tokenizer = Tokenizer::new(TokenizerConfig { oov_token: Some("<OOV>".into()), ..Default::default() })?;
    /// tokenizer.fit_on_texts(["to be or not to be"]);
    /// assert_eq!(tokenizer.texts_to_sequences(["to sleep"]), [[2, 1]]);
    /// # Ok::<(), refrain_text::Error>(())
    /// ```
    pub fn new(config: TokenizerConfig) -> Result<Self> {
        if config.split.is_empty() && !config.char_level {
            let expected = "at least one character (to make each character a token, set char_level)";
            return Err(Error::option("split", "empty", expected));
        }
        Ok(Self { config, ..Self::default() })
    }

    /// Returns the options.
    pub fn config(&self) -> &TokenizerConfig {
        &self.config
    }

    /// Counts the words of more texts, then renumbers all words.
    pub fn fit_on_texts<I>(&mut self, texts: I)
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        for text in texts {
            self.document_count = self.document_count.saturating_add(1);
            let (document, tallies) = (self.document_count, &mut self.tallies);
            for_each_token(&self.config, text.as_ref(), |word| count(tallies, document, word));
        }
        self.number_words();
    }

    /// Does the same as [`fit_on_texts`](Self::fit_on_texts) for texts that are already lists of words. `filters`
    /// and `split` are not used; `lower` is.
    pub fn fit_on_tokens<I>(&mut self, texts: I)
    where
        I: IntoIterator,
        I::Item: IntoIterator<Item: AsRef<str>>,
    {
        for words in texts {
            self.document_count = self.document_count.saturating_add(1);
            for word in words {
                let word = split::lowered(word.as_ref(), self.config.lower);
                count(&mut self.tallies, self.document_count, &word);
            }
        }
        self.number_words();
    }

    /// Counts texts that are already ids, for the document frequencies of [`MatrixMode::TfIdf`]. The word index
    /// does not change.
    pub fn fit_on_sequences<I>(&mut self, sequences: I)
    where
        I: IntoIterator,
        I::Item: AsRef<[u32]>,
    {
        for sequence in sequences {
            self.document_count = self.document_count.saturating_add(1);
            let mut ids = sequence.as_ref().to_vec();
            ids.sort_unstable();
            ids.dedup();
            for id in ids {
                let documents = self.index_docs.entry(id).or_default();
                *documents = documents.saturating_add(1);
            }
        }
    }

    fn number_words(&mut self) {
        let mut by_count: Vec<(&Arc<str>, &Tally)> = self.tallies.iter().collect();
        by_count.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.count));
        let oov = self.config.oov_token.as_deref().map(Arc::from);
        let words = oov.into_iter().chain(by_count.into_iter().map(|(word, _)| word.clone()));
        self.word_index = OrderedMap::default();
        for (id, word) in (1..).zip(words) {
            self.word_index.insert(word, id);
        }
        self.index_word = self.word_index.iter().map(|(word, &id)| (id, word.clone())).collect();
        for (word, tally) in self.tallies.iter() {
            if let Some(&id) = self.word_index.get(word) {
                self.index_docs.insert(id, tally.documents);
            }
        }
    }

    /// Returns the number of ids that a model with this tokenizer needs: the largest id plus 1, because padding has
    /// id 0. `num_words` does not lower it.
    pub fn vocab_size(&self) -> usize {
        self.word_index.iter().map(|(_, &id)| id as usize).max().unwrap_or(0) + 1
    }

    /// Returns the words and their ids, in order of frequency; `oov_token` first.
    pub fn word_index(&self) -> impl Iterator<Item = (&str, u32)> {
        self.word_index.iter().map(|(word, &id)| (&**word, id))
    }

    /// Returns the id of a word, regardless of `num_words`.
    pub fn id(&self, word: &str) -> Option<u32> {
        self.word_index.get(word).copied()
    }

    /// Returns the word of an id, regardless of `num_words`.
    pub fn word(&self, id: u32) -> Option<&str> {
        self.index_word.get(&id).map(|word| &**word)
    }

    /// Returns the words and how often each was seen, in order of first appearance.
    pub fn word_counts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.tallies.iter().map(|(word, tally)| (&**word, tally.count))
    }

    /// Returns the words and in how many texts each was seen, in order of first appearance.
    pub fn word_docs(&self) -> impl Iterator<Item = (&str, u64)> {
        self.tallies.iter().map(|(word, tally)| (&**word, tally.documents))
    }

    /// Returns the number of texts seen.
    pub fn document_count(&self) -> u64 {
        self.document_count
    }
}

fn for_each_token(config: &TokenizerConfig, text: &str, mut each: impl FnMut(&str)) {
    if config.char_level {
        let mut utf8 = [0; 4];
        split::lowered(text, config.lower).chars().for_each(|c| each(c.encode_utf8(&mut utf8)));
    } else {
        split::for_each_word(text, &config.filters, config.lower, &config.split, each);
    }
}

fn count(tallies: &mut OrderedMap<Tally>, document: u64, word: &str) {
    if let Some(tally) = tallies.get_mut(word) {
        tally.count = tally.count.saturating_add(1);
        if tally.last_document != document {
            tally.last_document = document;
            tally.documents = tally.documents.saturating_add(1);
        }
    } else {
        tallies.insert(word.into(), Tally { count: 1, documents: 1, last_document: document });
    }
}

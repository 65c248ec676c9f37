//! Keras's `Tokenizer`: words (or characters) to ids and back, by frequency.
//!
//! The same texts give the same ids, sequences, matrices and JSON as `keras.preprocessing.text.Tokenizer`; a golden file
//! made with it holds this crate to that. Where the two part:
//!
//! * Lower case follows the Unicode tables of the Rust release, not those of the Python release; both apply the rule
//!   for the Greek final sigma and turn `İ` into `i` and a combining dot, so only letters newer than one of the two differ.
//! * [`Tokenizer::vocab_size`] is the largest id plus 1. In Keras it is usual to write `len(word_index) + 1`, which is the
//!   same unless `oov_token` also occurs in the texts: then Keras leaves id 1 unused and that sum is one short.
//! * With `oov_token` set, a Keras tokenizer that has seen no text gives `None` for each word; here words are dropped.
//! * `word_docs` in the JSON stands in order of first appearance; in Keras its order is that of a Python set.
//! * The JSON is checked when read (see [`Tokenizer::from_json`]); Keras takes anything.

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

/// How a [`Tokenizer`] cuts texts and which words it keeps; the default is Keras's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenizerConfig {
    /// Only ids below this leave the tokenizer, so at most `num_words - 1` words; `None` or 0 for all. The word index itself is never cut.
    pub num_words: Option<usize>,
    /// Characters that part words and vanish. Default: [`DEFAULT_FILTERS`]. Not used at character level.
    pub filters: String,
    /// Whether texts are put into lower case first. Default: true.
    pub lower: bool,
    /// What parts words. Default: one space.
    pub split: String,
    /// Whether each character is a token. Default: false.
    pub char_level: bool,
    /// Stands, with id 1, for words that are not known or lie beyond `num_words`; without it they are dropped.
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

/// Words to ids by frequency: id 1 for the most frequent (or `oov_token`), ties by first appearance, 0 kept for padding.
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
    /// The number of the text it was last seen in; neither saved nor compared.
    last_document: u64,
}

impl PartialEq for Tally {
    fn eq(&self, other: &Self) -> bool {
        (self.count, self.documents) == (other.count, other.documents)
    }
}

impl Tokenizer {
    /// A tokenizer that has seen nothing yet.
    ///
    /// # Errors
    ///
    /// An error about an option if `split` is empty and words are to be split by it.
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
            let expected = "at least one character (for a token each character, set char_level)";
            return Err(Error::option("split", "empty", expected));
        }
        Ok(Self { config, ..Self::default() })
    }

    /// The options it was made with.
    pub fn config(&self) -> &TokenizerConfig {
        &self.config
    }

    /// Counts the words of more texts, then numbers all words anew.
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

    /// As [`fit_on_texts`](Self::fit_on_texts), for texts that come as lists of words: `filters` and `split` are not used, `lower` is.
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

    /// Counts texts that are ids already, for the document frequencies of [`MatrixMode::TfIdf`]; the word index stays as it is.
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

    /// The number of ids that a model over this tokenizer needs: the largest id plus 1, for padding has id 0. `num_words` does not lower it.
    pub fn vocab_size(&self) -> usize {
        self.word_index.iter().map(|(_, &id)| id as usize).max().unwrap_or(0) + 1
    }

    /// The words and their ids, in order of frequency; `oov_token` first.
    pub fn word_index(&self) -> impl Iterator<Item = (&str, u32)> {
        self.word_index.iter().map(|(word, &id)| (&**word, id))
    }

    /// The id of a word; `num_words` is not looked at.
    pub fn id(&self, word: &str) -> Option<u32> {
        self.word_index.get(word).copied()
    }

    /// The word of an id; `num_words` is not looked at.
    pub fn word(&self, id: u32) -> Option<&str> {
        self.index_word.get(&id).map(|word| &**word)
    }

    /// The words and how often each was seen, in order of first appearance.
    pub fn word_counts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.tallies.iter().map(|(word, tally)| (&**word, tally.count))
    }

    /// The words and in how many texts each was seen, in order of first appearance.
    pub fn word_docs(&self) -> impl Iterator<Item = (&str, u64)> {
        self.tallies.iter().map(|(word, tally)| (&**word, tally.documents))
    }

    /// The number of texts seen.
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

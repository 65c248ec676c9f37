//! The vocabulary of word language models, which can also decode its words to text.

mod count;
mod penn;
mod pieces;
#[cfg(test)]
mod tests;

pub(crate) use pieces::{is_apostrophe, is_word};

use crate::error::{Error, Result};
use crate::tokenizer::{DEFAULT_FILTERS, text_to_word_sequence};
use crate::unknown::UNKNOWN;
use count::WordCounts;
use pieces::{Piece, Sides, pieces};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// How a text is split into words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WordSplit {
    /// Words, punctuation marks and line breaks. Apostrophes inside a word are part of it; all other marks are
    /// separate tokens that record on which sides they have a space. For scripts without spaces, use characters
    /// instead.
    #[default]
    Punctuation,
    /// Anything between whitespace, and line breaks: for texts that are already split into words, such as the Penn
    /// Treebank. The word `<unk>` is the unknown word; a line break is the word `<eos>`, as in Zaremba et al.
    /// (2014).
    ///
    /// Decoding joins what was split, such as `n't` and `'s`, punctuation and brackets, so that a person can read
    /// it. The decoded text has different spaces, and splitting it does not give the same words again.
    Whitespace,
    /// As Keras's `text_to_word_sequence`: lower-cased, without ASCII punctuation except the apostrophe, split at
    /// spaces. Line breaks are not tokens, and decoding writes single spaces.
    Keras,
}

impl WordSplit {
    /// Detects how a text should be split: at whitespace if it contains the word `<unk>`, otherwise at punctuation.
    pub fn detect(text: &str) -> Self {
        let cut = text.split_whitespace().any(|word| word == WordVocab::UNKNOWN_TEXT);
        if cut { Self::Whitespace } else { Self::Punctuation }
    }
}

/// The options of a [`WordVocab`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordOptions {
    /// How a text is split.
    pub split: WordSplit,
    /// Whether texts are lower-cased first; Keras's split always does. Default: false.
    pub lowercase: bool,
    /// Words that occur less often are unknown. Default: 1.
    pub min_count: u64,
    /// The maximum number of ids, including the unknown one; the rarest words are unknown. Default: no limit.
    pub max_size: Option<usize>,
}

impl Default for WordOptions {
    fn default() -> Self {
        Self { split: WordSplit::default(), lowercase: false, min_count: 1, max_size: None }
    }
}

/// The words, punctuation marks and line breaks of a training text, each with an id: 0 for unknown ones, then in
/// order of count, ties by first appearance.
///
/// A punctuation mark has one entry for each combination of spaces around it, so that [`decode`](Self::decode)
/// writes a text with natural spacing: a text with single spaces, and none at line ends, is reproduced exactly.
/// Build the vocabulary from the training part only.
///
/// ```
/// use refrain_text::{WordOptions, WordVocab};
///
/// let verse = "\"Is there anybody there?\" said the traveller,\nknocking on the moonlit door;\n";
/// let vocab = WordVocab::from_texts([verse], WordOptions::default())?;
/// assert_eq!(vocab.decode(&vocab.encode(verse))?, verse);
/// assert_eq!(vocab.decode(&vocab.encode("the  traveller , (there) sleeps"))?, "the traveller <unk> <unk> there <unk> <unk>");
/// # Ok::<(), refrain_text::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct WordVocab {
    options: WordOptions,
    /// The entry at `i` has id `i + 1`.
    entries: Vec<Entry>,
    ids: HashMap<Arc<str>, u32>,
}

/// A punctuation mark is stored with a space on each side on which it has one.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    stored: Arc<str>,
    attaches: Sides,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    options: WordOptions,
    words: Vec<String>,
}

impl WordVocab {
    /// The id of all words that are not in the vocabulary.
    pub const UNKNOWN: u32 = UNKNOWN;
    /// The text that [`decode`](Self::decode) writes for the unknown id.
    pub const UNKNOWN_TEXT: &str = "<unk>";
    /// The maximum number of different words that are counted in a corpus, about 300 MB.
    pub const MAX_COUNTED: usize = 3_000_000;

    /// Builds the vocabulary of all words in some texts.
    ///
    /// # Errors
    ///
    /// An error about an option for a `max_size` of 0, [`Error::VocabularyTooLarge`] for more words than ids.
    pub fn from_texts<I>(texts: I, options: WordOptions) -> Result<Self>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        Self::check(&options)?;
        let mut counts = WordCounts::new(&options, usize::MAX);
        for text in texts {
            counts.add(text.as_ref())?;
        }
        let words = counts.into_words();
        Self::from_words(options, words)
    }

    /// Builds the vocabulary of a text in chunks, with bounded memory: if there are more than
    /// [`MAX_COUNTED`](Self::MAX_COUNTED) different words, the rarest are forgotten, so the count of a word that
    /// comes back may be too low.
    ///
    /// # Errors
    ///
    /// As for [`from_texts`](Self::from_texts), a chunk's own error, and [`Error::TooManyWords`] if the options
    /// keep even the rarest words, so that none can be forgotten.
    pub fn from_chunks<I, S>(chunks: I, options: WordOptions) -> Result<Self>
    where
        I: IntoIterator<Item = Result<S>>,
        S: AsRef<str>,
    {
        Self::check(&options)?;
        let mut counts = WordCounts::new(&options, Self::MAX_COUNTED);
        for chunk in chunks {
            counts.add(chunk?.as_ref())?;
        }
        let words = counts.into_words();
        Self::from_words(options, words)
    }

    fn check(options: &WordOptions) -> Result<()> {
        if options.max_size == Some(0) {
            let expected = "at least 1 (the unknown word has an id)";
            return Err(Error::option("max_size", "0", expected));
        }
        Ok(())
    }

    fn from_words(options: WordOptions, words: Vec<Arc<str>>) -> Result<Self> {
        let mut ids = HashMap::with_capacity(words.len());
        for (position, word) in words.iter().enumerate() {
            let id =
                u32::try_from(position + 1).map_err(|_| Error::VocabularyTooLarge { got: words.len() })?;
            let damaged = |problem| Error::Vocabulary { position, entry: word.to_string(), problem };
            if word.is_empty() {
                return Err(damaged("a word cannot be empty"));
            }
            if ids.insert(word.clone(), id).is_some() {
                return Err(damaged("the word appears twice"));
            }
        }
        let entry = |stored: Arc<str>| Entry { attaches: attaches(options.split, &stored), stored };
        Ok(Self { entries: words.into_iter().map(entry).collect(), options, ids })
    }

    /// Returns the options.
    pub fn options(&self) -> &WordOptions {
        &self.options
    }

    /// Returns the number of ids, including the unknown one.
    pub fn vocab_size(&self) -> usize {
        self.entries.len() + 1
    }

    /// Returns the word, punctuation mark or line break of an id, without spaces; `<unk>` for the unknown id,
    /// `None` for an id outside the vocabulary. Several ids may have the same mark. The line break of a text that
    /// is already split is `<eos>`.
    pub fn word(&self, id: u32) -> Option<&str> {
        match self.entry(id) {
            Some(entry) if self.options.split == WordSplit::Whitespace && &*entry.stored == "\n" => {
                Some(penn::LINE_END)
            }
            Some(entry) => Some(entry.stored.trim_matches(' ')),
            None => (id == Self::UNKNOWN).then_some(Self::UNKNOWN_TEXT),
        }
    }

    /// Returns the text that [`decode`](Self::decode) writes for an id, without the space before it.
    pub(crate) fn written(&self, id: u32) -> Option<&str> {
        match self.entry(id) {
            Some(entry) if self.options.split == WordSplit::Whitespace => Some(penn::write(&entry.stored).0),
            Some(entry) => Some(entry.stored.trim_matches(' ')),
            None => (id == Self::UNKNOWN).then_some(Self::UNKNOWN_TEXT),
        }
    }

    fn entry(&self, id: u32) -> Option<&Entry> {
        (id as usize).checked_sub(1).and_then(|i| self.entries.get(i))
    }

    /// Returns the ids of a text's words, punctuation marks and line breaks.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        for_each_word(&self.options, text, |word| {
            ids.push(self.ids.get(word).copied().unwrap_or(Self::UNKNOWN))
        });
        ids
    }

    /// Returns the text of some ids, with natural spacing. The unknown id is written as `<unk>`.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownId`] for an id outside the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let mut text = String::new();
        let mut previous = None;
        for (position, &id) in ids.iter().enumerate() {
            self.push(previous, id, &mut text).ok_or_else(|| self.unknown_id(id, position))?;
            previous = Some(id);
        }
        Ok(text)
    }

    /// Appends the text of an id to a text that ends with the id `previous` (`None`: an empty text), with a space
    /// between them if one belongs there. Use it to write a text while it is generated.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownId`] if the vocabulary lacks `previous` (position 0) or `id` (position 1). Nothing is
    /// appended then.
    ///
    /// ```
    /// # use refrain_text::{WordOptions, WordVocab};
    /// let vocab = WordVocab::from_texts(["no, never"], WordOptions::default())?;
    /// let mut text = String::new();
    /// let mut previous = None;
    /// for id in vocab.encode("never, no, never") {
    ///     vocab.decode_next(previous, id, &mut text)?;
    ///     previous = Some(id);
    /// }
    /// assert_eq!(text, "never, no, never");
    /// # Ok::<(), refrain_text::Error>(())
    /// ```
    pub fn decode_next(&self, previous: Option<u32>, id: u32, text: &mut String) -> Result<()> {
        if let Some(previous) = previous.filter(|&id| self.word(id).is_none()) {
            return Err(self.unknown_id(previous, 0));
        }
        self.push(previous, id, text).ok_or_else(|| self.unknown_id(id, 1))
    }

    fn push(&self, previous: Option<u32>, id: u32, text: &mut String) -> Option<()> {
        let word = self.written(id)?;
        if previous.is_some_and(|previous| !self.sides(previous).right && !self.sides(id).left) {
            text.push(' ');
        }
        text.push_str(word);
        Some(())
    }

    fn sides(&self, id: u32) -> Sides {
        self.entry(id).map_or(Sides { left: false, right: false }, |entry| entry.attaches)
    }

    fn unknown_id(&self, id: u32, position: usize) -> Error {
        Error::UnknownId { id, position, vocab_size: self.vocab_size() }
    }
}

fn attaches(split: WordSplit, entry: &str) -> Sides {
    match split {
        WordSplit::Punctuation => Sides::of_entry(entry),
        WordSplit::Whitespace => penn::write(entry).1,
        WordSplit::Keras => Sides { left: false, right: false },
    }
}

fn is_unknown(options: &WordOptions, word: &str) -> bool {
    options.split == WordSplit::Whitespace && word == WordVocab::UNKNOWN_TEXT
}

fn for_each_word(options: &WordOptions, text: &str, mut each: impl FnMut(&str)) {
    let text = if options.lowercase { Cow::Owned(text.to_lowercase()) } else { Cow::Borrowed(text) };
    match options.split {
        WordSplit::Punctuation => {
            let mut spelt = String::new();
            for piece in pieces(&text) {
                each(match piece {
                    Piece::Word(word) => word,
                    Piece::Newline => "\n",
                    Piece::Mark { mark, attaches } => attaches.spell(mark, &mut spelt),
                });
            }
        }
        WordSplit::Whitespace => {
            for (number, line) in text.split('\n').enumerate() {
                if number > 0 {
                    each("\n");
                }
                for word in line.split_whitespace() {
                    each(if word == penn::LINE_END { "\n" } else { word });
                }
            }
        }
        WordSplit::Keras => {
            // Line by line, because Keras's words of a whole text take many times its size.
            for line in text.split('\n') {
                text_to_word_sequence(line, DEFAULT_FILTERS, true, " ").iter().for_each(|word| each(word));
            }
        }
    }
}

impl From<WordVocab> for Stored {
    fn from(vocab: WordVocab) -> Self {
        let words = vocab.entries.iter().map(|entry| entry.stored.to_string()).collect();
        Self { options: vocab.options, words }
    }
}

impl TryFrom<Stored> for WordVocab {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        Self::from_words(stored.options, stored.words.into_iter().map(Arc::from).collect())
    }
}

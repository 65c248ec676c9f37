//! The vocabulary of a word language model, which can write its words down again.

mod count;
mod penn;
mod pieces;
#[cfg(test)]
mod tests;

pub(crate) use pieces::{is_apostrophe, is_word};

use crate::error::{Error, Result};
use crate::tokenizer::{DEFAULT_FILTERS, text_to_word_sequence};
use count::WordCounts;
use pieces::{Piece, Sides, pieces};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// How a text is cut into words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WordSplit {
    /// Words, punctuation marks and line breaks. Apostrophes inside a word are part of it; all other marks stand for
    /// themselves, and know on which sides they want a space. Scripts that write no spaces are better served by
    /// characters.
    #[default]
    Punctuation,
    /// Whatever stands between blanks, and line breaks: for texts already cut into words, as the Penn Treebank's. The
    /// word `<unk>` is the unknown word; a line break is the word `<eos>`, as Zaremba et al. (2014) count it.
    ///
    /// Decoding joins again what was cut, `n't` and `'s`, marks and brackets, so that a person can read it. The text
    /// that it writes has other blanks then, and is not cut into the same words again.
    Whitespace,
    /// As Keras's `text_to_word_sequence`: in lower case, without ASCII's marks but the apostrophe, cut at spaces.
    /// Line breaks are no tokens, and decoding writes single spaces.
    Keras,
}

impl WordSplit {
    /// How a text wants to be cut: as it is if the word `<unk>` stands in it between blanks, else at punctuation.
    pub fn detect(text: &str) -> Self {
        let cut = text.split_whitespace().any(|word| word == WordVocab::UNKNOWN_TEXT);
        if cut { Self::Whitespace } else { Self::Punctuation }
    }
}

/// The options of a [`WordVocab`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordOptions {
    /// How a text is cut.
    pub split: WordSplit,
    /// Whether texts are put into lower case first; Keras's are anyway. Default: false.
    pub lowercase: bool,
    /// Words seen less often are unknown. Default: 1.
    pub min_count: u64,
    /// At most this many ids, the unknown one included; the rarest words are unknown. Default: no limit.
    pub max_size: Option<usize>,
}

impl Default for WordOptions {
    fn default() -> Self {
        Self { split: WordSplit::default(), lowercase: false, min_count: 1, max_size: None }
    }
}

/// The words, marks and line breaks of a training text, each with an id: 0 for unknown ones, then by count, ties by
/// first appearance.
///
/// A mark has one entry for each way it stands among spaces, so that [`decode`](Self::decode) writes a text down as a
/// person would: a text with single spaces, and none at the ends of its lines, comes back exactly. Build the
/// vocabulary from the training part only.
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

/// A mark is stored with a space on each side that it keeps clear.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    stored: Arc<str>,
    clings: Sides,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    options: WordOptions,
    words: Vec<String>,
}

impl WordVocab {
    /// The id of every word that is not in the vocabulary.
    pub const UNKNOWN: u32 = 0;
    /// What [`decode`](Self::decode) writes for it.
    pub const UNKNOWN_TEXT: &str = "<unk>";
    /// Different words that are counted of a corpus, about 300 MB of them.
    pub const MOST_COUNTED: usize = 3_000_000;

    /// The vocabulary of all words in some texts.
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

    /// The vocabulary of a text in chunks, counted in memory that does not grow with it: past
    /// [`MOST_COUNTED`](Self::MOST_COUNTED) different words the rarest are forgotten, which may count a word that comes
    /// back too low.
    ///
    /// # Errors
    ///
    /// As for [`from_texts`](Self::from_texts), a chunk's own, and [`Error::TooManyWords`] where the options keep the rarest
    /// words too, so that none can be forgotten.
    pub fn from_chunks<I, S>(chunks: I, options: WordOptions) -> Result<Self>
    where
        I: IntoIterator<Item = Result<S>>,
        S: AsRef<str>,
    {
        Self::check(&options)?;
        let mut counts = WordCounts::new(&options, Self::MOST_COUNTED);
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
                return Err(damaged("the word stands there twice"));
            }
        }
        let entry = |stored: Arc<str>| Entry { clings: clings(options.split, &stored), stored };
        Ok(Self { entries: words.into_iter().map(entry).collect(), options, ids })
    }

    /// The options it was made with.
    pub fn options(&self) -> &WordOptions {
        &self.options
    }

    /// The number of ids, the unknown one included.
    pub fn vocab_size(&self) -> usize {
        self.entries.len() + 1
    }

    /// The word, mark or line break of an id, without spaces; `<unk>` for the unknown id, `None` for an id that the
    /// vocabulary does not have. Several ids may show the same mark. The line break of a text already cut is `<eos>`.
    pub fn word(&self, id: u32) -> Option<&str> {
        match self.entry(id) {
            Some(entry) if self.options.split == WordSplit::Whitespace && &*entry.stored == "\n" => {
                Some(penn::LINE_END)
            }
            Some(entry) => Some(entry.stored.trim_matches(' ')),
            None => (id == Self::UNKNOWN).then_some(Self::UNKNOWN_TEXT),
        }
    }

    /// What [`decode`](Self::decode) writes for an id, without the space before it.
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

    /// The ids of a text's words, marks and line breaks.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        for_each_word(&self.options, text, |word| {
            ids.push(self.ids.get(word).copied().unwrap_or(Self::UNKNOWN))
        });
        ids
    }

    /// The text of some ids, with spaces as a person would set them; the unknown id is written as `<unk>`.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownId`] for an id that the vocabulary does not have.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let mut text = String::new();
        let mut previous = None;
        for (position, &id) in ids.iter().enumerate() {
            self.push(previous, id, &mut text).ok_or_else(|| self.unknown_id(id, position))?;
            previous = Some(id);
        }
        Ok(text)
    }

    /// Adds one more id to a text that ends with the id `previous` (`None`: an empty text), with the space between if
    /// one belongs there. For writing a text while it is made.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownId`] if the vocabulary lacks `previous` (position 0) or `id` (position 1); nothing is added
    /// then.
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
        self.entry(id).map_or(Sides { left: false, right: false }, |entry| entry.clings)
    }

    fn unknown_id(&self, id: u32, position: usize) -> Error {
        Error::UnknownId { id, position, vocab_size: self.vocab_size() }
    }
}

fn clings(split: WordSplit, entry: &str) -> Sides {
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
                    Piece::Mark { mark, clings } => clings.spell(mark, &mut spelt),
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
            // Line by line, since Keras's words of a whole text are many times its size.
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

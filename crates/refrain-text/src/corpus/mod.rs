//! Texts that need not fit in memory.
//!
//! A [`Corpus`] is a list of parts: byte ranges of files, or strings. It is read chunk by chunk, so building a
//! vocabulary, splitting and tokenizing take memory that does not grow with the text. The tokens are stored in
//! [`StoredTokens`](crate::StoredTokens). Files are read in place, not copied; a file that changes between two
//! passes is an error.
//!
//! # Where a text is cut
//!
//! A chunk ends after a line break or, if there is none within the chunk's size, before a single space between two
//! letters; otherwise the chunk grows. No tokenizer of this crate looks across such places:
//! [`WordVocab`](crate::WordVocab) starts afresh on each line, a space between letters belongs to the following
//! word or to none, and lower-casing a final sigma looks only at neighbouring letters. So the tokens of the chunks
//! are those of the whole text. Characters can be cut anywhere. A text without spaces and line breaks therefore
//! trains in little memory at character level, and only there: see [`Cut`].

mod chunks;
mod open;
mod source;
mod split;
#[cfg(test)]
mod tests;

pub use chunks::{Chunks, Cut};

use crate::error::Result;
use chunks::PartChunks;
use refrain_task::Fingerprint;
use source::Source;
use std::ops::Range;

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 20;

/// A text, in files or in memory, that is read chunk by chunk.
///
/// ```
/// use refrain_text::corpus::{Corpus, Cut};
///
/// let corpus = Corpus::from_text("one day\nanother day\n");
/// assert_eq!((corpus.characters(), corpus.bytes()), (20, 20));
/// let chunks: Vec<String> = corpus.chunks(Cut::BetweenWords).collect::<Result<_, _>>()?;
/// assert_eq!(chunks.concat(), corpus.to_text()?);
/// # Ok::<(), refrain_text::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Corpus {
    parts: Vec<Part>,
    chunk: usize,
}

/// A part of the text. Every part except the last ends with a line break.
#[derive(Debug, Clone)]
struct Part {
    source: Source,
    /// The byte range in the source.
    range: Range<u64>,
    /// Characters in the range, not counting an added line break.
    characters: usize,
    /// Whether a line break is added, so that the next text starts on a new line.
    line_break: bool,
}

impl Part {
    fn bytes(&self) -> u64 {
        self.range.end - self.range.start + u64::from(self.line_break)
    }

    fn characters(&self) -> usize {
        self.characters + usize::from(self.line_break)
    }
}

impl Default for Corpus {
    fn default() -> Self {
        Self { parts: Vec::new(), chunk: CHUNK }
    }
}

impl Corpus {
    /// Creates a corpus from a text in memory.
    pub fn from_text(text: impl Into<String>) -> Self {
        let mut corpus = Self::default();
        corpus.push_text(text.into());
        corpus
    }

    /// Returns the number of characters.
    pub fn characters(&self) -> usize {
        self.parts.iter().map(Part::characters).sum()
    }

    /// Returns the number of bytes in UTF-8.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(Part::bytes).sum()
    }

    /// Returns whether it has no characters.
    pub fn is_empty(&self) -> bool {
        self.bytes() == 0
    }

    /// Returns an iterator over the text in chunks. A chunk has about one megabyte (see
    /// [`with_chunk`](Self::with_chunk)), or more if it could not be cut.
    pub fn chunks(&self, cut: Cut) -> Chunks<'_> {
        Chunks::new(&self.parts, self.chunk, cut)
    }

    /// Returns the first `characters` characters, or all if there are fewer.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn head(&self, characters: usize) -> Result<String> {
        let mut head = String::new();
        let mut left = characters;
        for chunk in self.chunks(Cut::Anywhere) {
            if left == 0 {
                break;
            }
            let before = head.len();
            head.extend(chunk?.chars().take(left));
            left -= head[before..].chars().count();
        }
        Ok(head)
    }

    /// Returns the whole text as one string.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn to_text(&self) -> Result<String> {
        self.chunks(Cut::Anywhere).collect()
    }

    /// Returns a fingerprint of all bytes, to tell whether two runs had the same text.
    ///
    /// # Errors
    /// If the text cannot be read.
    pub fn fingerprint(&self) -> Result<String> {
        let mut fingerprint = Fingerprint::default();
        for chunk in self.chunks(Cut::Anywhere) {
            fingerprint.add(chunk?.as_bytes());
        }
        Ok(fingerprint.to_string())
    }

    /// Sets the approximate chunk size in bytes, at least 1. Default: one megabyte.
    pub fn with_chunk(mut self, bytes: usize) -> Self {
        self.chunk = bytes.max(1);
        self
    }
}

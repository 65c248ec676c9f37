//! Texts that need not fit into memory.
//!
//! A [`Corpus`] is a list of parts: ranges of bytes of files, or strings. Whoever reads it gets one chunk after the
//! other, so a vocabulary, a split and tokens are made in memory that does not grow with the text; the tokens go
//! into [`StoredTokens`](crate::StoredTokens). Files are read as they are, not copied: one that changes between two
//! passes is an error.
//!
//! # Where a text is cut
//!
//! After a line break; where none comes within the chunk's size, before a single space between two letters; else the
//! chunk grows. At such places no tokenizer of this crate looks across: [`WordVocab`](crate::WordVocab) begins each
//! line anew, a space between letters belongs to the word after it or to none, and lower-casing a final sigma looks
//! at neighbouring letters only. So the tokens of the chunks are those of the whole. Characters are tokens wherever
//! they are cut; a text without spaces and line breaks therefore trains in little memory at that level, and only
//! there: see [`Cut`].

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

/// A part of the text. Every part but the last ends with a line break.
#[derive(Debug, Clone)]
struct Part {
    source: Source,
    /// Which bytes of the source.
    range: Range<u64>,
    /// Characters in them, without the line break that is added.
    characters: usize,
    /// Whether a line break is added: the next text begins on a line of its own.
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
    /// A text in memory, as it is.
    pub fn from_text(text: impl Into<String>) -> Self {
        let mut corpus = Self::default();
        corpus.push_text(text.into());
        corpus
    }

    /// The number of characters.
    pub fn characters(&self) -> usize {
        self.parts.iter().map(Part::characters).sum()
    }

    /// The number of bytes, in UTF-8.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(Part::bytes).sum()
    }

    /// Whether there is no character in it.
    pub fn is_empty(&self) -> bool {
        self.bytes() == 0
    }

    /// The text, chunk by chunk. A chunk has about a megabyte (see [`with_chunk`](Self::with_chunk)), more where it
    /// could not be cut.
    pub fn chunks(&self, cut: Cut) -> Chunks<'_> {
        Chunks::new(&self.parts, self.chunk, cut)
    }

    /// The first `characters` characters, or all there are.
    ///
    /// # Errors
    /// When they cannot be read.
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

    /// All of it, as one string.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn to_text(&self) -> Result<String> {
        self.chunks(Cut::Anywhere).collect()
    }

    /// A fingerprint of all bytes, to tell whether two runs had the same text.
    ///
    /// # Errors
    /// When the text cannot be read.
    pub fn fingerprint(&self) -> Result<String> {
        let mut fingerprint = Fingerprint::default();
        for chunk in self.chunks(Cut::Anywhere) {
            fingerprint.add(chunk?.as_bytes());
        }
        Ok(fingerprint.to_string())
    }

    /// The same text in chunks of about this many bytes, at least one. Default: a megabyte.
    pub fn with_chunk(mut self, bytes: usize) -> Self {
        self.chunk = bytes.max(1);
        self
    }
}

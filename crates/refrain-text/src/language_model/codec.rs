//! Between text and ids.

use crate::chars::CharVocab;
use crate::error::Result;
use crate::words::{WordOptions, WordVocab};
use serde::{Deserialize, Serialize};

/// What a language model's tokens are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Characters, case and line breaks kept.
    Char,
    /// Words, punctuation marks and line breaks.
    Word,
}

/// A vocabulary of one of the levels.
#[allow(clippy::large_enum_variant, reason = "there is one for each model")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "level", content = "vocabulary", rename_all = "snake_case")]
pub enum Codec {
    /// Of characters.
    Char(CharVocab),
    /// Of words.
    Word(WordVocab),
}

impl Codec {
    /// The vocabulary of a text.
    ///
    /// # Errors
    /// When the text has more different words than there are ids.
    pub fn from_text(text: &str, level: Level, words: WordOptions) -> Result<Self> {
        Ok(match level {
            Level::Char => Codec::Char(CharVocab::from_texts([text])),
            Level::Word => Codec::Word(WordVocab::from_texts([text], words)?),
        })
    }

    /// Which level it is of.
    pub fn level(&self) -> Level {
        match self {
            Codec::Char(_) => Level::Char,
            Codec::Word(_) => Level::Word,
        }
    }

    /// The number of ids, the unknown one (0) included.
    pub fn vocab_size(&self) -> usize {
        match self {
            Codec::Char(v) => v.vocab_size(),
            Codec::Word(v) => v.vocab_size(),
        }
    }

    /// The ids of a text.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        match self {
            Codec::Char(v) => v.encode(text),
            Codec::Word(v) => v.encode(text),
        }
    }

    /// Writes tokens behind a text that ended with the token `previous`; none: at its beginning.
    pub fn decoder(&self, previous: Option<u32>) -> Decoder<'_> {
        Decoder { codec: self, previous }
    }

    /// A token alone; `None` for an id that the vocabulary does not have.
    pub fn show(&self, id: u32) -> Option<String> {
        match self {
            Codec::Char(v) => v.char(id).map(String::from),
            Codec::Word(v) => v.word(id).map(str::to_owned),
        }
    }
}

/// Turns tokens into text, one after the other, with the space that belongs between two.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    codec: &'a Codec,
    previous: Option<u32>,
}

impl Decoder<'_> {
    /// Adds what the token adds to a text.
    ///
    /// # Errors
    /// When the vocabulary does not have the id; nothing is added then.
    pub fn push(&mut self, id: u32, text: &mut String) -> Result<()> {
        match self.codec {
            Codec::Char(v) => text.push_str(&v.decode(&[id])?),
            Codec::Word(v) => v.decode_next(self.previous, id, text)?,
        }
        self.previous = Some(id);
        Ok(())
    }
}

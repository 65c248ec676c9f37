//! The text of tokens, and how a prompt is joined to its continuation.

use crate::codec::{Codec, Decoder, Level};
use crate::error::Result;
use std::borrow::Cow;

/// Returns the text that a token adds, except for the space between two words at word level.
pub(super) fn token_text(codec: &Codec, id: u32) -> Cow<'_, str> {
    match codec {
        Codec::Word(words) => Cow::Borrowed(words.word(id).unwrap_or_default()),
        other => Cow::Owned(other.show(id).unwrap_or_default()),
    }
}

/// Returns whether tokens include the space before them: a space at the end of a text is then the beginning of a
/// token.
pub(super) fn space_leads(codec: &Codec) -> bool {
    !matches!(codec.level(), Level::Char | Level::Word)
}

/// A prompt as a model reads it.
#[derive(Debug)]
pub(super) struct Prompt<'a> {
    codec: &'a Codec,
    /// Its tokens, at least one.
    pub(super) ids: Vec<u32>,
    /// Whether it ends in a space that the first new token must start with.
    open: bool,
    /// Whether the space before the first new word is already there.
    blank: bool,
}

impl<'a> Prompt<'a> {
    pub(super) fn new(codec: &'a Codec, text: &str) -> Self {
        let open = space_leads(codec) && text.ends_with(' ');
        let read = if open { &text[..text.len() - 1] } else { text };
        let ends_blank = text.chars().next_back().is_none_or(char::is_whitespace);
        let blank = open || codec.level() == Level::Word && ends_blank;
        Self { codec, ids: codec.encode_prompt(read), open, blank }
    }

    /// Excludes tokens that cannot be written first, by setting their logit or probability to `none`: the unknown
    /// token, which stands for any word, and tokens that do not continue the space at the prompt's end.
    pub(super) fn rule_out(&self, values: &mut [f32], none: f32) {
        if values.len() > 1 {
            values[0] = none;
        }
        if self.open {
            let from_blank = |id: usize| token_text(self.codec, id as u32).starts_with(' ');
            if (1..values.len()).any(from_blank) {
                let others = values.iter_mut().enumerate().filter(|(id, _)| !from_blank(*id));
                others.for_each(|(_, value)| *value = none);
            }
        }
    }

    /// Returns a writer for the continuation.
    pub(super) fn writer(&self) -> Writer<'a> {
        Writer { decoder: self.codec.decoder(self.ids.last().copied()), blank: self.blank }
    }
}

/// Writes a continuation after its prompt, with natural spacing.
#[derive(Debug, Clone)]
pub(super) struct Writer<'a> {
    decoder: Decoder<'a>,
    blank: bool,
}

impl Writer<'_> {
    /// Appends the text of a token.
    ///
    /// # Errors
    /// If the vocabulary does not have the id. Nothing is appended then.
    pub(super) fn push(&mut self, id: u32, text: &mut String) -> Result<()> {
        let from = text.len();
        self.decoder.push(id, text)?;
        // A token that is part of a character may add nothing yet.
        if text.len() > from {
            if self.blank && text[from..].starts_with(' ') {
                text.remove(from);
            }
            self.blank = false;
        }
        Ok(())
    }
}

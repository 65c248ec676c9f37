//! Where words begin and end in a text being written.

use super::super::token::token_text;
use crate::codec::Codec;
use crate::words::{WordSplit, is_apostrophe, is_word};

/// Returns the word being typed at the end of a text; empty after whitespace, punctuation or nothing. An apostrophe
/// after a letter counts as part of the word.
pub(super) fn typed<'t>(codec: &Codec, text: &'t str) -> &'t str {
    let by_blanks = matches!(codec, Codec::Word(words) if words.options().split == WordSplit::Whitespace);
    let mut start = text.len();
    for (at, c) in text.char_indices().rev() {
        let before = || text[..at].chars().next_back();
        let inside = if by_blanks {
            !c.is_whitespace()
        } else {
            is_word(c) || is_apostrophe(c) && before().is_some_and(is_word)
        };
        if !inside {
            break;
        }
        start = at;
    }
    &text[start..]
}

/// Returns whether a vocabulary entry is a word, not punctuation, a line break or a special token such as `<eos>`.
pub(super) fn is_shown(entry: &str) -> bool {
    let name = entry.starts_with('<') && entry.ends_with('>');
    !name && entry.chars().any(is_word)
}

/// Returns where the word at the beginning of a text ends; `None` if it may continue.
pub(super) fn word_end(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|&(_, next)| next);
        let inside = is_word(c) || is_apostrophe(c) && at > 0 && next.is_none_or(is_word);
        if !inside {
            return Some(at);
        }
    }
    None
}

/// What a token does after the letters of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenRole {
    /// Continues the word.
    Inside,
    /// Ends the word.
    End,
    /// Depends on its characters and the word's.
    Mixed,
    /// Is not text by itself.
    None,
}

/// The text that a token adds.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) role: TokenRole,
}

impl Token {
    pub(super) fn new(codec: &Codec, id: u32) -> Self {
        Self::of(token_text(codec, id).into_owned())
    }

    pub(super) fn of(text: String) -> Self {
        let role = match text.chars().next() {
            // Part of a character whose other parts are in other tokens.
            _ if text.contains(char::REPLACEMENT_CHARACTER) => TokenRole::None,
            None => TokenRole::None,
            Some(_) if text.chars().all(is_word) => TokenRole::Inside,
            Some(c) if is_word(c) || is_apostrophe(c) => TokenRole::Mixed,
            Some(_) => TokenRole::End,
        };
        Self { text, role }
    }
}

/// How a text relates to what it must begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// The text matches so far, but is shorter.
    Begun,
    /// The text begins with all of it.
    Whole,
    /// The text does not match.
    Not,
}

/// The text that a word must begin with.
#[derive(Debug, Clone)]
pub(super) struct Target {
    text: String,
    /// Whether case is ignored.
    fold: bool,
}

impl Target {
    pub(super) fn new(text: &str, fold: bool) -> Self {
        Self { text: text.to_owned(), fold }
    }

    /// Returns its length in bytes.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Returns whether it starts with a space before the word.
    pub(super) fn has_blank(&self) -> bool {
        self.text.starts_with(' ')
    }

    /// Returns the number of characters of the word, without the space before it.
    pub(super) fn word_chars(&self) -> usize {
        self.text.trim_start_matches(' ').chars().count()
    }

    pub(super) fn fit(&self, text: &str) -> Fit {
        let same = |a: char, b: char| a == b || self.fold && a.to_lowercase().eq(b.to_lowercase());
        let mut wanted = self.text.chars();
        for c in text.chars() {
            match wanted.next() {
                None => return Fit::Whole,
                Some(w) if same(c, w) => {}
                Some(_) => return Fit::Not,
            }
        }
        if wanted.next().is_none() { Fit::Whole } else { Fit::Begun }
    }

    pub(super) fn is_begun_by(&self, text: &str) -> bool {
        self.fit(text) == Fit::Whole
    }
}

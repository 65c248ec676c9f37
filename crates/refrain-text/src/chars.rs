//! The vocabulary of a character language model.

use crate::error::{Error, Result};
use crate::unknown::UNKNOWN;
use serde::{Deserialize, Serialize};

/// The characters of a training text, each with an id: 0 for characters that do not occur in it, then 1, 2, … in
/// code point order.
///
/// Nothing is normalised or dropped: case, line breaks and all other Unicode scalar values are kept. Build the
/// vocabulary from the training part only, so that the validation text is scored as unseen text.
///
/// ```
/// use refrain_text::CharVocab;
///
/// let vocab = CharVocab::from_texts(["O rose,\nthou art sick!"]);
/// let ids = vocab.encode("a rose\n");
/// assert_eq!(vocab.decode(&ids)?, "a rose\n");
/// assert_eq!(vocab.encode("z"), [CharVocab::UNKNOWN]);
/// # Ok::<(), refrain_text::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CharVocab {
    /// In ascending order; the character at `i` has id `i + 1`.
    chars: Vec<char>,
    /// The ids of the ASCII characters; 0 for those not in the vocabulary.
    ascii: [u32; 128],
}

impl CharVocab {
    /// The id of all characters that are not in the vocabulary.
    pub const UNKNOWN: u32 = UNKNOWN;

    /// Builds the vocabulary of all characters in some texts.
    pub fn from_texts<I>(texts: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        // A table of all code points: a set would need a lookup for every character of the text.
        let mut seen = vec![false; char::MAX as usize + 1];
        for text in texts {
            text.as_ref().chars().for_each(|c| seen[c as usize] = true);
        }
        Self::from_sorted(('\0'..=char::MAX).filter(|&c| seen[c as usize]).collect())
    }

    fn from_sorted(chars: Vec<char>) -> Self {
        let mut ascii = [Self::UNKNOWN; 128];
        for (id, &c) in (1..).zip(chars.iter().take_while(|c| c.is_ascii())) {
            ascii[c as usize] = id;
        }
        Self { chars, ascii }
    }

    /// Returns the number of ids, including the unknown one.
    pub fn vocab_size(&self) -> usize {
        self.chars.len() + 1
    }

    /// Returns the id of a character, or [`UNKNOWN`](Self::UNKNOWN) if it is not in the vocabulary.
    pub fn id(&self, c: char) -> u32 {
        match self.ascii.get(c as usize) {
            Some(&id) => id,
            // There are 1,114,112 code points, so an id always fits.
            None => self.chars.binary_search(&c).map_or(Self::UNKNOWN, |i| i as u32 + 1),
        }
    }

    /// Returns the character of an id: U+FFFD for the unknown id, `None` for an id outside the vocabulary.
    pub fn char(&self, id: u32) -> Option<char> {
        match id {
            Self::UNKNOWN => Some(char::REPLACEMENT_CHARACTER),
            id => self.chars.get(id as usize - 1).copied(),
        }
    }

    /// Returns the characters with their own id, in id order from 1.
    pub fn chars(&self) -> &[char] {
        &self.chars
    }

    /// Returns the id of each character.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        text.chars().map(|c| self.id(c)).collect()
    }

    /// Returns the text of some ids. The unknown id becomes U+FFFD.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownId`] for an id outside the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let character = |(position, &id): (usize, &u32)| {
            self.char(id).ok_or(Error::UnknownId { id, position, vocab_size: self.vocab_size() })
        };
        ids.iter().enumerate().map(character).collect()
    }
}

impl From<CharVocab> for String {
    fn from(vocab: CharVocab) -> Self {
        vocab.chars.into_iter().collect()
    }
}

impl TryFrom<String> for CharVocab {
    type Error = Error;

    fn try_from(stored: String) -> Result<Self> {
        let chars: Vec<char> = stored.chars().collect();
        if let Some(before) = chars.windows(2).position(|pair| pair[0] >= pair[1]) {
            let problem = "characters must be unique and in ascending order";
            return Err(Error::Vocabulary {
                position: before + 1,
                entry: chars[before + 1].to_string(),
                problem,
            });
        }
        Ok(Self::from_sorted(chars))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_follow_code_points_and_zero_is_unknown() -> Result<()> {
        let vocab = CharVocab::from_texts(["bBa\n", "é🦀a"]);
        assert_eq!(vocab.chars(), ['\n', 'B', 'a', 'b', 'é', '🦀']);
        assert_eq!(vocab.vocab_size(), 7);
        assert_eq!(vocab.encode("aA🦀ü\r\n"), [3, 0, 6, 0, 0, 1]);
        assert_eq!(vocab.decode(&[0, 6])?, "\u{FFFD}🦀");
        Ok(())
    }

    #[test]
    fn a_combining_mark_is_a_separate_character() {
        let vocab = CharVocab::from_texts(["e\u{301}"]);
        assert_eq!(vocab.encode("e\u{301}é"), [1, 2, 0]);
    }

    #[test]
    fn an_empty_text_leaves_only_the_unknown_id() {
        let vocab = CharVocab::from_texts([""]);
        assert_eq!((vocab.vocab_size(), vocab.encode("x")), (1, vec![0]));
    }

    #[test]
    fn an_id_beyond_the_vocabulary_is_named_with_its_position() {
        let vocab = CharVocab::from_texts(["ab"]);
        let error = vocab.decode(&[1, 2, 3]).expect_err("there is no id 3");
        assert!(matches!(error, Error::UnknownId { id: 3, position: 2, vocab_size: 3 }));
        assert!(vocab.char(u32::MAX).is_none());
    }

    #[test]
    fn a_damaged_vocabulary_is_rejected() {
        for stored in [r#""ba""#, r#""aa""#, "7", "null"] {
            assert!(serde_json::from_str::<CharVocab>(stored).is_err(), "{stored}");
        }
    }

    proptest! {
        #[test]
        fn decode_undoes_encode_and_load_undoes_save(text: String) {
            let vocab = CharVocab::from_texts([&text]);
            prop_assert_eq!(vocab.decode(&vocab.encode(&text))?, text);
            let json = serde_json::to_string(&vocab)?;
            prop_assert_eq!(serde_json::from_str::<CharVocab>(&json)?, vocab);
        }
    }
}

//! Vocabularies that convert between text and ids, for all applications of this crate.

mod corpus;

use crate::bpe::{BpeOptions, BpeVocab};
use crate::chars::CharVocab;
use crate::error::{Error, Result};
use crate::words::{WordOptions, WordVocab};
use refrain_nn::shown::counted;
use refrain_task::Description;
use serde::{Deserialize, Serialize};
use serde_json::Map;
use std::borrow::Cow;

/// The kind of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Characters, including case and line breaks.
    Char,
    /// Words, punctuation marks and line breaks.
    Word,
    /// Subwords: byte-pair encoding.
    Bpe,
}

impl Level {
    /// Returns the plural name of the tokens.
    pub fn plural(self) -> &'static str {
        match self {
            Level::Char => "characters",
            Level::Word => "words",
            Level::Bpe => "parts of words",
        }
    }

    /// Returns a count of tokens with their name: `1 word`, `75 characters`.
    pub fn counted(self, n: usize) -> String {
        match self {
            Level::Char => counted(n, "character"),
            Level::Word => counted(n, "word"),
            Level::Bpe => counted(n, "part") + " of words",
        }
    }
}

/// How a vocabulary is built from a text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VocabOptions {
    /// For words: how the text is split, and which words are kept.
    pub words: WordOptions,
    /// For words and subwords: the maximum number of ids. Default: no limit on words except
    /// [`max_size`](WordOptions::max_size), and 8,000 subwords.
    pub vocab: Option<usize>,
}

/// A vocabulary of one of the levels.
#[allow(clippy::large_enum_variant, reason = "each model has only one")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "level", content = "vocabulary", rename_all = "snake_case")]
pub enum Codec {
    /// Of characters.
    Char(CharVocab),
    /// Of words.
    Word(WordVocab),
    /// Of subwords.
    Bpe(BpeVocab),
}

impl Codec {
    /// Builds the vocabulary of a text.
    ///
    /// # Errors
    /// If an option is out of range or not allowed at this level, or the text has more different words than there
    /// are ids.
    pub fn from_text(text: &str, level: Level, options: &VocabOptions) -> Result<Self> {
        Self::from_chunks([Ok(text)], level, options)
    }

    /// Builds the vocabulary of a text in chunks, each cut where this level allows it.
    pub(crate) fn from_chunks<I, S>(chunks: I, level: Level, options: &VocabOptions) -> Result<Self>
    where
        I: IntoIterator<Item = Result<S>>,
        S: AsRef<str>,
    {
        let VocabOptions { words, vocab } = options;
        Ok(match level {
            Level::Char => {
                if let Some(size) = vocab {
                    let (got, expected) = (size.to_string(), "no limit for characters, which are all kept");
                    return Err(Error::option("vocab", got, expected));
                }
                let mut failed = None;
                let readable = chunks.into_iter().map_while(|c| c.map_err(|e| failed = Some(e)).ok());
                let vocab = CharVocab::from_texts(readable);
                failed.map_or(Ok(Codec::Char(vocab)), Err)?
            }
            Level::Word => {
                let words = WordOptions { max_size: vocab.or(words.max_size), ..words.clone() };
                Codec::Word(WordVocab::from_chunks(chunks, words)?)
            }
            Level::Bpe => {
                let default = BpeOptions::default();
                let options = BpeOptions { vocab_size: vocab.unwrap_or(default.vocab_size), ..default };
                Codec::Bpe(BpeVocab::train(chunks, &options)?)
            }
        })
    }

    /// Returns an error if every token would be the unknown one, since a model would have nothing to learn.
    pub(crate) fn check_known(&self, options: &VocabOptions) -> Result<()> {
        if self.vocab_size() > 1 {
            return Ok(());
        }
        match options.words.min_count {
            0 | 1 => {
                let (name, what) = ("the training text".to_owned(), "has no token to learn");
                Err(Error::Blank { name, what })
            }
            count => Err(Error::option("min-count", count, "a count that at least one word reaches")),
        }
    }

    /// Returns its level.
    pub fn level(&self) -> Level {
        match self {
            Codec::Char(_) => Level::Char,
            Codec::Word(_) => Level::Word,
            Codec::Bpe(_) => Level::Bpe,
        }
    }

    /// Returns the number of ids, including the unknown one (0).
    pub fn vocab_size(&self) -> usize {
        match self {
            Codec::Char(v) => v.vocab_size(),
            Codec::Word(v) => v.vocab_size(),
            Codec::Bpe(v) => v.vocab_size(),
        }
    }

    /// Returns the ids of a text.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        match self {
            Codec::Char(v) => v.encode(text),
            Codec::Word(v) => v.encode(text),
            Codec::Bpe(v) => v.encode(text),
        }
    }

    /// Returns the ids of a prompt, at least one: if the text has no token, that of a line break; if that has none
    /// either, the unknown id.
    pub fn encode_prompt(&self, text: &str) -> Vec<u32> {
        let ids = [text, "\n"].map(|text| self.encode(text));
        ids.into_iter().find(|ids| !ids.is_empty()).unwrap_or_else(|| vec![0])
    }

    /// Returns a decoder that continues a text ending with the token `previous`, or starts a new one if `None`.
    pub fn decoder(&self, previous: Option<u32>) -> Decoder<'_> {
        Decoder { codec: self, previous, held: Vec::new() }
    }

    /// Returns a single token in readable form; `None` for an id outside the vocabulary.
    ///
    /// A subword includes the space before it, with U+FFFD in place of incomplete characters.
    pub fn show(&self, id: u32) -> Option<String> {
        match self {
            Codec::Char(v) => v.char(id).map(String::from),
            Codec::Word(v) => v.word(id).map(str::to_owned),
            Codec::Bpe(v) => v.token(id).map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
        }
    }

    /// Returns the bytes that a token adds to a text, without the space before a word; `None` for the unknown id
    /// and for ids outside the vocabulary. The bytes of a subword need not be whole characters.
    pub fn token_bytes(&self, id: u32) -> Option<Cow<'_, [u8]>> {
        if id == 0 {
            return None;
        }
        match self {
            Codec::Char(v) => v.char(id).map(|c| Cow::Owned(c.to_string().into_bytes())),
            Codec::Word(v) => v.written(id).map(|text| Cow::Borrowed(text.as_bytes())),
            Codec::Bpe(v) => v.token(id).map(Cow::Borrowed),
        }
    }
}

impl Codec {
    /// Describes a vocabulary.
    pub(crate) fn describe(&self) -> Description {
        let (level, size) = (serde_json::json!(self.level()), self.vocab_size());
        let line =
            format!("vocabulary: {}, level {}", counted(size, "entry"), level.as_str().unwrap_or_default());
        let fields = Map::from_iter([("level".to_owned(), level), ("vocabulary".to_owned(), size.into())]);
        Description { fields, lines: vec![line] }
    }
}

/// Returns the bytes that a vocabulary takes: the text of each entry and the lookup tables.
pub(crate) fn vocabulary_bytes(entries: usize) -> u64 {
    const ENTRY: u64 = 256;
    (entries as u64).saturating_mul(ENTRY)
}

/// Converts tokens into text one by one, with the spaces that belong between them.
///
/// A subword may end in the middle of a character. Its bytes are held back until the character is complete, so a
/// token may add nothing, or also a character that an earlier token started. Bytes that cannot become a character
/// are written as U+FFFD.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    codec: &'a Codec,
    previous: Option<u32>,
    /// An incomplete character.
    held: Vec<u8>,
}

impl Decoder<'_> {
    /// Appends the text of a token.
    ///
    /// # Errors
    /// If the vocabulary does not have the id. Nothing is appended then.
    pub fn push(&mut self, id: u32, text: &mut String) -> Result<()> {
        match self.codec {
            Codec::Char(v) => text.push_str(&v.decode(&[id])?),
            Codec::Word(v) => v.decode_next(self.previous, id, text)?,
            Codec::Bpe(v) => {
                self.held.extend_from_slice(v.token(id).ok_or_else(|| v.unknown_id(id, 0))?);
                move_characters(&mut self.held, text);
            }
        }
        self.previous = Some(id);
        Ok(())
    }
}

/// Moves all complete characters from `bytes` to `text`.
fn move_characters(bytes: &mut Vec<u8>, text: &mut String) {
    let mut done = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        done += chunk.valid().len();
        let invalid = chunk.invalid();
        let begins = std::str::from_utf8(invalid).is_err_and(|e| e.error_len().is_none());
        if begins && done + invalid.len() == bytes.len() {
            break;
        }
        if !invalid.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        done += invalid.len();
    }
    bytes.drain(..done);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn codec(text: &str, level: Level) -> Codec {
        let words = WordOptions { split: crate::WordSplit::Whitespace, ..WordOptions::default() };
        let vocab = (level == Level::Bpe).then_some(300);
        Codec::from_text(text, level, &VocabOptions { words, vocab }).expect("the options suit any text")
    }

    #[test]
    fn a_character_is_written_once_complete() -> Result<()> {
        let codec = codec("", Level::Bpe);
        let ids = codec.encode("a🛶é");
        assert_eq!(ids.len(), 7, "bytes, since nothing is merged");
        let mut decoder = codec.decoder(None);
        let mut written = Vec::new();
        for id in ids {
            let mut text = String::new();
            decoder.push(id, &mut text)?;
            written.push(text);
        }
        assert_eq!(written, ["a", "", "", "", "🛶", "", "é"]);
        let mut text = String::new();
        assert!(matches!(decoder.push(999, &mut text), Err(Error::UnknownId { id: 999, .. })));
        Ok(())
    }

    #[test]
    fn tokens_are_shown_and_spelt() {
        let text = "so it so it so n't é\n";
        for (level, token, shown, bytes) in [
            (Level::Char, "\n", "\n", "\n"),
            (Level::Char, "é", "é", "é"),
            (Level::Word, "\n", "<eos>", "\n"),
            (Level::Word, "n't", "n't", "n't"),
            (Level::Bpe, " it", " it", " it"),
        ] {
            let codec = codec(text, level);
            let id = codec.encode(token)[0];
            assert_eq!(codec.show(id).as_deref(), Some(shown), "{level:?}");
            assert_eq!(codec.token_bytes(id).as_deref(), Some(bytes.as_bytes()), "{level:?}");
            let beyond = codec.vocab_size() as u32;
            assert_eq!(
                (codec.show(beyond), codec.token_bytes(beyond), codec.token_bytes(0)),
                (None, None, None)
            );
        }
        let codec = codec(text, Level::Bpe);
        assert_eq!(codec.show(codec.encode("é")[0]).as_deref(), Some("\u{FFFD}"));
        assert_eq!(codec.show(0).as_deref(), Some("<unk>"));
    }

    #[test]
    fn a_prompt_is_never_empty() {
        let keras = WordOptions { split: crate::WordSplit::Keras, ..WordOptions::default() };
        let options = VocabOptions { words: keras, vocab: None };
        let words = Codec::from_text("one two", Level::Word, &options).expect("the options suit any text");
        assert_eq!((words.encode_prompt("--"), words.encode_prompt("two")), (vec![0], vec![2]));
        let bytes = codec("", Level::Bpe);
        assert_eq!(bytes.encode_prompt(""), bytes.encode("\n"));
    }

    #[test]
    fn a_limit_is_respected_or_rejected() {
        let of = |level, vocab| {
            Codec::from_text("a b c a b", level, &VocabOptions { vocab: Some(vocab), ..Default::default() })
        };
        assert_eq!(of(Level::Word, 3).expect("a limit of words").vocab_size(), 3);
        assert_eq!(of(Level::Bpe, 258).expect("a limit of subwords").vocab_size(), 258);
        assert!(of(Level::Bpe, 256).is_err_and(|e| e.option_at_fault() == Some("vocab_size")));
        assert!(of(Level::Char, 300).is_err_and(|e| e.option_at_fault() == Some("vocab")));
    }

    proptest! {
        #[test]
        fn tokens_one_by_one_equal_all_tokens(ids in proptest::collection::vec(1u32..257, 0..40)) {
            let codec = codec("", Level::Bpe);
            let Codec::Bpe(vocab) = &codec else { unreachable!("made of subwords") };
            let (mut decoder, mut text) = (codec.decoder(None), String::new());
            // A line feed ends any incomplete character.
            for id in ids.iter().copied().chain(codec.encode("\n")) {
                decoder.push(id, &mut text)?;
            }
            let bytes: Vec<u8> = ids.iter().flat_map(|&id| vocab.token(id).unwrap_or_default()).copied().collect();
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes).into_owned() + "\n");
        }
    }
}

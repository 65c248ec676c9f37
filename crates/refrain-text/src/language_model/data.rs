//! The texts of a run, and the tokens made of them.

use super::codec::{Codec, Level};
use super::evaluate::ScoredText;
use super::recipe::TextRecipe;
use super::train::{Flow, TextEvent};
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::lanes::Lanes;
use crate::tokens::{Store, StoredTokens, Tokens};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The texts of a run.
#[derive(Debug, Clone, Copy)]
pub struct TrainingData<'a> {
    /// What is learned, and where the vocabulary comes from.
    pub training: &'a Corpus,
    /// What the loss is measured on after each epoch.
    pub validation: Option<&'a Corpus>,
    /// What the finished model is scored on, once.
    pub test: Option<&'a Corpus>,
    /// Where tokens are kept that are too many for the memory, in a file without a name: see [`Store`].
    pub folder: &'a Path,
    /// Bytes of memory that the run may take; none: any. One that needs more is refused before it takes them.
    pub memory: Option<u64>,
}

impl<'a> TrainingData<'a> {
    /// A text to learn, nothing to score on, and the working folder for what memory does not hold.
    pub fn new(training: &'a Corpus) -> Self {
        Self { training, validation: None, test: None, folder: Path::new("."), memory: None }
    }
}

/// What a run reads in each epoch.
#[derive(Debug)]
pub(super) struct Prepared {
    pub lanes: Lanes<StoredTokens>,
    /// None where there is nothing to validate on.
    pub validation: Option<ScoredText>,
    pub test: Option<ScoredText>,
    pub fingerprints: Fingerprints,
}

/// Of the texts of a run. Taken before it: the files may be gone when it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fingerprints {
    pub training: String,
    pub validation: Option<String>,
    pub test: Option<String>,
}

impl Fingerprints {
    fn of(data: TrainingData<'_>) -> Result<Self> {
        let of = |corpus: Option<&Corpus>| corpus.map(Corpus::fingerprint).transpose();
        Ok(Self {
            training: data.training.fingerprint()?,
            validation: of(data.validation)?,
            test: of(data.test)?,
        })
    }
}

/// Cuts off the last `share` of a text's characters; for words the cut is behind the next line break, where one
/// leaves a rest, else behind the next space.
pub fn split_text(text: &str, share: f64, level: Level) -> (&str, &str) {
    let characters = text.chars().count();
    let training = ((characters as f64) * (1.0 - share)).floor() as usize;
    let mut at = text.char_indices().nth(training).map_or(text.len(), |(i, _)| i);
    if level != Level::Char && share > 0.0 {
        let behind = |mark: fn(char) -> bool| text[at..].find(mark).map(|i| at + i + 1);
        let leaves_a_rest = |cut: &usize| !text[*cut..].trim().is_empty();
        let cut = behind(|c| c == '\n').filter(leaves_a_rest);
        at = cut.or_else(|| behind(|c| c == ' ').filter(leaves_a_rest)).unwrap_or(at);
    }
    text.split_at(at)
}

/// Tells a reporter how much of the texts was read, over all passes.
pub(super) struct Passes<'r> {
    done: u64,
    of: u64,
    report: &'r mut dyn FnMut(&TextEvent<'_>) -> Flow,
}

impl<'r> Passes<'r> {
    /// For so many passes over the training text, and one over each of the others.
    pub(super) fn new(
        over_training: u64,
        data: TrainingData<'_>,
        report: &'r mut dyn FnMut(&TextEvent<'_>) -> Flow,
    ) -> Self {
        let others = [data.validation, data.test].into_iter().flatten().map(Corpus::bytes);
        let of = over_training * data.training.bytes() + others.sum::<u64>();
        Self { done: 0, of, report }
    }

    /// Some bytes more. A wish to stop is heard at the start of training.
    pub(super) fn seen(&mut self, bytes: u64) {
        self.done += bytes;
        (self.report)(&TextEvent::Tokenizing { done: self.done, of: self.of });
    }
}

impl TextRecipe {
    pub(super) fn prepare(
        &self,
        codec: &Codec,
        data: TrainingData<'_>,
        passes: &mut Passes<'_>,
    ) -> Result<Prepared> {
        if data.validation.is_none_or(Corpus::is_empty) {
            self.check_without_validation()?;
        }
        let store = Store::in_folder(data.folder);
        let mut encode = |corpus: &Corpus| -> Result<StoredTokens> {
            let tokens = codec.encode_corpus(corpus, &store, &mut |bytes| passes.seen(bytes))?;
            if let Some((folder, bytes)) = tokens.file() {
                (passes.report)(&TextEvent::TokenFile { folder, bytes });
            }
            Ok(tokens)
        };
        let tokens = encode(data.training)?;
        if tokens.len() <= self.steps {
            return Err(Error::TooShort {
                text: "the text",
                got: tokens.len(),
                needed: self.steps + 1,
                purpose: "one chunk of `steps` tokens and the token after it",
                advice: "lower `steps`, or use a longer text",
            });
        }
        let batch = self.batch_for(tokens.len());
        let mut scored = |corpus: Option<&Corpus>, text, purpose, advice| -> Result<Option<ScoredText>> {
            let Some(corpus) = corpus.filter(|corpus| !corpus.is_empty()) else { return Ok(None) };
            let tokens = encode(corpus)?;
            match tokens.len() {
                got @ 0..2 => Err(Error::TooShort { text, got, needed: 2, purpose, advice }),
                _ => Ok(Some(ScoredText { tokens, characters: corpus.characters() })),
            }
        };
        let hold_out = "hold out a larger share, or none with a share of 0";
        let validation = scored(data.validation, "the text to validate on", "validation", hold_out)?;
        let test = scored(data.test, "the text to test on", "a test", "use a longer text")?;
        let lanes = Lanes::new(tokens, batch, self.steps)?;
        Ok(Prepared { lanes, validation, test, fingerprints: Fingerprints::of(data)? })
    }
}

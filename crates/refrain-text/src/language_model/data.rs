//! The texts of a run, and their tokens.

use super::evaluate::ScoredText;
use super::recipe::TextRecipe;
use super::task::TextTask;
use crate::codec::{Codec, Level};
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::lanes::Lanes;
use crate::tokens::{Store, StoredTokens, Tokens};
use refrain_task::{Fingerprints, Recipe, Split};
use std::path::Path;

/// The texts of a run.
#[derive(Debug, Clone, Copy)]
pub struct TrainingData<'a> {
    /// The training text, from which the vocabulary is built.
    pub training: &'a Corpus,
    /// The text whose loss is measured after each epoch.
    pub validation: Option<&'a Corpus>,
    /// The text on which the finished model is scored once.
    pub test: Option<&'a Corpus>,
    /// The folder for tokens that do not fit in memory, in an unnamed file: see [`Store`].
    pub folder: &'a Path,
}

impl<'a> TrainingData<'a> {
    /// Creates data with only a training text; the folder for tokens is the working directory.
    pub fn new(training: &'a Corpus) -> Self {
        Self { training, validation: None, test: None, folder: Path::new(".") }
    }

    fn fingerprints(self) -> Result<Fingerprints> {
        let of = |corpus: Option<&Corpus>| {
            corpus.filter(|corpus| !corpus.is_empty()).map(Corpus::fingerprint).transpose()
        };
        let training = self.training.fingerprint()?;
        Ok(Fingerprints { training, validation: of(self.validation)?, test: of(self.test)? })
    }
}

/// Progress of preparing texts.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum PrepareEvent<'a> {
    /// The texts are being read, to count words and to tokenize them.
    Tokenizing {
        /// Bytes read, over all passes.
        done: u64,
        /// Total bytes, over all passes.
        of: u64,
    },
    /// The tokens of a text are stored in a file.
    TokenFile {
        /// The folder; the file is unnamed.
        folder: &'a Path,
        /// The file's size.
        bytes: u64,
    },
}

/// Cuts off the last `share` of a text's characters. For words, the cut is after the next line break that has more
/// text after it, otherwise after the next space.
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

/// Reports the progress of reading the texts, over all passes.
struct Passes<'r> {
    done: u64,
    of: u64,
    report: &'r mut dyn FnMut(&PrepareEvent<'_>),
}

impl Passes<'_> {
    /// Adds bytes that were read.
    fn advance(&mut self, bytes: u64) {
        self.done += bytes;
        (self.report)(&PrepareEvent::Tokenizing { done: self.done, of: self.of });
    }
}

impl TextTask {
    /// Reads and encodes texts for a run of a recipe, with the `codec` of a trained model or a checkpoint if given,
    /// otherwise with a vocabulary built from the training text.
    ///
    /// # Errors
    /// If an option does not fit the text, the text is too short for `steps`, or it cannot be read.
    pub fn prepare(
        recipe: &TextRecipe,
        data: TrainingData<'_>,
        codec: Option<Codec>,
        report: &mut dyn FnMut(&PrepareEvent<'_>),
    ) -> Result<Self> {
        recipe.check()?;
        if data.validation.is_none_or(Corpus::is_empty) {
            recipe.training.check_without_validation()?;
        }
        let training_text = if recipe.training.validation > 0.0 {
            "lower `steps`, hold out a smaller share for validation, or use a longer text"
        } else {
            "lower `steps`, or use a longer text"
        };
        let too_short = |got| Error::TooShort {
            text: "the training text",
            got,
            needed: recipe.steps.saturating_add(1),
            purpose: "one chunk of `steps` tokens and the token after it",
            advice: training_text,
        };
        if data.training.is_empty() {
            return Err(too_short(0));
        }
        let over_training = if codec.is_some() { 1 } else { 2 };
        let others = [data.validation, data.test].into_iter().flatten().map(Corpus::bytes);
        let of = over_training * data.training.bytes() + others.sum::<u64>();
        let mut passes = Passes { done: 0, of, report };
        let codec = match codec {
            Some(codec) => codec,
            None => {
                let options = recipe.vocabulary_options(data.training)?;
                let seen = &mut |bytes| passes.advance(bytes);
                let codec = Codec::from_corpus(data.training, recipe.level, &options, seen)?;
                codec.check_known(&options)?;
                codec
            }
        };
        let store = Store::in_folder(data.folder);
        let mut encode = |corpus: &Corpus| -> Result<StoredTokens> {
            let tokens = codec.encode_corpus(corpus, &store, &mut |bytes| passes.advance(bytes))?;
            if let Some((folder, bytes)) = tokens.file() {
                (passes.report)(&PrepareEvent::TokenFile { folder, bytes });
            }
            Ok(tokens)
        };
        let tokens = encode(data.training)?;
        if tokens.len() <= recipe.steps {
            return Err(too_short(tokens.len()));
        }
        tokens.unknown()?.check()?;
        let batch = recipe.batch_for(tokens.len());
        let mut scored = |corpus: Option<&Corpus>, split, advice| -> Result<Option<ScoredText>> {
            let Some(corpus) = corpus.filter(|corpus| !corpus.is_empty()) else { return Ok(None) };
            let tokens = encode(corpus)?;
            match tokens.len() {
                got @ 0..2 => {
                    let (text, purpose) = ("the text", "scoring (the first token is not scored)");
                    Err(Error::TooShort { text, got, needed: 2, purpose, advice }.of_part(split))
                }
                _ => {
                    tokens.unknown()?.check().map_err(|e| e.of_part(split))?;
                    Ok(Some(ScoredText { tokens, characters: corpus.characters() }))
                }
            }
        };
        let longer = "use a longer text";
        let hold_out = match recipe.training.validation {
            0.0 => longer,
            _ => "hold out a larger share, or none with a share of 0",
        };
        let validation = scored(data.validation, Split::Validation, hold_out)?;
        let test = scored(data.test, Split::Test, longer)?;
        let lanes = Lanes::new(tokens, batch, recipe.steps)?;
        Ok(Self { codec, lanes, validation, test, fingerprints: data.fingerprints()? })
    }
}

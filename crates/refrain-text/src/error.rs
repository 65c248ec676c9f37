//! Errors between a text and the numbers made from it.

use refrain_nn::shown::counted;
use refrain_task::Split;

/// This crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of `refrain-text`: what was got, what was expected, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A part of a tokenizer's JSON differs from what Keras writes.
    #[error(
        "the tokenizer's JSON cannot be read, in {part}: {source}; expected what Keras's Tokenizer.to_json() writes"
    )]
    TokenizerJson {
        /// The part of the document: `the document`, or the name of a table inside it.
        part: &'static str,
        /// The JSON parser's error.
        source: serde_json::Error,
    },

    /// The JSON describes something other than a tokenizer.
    #[error("the JSON's class_name is {got:?}; expected \"Tokenizer\"")]
    TokenizerClass {
        /// The `class_name` that was found.
        got: String,
    },

    /// An entry of a tokenizer's table contradicts the rest of the document.
    #[error(
        "the tokenizer's {table} has the entry {entry:?}: {problem}; write the JSON again with Tokenizer.to_json()"
    )]
    TokenizerTable {
        /// The table's name in the JSON.
        table: &'static str,
        /// The invalid entry.
        entry: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// A tokenizer that has seen no text was asked for a matrix.
    #[error("the tokenizer has seen no text, so {wanted} is unknown; call fit_on_texts first{or}")]
    NotFitted {
        /// The quantity that depends on the texts.
        wanted: &'static str,
        /// An alternative, or nothing.
        or: &'static str,
    },

    /// An array does not fit in memory.
    #[error(
        "an array of {rows} x {columns} values does not fit in memory; take fewer rows at a time or {advice}"
    )]
    TooLarge {
        /// Rows asked for.
        rows: usize,
        /// Columns asked for.
        columns: usize,
        /// The option that makes the rows shorter.
        advice: &'static str,
    },

    /// A label has no column.
    #[error(
        "label {label} at position {position} has no column among {num_classes} classes; raise num_classes"
    )]
    Label {
        /// The label.
        label: u32,
        /// Its position in the input.
        position: usize,
        /// The number of columns.
        num_classes: usize,
    },

    /// A line or a file of labelled texts is malformed.
    #[error("{place}: {got}; expected {expected}")]
    Labelled {
        /// The file, and the line in it.
        place: String,
        /// What was found.
        got: String,
        /// What was expected.
        expected: &'static str,
    },

    /// There are fewer than two labels.
    #[error("the texts have {}; expected at least two labels", labels(got))]
    Labels {
        /// The labels found.
        got: Vec<String>,
    },

    /// A label has too few training texts.
    #[error(
        "the label `{label}` has {texts} text to train on; expected at least {needed} per label; check that it is not a \
         heading or a typo"
    )]
    RareLabel {
        /// The label.
        label: String,
        /// The number of its texts.
        texts: usize,
        /// The number of texts needed.
        needed: usize,
    },

    /// A text or a word has a label that the model does not know.
    #[error(
        "the label `{label}` is unknown to the model, which knows {}; correct it, or train on data with this label",
        shown(known)
    )]
    UnknownLabel {
        /// The label.
        label: String,
        /// The labels of the model.
        known: Vec<String>,
    },

    /// One part of a run's data is invalid.
    #[error("in the {} data: {source}", name_of(*split))]
    Part {
        /// The part.
        split: Split,
        /// The error.
        source: Box<Error>,
    },

    /// A text to classify is empty.
    #[error("text {} is empty; expected at least one step", position + 1)]
    EmptyText {
        /// Its index among the texts, from 0.
        position: usize,
    },

    /// An id is outside the vocabulary.
    #[error(
        "id {id} at position {position} is not in this vocabulary of {vocab_size} ids; use the vocabulary that \
         encoded it"
    )]
    UnknownId {
        /// The id.
        id: u32,
        /// Its position in the ids given.
        position: usize,
        /// The number of ids that the vocabulary has.
        vocab_size: usize,
    },

    /// A stored vocabulary is inconsistent.
    #[error("the stored vocabulary is damaged at entry {position} ({entry:?}): {problem}")]
    Vocabulary {
        /// The entry's position, counted from 0.
        position: usize,
        /// The entry.
        entry: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// A `tokenizer.json` is of an unsupported kind.
    #[error(
        "the tokenizer.json cannot be used: {part} is {got}; expected byte-level BPE as `BpeVocab::to_json` writes it"
    )]
    BpeJson {
        /// The part of the document.
        part: String,
        /// What was found there, shortened.
        got: String,
    },

    /// A vocabulary or a text has more entries than 32-bit ids allow.
    #[error("a vocabulary of {got} entries does not fit 32-bit ids; set max_size")]
    VocabularyTooLarge {
        /// The number of entries.
        got: usize,
    },

    /// A text is too short.
    #[error("{text} has {}, and {purpose} needs at least {needed}; {advice}", counted(*got, "token"))]
    TooShort {
        /// Which text: `the text`, or one of several.
        text: &'static str,
        /// Tokens in the text.
        got: usize,
        /// Tokens needed.
        needed: usize,
        /// What the tokens are needed for.
        purpose: &'static str,
        /// How to fix it.
        advice: &'static str,
    },

    /// The vocabulary has hardly any of a text's tokens.
    #[error(
        "{unknown} of the {tokens} tokens are unknown to the vocabulary, so there is nothing to score; use a text in the \
         model's language and script, or train a new model"
    )]
    AllUnknown {
        /// The number of its unknown tokens.
        unknown: usize,
        /// The number of its tokens.
        tokens: usize,
    },

    /// A file has changed since it was first read, so the counts made then are invalid.
    #[error("{name} has changed since it was first read; run again when nothing writes to it")]
    Changed {
        /// The file.
        name: String,
    },

    /// A text is empty or blank.
    #[error("{name} {what}; expected text")]
    Blank {
        /// The file or other source of the text.
        name: String,
        /// What was found instead.
        what: &'static str,
    },

    /// A temporary file cannot be written or read, usually because the disk is full.
    #[error("cannot {action} in {}: {source}; {advice}", folder.display())]
    Temporary {
        /// The failed action, with the number of bytes.
        action: String,
        /// Where the file is.
        folder: std::path::PathBuf,
        /// The operating system's error.
        source: std::io::Error,
        /// What to do.
        advice: &'static str,
    },

    /// A text has more different words than can be counted.
    #[error(
        "the text has more than {limit} different words; leave out the rare ones with a `min_count` above 1 or a \
         `max_size`, or train on characters"
    )]
    TooManyWords {
        /// The largest number of words that is counted.
        limit: usize,
    },

    /// A logit is NaN or +inf.
    #[error(
        "logit {value} at position {position} of {len}; expected finite numbers (or -inf to exclude an entry)"
    )]
    Logit {
        /// NaN or infinity.
        value: f32,
        /// The index of the entry.
        position: usize,
        /// The number of logits.
        len: usize,
    },

    /// All tokens are excluded.
    #[error("no token can be chosen: all {len} logits are -inf or missing")]
    NoChoice {
        /// The number of logits.
        len: usize,
    },

    /// An error of `refrain-task`: an invalid option, or a failed model or run.
    #[error(transparent)]
    Task(refrain_task::Error),
}

/// The most labels that an error lists.
const LISTED: usize = 20;

fn shown(labels: &[String]) -> String {
    let listed = labels[..labels.len().min(LISTED)].join(", ");
    if labels.len() > LISTED { format!("{listed} and {} more", labels.len() - LISTED) } else { listed }
}

/// The most characters of a line that an error shows.
const SHOWN: usize = 40;

/// Shortens a line for an error message.
pub(crate) fn shorten(line: &str) -> String {
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

fn labels(got: &[String]) -> String {
    match got {
        [] => "no label".to_owned(),
        [one] => format!("only `{one}`"),
        many => shown(many),
    }
}

fn name_of(split: Split) -> &'static str {
    match split {
        Split::Validation => "validation",
        Split::Test => "test",
    }
}

impl Error {
    /// Adds which part of a run's data an error is about.
    pub(crate) fn of_part(self, split: Split) -> Self {
        Error::Part { split, source: Box::new(self) }
    }

    /// Returns the part of a run's data that the error is about; `None` for the training data, or if it is about none.
    pub fn split_at_fault(&self) -> Option<Split> {
        match self {
            Error::Part { split, .. } => Some(*split),
            _ => None,
        }
    }

    /// Returns whether the error is that a text is empty or blank.
    pub fn is_blank(&self) -> bool {
        matches!(self, Error::Blank { .. })
    }

    /// Returns the label that is unknown or too rare, if that is the error.
    pub fn label_at_fault(&self) -> Option<&str> {
        match self {
            Error::Part { source, .. } => source.label_at_fault(),
            Error::UnknownLabel { label, .. } | Error::RareLabel { label, .. } => Some(label),
            _ => None,
        }
    }

    pub(crate) fn read(name: impl std::fmt::Display, source: std::io::Error) -> Self {
        Error::Task(refrain_task::Error::read(name, source))
    }

    /// Builds the error for an option that is out of range.
    pub(crate) fn option(option: &'static str, got: impl ToString, expected: &'static str) -> Self {
        Error::Task(refrain_task::Error::option(option, got, expected))
    }

    /// Returns the name of the option that is out of range, if that is the error.
    pub fn option_at_fault(&self) -> Option<&'static str> {
        match self {
            Error::Task(refrain_task::Error::Option { option, .. }) => Some(option),
            _ => None,
        }
    }
}

/// Unwraps an error of this crate that passed through a run.
impl From<refrain_task::Error> for Error {
    fn from(error: refrain_task::Error) -> Self {
        match error {
            refrain_task::Error::Task(error) => match error.downcast::<Error>() {
                Ok(own) => *own,
                Err(other) => Error::Task(refrain_task::Error::Task(other)),
            },
            error => Error::Task(error),
        }
    }
}

impl From<refrain_nn::Error> for Error {
    fn from(error: refrain_nn::Error) -> Self {
        refrain_task::Error::from(error).into()
    }
}

/// For tasks, which return errors of `refrain-task`.
impl From<Error> for refrain_task::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Task(error) => error,
            error => refrain_task::Error::Task(Box::new(error)),
        }
    }
}

/// For batch sources, which return errors of `refrain-nn`.
impl From<Error> for refrain_nn::Error {
    fn from(error: Error) -> Self {
        refrain_task::Error::from(error).into()
    }
}

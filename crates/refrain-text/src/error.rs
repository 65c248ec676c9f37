//! What can go wrong between a text and the numbers made of it.

/// This crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of `refrain-text`: what was got, what was expected, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A part of a tokenizer's JSON is not what Keras writes.
    #[error(
        "the tokenizer's JSON cannot be read, in {part}: {source}; expected what Keras's Tokenizer.to_json() writes"
    )]
    TokenizerJson {
        /// The part of the document: `the document`, or the name of a table inside it.
        part: &'static str,
        /// What the JSON reader said.
        source: serde_json::Error,
    },

    /// The JSON describes something else than a tokenizer.
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
        /// The entry at fault.
        entry: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// A matrix of words was asked of a tokenizer that has seen none.
    #[error("the tokenizer has seen no text, so {wanted} is not known; call fit_on_texts first{or}")]
    NotFitted {
        /// What depends on the texts.
        wanted: &'static str,
        /// Another way out, or nothing.
        or: &'static str,
    },

    /// An array is too large for the memory.
    #[error(
        "an array of {rows} x {columns} values does not fit into memory; take fewer rows at a time or {advice}"
    )]
    TooLarge {
        /// Rows asked for.
        rows: usize,
        /// Columns asked for.
        columns: usize,
        /// Which option makes the rows shorter.
        advice: &'static str,
    },

    /// A label has no column.
    #[error(
        "label {label} at position {position} has no column among {num_classes} classes; raise num_classes"
    )]
    Label {
        /// The label.
        label: u32,
        /// Where it stands.
        position: usize,
        /// The number of columns.
        num_classes: usize,
    },

    /// A line or a file of labelled texts is not what it should be.
    #[error("{place}: {got}; expected {expected}")]
    Labelled {
        /// The file, and the line in it.
        place: String,
        /// What was found.
        got: String,
        /// What belongs there.
        expected: &'static str,
    },

    /// There are too few labels to tell apart.
    #[error(
        "the texts have {}; expected at least two labels, which is what a model tells apart",
        labels(got)
    )]
    Labels {
        /// The labels there are.
        got: Vec<String>,
    },

    /// A label has too few texts to learn it.
    #[error(
        "the label `{label}` has {texts} text to learn; expected at least {needed} of each label (is it a heading, or mistyped?)"
    )]
    RareLabel {
        /// The label.
        label: String,
        /// Its texts.
        texts: usize,
        /// Texts that it needs.
        needed: usize,
    },

    /// A text or a word has a label that the model does not know.
    #[error("the label `{label}` is unknown to the model; it knows {}", shown(known))]
    UnknownLabel {
        /// The label.
        label: String,
        /// The labels that were learned.
        known: Vec<String>,
    },

    /// Something is wrong with one part of a run's data.
    #[error("in {part}: {source}")]
    Part {
        /// The part: `the test data`.
        part: &'static str,
        /// What is wrong.
        source: Box<Error>,
    },

    /// A text to classify has nothing in it.
    #[error("text {} is empty; expected at least one step", position + 1)]
    EmptyText {
        /// Its place among the texts, from 0.
        position: usize,
    },

    /// An id names no entry of a vocabulary.
    #[error(
        "id {id} at position {position} is not in this vocabulary of {vocab_size} ids; was it made with another?"
    )]
    UnknownId {
        /// The id.
        id: u32,
        /// Where it stands in the ids given.
        position: usize,
        /// The number of ids that the vocabulary has.
        vocab_size: usize,
    },

    /// A stored vocabulary contradicts itself.
    #[error("the stored vocabulary is damaged at entry {position} ({entry:?}): {problem}")]
    Vocabulary {
        /// The entry's position, counted from 0.
        position: usize,
        /// The entry.
        entry: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// A `tokenizer.json` is of another kind than Refrain makes.
    #[error(
        "the tokenizer.json cannot be used: {part} is {got}; expected byte-level BPE as `BpeVocab::to_json` writes it"
    )]
    BpeJson {
        /// The part of the document.
        part: String,
        /// What stands there, cut short.
        got: String,
    },

    /// A vocabulary, or a text, has more entries than ids can number.
    #[error("a vocabulary of {got} entries is larger than 32-bit ids can number; set max_size")]
    VocabularyTooLarge {
        /// The number of entries.
        got: usize,
    },

    /// A text is too short for what is asked of it.
    #[error("{text} has {got} tokens, and {purpose} needs at least {needed}; {advice}")]
    TooShort {
        /// Which text: `the text`, or which of several.
        text: &'static str,
        /// Tokens in the text.
        got: usize,
        /// Tokens needed.
        needed: usize,
        /// What the tokens are for.
        purpose: &'static str,
        /// Which option to lower.
        advice: &'static str,
    },

    /// A file is another than when it was first read: what was counted in it does not hold any more.
    #[error("{name} has changed since it was first read; start again once nobody writes to it")]
    Changed {
        /// The file.
        name: String,
    },

    /// A text has nothing to learn in it.
    #[error("{name} {what}; expected a text")]
    Blank {
        /// The file, or where else the text comes from.
        name: String,
        /// What it is instead.
        what: &'static str,
    },

    /// A temporary file cannot be written or read: most often, its disk is full.
    #[error("cannot {action} in {}: {source}; {advice}", folder.display())]
    Temporary {
        /// What was being done, with the bytes it takes.
        action: String,
        /// Where the file is.
        folder: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
        /// What to do.
        advice: &'static str,
    },

    /// A text has more different words than are counted.
    #[error(
        "the text has more than {limit} different words; leave out the rare ones with a `min_count` above 1 or a \
         `max_size`, or train on characters"
    )]
    TooManyWords {
        /// How many are counted.
        limit: usize,
    },

    /// A logit is not a number that a probability can be made of.
    #[error(
        "logit {value} at position {position} of {len}; expected finite numbers (or -inf for an entry ruled out)"
    )]
    Logit {
        /// NaN or infinity.
        value: f32,
        /// The entry at fault.
        position: usize,
        /// The number of logits.
        len: usize,
    },

    /// There is nothing to choose among.
    #[error("there is nothing to choose among: all {len} logits are -inf or missing")]
    NoChoice {
        /// The number of logits.
        len: usize,
    },

    /// An error that is not of texts: of an option, of a model, of a run.
    #[error(transparent)]
    Task(refrain_task::Error),
}

/// Labels that an error lists before it says how many there are.
const LISTED: usize = 20;

fn shown(labels: &[String]) -> String {
    let listed = labels[..labels.len().min(LISTED)].join(", ");
    if labels.len() > LISTED { format!("{listed} and {} more", labels.len() - LISTED) } else { listed }
}

/// Characters of a line that an error shows.
const SHOWN: usize = 40;

/// The beginning of a line, for an error about it.
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

impl Error {
    pub(crate) fn read(name: impl std::fmt::Display, source: std::io::Error) -> Self {
        Error::Task(refrain_task::Error::read(name, source))
    }

    /// An option is outside the values it can take.
    pub(crate) fn option(option: &'static str, got: impl ToString, expected: &'static str) -> Self {
        Error::Task(refrain_task::Error::option(option, got, expected))
    }

    /// The option that is outside the values it can take, if that is the error.
    pub fn option_at_fault(&self) -> Option<&'static str> {
        match self {
            Error::Task(refrain_task::Error::Option { option, .. }) => Some(option),
            _ => None,
        }
    }
}

/// What this crate gave a run to pass on comes back as it was.
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

/// For tasks, whose errors are those of runs.
impl From<Error> for refrain_task::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Task(error) => error,
            error => refrain_task::Error::Task(Box::new(error)),
        }
    }
}

/// For batch sources, whose errors are the engine's.
impl From<Error> for refrain_nn::Error {
    fn from(error: Error) -> Self {
        refrain_task::Error::from(error).into()
    }
}

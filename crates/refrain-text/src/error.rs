//! What can go wrong between a text and the numbers made of it.

/// This crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of `refrain-text`: what was got, what was expected, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option lies outside the values it can take.
    #[error("{option} is {got}; expected {expected}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// The value it was given.
        got: String,
        /// The values it takes.
        expected: &'static str,
    },

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

    /// A vocabulary, or a text, has more entries than ids can number.
    #[error("a vocabulary of {got} entries is larger than 32-bit ids can number; set max_size")]
    VocabularyTooLarge {
        /// The number of entries.
        got: usize,
    },

    /// A text is too short for what is asked of it.
    #[error("the text has {got} tokens, and {purpose} needs at least {needed}; {advice}")]
    TooShort {
        /// Tokens in the text.
        got: usize,
        /// Tokens needed.
        needed: usize,
        /// What the tokens are for.
        purpose: &'static str,
        /// Which option to lower.
        advice: &'static str,
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

    /// A model is not one that reads and writes text.
    #[error("this is not a language model: {reason}")]
    NotALanguageModel {
        /// What it is, or what is wrong with it.
        reason: String,
    },

    /// The network says no.
    #[error(transparent)]
    Model(#[from] refrain_nn::Error),
}

//! Errors of training runs, for any task.

mod memory;

pub use memory::{MemorySuggestion, TooMuchMemory};

use refrain_nn::Bytes;

/// This crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of `refrain-task`: what was got, what was expected, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is out of range.
    #[error("{option} is {got}; expected {expected}")]
    Option {
        /// The option's name, as on the command line.
        option: &'static str,
        /// The value given.
        got: String,
        /// The allowed values.
        expected: &'static str,
    },

    /// A run needs more memory than its limit.
    #[error("{0}")]
    Memory(Box<TooMuchMemory>),

    /// A model file is for another task or is inconsistent.
    #[error("this is not {task}: {reason}")]
    WrongModel {
        /// What was expected: `a language model`.
        task: &'static str,
        /// What the file holds, or what is wrong with it.
        reason: String,
    },

    /// The assets of a task cannot be stored in a file, or are not the expected ones.
    #[error("the assets of the task `{task}` {problem}")]
    Assets {
        /// The task's name.
        task: &'static str,
        /// What is wrong with them, and what to do.
        problem: &'static str,
    },

    /// The file does not exist.
    #[error("cannot read {name}: file not found; check the name and the folder")]
    NoSuchFile {
        /// The name.
        name: String,
    },

    /// The path is not a file or a pipe.
    #[error("{name} is {what}; expected a file or a pipe")]
    NotAFile {
        /// The name.
        name: String,
        /// What it is instead.
        what: &'static str,
    },

    /// A text cannot be read.
    #[error("cannot read {name}: {source}")]
    Read {
        /// The file or other source of the text.
        name: String,
        /// The operating system's error.
        source: std::io::Error,
    },

    /// A compressed text is truncated or corrupt.
    #[error("{name} is damaged: {source}; check that it was copied completely")]
    Damaged {
        /// The file or other source of the text.
        name: String,
        /// The decoder's error.
        source: std::io::Error,
    },

    /// A file holds something other than UTF-8 text.
    #[error("{name} is {what}; expected UTF-8 text; {advice}")]
    OtherFormat {
        /// The file or other source of the text.
        name: String,
        /// What the file holds.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },

    /// A text has a NUL byte, which no UTF-8 text needs.
    #[error("{name} is not UTF-8 text: it has a NUL byte at offset {offset}, so it is {what}; {advice}")]
    NotText {
        /// The file or other source of the text.
        name: String,
        /// The offset of the first NUL byte, counted from 0.
        offset: u64,
        /// What the file probably holds.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },

    /// A text ends within a character.
    #[error(
        "{name} ends within a character: {got} of its {needed} bytes from offset {offset}; if the file was cut off, copy \
         it again or keep only the text before that (`head -c {offset}`); if it is not UTF-8, convert it first, for \
         example with `iconv -f latin1 -t utf-8`"
    )]
    CutOff {
        /// The file or other source of the text.
        name: String,
        /// The offset of the incomplete character, counted from 0.
        offset: u64,
        /// Bytes of the character that the text has.
        got: usize,
        /// Bytes that the character needs.
        needed: usize,
    },

    /// A text is in an encoding other than UTF-8.
    #[error(
        "{name} is not UTF-8: byte {byte:#04x} at offset {offset} is invalid; convert it first, for \
         example with `iconv -f latin1 -t utf-8`"
    )]
    NotUtf8 {
        /// The file or other source of the text.
        name: String,
        /// The first invalid byte.
        byte: u8,
        /// Its offset, counted from 0.
        offset: u64,
    },

    /// A text or a line is too long to read in one piece.
    #[error("{name} is too long: more than {}; check that it is a text file", Bytes(*limit))]
    TooLong {
        /// The file, and the line in it.
        name: String,
        /// The limit in bytes.
        limit: u64,
    },

    /// An error of `refrain-nn`: from a layer, from data that does not fit a model, or from a checkpoint.
    #[error(transparent)]
    Model(refrain_nn::Error),

    /// An error of the application being trained.
    #[error(transparent)]
    Task(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Builds [`Error::Option`].
    pub fn option(option: &'static str, got: impl ToString, expected: &'static str) -> Self {
        Error::Option { option, got: got.to_string(), expected }
    }

    /// Builds [`Error::Read`].
    pub fn read(name: impl std::fmt::Display, source: std::io::Error) -> Self {
        Error::Read { name: name.to_string(), source }
    }
}

impl From<TooMuchMemory> for Error {
    fn from(memory: TooMuchMemory) -> Self {
        Error::Memory(Box::new(memory))
    }
}

/// Unwraps an application's error that passed through `refrain-nn`.
impl From<refrain_nn::Error> for Error {
    fn from(error: refrain_nn::Error) -> Self {
        match error {
            refrain_nn::Error::Other(error) => match error.downcast::<Error>() {
                Ok(own) => *own,
                Err(other) => Error::Task(other),
            },
            error => Error::Model(error),
        }
    }
}

/// For batch sources and callbacks, which return the errors of `refrain-nn`.
impl From<Error> for refrain_nn::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Model(error) => error,
            error => refrain_nn::Error::Other(Box::new(error)),
        }
    }
}

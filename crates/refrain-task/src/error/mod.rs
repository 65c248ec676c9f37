//! What can go wrong in a training run, whatever it trains.

mod memory;

pub use memory::{LessMemory, TooMuchMemory};

use refrain_nn::Bytes;

/// This crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of `refrain-task`: what was got, what was expected, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is outside the values it can take.
    #[error("{option} is {got}; expected {expected}")]
    Option {
        /// The option's name, as the command line has it.
        option: &'static str,
        /// The value it was given.
        got: String,
        /// The values it takes.
        expected: &'static str,
    },

    /// A run needs more memory than it may take.
    #[error("{0}")]
    Memory(Box<TooMuchMemory>),

    /// A model file is for another task, or contradicts itself.
    #[error("this is not {task}: {reason}")]
    WrongModel {
        /// What it should be: `a language model`.
        task: &'static str,
        /// What it is, or what is wrong with it.
        reason: String,
    },

    /// The assets of a task cannot be kept in a file, or are not those that they should be.
    #[error("the assets of the task `{task}` {problem}")]
    Assets {
        /// The task's name.
        task: &'static str,
        /// What is wrong with them, and what to do.
        problem: &'static str,
    },

    /// There is no file of this name.
    #[error("cannot read {name}: file not found; check the name and the folder")]
    NoSuchFile {
        /// The name.
        name: String,
    },

    /// What a name stands for has no text in it.
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
        /// The file, or where else the text comes from.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },

    /// A compressed text ends too early, or is not what was compressed.
    #[error("{name} is damaged: {source}; was it copied whole?")]
    Damaged {
        /// The file, or where else the text comes from.
        name: String,
        /// What is wrong with it.
        source: std::io::Error,
    },

    /// A file holds something else than a text in UTF-8.
    #[error("{name} is {what}; expected a text in UTF-8: {advice}")]
    OtherFormat {
        /// The file, or where else the text comes from.
        name: String,
        /// What it is.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },

    /// A text is in another encoding.
    #[error(
        "{name} is not UTF-8: byte {byte:#04x} at offset {offset} does not belong there; convert it first, for \
         example with `iconv -f latin1 -t utf-8`"
    )]
    NotUtf8 {
        /// The file, or where else the text comes from.
        name: String,
        /// The first byte at fault.
        byte: u8,
        /// Where it stands, counted from 0.
        offset: u64,
    },

    /// A text, or a line of it, is longer than any that is read in one piece.
    #[error("{name} is too long: more than {}; is it a text?", Bytes(*limit))]
    TooLong {
        /// The file, and the line in it.
        name: String,
        /// Bytes that are read.
        limit: u64,
    },

    /// An error of the engine: of a layer, of data that does not fit a model, of a checkpoint.
    #[error(transparent)]
    Model(refrain_nn::Error),

    /// An error of the application that is trained.
    #[error(transparent)]
    Task(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// [`Error::Option`] of these parts.
    pub fn option(option: &'static str, got: impl ToString, expected: &'static str) -> Self {
        Error::Option { option, got: got.to_string(), expected }
    }

    /// [`Error::Read`] of a text of this name.
    pub fn read(name: impl std::fmt::Display, source: std::io::Error) -> Self {
        Error::Read { name: name.to_string(), source }
    }
}

impl From<TooMuchMemory> for Error {
    fn from(memory: TooMuchMemory) -> Self {
        Error::Memory(Box::new(memory))
    }
}

/// What an application gave the engine to pass on comes back as it was.
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

/// For batch sources and callbacks, whose errors are the engine's.
impl From<Error> for refrain_nn::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Model(error) => error,
            error => refrain_nn::Error::Other(Box::new(error)),
        }
    }
}

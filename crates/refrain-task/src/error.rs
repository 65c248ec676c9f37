//! What can go wrong in a training run, whatever it trains.

use crate::memory::TooMuchMemory;

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

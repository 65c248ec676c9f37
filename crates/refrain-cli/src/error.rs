//! What a command can fail with, and the exit code of each.

use refrain::ErrorKind;
use std::fmt::Display;
use std::io;

/// This crate's result.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a command ended before its end.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line or the input was wrong. Exit code 2.
    Input(String),
    /// The work failed. Exit code 1.
    Work(String),
    /// A signal ended it, with all there is to say said. The exit code.
    Interrupted(u8),
    /// The reader of stdout has gone. Nobody is left to tell; exit code 0.
    ReaderGone,
}

impl Failure {
    /// Wrong input, in a sentence.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Failure::Input(message.into())
    }

    /// What went wrong.
    pub(crate) fn message(&self) -> &str {
        match self {
            Failure::Input(message) | Failure::Work(message) => message,
            Failure::Interrupted(_) => "interrupted",
            Failure::ReaderGone => "nobody reads stdout any more",
        }
    }

    /// The code it ends the process with.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::ReaderGone => 0,
            Failure::Work(_) => 1,
            Failure::Input(_) => 2,
            Failure::Interrupted(code) => *code,
        }
    }

    /// An error of writing to stdout.
    pub(crate) fn stdout(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::ReaderGone,
            _ => Failure::Work(format!("cannot write to stdout: {error}")),
        }
    }

    /// Puts what was being done before the message.
    pub(crate) fn context(self, what: impl Display) -> Self {
        match self {
            Failure::Input(message) => Failure::Input(format!("{what}: {message}")),
            Failure::Work(message) => Failure::Work(format!("{what}: {message}")),
            other => other,
        }
    }
}

/// An error of the library is the work's fault where the work had begun to go wrong, else the input's.
impl From<refrain::Error> for Failure {
    fn from(error: refrain::Error) -> Self {
        let message = error.to_string();
        match error.kind() {
            ErrorKind::Diverged | ErrorKind::Other => Failure::Work(message),
            _ => Failure::Input(message),
        }
    }
}

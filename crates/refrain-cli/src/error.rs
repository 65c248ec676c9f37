//! Failures of commands and their exit codes.

use refrain::ErrorKind;
use std::fmt::Display;
use std::io;

/// The result type of this crate.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line or the input was invalid. Exit code 2.
    Input(String),
    /// The work failed. Exit code 1.
    Work(String),
    /// A signal ended it, and everything has been reported. Holds the exit code.
    Interrupted(u8),
    /// The reader of stdout is gone. Exit code 0.
    ReaderGone,
}

impl Failure {
    /// Creates a failure for invalid input.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Failure::Input(message.into())
    }

    /// Returns what went wrong.
    pub(crate) fn message(&self) -> &str {
        match self {
            Failure::Input(message) | Failure::Work(message) => message,
            Failure::Interrupted(_) => "interrupted",
            Failure::ReaderGone => "the reader of stdout is gone",
        }
    }

    /// Returns the exit code of the process.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::ReaderGone => 0,
            Failure::Work(_) => 1,
            Failure::Input(_) => 2,
            Failure::Interrupted(code) => *code,
        }
    }

    /// Converts an error of writing to stdout.
    pub(crate) fn stdout(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::ReaderGone,
            _ => Failure::Work(format!("cannot write to stdout: {error}")),
        }
    }

    /// Puts what the message is about before it.
    pub(crate) fn context(self, what: impl Display) -> Self {
        match self {
            Failure::Input(message) => Failure::Input(format!("{what}: {message}")),
            Failure::Work(message) => Failure::Work(format!("{what}: {message}")),
            other => other,
        }
    }
}

/// Errors of the kinds `Diverged` and `Other` are failures of the work; all others are invalid input.
impl From<refrain::Error> for Failure {
    fn from(error: refrain::Error) -> Self {
        let mut message = error.to_string();
        // The library names its settings without the dashes of an option.
        if error.option_at_fault().is_some_and(|option| message.starts_with(option)) {
            message.insert_str(0, "--");
        }
        match error.kind() {
            ErrorKind::Diverged | ErrorKind::Other => Failure::Work(message),
            _ => Failure::Input(message),
        }
    }
}

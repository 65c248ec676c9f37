//! One error type for the whole library.

use std::fmt;

/// The result type of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error from any part of Refrain: what was got, what was expected, where, and what to do.
#[derive(Debug)]
pub struct Error(Inner);

#[derive(Debug, thiserror::Error)]
enum Inner {
    #[error(transparent)]
    Nn(refrain_nn::Error),
    #[error(transparent)]
    Task(refrain_task::Error),
    #[error(transparent)]
    Text(refrain_text::Error),
    #[cfg(feature = "inspect")]
    #[error(transparent)]
    Inspect(refrain_inspect::Error),
}

/// The kind of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting or a shape is not allowed.
    Setting,
    /// A checkpoint is damaged, or belongs to another run than the one resuming from it.
    Resume,
    /// Data, text or a file's contents are invalid.
    Data,
    /// A file could not be read or written.
    Io,
    /// The model does not support the request.
    Unsupported,
    /// A run needs more memory than it may use.
    Memory,
    /// The training loss became non-finite.
    Diverged,
    /// Any other error, such as one from a callback or a custom layer.
    Other,
}

impl Error {
    /// Returns the memory that a run needs and its limit, if it was refused for that.
    pub fn too_much_memory(&self) -> Option<&refrain_task::TooMuchMemory> {
        let error = match &self.0 {
            Inner::Task(error) | Inner::Text(refrain_text::Error::Task(error)) => error,
            _ => return None,
        };
        match error {
            refrain_task::Error::Memory(much) => Some(much),
            _ => None,
        }
    }

    /// Returns the name of the setting that is not allowed, as the program's option without `--`, if that is the
    /// error.
    pub fn option_at_fault(&self) -> Option<&'static str> {
        match &self.0 {
            Inner::Task(refrain_task::Error::Option { option, .. }) => Some(option),
            Inner::Text(error) => error.option_at_fault(),
            _ => None,
        }
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        match &self.0 {
            Inner::Nn(error) => kind_of(error),
            Inner::Task(error) => kind_of_task(error),
            Inner::Text(error) => kind_of_text(error),
            #[cfg(feature = "inspect")]
            Inner::Inspect(error) => kind_of_inspect(error),
        }
    }
}

fn kind_of(error: &refrain_nn::Error) -> ErrorKind {
    use refrain_nn::Error as E;
    match error {
        E::Setting { .. } | E::Connection { .. } => ErrorKind::Setting,
        E::Data { .. } | E::Sequence { .. } | E::Layout(_) => ErrorKind::Data,
        E::ModelFile { .. } | E::CheckpointFile { .. } => ErrorKind::Data,
        E::Resume { .. } | E::Checkpoint { .. } => ErrorKind::Resume,
        E::Io { .. } => ErrorKind::Io,
        E::Unsupported { .. } => ErrorKind::Unsupported,
        E::Diverged { .. } => ErrorKind::Diverged,
        _ => ErrorKind::Other,
    }
}

fn kind_of_task(error: &refrain_task::Error) -> ErrorKind {
    use refrain_task::Error as E;
    match error {
        E::Option { .. } => ErrorKind::Setting,
        E::Memory(_) => ErrorKind::Memory,
        E::WrongModel { .. } | E::Damaged { .. } | E::OtherFormat { .. } => ErrorKind::Data,
        E::NotText { .. } | E::CutOff { .. } | E::NotUtf8 { .. } | E::TooLong { .. } => ErrorKind::Data,
        E::NoSuchFile { .. } | E::NotAFile { .. } | E::Read { .. } => ErrorKind::Io,
        E::Model(error) => kind_of(error),
        E::Task(error) => error.downcast_ref().map_or(ErrorKind::Other, kind_of_text),
        _ => ErrorKind::Other,
    }
}

fn kind_of_text(error: &refrain_text::Error) -> ErrorKind {
    use refrain_text::Error as E;
    match error {
        E::Task(error) => kind_of_task(error),
        E::Changed { .. } | E::Temporary { .. } => ErrorKind::Io,
        // These numbers come from the model, not from the caller.
        E::Logit { .. } | E::NoChoice { .. } => ErrorKind::Other,
        _ => ErrorKind::Data,
    }
}

#[cfg(feature = "inspect")]
fn kind_of_inspect(error: &refrain_inspect::Error) -> ErrorKind {
    use refrain_inspect::Error as E;
    match error {
        E::Model(error) => kind_of(error),
        E::Setting { .. } => ErrorKind::Setting,
        E::Unsupported { .. } => ErrorKind::Unsupported,
        _ => ErrorKind::Other,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0)
    }
}

impl From<refrain_nn::Error> for Error {
    fn from(error: refrain_nn::Error) -> Self {
        Self(Inner::Nn(error))
    }
}

impl From<refrain_task::Error> for Error {
    fn from(error: refrain_task::Error) -> Self {
        Self(Inner::Task(error))
    }
}

impl From<refrain_text::Error> for Error {
    fn from(error: refrain_text::Error) -> Self {
        Self(Inner::Text(error))
    }
}

#[cfg(feature = "inspect")]
impl From<refrain_inspect::Error> for Error {
    fn from(error: refrain_inspect::Error) -> Self {
        Self(Inner::Inspect(error))
    }
}

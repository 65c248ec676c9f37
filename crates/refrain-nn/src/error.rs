//! What can go wrong, with what was got and what was expected.

use crate::sequence::LayoutError;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A layer's setting is out of its range.
    #[error("{layer}: {setting} is {got}, but must be {expected}")]
    Setting {
        /// The layer, optimiser or call the setting belongs to.
        layer: String,
        /// The setting's name.
        setting: &'static str,
        /// Its value.
        got: String,
        /// What it may be.
        expected: String,
    },
    /// A layer was connected to an input that it cannot take.
    #[error("{layer}: the input is {got}, but must be {expected}")]
    Connection {
        /// The layer.
        layer: String,
        /// The input's kind and shape.
        got: String,
        /// What it may be.
        expected: String,
    },
    /// Data does not fit the model.
    #[error("{what} is {got}, but the model expects {expected}")]
    Data {
        /// Which array.
        what: String,
        /// Its shape or value.
        got: String,
        /// The shape or range that fits.
        expected: String,
    },
    /// A checkpoint is of another run than the one that is to resume from it.
    #[error(
        "cannot resume: {what} is {got}, but the checkpoint's run has {expected}; use the same settings and data, or \
         start a new run"
    )]
    Resume {
        /// What differs.
        what: String,
        /// What it is now.
        got: String,
        /// What it was.
        expected: String,
    },
    /// A checkpoint's contents contradict each other, or are not those of such a run.
    #[error("the checkpoint's {what} is {got}; expected {expected}")]
    Checkpoint {
        /// Which part of it.
        what: String,
        /// What it is.
        got: String,
        /// What it should be.
        expected: String,
    },
    /// Lengths or a mask do not fit their array.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The model cannot do what was asked of it.
    #[error("{action} is not possible: {reason}")]
    Unsupported {
        /// What was asked.
        action: String,
        /// Why not, and what to do instead.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("{action} {path}: {source}")]
    Io {
        /// `cannot read`, `cannot write`.
        action: &'static str,
        /// The path as given.
        path: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// A model file is not what it should be.
    #[error("{path} is not a model that this version can read: {reason}")]
    ModelFile {
        /// The path as given.
        path: String,
        /// What is wrong, where.
        reason: String,
    },
    /// A file is not a checkpoint, or a damaged one.
    #[error("{path} is not a checkpoint that this version can resume from: {reason}")]
    CheckpointFile {
        /// The path as given.
        path: String,
        /// What is wrong, where.
        reason: String,
    },
    /// The loss is not a number any more.
    #[error("the loss became {loss} in epoch {epoch}: lower the learning rate or clip the gradient")]
    Diverged {
        /// The loss.
        loss: f64,
        /// The epoch, from 1.
        epoch: usize,
    },
    /// A gradient is not the slope of what it belongs to.
    #[error(
        "the gradient of {variable} is wrong along direction {direction}: backward says {slope:.6e}, the central \
         difference {difference:.6e}; they may be {allowed:.1e} apart"
    )]
    Gradient {
        /// The parameter or input.
        variable: String,
        /// Which direction, from 0.
        direction: usize,
        /// The slope that backward gives.
        slope: f64,
        /// The slope that the forward pass has.
        difference: f64,
        /// How far apart they may be.
        allowed: f64,
    },
    /// A callback, a data source or a layer of the user's failed.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    pub(crate) fn setting(
        layer: impl Into<String>,
        setting: &'static str,
        got: impl ToString,
        expected: impl Into<String>,
    ) -> Self {
        Error::Setting { layer: layer.into(), setting, got: got.to_string(), expected: expected.into() }
    }

    pub(crate) fn connection(
        layer: impl Into<String>,
        got: impl ToString,
        expected: impl Into<String>,
    ) -> Self {
        Error::Connection { layer: layer.into(), got: got.to_string(), expected: expected.into() }
    }

    pub(crate) fn data(what: impl Into<String>, got: impl ToString, expected: impl Into<String>) -> Self {
        Error::Data { what: what.into(), got: got.to_string(), expected: expected.into() }
    }

    /// [`Error::Resume`] of these parts.
    pub fn resume(what: impl Into<String>, got: impl ToString, expected: impl ToString) -> Self {
        Error::Resume { what: what.into(), got: got.to_string(), expected: expected.to_string() }
    }

    /// [`Error::Checkpoint`] of these parts.
    pub fn checkpoint(what: impl Into<String>, got: impl ToString, expected: impl Into<String>) -> Self {
        Error::Checkpoint { what: what.into(), got: got.to_string(), expected: expected.into() }
    }

    pub(crate) fn unsupported(action: impl Into<String>, reason: impl Into<String>) -> Self {
        Error::Unsupported { action: action.into(), reason: reason.into() }
    }
}

//! The errors of this crate.

use crate::sequence::{LayoutError, SeqLayout};
use std::fmt;

/// An error of this crate. Its message says what was got and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is out of range.
    #[error("{layer}: {setting} is {got}, but must be {expected}")]
    Setting {
        /// The layer, optimiser or call the setting belongs to.
        layer: String,
        /// The name of the setting.
        setting: &'static str,
        /// The value given.
        got: String,
        /// The values allowed.
        expected: String,
    },
    /// A layer was connected to an input that it cannot take.
    #[error("{layer}: the input is {got}, but must be {expected}")]
    Connection {
        /// The layer.
        layer: String,
        /// The kind and shape of the input.
        got: String,
        /// The kinds or shapes allowed.
        expected: String,
    },
    /// The data does not fit the model.
    #[error("{what} is {got}, but the model expects {expected}")]
    Data {
        /// Which array.
        what: String,
        /// Its shape or value.
        got: String,
        /// The shape or range expected.
        expected: String,
    },
    /// A value of one sequence does not fit the model.
    #[error("{what} of {place} is {got}, but the model expects {expected}")]
    Sequence {
        /// Which value: `embedding: the id`, `the target`.
        what: String,
        /// Where it is.
        place: Place,
        /// The value.
        got: String,
        /// The values allowed.
        expected: String,
    },
    /// The checkpoint belongs to a different run.
    #[error(
        "cannot resume: {what} is {got}, but the checkpoint's run has {expected}; use the same settings and data, or \
         start a new run"
    )]
    Resume {
        /// What differs.
        what: String,
        /// The current value.
        got: String,
        /// The value in the checkpoint.
        expected: String,
    },
    /// The contents of a checkpoint are inconsistent or invalid.
    #[error("the checkpoint's {what} is {got}; expected {expected}")]
    Checkpoint {
        /// The part of the checkpoint.
        what: String,
        /// What the checkpoint contains.
        got: String,
        /// What was expected.
        expected: String,
    },
    /// Lengths or a mask do not match their array.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The requested action is not supported.
    #[error("{action} is not possible: {reason}")]
    Unsupported {
        /// The action.
        action: String,
        /// Why not, and what to do instead.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("{action} {path}: {source}")]
    Io {
        /// `cannot read`, `cannot write`.
        action: &'static str,
        /// The path, as given.
        path: String,
        /// The underlying I/O error.
        source: std::io::Error,
    },
    /// A file is not a valid model file.
    #[error("{path} is not a model that this version can read: {reason}")]
    ModelFile {
        /// The path, as given.
        path: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// A file is not a checkpoint, or is damaged.
    #[error("{path} is not a checkpoint that this version can resume from: {reason}")]
    CheckpointFile {
        /// The path, as given.
        path: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// The loss is NaN or infinite.
    #[error("the loss became {loss} in epoch {epoch}: lower the learning rate or clip the gradient")]
    Diverged {
        /// The loss.
        loss: f64,
        /// The epoch, counted from 1.
        epoch: usize,
    },
    /// Scoring was stopped before its end. A scorer of [`Fit`](crate::Fit) that returns this ends training with a
    /// checkpoint, from which the epoch's validation is repeated.
    #[error("scoring was stopped")]
    Stopped,
    /// A gradient check failed: the gradient does not match the slope of the forward pass.
    #[error(
        "the gradient of {variable} is wrong along direction {direction}: the backward pass gives {slope:.6e}, \
         central differences give {difference:.6e}; they may differ by at most {allowed:.1e}"
    )]
    Gradient {
        /// The parameter or input.
        variable: String,
        /// The direction, counted from 0.
        direction: usize,
        /// The slope computed by the backward pass.
        slope: f64,
        /// The slope computed by central differences of the forward pass.
        difference: f64,
        /// The largest allowed difference between the two.
        allowed: f64,
    },
    /// An error from a user's callback, data source or layer.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// The place of a value in the caller's data. All numbers count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The sequence: its number in the caller's arrays, or in the batch if the batch came from elsewhere.
    pub sequence: usize,
    /// Whether `sequence` is its number in the batch.
    pub of_batch: bool,
    /// The step in the caller's array, if it has a time axis.
    pub step: Option<usize>,
}

impl Place {
    /// Creates a place in the current batch.
    pub(crate) fn of_batch(sequence: usize, step: Option<usize>) -> Self {
        Self { sequence, of_batch: true, step }
    }

    /// Creates the place of an output's or input's row in the current batch.
    pub(crate) fn of_row(row: usize, layout: Option<&SeqLayout>) -> Self {
        match layout.and_then(|layout| layout.iter().nth(row)) {
            Some((_, lane, step)) => Self::of_batch(lane, Some(step)),
            None => Self::of_batch(row, None),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sequence {}", self.sequence)?;
        if self.of_batch {
            f.write_str(" of the batch")?;
        }
        self.step.map_or(Ok(()), |step| write!(f, " at step {step}"))
    }
}

impl Error {
    /// Replaces a sequence's number in the batch with its number in the caller's arrays, if it is known.
    pub(crate) fn in_rows(mut self, rows: &[usize]) -> Self {
        if let Error::Sequence { place, .. } = &mut self
            && let (true, Some(&row)) = (place.of_batch, rows.get(place.sequence))
        {
            (place.sequence, place.of_batch) = (row, false);
        }
        self
    }

    /// Replaces the row of an output with the sequence and the step that it holds.
    pub(crate) fn in_layout(mut self, layout: Option<&SeqLayout>) -> Self {
        if let Error::Sequence { place, .. } = &mut self {
            *place = Place::of_row(place.sequence, layout);
        }
        self
    }

    /// Says which data an error about data is about: `the validation data`.
    pub(crate) fn about(mut self, data: &str) -> Self {
        match &mut self {
            Error::Data { what, .. } | Error::Sequence { what, .. } => *what = format!("{data}: {what}"),
            _ => {}
        }
        self
    }

    pub(crate) fn sequence(
        what: impl Into<String>,
        place: Place,
        got: impl ToString,
        expected: impl Into<String>,
    ) -> Self {
        Error::Sequence { what: what.into(), place, got: got.to_string(), expected: expected.into() }
    }

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

    /// Creates an [`Error::Resume`].
    pub fn resume(what: impl Into<String>, got: impl ToString, expected: impl ToString) -> Self {
        Error::Resume { what: what.into(), got: got.to_string(), expected: expected.to_string() }
    }

    /// Creates an [`Error::Checkpoint`].
    pub fn checkpoint(what: impl Into<String>, got: impl ToString, expected: impl Into<String>) -> Self {
        Error::Checkpoint { what: what.into(), got: got.to_string(), expected: expected.into() }
    }

    pub(crate) fn unsupported(action: impl Into<String>, reason: impl Into<String>) -> Self {
        Error::Unsupported { action: action.into(), reason: reason.into() }
    }
}

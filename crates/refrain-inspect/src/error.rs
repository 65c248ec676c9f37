//! Errors of this crate.

/// This crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of `refrain-inspect`: what was got, what was expected, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of the model, its data or a file.
    #[error(transparent)]
    Model(#[from] refrain_nn::Error),

    /// A figure cannot be drawn.
    #[error(transparent)]
    Plot(#[from] refrain_plot::Error),

    /// The model does not support this inspection.
    #[error("cannot {what}: {reason}")]
    Unsupported {
        /// The requested operation.
        what: String,
        /// Why it is not possible, and what is possible instead.
        reason: String,
    },

    /// A setting is out of range.
    #[error("{setting} is {got}; expected {expected}")]
    Setting {
        /// The setting's name.
        setting: &'static str,
        /// The value given.
        got: String,
        /// The allowed values.
        expected: String,
    },
}

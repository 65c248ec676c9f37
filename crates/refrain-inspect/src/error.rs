//! Why a look into a model fails.

/// This crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of `refrain-inspect`: what was got, what was expected, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model, its data or a file.
    #[error(transparent)]
    Model(#[from] refrain_nn::Error),

    /// A figure cannot be drawn.
    #[error(transparent)]
    Plot(#[from] refrain_plot::Error),

    /// The model cannot be looked into in this way.
    #[error("cannot {what}: {reason}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// Why it is not possible, and what is.
        reason: String,
    },

    /// A setting is out of range.
    #[error("{setting} is {got}; expected {expected}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What was got.
        got: String,
        /// What is allowed.
        expected: String,
    },
}

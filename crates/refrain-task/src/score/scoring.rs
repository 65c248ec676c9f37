//! What is scored, and whether to go on.

use std::fmt;

/// A part of the data that is scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Scored after each epoch.
    Validation,
    /// Scored once, with the finished model.
    Test,
}

/// What is scored, and whether to go on.
pub struct Scoring<'a> {
    /// The part of the data to score.
    pub split: Split,
    go_on: &'a mut dyn FnMut() -> bool,
}

impl<'a> Scoring<'a> {
    /// Creates the scoring of a part of the data that is stopped when `go_on` returns `false`.
    pub fn new(split: Split, go_on: &'a mut dyn FnMut() -> bool) -> Self {
        Self { split, go_on }
    }

    /// Says that a batch was scored.
    ///
    /// # Errors
    /// [`refrain_nn::Error::Stopped`] if the run is stopped. Return it.
    pub fn batch_done(&mut self) -> std::result::Result<(), refrain_nn::Error> {
        if (self.go_on)() { Ok(()) } else { Err(refrain_nn::Error::Stopped) }
    }
}

impl fmt::Debug for Scoring<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoring").field("split", &self.split).finish_non_exhaustive()
    }
}

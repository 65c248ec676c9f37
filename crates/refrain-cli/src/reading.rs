//! Progress of reading a large text.

use crate::output::{Output, Verbosity};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, stderr};

/// Bytes from which reading takes long enough for a bar.
const WORTH_A_BAR: u64 = 16 << 20;

/// A progress bar on a terminal, cleared when dropped.
#[derive(Debug)]
pub(crate) struct Reading {
    bar: ProgressBar,
}

impl Reading {
    /// Creates a bar for this many bytes, hidden if they are few; `what` names the work.
    pub(crate) fn new(output: &Output, what: &'static str, bytes: u64) -> Self {
        if bytes < WORTH_A_BAR || output.level() < Verbosity::Normal || !stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::new(bytes).with_message(what);
        if let Ok(style) =
            ProgressStyle::with_template("{msg} {wide_bar} {bytes} of {total_bytes}  {eta} left")
        {
            bar.set_style(style);
        }
        Self { bar }
    }

    /// Advances the bar by some bytes.
    pub(crate) fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// Sets the total of bytes so far.
    pub(crate) fn set(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    /// Hides the bar while something else writes a line.
    pub(crate) fn suspend(&self, write: impl FnOnce()) {
        self.bar.suspend(write);
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

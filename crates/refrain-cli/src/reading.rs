//! How the reading of a large text is shown.

use crate::output::{Output, Verbosity};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, stderr};

/// Fewer bytes are read before a bar would be seen.
const WORTH_A_BAR: u64 = 16 << 20;

/// A bar on a terminal, which goes when this does.
#[derive(Debug)]
pub(crate) struct Reading {
    bar: ProgressBar,
}

impl Reading {
    /// A bar for this many bytes, if they are many; `what` is done with them.
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

    /// Some bytes more.
    pub(crate) fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// So many bytes in all.
    pub(crate) fn set(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    /// Lets something else write a line.
    pub(crate) fn suspend(&self, write: impl FnOnce()) {
        self.bar.suspend(write);
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

//! Progress bars.

use crate::output::{Output, Verbosity};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, stderr};

/// Returns a progress bar of this many steps.
pub(crate) fn bar(steps: u64) -> ProgressBar {
    let bar = ProgressBar::new(steps);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent:>3} %  {msg}  {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// Returns the same bar if messages are shown on a terminal, otherwise a hidden one.
pub(crate) fn bar_for(output: &Output, steps: u64) -> ProgressBar {
    if output.level() >= Verbosity::Normal && stderr().is_terminal() {
        bar(steps)
    } else {
        ProgressBar::hidden()
    }
}

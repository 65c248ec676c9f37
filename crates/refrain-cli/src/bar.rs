//! Progress bars.

use crate::output::{Output, Verbosity};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, stderr};

/// A progress bar over this many steps.
pub(crate) fn bar(steps: u64) -> ProgressBar {
    let bar = ProgressBar::new(steps);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent:>3} %  {msg}  {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// The same if a person watches on a terminal; else one that is not shown.
pub(crate) fn bar_for(output: &Output, steps: u64) -> ProgressBar {
    if output.level() >= Verbosity::Normal && stderr().is_terminal() {
        bar(steps)
    } else {
        ProgressBar::hidden()
    }
}

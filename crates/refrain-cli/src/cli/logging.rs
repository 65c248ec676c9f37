//! The options of what a run writes down as it goes.

use super::values::count;
use clap::Args;
use std::path::PathBuf;

/// What a run writes down of itself. It never changes what is learned.
#[derive(Debug, Args)]
#[command(next_help_heading = "Logging")]
pub(crate) struct LoggingOptions {
    /// Write one row per epoch into this file, in the columns that --json has; with --resume, after those that are there
    #[arg(long, value_name = "FILE")]
    pub(crate) csv_log: Option<PathBuf>,
    #[arg(long, value_name = "FILE", help = PLOT_HELP)]
    pub(crate) plot: Option<PathBuf>,
    /// Write what TensorBoard shows into this folder: curves, how weights, gradients and gates are distributed, samples
    /// of what a language model writes. Give each run its own folder, such as logs/lstm, for `tensorboard --logdir logs`
    #[arg(long, value_name = "DIR")]
    pub(crate) log_dir: Option<PathBuf>,
    /// Write curves every N batches; histograms come ten times less often, and never take more than 1 % of the time
    #[arg(long, value_name = "N", requires = "log_dir", default_value_t = 10, value_parser = count(1..=1_000_000_000))]
    pub(crate) log_every: usize,
}

const PLOT_HELP: &str = if cfg!(feature = "png") {
    "Draw loss, accuracy, learning rate and gradient norm into this file when the run ends: .svg, or .png"
} else {
    "Draw loss, accuracy, learning rate and gradient norm into this file when the run ends: .svg"
};

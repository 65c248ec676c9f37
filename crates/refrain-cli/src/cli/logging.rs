//! Options of a run's logs.

use super::values::count;
use clap::Args;
use std::path::PathBuf;

/// The logs of a run. They never change what is learned.
#[derive(Debug, Args)]
#[command(next_help_heading = "Logging")]
pub(crate) struct LoggingOptions {
    /// Write one CSV row per epoch to this file, with the fields of --json; with --resume, continue the file
    #[arg(long, value_name = "FILE")]
    pub(crate) csv_log: Option<PathBuf>,
    #[arg(long, value_name = "FILE", help = PLOT_HELP)]
    pub(crate) plot: Option<PathBuf>,
    /// Write TensorBoard logs to this folder: curves, histograms of weights, gradients and gates, and samples of a
    /// language model. Give each run its own folder, such as logs/lstm, for `tensorboard --logdir logs`
    #[arg(long, value_name = "DIR")]
    pub(crate) log_dir: Option<PathBuf>,
    /// Write curves every N batches; histograms ten times less often, with at most 1 % of the time
    #[arg(long, value_name = "N", requires = "log_dir", default_value_t = 10, value_parser = count(1..=1_000_000_000))]
    pub(crate) log_every: usize,
}

const PLOT_HELP: &str = if cfg!(feature = "png") {
    "Plot loss, accuracy, learning rate and gradient norm to this .svg or .png file when the run ends"
} else {
    "Plot loss, accuracy, learning rate and gradient norm to this .svg file when the run ends"
};

//! Options of checkpoints.

use super::values::{count, every};
use clap::Args;
use refrain::checkpoint::Every;
use std::path::PathBuf;

/// When to save a run and how to resume it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Checkpoints")]
pub(crate) struct CheckpointOptions {
    /// Save checkpoints in this folder [default: <out>.checkpoint, only if interrupted]
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Interval between checkpoints: a number of batches (500) or a time (90s, 10m, 2h)
    #[arg(long, value_name = "EVERY", requires = "checkpoint", default_value = "10m", value_parser = every)]
    pub(crate) checkpoint_every: Every,
    /// Number of newest checkpoints to keep
    #[arg(long, value_name = "N", requires = "checkpoint", default_value_t = 2, value_parser = count(1..=1_000_000))]
    pub(crate) checkpoint_keep: usize,
    /// Resume from the newest checkpoint, with the same command and data; if there is none, start from the beginning
    #[arg(long)]
    pub(crate) resume: bool,
}

//! The options of checkpoints.

use super::values::{count, every};
use clap::Args;
use refrain::checkpoint::Every;
use std::path::PathBuf;

/// When a run is saved, and how it is resumed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Checkpoints")]
pub(crate) struct CheckpointOptions {
    /// Save checkpoints in this folder [default: one if interrupted, in <out>.checkpoint]
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// How often: a number of batches (500) or a time (90s, 10m, 2h)
    #[arg(long, value_name = "EVERY", requires = "checkpoint", default_value = "10m", value_parser = every)]
    pub(crate) checkpoint_every: Every,
    /// Checkpoints that are kept, the newest ones
    #[arg(long, value_name = "N", requires = "checkpoint", default_value_t = 2, value_parser = count(1..=1_000_000))]
    pub(crate) checkpoint_keep: usize,
    /// Resume from the newest checkpoint, with the same command and data; without one, start from the beginning
    #[arg(long)]
    pub(crate) resume: bool,
}

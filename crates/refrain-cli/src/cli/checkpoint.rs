//! The options of checkpoints.

use super::values::{count, every};
use clap::Args;
use refrain::checkpoint::Every;
use std::path::PathBuf;

/// How a run is saved as it goes, and goes on.
#[derive(Debug, Args)]
#[command(next_help_heading = "Checkpoints")]
pub(crate) struct CheckpointOptions {
    /// Save all that the run can resume from in this folder as it goes [default: only when it is interrupted, in
    /// <out>.checkpoint]
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// How often: after this many batches (500), or so much time (90s, 10m, 2h)
    #[arg(long, value_name = "EVERY", requires = "checkpoint", default_value = "10m", value_parser = every)]
    pub(crate) checkpoint_every: Every,
    /// Checkpoints that are kept, the newest ones
    #[arg(long, value_name = "N", requires = "checkpoint", default_value_t = 2, value_parser = count(1..=1_000_000))]
    pub(crate) checkpoint_keep: usize,
    /// Go on from the newest checkpoint, with the same command and the same texts, to the same model as if the run
    /// had not been stopped; where there is none, begin
    #[arg(long)]
    pub(crate) resume: bool,
}

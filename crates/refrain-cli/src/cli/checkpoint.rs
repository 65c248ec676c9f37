//! The options of checkpoints.

use super::values::count;
use clap::Args;
use refrain::checkpoint::Every;
use std::path::PathBuf;
use std::time::Duration;

/// How a run is saved as it goes, and goes on.
#[derive(Debug, Args)]
#[command(next_help_heading = "Checkpoints")]
pub(crate) struct CheckpointOptions {
    /// Save all that the run can go on from in this folder as it goes [default: only when it is interrupted, in
    /// <out>.checkpoint]
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// How often: after so many batches (500), or so much time (90s, 10m, 2h)
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

fn every(text: &str) -> Result<Every, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number = digits.parse::<u64>().ok().filter(|&n| n > 0 && n <= 1_000_000_000_000);
    let seconds = match &text[digits.len()..] {
        "" => None,
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        _ => return Err(EXPECTED.to_owned()),
    };
    let number = number.ok_or(EXPECTED)?;
    Ok(seconds.map_or(Every::Batches(number), |unit| Every::Time(Duration::from_secs(number * unit))))
}

const EXPECTED: &str = "expected a number of batches such as 500, or a time such as 90s, 10m or 2h";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_times_are_told_apart() {
        let time = |seconds| Every::Time(Duration::from_secs(seconds));
        for (text, expected) in
            [("500", Every::Batches(500)), ("90s", time(90)), ("10m", time(600)), ("2h", time(7200))]
        {
            assert_eq!(every(text), Ok(expected));
        }
        for wrong in ["", "0", "0m", "m", "-5", "1.5h", "10 m", "5d", "10min", "99999999999999h", "é"] {
            assert_eq!(every(wrong), Err(EXPECTED.to_owned()), "{wrong}");
        }
    }
}

//! Runs targets without libFuzzer.

use crate::Target;
use std::time::Instant;

/// Runs a target on the files named on the command line.
///
/// # Errors
/// When a file cannot be read.
pub fn named_files(target: Target) -> std::io::Result<()> {
    for path in std::env::args_os().skip(1) {
        let bytes = std::fs::read(&path)?;
        let start = Instant::now();
        target(&bytes);
        println!("{}: {} bytes, {:.3} s", path.display(), bytes.len(), start.elapsed().as_secs_f64());
    }
    Ok(())
}

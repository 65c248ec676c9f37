//! What it costs to read a file: no more than goes with its size.

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes that a file may cost beside its own size.
const MOST_BYTES: usize = 64 << 20;
const MOST_TIME: Duration = Duration::from_secs(1);
/// Times that a slow one is tried: other programs' work is no fault of the file.
const TRIES: usize = 4;

/// Returns what came of a file of this many bytes; an error with the cost if that took too long, or too many bytes were
/// allocated. All of them count, which is no less than their peak.
pub(crate) fn measured(size: usize, read_and_use: impl Fn() -> String) -> Result<String, String> {
    let mut slowest = Duration::MAX;
    for _ in 0..TRIES {
        let (region, started) = (Region::new(ALLOCATOR), Instant::now());
        let outcome = catch_unwind(AssertUnwindSafe(&read_and_use)).map_err(|_| "a panic".to_owned())?;
        let bytes = region.change().bytes_allocated;
        if bytes > size + MOST_BYTES {
            return Err(format!("{bytes} bytes for a file of {size}, {outcome}"));
        }
        slowest = slowest.min(started.elapsed());
        if slowest < MOST_TIME {
            return Ok(outcome);
        }
    }
    Err(format!("{slowest:?} for a file of {size} bytes"))
}

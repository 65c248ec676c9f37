//! Measures that reading a file costs no more than its size allows.

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes that reading a file may allocate in addition to its size.
const MAX_BYTES: usize = 64 << 20;
const MAX_TIME: Duration = Duration::from_secs(1);
/// How often a slow file is tried, since other programs may slow it down.
const TRIES: usize = 4;

/// Returns the outcome for a file of this many bytes, or an error with the cost if it took too long or allocated too
/// many bytes. All allocations count, which is at least their peak.
pub(crate) fn measured(size: usize, read_and_use: impl Fn() -> String) -> Result<String, String> {
    let mut slowest = Duration::MAX;
    for _ in 0..TRIES {
        let (region, started) = (Region::new(ALLOCATOR), Instant::now());
        let outcome = catch_unwind(AssertUnwindSafe(&read_and_use)).map_err(|_| "a panic".to_owned())?;
        let bytes = region.change().bytes_allocated;
        if bytes > size + MAX_BYTES {
            return Err(format!("{bytes} bytes for a file of {size}, {outcome}"));
        }
        slowest = slowest.min(started.elapsed());
        if slowest < MAX_TIME {
            return Ok(outcome);
        }
    }
    Err(format!("{slowest:?} for a file of {size} bytes"))
}

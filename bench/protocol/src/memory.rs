//! The peak memory of the process, if Linux reports it.

use std::fs;

/// Starts measuring a new peak and returns the memory in use.
pub(crate) fn begin() -> Option<u64> {
    // 5 resets the high-water mark of resident memory: proc(5), /proc/pid/clear_refs.
    fs::write("/proc/self/clear_refs", "5").ok()?;
    field("VmRSS:")
}

/// Returns the bytes of the peak above `idle`.
pub(crate) fn grown(idle: u64) -> Option<u64> {
    Some(field("VmHWM:")?.saturating_sub(idle))
}

fn field(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

//! Ctrl-C, SIGTERM and, on Linux, SIGHUP (a closed terminal): the first signal ends a run after its current step, a second one ends it immediately.

use crate::error::{Failure, Result};
use crate::output::Output;
#[cfg(target_os = "linux")]
use signal_hook::consts::SIGHUP;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// The signals and their exit codes.
#[cfg(target_os = "linux")]
const SIGNALS: [(i32, u8); 3] = [(SIGINT, 130), (SIGTERM, 143), (SIGHUP, 129)];
#[cfg(not(target_os = "linux"))]
const SIGNALS: [(i32, u8); 2] = [(SIGINT, 130), (SIGTERM, 143)];

/// Signals this close together count as one: a terminal and `timeout` signal both the process and its group.
const ONE_REQUEST: Duration = Duration::from_millis(400);
/// Time between two checks for a signal.
const LOOK: Duration = Duration::from_millis(50);

/// Whether the process was asked to stop.
#[derive(Debug)]
pub(crate) struct Interruption {
    /// In the order of [`SIGNALS`].
    seen: [Arc<AtomicBool>; SIGNALS.len()],
}

impl Interruption {
    /// Starts watching for signals.
    pub(crate) fn watch() -> Result<Self> {
        Self::register().map_err(|e| Failure::Work(format!("cannot watch for Ctrl-C: {e}")))
    }

    fn register() -> io::Result<Self> {
        let armed = Arc::new(AtomicBool::new(false));
        let seen = SIGNALS.map(|_| Arc::new(AtomicBool::new(false)));
        for ((signal, code), seen) in SIGNALS.into_iter().zip(&seen) {
            #[cfg(target_os = "linux")]
            if signal == SIGHUP && is_ignored(signal) {
                continue;
            }
            flag::register_conditional_shutdown(signal, i32::from(code), armed.clone())?;
            flag::register(signal, seen.clone())?;
        }
        let watched = seen.clone();
        thread::spawn(move || {
            while !watched.iter().any(|seen| seen.load(Ordering::Relaxed)) {
                thread::sleep(LOOK);
            }
            thread::sleep(ONE_REQUEST);
            armed.store(true, Ordering::Relaxed);
        });
        Ok(Self { seen })
    }

    /// Exits if the process was asked to stop: before training there is nothing to save, and preparing a large text
    /// takes minutes.
    pub(crate) fn exit_if_asked(&self, output: &Output) {
        if let Some(code) = self.exit_code() {
            output.log("interrupted before training started; nothing was saved");
            std::process::exit(code.into());
        }
    }

    /// Returns the exit code for the signal that was received, if any.
    pub(crate) fn exit_code(&self) -> Option<u8> {
        let seen = |at: &usize| self.seen[*at].load(Ordering::Relaxed);
        (0..SIGNALS.len()).find(seen).map(|at| SIGNALS[at].1)
    }
}

/// Returns whether the process was started with this signal ignored, as `nohup` does with SIGHUP.
#[cfg(target_os = "linux")]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

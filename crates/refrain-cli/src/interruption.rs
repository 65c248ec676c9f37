//! Ctrl-C, SIGTERM and, on Linux, SIGHUP (a closed terminal): the first signal ends a run after its current step, a second one ends it immediately.

use crate::error::{Failure, Result};
use crate::output::{Output, Verbosity};
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

/// The message of a run that was interrupted before its first batch.
pub(crate) const BEFORE_TRAINING: &str = "interrupted before training started; nothing was saved";

/// Whether the process was asked to stop.
#[derive(Debug, Clone)]
pub(crate) struct Interruption {
    /// In the order of [`SIGNALS`].
    seen: [Arc<AtomicBool>; SIGNALS.len()],
    /// Whether a first signal ends the process too, because there is nothing to save yet.
    nothing_to_save: Arc<AtomicBool>,
}

impl Interruption {
    /// Starts watching for signals.
    pub(crate) fn watch() -> Result<Self> {
        Self::register(None).map_err(cannot_watch)
    }

    /// Starts watching for signals that end the process at once until [`Interruption::training_begins`]: before training
    /// there is nothing to save, and preparing a large text takes minutes.
    pub(crate) fn watch_preparation(output: &Output) -> Result<Self> {
        Self::register(Some(output.level() == Verbosity::Quiet)).map_err(cannot_watch)
    }

    /// Lets the run answer signals from now on.
    pub(crate) fn training_begins(&self) {
        self.nothing_to_save.store(false, Ordering::Relaxed);
    }

    /// With `preparing`, signals end the process at once for now; it says whether quietly.
    fn register(preparing: Option<bool>) -> io::Result<Self> {
        let nothing_to_save = Arc::new(AtomicBool::new(preparing.is_some()));
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
        let interruption = Self { seen, nothing_to_save };
        let watched = interruption.clone();
        thread::spawn(move || {
            let code = loop {
                match watched.exit_code() {
                    Some(code) => break code,
                    None => thread::sleep(LOOK),
                }
            };
            if watched.nothing_to_save.load(Ordering::Relaxed) {
                if preparing == Some(false) {
                    eprintln!("\n{BEFORE_TRAINING}");
                }
                std::process::exit(code.into());
            }
            thread::sleep(ONE_REQUEST);
            armed.store(true, Ordering::Relaxed);
        });
        Ok(interruption)
    }

    /// Returns the exit code for the signal that was received, if any.
    pub(crate) fn exit_code(&self) -> Option<u8> {
        let seen = |at: &usize| self.seen[*at].load(Ordering::Relaxed);
        (0..SIGNALS.len()).find(seen).map(|at| SIGNALS[at].1)
    }
}

fn cannot_watch(error: io::Error) -> Failure {
    Failure::Work(format!("cannot watch for Ctrl-C: {error}"))
}

/// Returns whether the process was started with this signal ignored, as `nohup` does with SIGHUP.
#[cfg(target_os = "linux")]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

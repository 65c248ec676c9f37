//! Ctrl-C and SIGTERM: the first signal ends a run after its current step, a second one ends it immediately.

use crate::error::{Failure, Result};
use crate::output::Output;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// The signals and their exit codes.
const SIGNALS: [(i32, u8); 2] = [(SIGINT, 130), (SIGTERM, 143)];

/// Signals this close together count as one: a terminal and `timeout` signal both the process and its group.
const ONE_REQUEST: Duration = Duration::from_millis(400);
/// Time between two checks for a signal.
const LOOK: Duration = Duration::from_millis(50);

/// Whether the process was asked to stop.
#[derive(Debug)]
pub(crate) struct Interruption {
    /// In the order of [`SIGNALS`].
    seen: [Arc<AtomicBool>; 2],
}

impl Interruption {
    /// Starts watching for signals.
    pub(crate) fn watch() -> Result<Self> {
        Self::register().map_err(|e| Failure::Work(format!("cannot watch for Ctrl-C: {e}")))
    }

    fn register() -> io::Result<Self> {
        let armed = Arc::new(AtomicBool::new(false));
        let seen = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        for ((signal, code), seen) in SIGNALS.into_iter().zip(&seen) {
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

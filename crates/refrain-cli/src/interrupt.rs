//! Ctrl-C and the request to terminate: the first is noticed between two steps, the second ends at once.

use crate::error::{Failure, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The signals and the exit codes that shells know them by.
const SIGNALS: [(i32, u8); 2] = [(SIGINT, 130), (SIGTERM, 143)];

/// Whether the process was asked to stop.
#[derive(Debug)]
pub(crate) struct Interrupt {
    /// As [`SIGNALS`].
    seen: [Arc<AtomicBool>; 2],
}

impl Interrupt {
    /// Watches for signals from now on.
    pub(crate) fn watch() -> Result<Self> {
        Self::register().map_err(|e| Failure::Work(format!("cannot watch for Ctrl-C: {e}")))
    }

    fn register() -> io::Result<Self> {
        let any = Arc::new(AtomicBool::new(false));
        let seen = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        for ((signal, code), seen) in SIGNALS.into_iter().zip(&seen) {
            // Actions run in the order of registration: the first signal finds `any` unset and sets it.
            flag::register_conditional_shutdown(signal, i32::from(code), any.clone())?;
            flag::register(signal, seen.clone())?;
            flag::register(signal, any.clone())?;
        }
        Ok(Self { seen })
    }

    /// The exit code for the signal that came, if one did.
    pub(crate) fn exit_code(&self) -> Option<u8> {
        let seen = |at: &usize| self.seen[*at].load(Ordering::Relaxed);
        (0..SIGNALS.len()).find(seen).map(|at| SIGNALS[at].1)
    }
}

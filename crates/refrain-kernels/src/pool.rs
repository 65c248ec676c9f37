//! A small resident gang of threads: fixed workers, static assignment, no allocation per call.
//!
//! Recurrent steps are a few microseconds each, too short for a scheduler with queues. A call to
//! [`Pool::run`] wakes every worker, gives each its number, and returns when all are done.

use std::cell::UnsafeCell;
use std::fmt;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::thread::{self, JoinHandle, Thread};

/// Turns of a spinning loop before a worker yields its core (about 20 µs).
const SPINS: u32 = 4_000;
/// Yields before a worker sleeps: a busy training loop comes back long before.
const YIELDS: u32 = 200;

type Job = *const (dyn Fn(usize) + Sync);

struct Shared {
    /// Counts the jobs; a change is the signal to start.
    epoch: AtomicUsize,
    /// The job of this epoch, written only while no worker runs.
    job: UnsafeCell<Option<Job>>,
    /// Workers that have not finished this epoch.
    pending: AtomicUsize,
    panicked: AtomicBool,
    stop: AtomicBool,
    asleep: Vec<AtomicBool>,
}

// SAFETY: `job` is written by the owner of the gate before `epoch` is released and read by workers after
// they acquire it; the pointee is `Sync`, and `run` does not return while a worker may still use it.
unsafe impl Sync for Shared {}
// SAFETY: the pointer in `job` is only used under the protocol above, from whichever thread.
unsafe impl Send for Shared {}

/// A gang of threads; see the module's text. The calling thread is its member 0.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    handles: Vec<Thread>,
    gate: Mutex<()>,
}

impl Pool {
    /// A gang of `threads` members (at least one), of which the caller is one.
    pub fn new(threads: usize) -> Self {
        let extra = threads.max(1) - 1;
        let shared = Arc::new(Shared {
            epoch: AtomicUsize::new(0),
            job: UnsafeCell::new(None),
            pending: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            asleep: (0..extra).map(|_| AtomicBool::new(false)).collect(),
        });
        let workers: Vec<_> = (0..extra)
            .map(|i| {
                let shared = Arc::clone(&shared);
                thread::Builder::new()
                    .name(format!("refrain-{}", i + 1))
                    .spawn(move || work(&shared, i))
                    .expect("the system refused to start a thread")
            })
            .collect();
        let handles = workers.iter().map(|w| w.thread().clone()).collect();
        Self { shared, workers, handles, gate: Mutex::new(()) }
    }

    /// Members, the caller included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `job(0)`, …, `job(threads − 1)`, each once, and returns when all have.
    ///
    /// While the gang is busy (a call from inside a job, or from another thread) the caller does all the
    /// parts itself: the parts are the same, so is the result.
    ///
    /// # Panics
    /// When a part panicked.
    pub fn run(&self, job: &(dyn Fn(usize) + Sync)) {
        let _gate = match self.gate.try_lock() {
            Ok(gate) if !self.workers.is_empty() => gate,
            // A panic of an earlier job was already passed on to its caller.
            Err(TryLockError::Poisoned(p)) if !self.workers.is_empty() => p.into_inner(),
            _ => return (0..self.threads()).for_each(job),
        };
        let s = &*self.shared;
        s.pending.store(self.workers.len(), Ordering::Relaxed);
        // SAFETY: the gate is held and `pending` was zero, so no worker reads the cell. The lifetime is
        // erased only until this function returns, which waits for every worker.
        unsafe {
            *s.job.get() = Some(std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), Job>(job));
        }
        s.epoch.fetch_add(1, Ordering::SeqCst);
        for (asleep, handle) in s.asleep.iter().zip(&self.handles) {
            if asleep.load(Ordering::SeqCst) {
                handle.unpark();
            }
        }
        let own = catch_unwind(AssertUnwindSafe(|| job(0)));
        let mut spins = 0;
        while s.pending.load(Ordering::Acquire) != 0 {
            spins += 1;
            if spins < SPINS { spin_loop() } else { thread::yield_now() }
        }
        let worker_panicked = s.panicked.swap(false, Ordering::Relaxed);
        if let Err(payload) = own {
            resume_unwind(payload);
        }
        assert!(!worker_panicked, "a worker of the thread gang panicked");
    }
}

fn work(s: &Shared, index: usize) {
    let mut seen = 0;
    loop {
        let mut turns = 0;
        while s.epoch.load(Ordering::Acquire) == seen {
            turns += 1;
            if turns < SPINS {
                spin_loop();
            } else if turns < SPINS + YIELDS {
                thread::yield_now();
            } else {
                s.asleep[index].store(true, Ordering::SeqCst);
                while s.epoch.load(Ordering::SeqCst) == seen {
                    thread::park();
                }
                s.asleep[index].store(false, Ordering::SeqCst);
            }
        }
        seen = seen.wrapping_add(1);
        if s.stop.load(Ordering::Acquire) {
            return;
        }
        // SAFETY: the epoch was acquired after the job was written, and the caller keeps both the cell
        // and the closure as they are until `pending` reaches zero.
        let job = unsafe { (*s.job.get()).map(|j| &*j) };
        if let Some(job) = job
            && catch_unwind(AssertUnwindSafe(|| job(index + 1))).is_err()
        {
            s.panicked.store(true, Ordering::Relaxed);
        }
        s.pending.fetch_sub(1, Ordering::Release);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.epoch.fetch_add(1, Ordering::SeqCst);
        for handle in &self.handles {
            handle.unpark();
        }
        for worker in self.workers.drain(..) {
            // A worker catches its jobs' panics; nothing else in it can fail.
            let _ = worker.join();
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_member_works_once_a_call() {
        for threads in [1, 2, 3, 8] {
            let pool = Pool::new(threads);
            let counts: Vec<_> = (0..threads).map(|_| AtomicUsize::new(0)).collect();
            for call in 1..=200 {
                pool.run(&|i| {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == call));
                if call % 100 == 0 {
                    // Long enough for the workers to fall asleep.
                    thread::sleep(Duration::from_millis(5));
                }
            }
        }
    }

    #[test]
    fn a_call_from_inside_a_job_does_all_parts_itself() {
        let pool = Pool::new(3);
        let count = AtomicUsize::new(0);
        pool.run(&|_| {
            pool.run(&|_| {
                count.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(count.load(Ordering::Relaxed), 9);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_gang_lives_on() {
        let pool = Pool::new(2);
        for part in [0, 1] {
            let result = catch_unwind(AssertUnwindSafe(|| pool.run(&|i| assert_ne!(i, part))));
            assert!(result.is_err());
        }
        let count = AtomicUsize::new(0);
        pool.run(&|_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }
}

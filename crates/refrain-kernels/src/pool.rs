//! A small thread pool: fixed workers, static assignment, no allocation per call.
//!
//! Recurrent steps take a few microseconds each, too short for a scheduler with queues. A call to [`Pool::run`] wakes
//! one worker per part, gives each its number, and returns when all are done.
//!
//! Parts that wait for each other ([`Part::wait`]) must all run at the same time, so they only run on a pool that is
//! reserved: [`Pool::reserve`] says how many parts can run.

use std::any::Any;
use std::cell::UnsafeCell;
use std::fmt;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, JoinHandle, Thread};

/// Spins of a waiting thread before it gives up its core (3 to 14 µs): longer than the differences between parts of
/// equal work, but short in case the awaited thread needs this core.
const SPINS: u32 = 500;
/// Yields before an idle worker sleeps (about a millisecond). A sleeping worker needs 40 to 90 µs to wake up, and the
/// serial parts of a training loop are shorter than that millisecond.
const YIELDS: u32 = 2_000;
/// Yields, instead of spins, when there are more threads than cores.
const OVERSUBSCRIBED_YIELDS: u32 = 16;

type Job = *const (dyn Fn(Part<'_>) + Sync);

/// A counter on its own cache lines, so that writing it does not slow down other data.
#[derive(Default)]
#[repr(align(128))]
struct Counter(AtomicUsize);

/// The signals from the caller to one worker.
#[derive(Default)]
#[repr(align(128))]
struct WorkerSlot {
    /// The number of jobs so far; a change is the signal to start.
    epoch: AtomicUsize,
    asleep: AtomicBool,
}

struct Shared {
    slots: Vec<WorkerSlot>,
    /// The job of this call, written only while no worker runs.
    job: UnsafeCell<Option<Job>>,
    /// Number of parts of this call, written together with `job`.
    parts: AtomicUsize,
    /// Number of workers that have not finished this call.
    pending: Counter,
    /// Number of parts waiting at the barrier.
    arrived: Counter,
    /// How often all parts have met at the barrier.
    round: Counter,
    /// Whether a part of this call panicked.
    broken: AtomicBool,
    stop: AtomicBool,
    /// Whether there are more threads than cores: the awaited thread may need this core.
    oversubscribed: bool,
    /// Number of threads that sleep because they have waited too long to keep spinning.
    sleepers: Counter,
    sleep_lock: Mutex<()>,
    wake: Condvar,
}

// SAFETY: `job` is written by the holder of `exclusive` before a worker's `epoch` is released and read by that worker
// after it acquires it; the pointee is `Sync`, and `run` does not return while a worker may still use it.
unsafe impl Sync for Shared {}
// SAFETY: the pointer in `job` is only used under the protocol above, whatever the thread.
unsafe impl Send for Shared {}

impl Shared {
    /// Waits until `ready`: first spins or yields, then sleeps.
    ///
    /// A thread that yields is queued after every busy thread on its core, for milliseconds; a sleeping thread is
    /// scheduled as soon as it is woken.
    #[inline]
    fn wait_until(&self, ready: impl Fn() -> bool) {
        for _ in 0..if self.oversubscribed { OVERSUBSCRIBED_YIELDS } else { SPINS } {
            if ready() {
                return;
            }
            if self.oversubscribed { thread::yield_now() } else { spin_loop() }
        }
        self.sleep_until(ready);
    }

    #[cold]
    fn sleep_until(&self, ready: impl Fn() -> bool) {
        let mut sleep_lock = self.sleep_lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleepers.0.fetch_add(1, Ordering::Relaxed);
        // Either this thread sees the change, or the thread that makes it sees this sleeper: see `wake_sleepers`.
        fence(Ordering::SeqCst);
        while !ready() {
            sleep_lock = self.wake.wait(sleep_lock).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Wakes sleeping threads after a change that they may wait for.
    #[inline]
    fn wake_sleepers(&self) {
        fence(Ordering::SeqCst);
        if self.sleepers.0.load(Ordering::Relaxed) > 0 {
            // A sleeper holds the lock from its check of the change until it sleeps.
            drop(self.sleep_lock.lock());
            self.wake.notify_all();
        }
    }

    /// Runs one part. If it panics, the other parts continue to their end.
    fn part(&self, index: usize, job: &(dyn Fn(Part<'_>) + Sync)) -> Result<(), Box<dyn Any + Send>> {
        let part = Part { index, parts: self.parts.load(Ordering::Relaxed), shared: self };
        let result = catch_unwind(AssertUnwindSafe(|| job(part)));
        if result.is_err() {
            self.broken.store(true, Ordering::Release);
            self.wake_sleepers();
        }
        result
    }
}

/// The payload with which a part unwinds when the part that it waits for has panicked.
struct PeerPanicked;

/// One of the parts of a call that run at the same time.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    index: usize,
    parts: usize,
    shared: &'a Shared,
}

impl Part<'_> {
    /// Returns its number, from 0.
    pub(crate) fn index(self) -> usize {
        self.index
    }

    /// Waits until every part of the call has called this equally often. Afterwards this part sees what the others
    /// wrote before.
    ///
    /// All parts of a call must call this equally often. If one of them panics, the waiting ones unwind.
    #[inline]
    pub(crate) fn wait(self) {
        if self.parts == 1 {
            return;
        }
        let s = self.shared;
        // The round cannot end before this part arrives.
        let round = s.round.0.load(Ordering::Relaxed);
        if s.arrived.0.fetch_add(1, Ordering::AcqRel) + 1 == self.parts {
            s.arrived.0.store(0, Ordering::Relaxed);
            s.round.0.store(round.wrapping_add(1), Ordering::Release);
            return s.wake_sleepers();
        }
        let met = || s.round.0.load(Ordering::Acquire) != round;
        s.wait_until(|| met() || s.broken.load(Ordering::Acquire));
        if !met() {
            // Not `panic!`: the part that failed has reported the cause.
            resume_unwind(Box::new(PeerPanicked));
        }
    }
}

/// Exclusive use of a pool.
pub(crate) struct PoolGuard<'a> {
    pool: &'a Pool,
    exclusive: Option<MutexGuard<'a, ()>>,
}

impl PoolGuard<'_> {
    /// Returns how many parts can run at the same time: 1 if the pool was busy.
    pub(crate) fn threads(&self) -> usize {
        if self.exclusive.is_some() { self.pool.threads() } else { 1 }
    }

    /// Runs `parts` parts at the same time and returns when all are done.
    ///
    /// # Panics
    /// When there are more parts than `threads`, or a part panicked.
    pub(crate) fn run(self, parts: usize, job: &(dyn Fn(Part<'_>) + Sync)) {
        let s = &*self.pool.shared;
        assert!(parts <= self.threads(), "{parts} parts for {} threads", self.threads());
        if parts <= 1 {
            drop(self.exclusive);
            return job(Part { index: 0, parts: 1, shared: s });
        }
        s.pending.0.store(parts - 1, Ordering::Relaxed);
        s.parts.store(parts, Ordering::Relaxed);
        s.arrived.0.store(0, Ordering::Relaxed);
        s.broken.store(false, Ordering::Relaxed);
        // SAFETY: `exclusive` is held and no worker of an earlier call runs, so none reads the cell. The lifetime is
        // erased only until this function returns, and it waits for every worker.
        unsafe {
            *s.job.get() = Some(std::mem::transmute::<*const (dyn Fn(Part<'_>) + Sync + '_), Job>(job));
        }
        let slots = &s.slots[..parts - 1];
        for slot in slots {
            slot.epoch.fetch_add(1, Ordering::SeqCst);
        }
        for (slot, handle) in slots.iter().zip(&self.pool.handles) {
            if slot.asleep.load(Ordering::SeqCst) {
                handle.unpark();
            }
        }
        let own = s.part(0, job);
        s.wait_until(|| s.pending.0.load(Ordering::Acquire) == 0);
        if let Err(payload) = own
            && !payload.is::<PeerPanicked>()
        {
            resume_unwind(payload);
        }
        assert!(!s.broken.load(Ordering::Acquire), "a worker of the thread pool panicked");
    }
}

/// A thread pool for parallel kernels. The calling thread is its thread 0.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    handles: Vec<Thread>,
    exclusive: Mutex<()>,
}

impl Pool {
    /// Creates a pool of `threads` threads (at least one), including the calling thread.
    pub fn new(threads: usize) -> Self {
        let extra = threads.max(1) - 1;
        let cores = thread::available_parallelism().map_or(1, |n| n.get());
        let shared = Arc::new(Shared {
            slots: (0..extra).map(|_| WorkerSlot::default()).collect(),
            job: UnsafeCell::new(None),
            parts: AtomicUsize::new(1),
            pending: Counter::default(),
            arrived: Counter::default(),
            round: Counter::default(),
            broken: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            oversubscribed: threads > cores,
            sleepers: Counter::default(),
            sleep_lock: Mutex::new(()),
            wake: Condvar::new(),
        });
        let workers: Vec<_> = (0..extra)
            .map(|i| {
                let shared = Arc::clone(&shared);
                thread::Builder::new()
                    .name(format!("refrain-{}", i + 1))
                    .spawn(move || work(&shared, i))
                    .expect("the system starts a thread")
            })
            .collect();
        let handles = workers.iter().map(|w| w.thread().clone()).collect();
        Self { shared, workers, handles, exclusive: Mutex::new(()) }
    }

    /// Returns the number of threads, including the calling thread.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Reserves the pool for the caller. If it is busy (a call from inside a job, or from another thread) or has only
    /// one thread, the caller runs alone.
    pub(crate) fn reserve(&self) -> PoolGuard<'_> {
        let exclusive = match self.exclusive.try_lock() {
            Ok(exclusive) => Some(exclusive),
            // The panic of an earlier job was already passed on to its caller.
            Err(TryLockError::Poisoned(p)) => Some(p.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        PoolGuard { pool: self, exclusive }
    }

    /// Calls `job(0)`, …, `job(parts − 1)` once each, and returns when all have finished.
    ///
    /// If the pool is busy (a call from inside a job, or from another thread), the caller runs all parts itself. The
    /// parts are the same, and so is the result.
    ///
    /// # Panics
    /// When there are more parts than threads, or a part panicked.
    pub fn run(&self, parts: usize, job: &(dyn Fn(usize) + Sync)) {
        assert!(parts <= self.threads(), "{parts} parts for {} threads", self.threads());
        if parts > 1 {
            let guard = self.reserve();
            if parts <= guard.threads() {
                return guard.run(parts, &|part| job(part.index()));
            }
        }
        (0..parts).for_each(job);
    }
}

fn work(s: &Shared, index: usize) {
    let slot = &s.slots[index];
    let spins = if s.oversubscribed { 0 } else { SPINS };
    let mut seen = 0;
    loop {
        let mut turns = 0;
        while slot.epoch.load(Ordering::Acquire) == seen {
            turns += 1;
            if turns < spins {
                spin_loop();
            } else if turns < spins + YIELDS {
                thread::yield_now();
            } else {
                slot.asleep.store(true, Ordering::SeqCst);
                while slot.epoch.load(Ordering::SeqCst) == seen {
                    thread::park();
                }
                slot.asleep.store(false, Ordering::SeqCst);
            }
        }
        seen = seen.wrapping_add(1);
        if s.stop.load(Ordering::Acquire) {
            return;
        }
        // SAFETY: the epoch was acquired after the job was written, and the caller changes neither the cell nor the
        // closure until `pending` reaches zero.
        let job = unsafe { (*s.job.get()).map(|j| &*j) };
        if let Some(job) = job {
            // The caller learns from `broken` that a part failed.
            let _ = s.part(index + 1, job);
        }
        if s.pending.0.fetch_sub(1, Ordering::Release) == 1 {
            s.wake_sleepers();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        for (slot, handle) in self.shared.slots.iter().zip(&self.handles) {
            slot.epoch.fetch_add(1, Ordering::SeqCst);
            handle.unpark();
        }
        for worker in self.workers.drain(..) {
            // A worker catches its jobs' panics, and nothing else in it can fail.
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
    fn each_thread_works_once_per_call() {
        for threads in [1, 2, 3, 8] {
            let pool = Pool::new(threads);
            let counts: Vec<_> = (0..threads).map(|_| AtomicUsize::new(0)).collect();
            for call in 1..=200 {
                pool.run(threads, &|i| {
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
    fn a_nested_call_runs_all_parts_itself() {
        let pool = Pool::new(3);
        let count = AtomicUsize::new(0);
        pool.run(3, &|_| {
            pool.run(3, &|_| {
                count.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(count.load(Ordering::Relaxed), 9);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_survives() {
        let pool = Pool::new(2);
        for part in [0, 1] {
            let result = catch_unwind(AssertUnwindSafe(|| pool.run(2, &|i| assert_ne!(i, part))));
            assert!(result.is_err());
        }
        let count = AtomicUsize::new(0);
        pool.run(2, &|_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    /// After each barrier, every part sees what all others wrote before it.
    #[test]
    fn every_part_sees_the_writes_before_a_barrier() {
        for threads in [2, 3, 5, 8] {
            let pool = Pool::new(threads);
            for parts in 1..=threads {
                let counts: Vec<_> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
                pool.reserve().run(parts, &|part| {
                    for round in 1..=100 {
                        counts[part.index()].store(round, Ordering::Relaxed);
                        part.wait();
                        for count in &counts {
                            assert_eq!(count.load(Ordering::Relaxed), round);
                        }
                        part.wait();
                    }
                });
                assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 100));
            }
        }
    }

    #[test]
    fn a_panic_frees_the_parts_that_wait_for_it() {
        let pool = Pool::new(3);
        for failing in 0..3 {
            for round in 0..3 {
                let result = catch_unwind(AssertUnwindSafe(|| {
                    pool.reserve().run(3, &|part| {
                        for r in 0..3 {
                            assert_ne!((part.index(), r), (failing, round), "the part that fails");
                            part.wait();
                        }
                    });
                }));
                let payload = result.expect_err("a part failed");
                assert!(!payload.is::<PeerPanicked>(), "the caller gets the original panic");
            }
        }
        each_meets(&pool);
    }

    fn each_meets(pool: &Pool) {
        let count = AtomicUsize::new(0);
        pool.reserve().run(pool.threads(), &|part| {
            count.fetch_add(1, Ordering::Relaxed);
            part.wait();
            assert_eq!(count.load(Ordering::Relaxed), pool.threads());
        });
    }

    #[test]
    fn a_busy_pool_gives_its_second_user_one_thread() {
        let pool = Pool::new(2);
        let guard = pool.reserve();
        assert_eq!(guard.threads(), 2);
        assert_eq!(pool.reserve().threads(), 1);
        // A single part needs no pool and waits for nobody.
        pool.reserve().run(1, &|part| part.wait());
        guard.run(2, &|part| {
            assert_eq!(pool.reserve().threads(), 1);
            part.wait();
        });
        each_meets(&pool);
    }
}

//! The instruction set and threads that every kernel is called with.

use crate::isa::Isa;
use crate::pool::{Pool, PoolGuard};
use std::ops::Range;
use std::sync::Arc;

/// Below this many floating-point operations, a call stays on the calling thread: waking other threads and fetching
/// what another core wrote costs more than half of the work would save.
const SERIAL_FLOPS: usize = 1 << 20;

/// How a recurrent pass is divided among threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// By sequence: no step waits for another thread, and every thread reads all weights at every step.
    Sequences,
    /// By hidden unit: every thread reads only its own weights, and every step waits for all threads.
    Units,
}

/// An instruction set and a thread pool. Clones share the pool.
///
/// The result of every kernel is bit-identical for any number of threads.
#[derive(Clone, Debug)]
pub struct Engine {
    isa: Isa,
    pool: Arc<Pool>,
    /// Set only by tests, which run both splits at sizes where neither would be chosen.
    split: Option<Split>,
}

impl Engine {
    /// Creates an engine with its own pool of `threads` threads (at least one).
    pub fn new(isa: Isa, threads: usize) -> Self {
        Self { isa, pool: Arc::new(Pool::new(threads)), split: None }
    }

    /// Returns the engine with a fixed split for every recurrent pass.
    #[cfg(test)]
    pub(crate) fn with_split(self, split: Split) -> Self {
        Self { split: Some(split), ..self }
    }

    /// Returns the fixed split of recurrent passes, or `None` if the plan chooses.
    pub(crate) fn split(&self) -> Option<Split> {
        self.split
    }

    /// Returns the instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Returns the number of threads in the pool.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Splits `items` into one contiguous share per thread and calls `work(thread, share)` for each share that is not
    /// empty. Uses only the calling thread if `flops` in total are too few to share.
    pub(crate) fn share(&self, items: usize, flops: usize, work: impl Fn(usize, Range<usize>) + Sync) {
        let threads = self.threads_for(flops).min(items);
        if threads <= 1 {
            if items > 0 {
                work(0, 0..items);
            }
            return;
        }
        self.pool.run(threads, &|t| work(t, items * t / threads..items * (t + 1) / threads));
    }

    /// Returns how many threads are worth using for work of this size.
    fn threads_for(&self, flops: usize) -> usize {
        if flops < SERIAL_FLOPS { 1 } else { self.threads() }
    }

    /// Reserves the pool for work whose parts wait for each other.
    pub(crate) fn reserve(&self) -> PoolGuard<'_> {
        self.pool.reserve()
    }

    /// Calls `work(0)`, …, `work(parts − 1)`, at most one part per thread.
    ///
    /// # Panics
    /// When `parts` is larger than the pool.
    pub(crate) fn run_parts(&self, parts: usize, work: impl Fn(usize) + Sync) {
        self.pool.run(parts, &work);
    }
}

impl Default for Engine {
    /// Uses the widest instruction set and all available cores.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        Self::new(Isa::detect(), threads)
    }
}

/// A pointer that several threads may hold, each writing its own part of the data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedMut<T>(*mut T);

// SAFETY: a `SharedMut` only carries the address. Every dereference is `unsafe` and states why no two threads touch the
// same element.
unsafe impl<T: Send> Send for SharedMut<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SharedMut<T> {}

impl<T> SharedMut<T> {
    pub(crate) fn new(slice: &mut [T]) -> Self {
        Self(slice.as_mut_ptr())
    }

    #[inline(always)]
    pub(crate) fn ptr(self) -> *mut T {
        self.0
    }

    /// # Safety
    /// The range must lie inside the slice that `self` was made from, and no other thread may use it meanwhile.
    #[inline(always)]
    pub(crate) unsafe fn slice<'a>(self, range: Range<usize>) -> &'a mut [T] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(range.start), range.len()) }
    }
}

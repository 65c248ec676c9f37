//! The value that every kernel is called with: which instructions, which threads.

use crate::isa::Isa;
use crate::pool::{Held, Pool};
use std::ops::Range;
use std::sync::Arc;

/// Below this many floating-point operations a call stays on the calling thread: giving work to the gang and fetching
/// what another core wrote costs more than half of the work would save.
const SERIAL_FLOPS: usize = 1 << 20;

/// What the parts of a recurrent pass differ in, which threads share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// Sequences: no step waits for another thread, and every thread reads all weights at every step.
    Sequences,
    /// Hidden units: every thread reads its own weights only, and every step waits for all threads.
    Units,
}

/// An instruction set and a gang of threads. Cloning shares the gang.
///
/// The results of every kernel are the same bits for any number of threads.
#[derive(Clone, Debug)]
pub struct Engine {
    isa: Isa,
    pool: Arc<Pool>,
    /// Set by tests alone, which run both ways of cutting a recurrent pass at sizes where neither pays.
    split: Option<Split>,
}

impl Engine {
    /// An engine with a gang of its own of `threads` members (at least one).
    pub fn new(isa: Isa, threads: usize) -> Self {
        Self { isa, pool: Arc::new(Pool::new(threads)), split: None }
    }

    /// The same engine, which cuts every recurrent pass in this way.
    #[cfg(test)]
    pub(crate) fn with_split(self, split: Split) -> Self {
        Self { split: Some(split), ..self }
    }

    /// The way to cut recurrent passes, where the plan is not to choose.
    pub(crate) fn split(&self) -> Option<Split> {
        self.split
    }

    /// The instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Members of the gang.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Splits `items` into one contiguous share a thread and calls `work(thread, share)` for each share
    /// that is not empty; on the calling thread alone where the `flops` in all are too few to share.
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

    /// Threads worth using for work of this size.
    fn threads_for(&self, flops: usize) -> usize {
        if flops < SERIAL_FLOPS { 1 } else { self.threads() }
    }

    /// Keeps the gang for work whose parts wait for each other.
    pub(crate) fn hold(&self) -> Held<'_> {
        self.pool.hold()
    }

    /// Calls `work(0)`, …, `work(parts − 1)`, at most one part a thread.
    ///
    /// # Panics
    /// When `parts` is larger than the gang.
    pub(crate) fn gang(&self, parts: usize, work: impl Fn(usize) + Sync) {
        self.pool.run(parts, &work);
    }
}

impl Default for Engine {
    /// The widest instruction set and every core there is.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        Self::new(Isa::detect(), threads)
    }
}

/// A pointer that several threads may hold while each writes its own part of what it points to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared<T>(*mut T);

// SAFETY: a `Shared` only carries the address. Every dereference is `unsafe` and states why no two threads
// touch the same element.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(crate) fn new(slice: &mut [T]) -> Self {
        Self(slice.as_mut_ptr())
    }

    #[inline(always)]
    pub(crate) fn ptr(self) -> *mut T {
        self.0
    }

    /// # Safety
    /// The range lies inside the slice it was made from, and no other thread uses it meanwhile.
    #[inline(always)]
    pub(crate) unsafe fn slice<'a>(self, range: Range<usize>) -> &'a mut [T] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(range.start), range.len()) }
    }
}

//! A growable float buffer, aligned to 64 bytes.

#[cfg(all(target_os = "linux", not(any(miri, exact_buffers))))]
#[path = "buffer/linux.rs"]
mod storage;
#[cfg(not(all(target_os = "linux", not(any(miri, exact_buffers)))))]
#[path = "buffer/other.rs"]
mod storage;

use std::fmt;
use std::ops::{Deref, DerefMut};
use storage::Storage;

/// Floats of a cache line.
const LINE: usize = 16;

/// Whether a buffer ends exactly at its last float, at the cost of its alignment, so that a sanitizer sees every
/// access past the end. Kernels need the alignment only for speed. `.ci/sanitize` builds with this.
const EXACT: bool = cfg!(exact_buffers);

/// A float buffer aligned to 64 bytes, so that a row of sixteen floats never crosses a cache line.
///
/// New memory comes from the system as zero pages: what is never written takes no physical memory. On Linux, a large
/// buffer has its own mapping and asks for huge pages.
///
/// Shrinking keeps the capacity: once a buffer has been large, a smaller length needs no allocation.
#[derive(Default)]
pub struct AlignedVec {
    /// Up to a cache line longer than needed (one float less), so that an aligned start lies inside.
    floats: Storage,
    start: usize,
    len: usize,
}

impl AlignedVec {
    /// Creates a buffer of `len` zeros.
    pub fn zeros(len: usize) -> Self {
        if len == 0 {
            return Self::default();
        }
        if EXACT {
            return Self { floats: Storage::zeros(len), start: 0, len };
        }
        let floats = Storage::zeros(len.next_multiple_of(LINE) + LINE - 1);
        let start = floats.floats().as_ptr().align_offset(LINE * size_of::<f32>());
        Self { floats, start, len }
    }

    /// Sets the length. New floats are zero; existing floats keep their values.
    pub fn resize(&mut self, len: usize) {
        let old = self.len;
        if len > self.capacity() || (EXACT && len != old) {
            let mut other = Self::zeros(len);
            let kept = old.min(len);
            other[..kept].copy_from_slice(&self[..kept]);
            *self = other;
        } else {
            self.len = len;
            if old < len {
                self[old..].fill(0.0);
            }
        }
    }

    /// Returns how many floats it can hold without allocating.
    pub fn capacity(&self) -> usize {
        self.floats.floats().len().saturating_sub(if EXACT { 0 } else { LINE - 1 })
    }
}

impl Clone for AlignedVec {
    fn clone(&self) -> Self {
        Self::from(&**self)
    }
}

impl Deref for AlignedVec {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.floats.floats()[self.start..self.start + self.len]
    }
}

impl DerefMut for AlignedVec {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.floats.floats_mut()[self.start..self.start + self.len]
    }
}

impl From<&[f32]> for AlignedVec {
    fn from(values: &[f32]) -> Self {
        let mut v = Self::zeros(values.len());
        v.copy_from_slice(values);
        v
    }
}

impl fmt::Debug for AlignedVec {
    /// Shows only the length: a model holds millions of floats.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlignedVec").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_cache_aligned_and_regrows_with_zeros() {
        let mut v = AlignedVec::zeros(40);
        assert!(EXACT || (v.as_ptr() as usize).is_multiple_of(64));
        v.fill(7.0);
        v.resize(3);
        v.resize(40);
        assert_eq!(&v[..3], &[7.0; 3]);
        assert_eq!(&v[3..], &[0.0; 37]);
    }

    #[test]
    fn a_large_buffer_keeps_its_floats_and_zeroes_the_rest() {
        let mut v = AlignedVec::zeros(40);
        v.fill(7.0);
        v.resize(3 << 20);
        assert!(EXACT || (v.as_ptr() as usize).is_multiple_of(64));
        assert_eq!(&v[..40], &[7.0; 40]);
        assert!(v[40..].iter().all(|&x| x == 0.0));
    }

    #[test]
    #[cfg_attr(exact_buffers, ignore = "an exact buffer has no spare capacity")]
    fn shrinking_and_growing_within_capacity_does_not_allocate() {
        let mut v = AlignedVec::zeros(100);
        let before = (v.as_ptr(), v.capacity());
        v.resize(5);
        v.resize(100);
        assert_eq!(before, (v.as_ptr(), v.capacity()));
    }
}

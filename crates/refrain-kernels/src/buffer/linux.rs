//! Memory on Linux: large buffers have pages of their own, and ask for large ones, which are given to those who ask
//! (`madvise`, the usual setting).

use std::ptr::{NonNull, null_mut};

/// Bytes from which on a buffer has pages of its own: it is zero without being written, it goes back to the system when
/// it is dropped, and the processor's prefetchers do not stop at every 4 KB.
const LARGE: usize = 4 << 20;

/// Floats on the heap or in pages of their own.
pub(super) enum Storage {
    Heap(Vec<f32>),
    Pages(NonNull<f32>, usize),
}

// SAFETY: the pages belong to this value alone, as a vector's memory does.
unsafe impl Send for Storage {}
// SAFETY: as above; they are only written through `&mut`.
unsafe impl Sync for Storage {}

impl Storage {
    pub(super) fn zeros(floats: usize) -> Self {
        let bytes = floats.checked_mul(size_of::<f32>()).filter(|&bytes| bytes >= LARGE);
        match bytes.and_then(map) {
            Some(first) => Self::Pages(first, floats),
            None => Self::Heap(vec![0.0; floats]),
        }
    }

    pub(super) fn floats(&self) -> &[f32] {
        match self {
            Self::Heap(floats) => floats,
            // SAFETY: that many floats were mapped there, as zeros, and stay until the drop.
            Self::Pages(first, floats) => unsafe { std::slice::from_raw_parts(first.as_ptr(), *floats) },
        }
    }

    pub(super) fn floats_mut(&mut self) -> &mut [f32] {
        match self {
            Self::Heap(floats) => floats,
            // SAFETY: as for `floats`, and the borrow of `self` is exclusive.
            Self::Pages(first, floats) => unsafe { std::slice::from_raw_parts_mut(first.as_ptr(), *floats) },
        }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self::Heap(Vec::new())
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        if let Self::Pages(first, floats) = *self {
            // SAFETY: the mapping that `zeros` made, which nobody borrows any more.
            unsafe { libc::munmap(first.as_ptr().cast(), floats * size_of::<f32>()) };
        }
    }
}

/// Pages of zeros; none where the system refuses, and the heap may say why.
fn map(bytes: usize) -> Option<NonNull<f32>> {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: new private pages at an address that the system chooses.
    let first = unsafe { libc::mmap(null_mut(), bytes, access, kind, -1, 0) };
    if first == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the pages just mapped. The advice leaves what they hold, and a refusal changes nothing but speed.
    unsafe { libc::madvise(first, bytes, libc::MADV_HUGEPAGE) };
    NonNull::new(first.cast())
}

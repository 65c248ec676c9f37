//! Buffer memory on Linux: large buffers have their own mapping and ask for huge pages, which the system grants on
//! request (`madvise`, the usual setting).

use std::ptr::{NonNull, null_mut};

/// Size in bytes from which a buffer has its own mapping: it is zero without being written, it is returned to the
/// system when dropped, and the hardware prefetchers do not stop at every 4 KB.
const LARGE: usize = 4 << 20;

/// Floats on the heap or in their own pages.
pub(super) enum Storage {
    Heap(Vec<f32>),
    Pages(NonNull<f32>, usize),
}

// SAFETY: the pages belong to this value alone, like a vector's memory.
unsafe impl Send for Storage {}
// SAFETY: as above; the pages are only written through `&mut`.
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
            // SAFETY: `floats` floats were mapped at `first`, as zeros, and stay mapped until the drop.
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
            // SAFETY: this is the mapping that `zeros` made, and nothing borrows it any more.
            unsafe { libc::munmap(first.as_ptr().cast(), floats * size_of::<f32>()) };
        }
    }
}

/// Maps pages of zeros. Returns `None` if the system refuses; the caller falls back to the heap.
fn map(bytes: usize) -> Option<NonNull<f32>> {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: maps new private pages at an address that the system chooses.
    let first = unsafe { libc::mmap(null_mut(), bytes, access, kind, -1, 0) };
    if first == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: these are the pages just mapped. The advice does not change their content; a refusal only costs speed.
    unsafe { libc::madvise(first, bytes, libc::MADV_HUGEPAGE) };
    NonNull::new(first.cast())
}

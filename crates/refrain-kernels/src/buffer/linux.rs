//! Large pages on Linux, where they are given to those who ask (`madvise`, the usual setting).

/// The size of a large page on x86-64, and on AArch64 with 4 KB pages. Elsewhere the kernel rounds.
const PAGE: usize = 2 << 20;

/// Asks for large pages for the whole ones within `memory`. A refusal changes nothing but speed.
pub(super) fn prefer_large(memory: &mut [f32]) {
    let start = memory.as_mut_ptr() as usize;
    let (from, to) = (start.next_multiple_of(PAGE), (start + size_of_val(memory)) / PAGE * PAGE);
    if from < to {
        let first = memory.as_mut_ptr().cast::<u8>().wrapping_add(from - start);
        // SAFETY: the pages lie inside memory that is borrowed for writing, and the advice leaves what it holds.
        unsafe { libc::madvise(first.cast(), to - from, libc::MADV_HUGEPAGE) };
    }
}

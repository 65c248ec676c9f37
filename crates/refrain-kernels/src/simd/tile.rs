//! The register tile: a few batch rows times one panel, accumulated over k.

// The tile's loops index registers and memory with the same counter; iterators would obscure the tile.
#![allow(clippy::needless_range_loop)]

use super::Simd;
use crate::layout::{PanelShape, SLOT};
use std::ops::Range;

/// A product of batch rows with one panel: `out[row][slot] = start + Σ_k left[row][k] · right[k][slot]`.
///
/// Every element is one chain over k, whatever the tile height and the number of vectors in a slot, so the result of
/// a row does not depend on the rows computed with it.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a> {
    /// Slots of the panel to compute, 1 to 4.
    pub(crate) slots: usize,
    /// Batch rows.
    pub(crate) rows: usize,
    /// The left factor: element `(row, k)` of a run lies at `left + row · left_row + k · left_k`.
    pub(crate) left: *const f32,
    pub(crate) left_row: usize,
    pub(crate) left_k: usize,
    /// The right factor's first panel row; the slots to compute are adjacent.
    pub(crate) right: *const f32,
    pub(crate) right_k: usize,
    /// Floats from the start of a panel row to each slot.
    pub(crate) right_slots: [usize; 4],
    pub(crate) depth: Depth<'a>,
    pub(crate) start: Start,
    pub(crate) out: *mut f32,
    pub(crate) out_row: usize,
    pub(crate) out_slots: [usize; 4],
    pub(crate) next: Next,
}

/// Offsets in floats from this product's factor and output to those of the next product, of the same size, which are
/// prefetched while this one is computed. Zero if there is no next product or its data is near.
#[derive(Clone, Copy, Default)]
pub(crate) struct Next {
    pub(crate) right: isize,
    pub(crate) out: isize,
}

/// The range of k.
#[derive(Clone, Copy)]
pub(crate) enum Depth<'a> {
    /// This many values of k, in one strided block.
    Plain(usize),
    /// The columns of the gate buffer's `panels`, `panel_step` floats apart, for the gates `which`, which are in
    /// `slots`; the right factor's rows are in the panel order of `order`.
    Gates {
        order: PanelShape,
        panels: (usize, usize),
        which: (usize, usize),
        slots: &'a [usize; 4],
        panel_step: usize,
    },
}

/// The initial values of a tile's accumulators.
#[derive(Clone, Copy)]
pub(crate) enum Start {
    Zero,
    /// The content of the output.
    Output,
    /// One panel row (a bias), the same for every batch row; slots at `SLOT` steps.
    Row(*const f32),
}

impl Depth<'_> {
    #[inline(always)]
    fn panels(&self) -> Range<usize> {
        match self {
            Depth::Plain(_) => 0..1,
            Depth::Gates { panels, .. } => panels.0..panels.1,
        }
    }

    #[inline(always)]
    fn gates(&self, p: usize) -> Range<usize> {
        match self {
            Depth::Plain(_) => 0..1,
            Depth::Gates { order, which, .. } => which.0..which.1.min(order.slots(p)),
        }
    }

    /// Returns the offset in floats into the left factor, the offset in panel rows into the right one, and the number
    /// of k.
    #[inline(always)]
    fn run(&self, p: usize, g: usize) -> (usize, usize, usize) {
        match self {
            Depth::Plain(k) => (0, 0, *k),
            Depth::Gates { order, slots, panel_step, .. } => {
                (p * panel_step + slots[g], order.rank(p, g), order.filled(p, g))
            }
        }
    }
}

/// Computes a product.
///
/// # Safety
/// For each row below `rows`, each k of `depth` and each slot: the left element is readable, `SLOT` floats
/// of the right factor are readable, `SLOT` floats at `out + row · out_row + out_slots[v]` are writable,
/// initialised if `start` reads them, aliased by neither factor and used by no other thread.
#[inline(always)]
pub(crate) unsafe fn product<S: Simd>(s: S, job: &Product<'_>) {
    // SAFETY: the caller's promise.
    unsafe {
        match job.slots {
            1 => tiles::<S, 1>(s, job),
            2 => tiles::<S, 2>(s, job),
            3 => tiles::<S, 3>(s, job),
            4 => tiles::<S, 4>(s, job),
            _ => {}
        }
    }
}

/// # Safety
/// As for [`product`], with `NV` slots.
#[inline(always)]
unsafe fn tiles<S: Simd, const NV: usize>(s: S, job: &Product<'_>) {
    let tiles = job.rows.div_ceil(S::TILE_ROWS[NV]);
    for lane in (0..SLOT).step_by(S::LANES) {
        for i in 0..tiles {
            // Even heights: a last tile of one row would read the whole panel for little work.
            let (from, to) = (job.rows * i / tiles, job.rows * (i + 1) / tiles);
            // SAFETY: `from..to` lies inside the rows and is at most TILE_ROWS high; the caller's promise.
            unsafe {
                match to - from {
                    1 => tile::<S, 1, NV>(s, job, (from, i), lane),
                    2 => tile::<S, 2, NV>(s, job, (from, i), lane),
                    3 => tile::<S, 3, NV>(s, job, (from, i), lane),
                    4 => tile::<S, 4, NV>(s, job, (from, i), lane),
                    5 => tile::<S, 5, NV>(s, job, (from, i), lane),
                    6 => tile::<S, 6, NV>(s, job, (from, i), lane),
                    7 => tile::<S, 7, NV>(s, job, (from, i), lane),
                    8 => tile::<S, 8, NV>(s, job, (from, i), lane),
                    _ => {}
                }
            }
        }
    }
}

/// # Safety
/// As for [`product`], for rows `first..first + MR` and lanes `lane..lane + LANES` of each slot.
#[inline(always)]
unsafe fn tile<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    job: &Product<'_>,
    (first, number): (usize, usize),
    lane: usize,
) {
    if MR > S::TILE_ROWS[NV] {
        return;
    }
    let mut acc = [[s.splat(0.0); NV]; MR];
    let (left_row, left_k, right_k, right_slots) = (job.left_row, job.left_k, job.right_k, job.right_slots);
    if let Start::Output = job.start {
        let next = match first + MR {
            end if end == job.rows => job.next.out,
            end => (end * job.out_row) as isize,
        };
        let next = job.out.wrapping_offset(next).wrapping_add(lane);
        for r in 0..MR {
            for v in 0..NV {
                s.prefetch(next.wrapping_add(r * job.out_row + job.out_slots[v]));
            }
        }
    }
    // The rows after the last one belong to other threads, so prefetch the first ones again, which come next.
    let next_left = match first + MR {
        end if end == job.rows => -((first * left_row) as isize),
        _ => (MR * left_row) as isize,
    };
    // Each tile prefetches one slot of the next panel.
    let ahead = if number < NV { job.next.right + right_slots[number] as isize } else { 0 };
    // SAFETY: every address is one of those that the caller promises.
    unsafe {
        let out = job.out.add(first * job.out_row + lane);
        match job.start {
            Start::Zero => {}
            Start::Output => {
                for r in 0..MR {
                    for v in 0..NV {
                        acc[r][v] = s.load(out.add(r * job.out_row + job.out_slots[v]));
                    }
                }
            }
            Start::Row(row) => {
                for r in 0..MR {
                    for v in 0..NV {
                        acc[r][v] = s.load(row.add(v * SLOT + lane));
                    }
                }
            }
        }
        for p in job.depth.panels() {
            for g in job.depth.gates(p) {
                let (left, rank, depth) = job.depth.run(p, g);
                let mut left = job.left.add(first * left_row + left);
                let mut right = job.right.add(rank * right_k + lane);
                if let Depth::Gates { .. } = job.depth {
                    for r in 0..MR {
                        s.prefetch(left.wrapping_offset(next_left).wrapping_add(r * left_row));
                    }
                }
                for _ in 0..depth {
                    if MR > 2 {
                        s.prefetch_later(right.wrapping_offset(ahead));
                    }
                    // The shorter side of the tile is held in registers; the longer one is read as it is used.
                    if MR < NV {
                        let mut x = [s.splat(0.0); MR];
                        for r in 0..MR {
                            x[r] = s.splat(*left.add(r * left_row));
                        }
                        for v in 0..NV {
                            let w = s.load(right.add(right_slots[v]));
                            for r in 0..MR {
                                acc[r][v] = s.fma(x[r], w, acc[r][v]);
                            }
                        }
                    } else {
                        let mut w = [s.splat(0.0); NV];
                        for v in 0..NV {
                            w[v] = s.load(right.add(right_slots[v]));
                        }
                        for r in 0..MR {
                            let x = s.splat(*left.add(r * left_row));
                            for v in 0..NV {
                                acc[r][v] = s.fma(x, w[v], acc[r][v]);
                            }
                        }
                    }
                    left = left.add(left_k);
                    right = right.add(right_k);
                }
            }
        }
        for r in 0..MR {
            for v in 0..NV {
                s.store(out.add(r * job.out_row + job.out_slots[v]), acc[r][v]);
            }
        }
    }
}

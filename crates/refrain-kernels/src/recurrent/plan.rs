//! How a pass is divided among threads: each takes some sequences through all steps, or some hidden units of all
//! sequences.

use super::{Cell, Steps};
use crate::engine::Split;
use crate::layout::SLOT;
use crate::pool::Part;
use std::ops::Range;

/// Sequences that a register tile processes at once.
const TILE: usize = 6;
/// Number of weights that stay in a core's L2 cache; more are read from L3 at every step.
const L2_WEIGHTS: u64 = 1 << 17;
/// Cost of a tile and of a row in it, for each weight. A tile of one row, which waits for the weights, takes nearly
/// half the time of one of six. A unit of cost is about 0.6 picoseconds of one thread with AVX-512.
const TILE_COST: (u64, u64) = (30, 11);
/// The same when several threads read all weights from L3 at once: the fewer the rows, the more they wait for each
/// other.
const STREAMED_COST: (u64, u64) = (54, 7);
/// Cost of the elementwise part, for each row and unit.
const UNIT_COST: u64 = 2_000;
/// Cost of fetching what another thread wrote, for each row and unit of a part: half of its gates come from the other
/// threads' input products.
const FETCH_COST: u64 = 1_000;
/// Cost of one barrier, for each thread.
const WAIT_COST: u64 = 200_000;
/// Cost of handing the parts to the thread pool.
const POOL_COST: u64 = 8_000_000;
/// Maximum cost of splitting by units, in sixteenths of the alternative's cost, for it to be chosen: when another
/// process takes a core, every step waits for it.
const MAX_COST_16THS: u64 = 15;

/// How a pass is divided.
pub(super) struct Plan<'a> {
    steps: Steps<'a>,
    /// Slots of sixteen hidden units.
    slots: usize,
    split: Split,
    parts: usize,
}

impl<'a> Plan<'a> {
    /// Chooses the given `split`, or the cheapest one for `threads` threads, by shapes alone.
    pub(super) fn new(
        split: Option<Split>,
        threads: usize,
        cell: Cell,
        units: usize,
        steps: Steps<'a>,
    ) -> Self {
        let slots = units.div_ceil(SLOT);
        let cut = |split, parts| Self { steps, slots, split, parts };
        let sequences = cut(Split::Sequences, threads.min(steps.sequences()).max(1));
        let in_units = cut(Split::Units, threads.min(slots).max(1));
        match split {
            Some(Split::Sequences) => return sequences,
            Some(Split::Units) => return in_units,
            None => {}
        }
        let alone = cut(Split::Sequences, 1);
        let cost = |plan: &Self| plan.cost(cell, units);
        let best = if cost(&sequences) < cost(&alone) { sequences } else { alone };
        if cost(&in_units) < cost(&best) / 16 * MAX_COST_16THS { in_units } else { best }
    }

    /// Returns the predicted time of the slowest part.
    fn cost(&self, cell: Cell, units: usize) -> u64 {
        let weights = (cell.gates() * units * units) as u64;
        let (parts, all) = (self.parts as u64, 0..self.steps.sequences());
        let near = self.parts == 1 || weights <= L2_WEIGHTS;
        let of = |sequences: Range<usize>, (tile, row): (u64, u64)| {
            let (tiles, rows) = self.steps.tiles_and_rows(sequences);
            let unit = if parts > 1 { UNIT_COST + FETCH_COST } else { UNIT_COST };
            weights * (tile * tiles + row * rows) + unit * units as u64 * rows
        };
        match self.split {
            Split::Sequences => {
                let each = if near { TILE_COST } else { STREAMED_COST };
                let shares = (0..self.parts).map(|i| of(self.steps.share(i, self.parts), each));
                shares.max().unwrap_or(0) + if parts > 1 { POOL_COST } else { 0 }
            }
            Split::Units => {
                let waits = if cell.resets_before() { 2 } else { 1 };
                let largest = self.slots.div_ceil(self.parts) as u64;
                of(all, TILE_COST) * largest / self.slots.max(1) as u64
                    + WAIT_COST * parts * waits * self.steps.len() as u64
                    + POOL_COST
            }
        }
    }

    pub(super) fn parts(&self) -> usize {
        self.parts
    }

    pub(super) fn share<'p>(&self, part: Part<'p>) -> Share<'p> {
        let (i, n) = (part.index(), self.parts);
        match self.split {
            Split::Sequences => {
                Share { sequences: self.steps.share(i, n), slots: 0..self.slots, beside: None }
            }
            Split::Units => Share {
                sequences: 0..self.steps.sequences(),
                slots: self.slots * i / n..self.slots * (i + 1) / n,
                beside: Some(part),
            },
        }
    }
}

/// What one part computes: some units of some sequences, at all steps.
pub(super) struct Share<'a> {
    sequences: Range<usize>,
    slots: Range<usize>,
    /// Set if other parts have other units of the same sequences.
    beside: Option<Part<'a>>,
}

impl Share<'_> {
    /// Returns its sequences that have a step `t`.
    #[inline(always)]
    pub(super) fn present(&self, steps: Steps<'_>, t: usize) -> Range<usize> {
        self.sequences.start..self.sequences.end.min(steps.active[t]).max(self.sequences.start)
    }

    /// Returns its slots of sixteen units.
    #[inline(always)]
    pub(super) fn slots(&self) -> Range<usize> {
        self.slots.clone()
    }

    /// Returns its range of floats in a row of units.
    #[inline(always)]
    pub(super) fn floats(&self) -> Range<usize> {
        self.slots.start * SLOT..self.slots.end * SLOT
    }

    /// Waits until the parts with the other units of its sequences have reached the same point.
    #[inline(always)]
    pub(super) fn wait(&self) {
        if let Some(part) = self.beside {
            part.wait();
        }
    }
}

impl Steps<'_> {
    /// Returns the number of tiles of up to [`TILE`] rows, and of rows, over all steps of these sequences.
    fn tiles_and_rows(&self, sequences: Range<usize>) -> (u64, u64) {
        // A step has one tile per six sequences that are still active, rounded up.
        let tiles: usize = self.lengths[sequences.clone()].iter().step_by(TILE).sum();
        let rows: usize = self.lengths[sequences].iter().sum();
        (tiles as u64, rows as u64)
    }

    /// Returns the sequences of share `part` of `parts`, divided so that the sums of the lengths are equal: equal
    /// numbers of sorted sequences would give the first share most of the work.
    pub(super) fn share(&self, part: usize, parts: usize) -> Range<usize> {
        let rows = self.rows();
        let cut = |k: usize| {
            let mut sum = 0;
            self.lengths
                .iter()
                .position(|&l| {
                    let full = (2 * sum + l) * parts >= 2 * rows * k;
                    sum += l;
                    full
                })
                .unwrap_or(self.lengths.len())
        };
        let from = if part == 0 { 0 } else { cut(part) };
        let to = if part + 1 == parts { self.lengths.len() } else { cut(part + 1) };
        from..to.max(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Elementwise;

    const LSTM: Cell =
        Cell::Lstm { activation: Elementwise::Tanh, recurrent_activation: Elementwise::Sigmoid };

    /// Returns the vectors that the `Steps` of a batch borrow.
    fn batch(lengths: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let longest = lengths.first().copied().unwrap_or(0);
        let active: Vec<usize> = (0..longest).map(|t| lengths.partition_point(|&l| l > t)).collect();
        let offsets = active.iter().scan(0, |s, n| Some(std::mem::replace(s, *s + n))).collect();
        (active, offsets)
    }

    fn chosen(threads: usize, units: usize, lengths: &[usize]) -> (Split, usize) {
        let (active, offsets) = batch(lengths);
        let plan = Plan::new(None, threads, LSTM, units, Steps::new(&active, &offsets, lengths));
        (plan.split, plan.parts)
    }

    #[test]
    fn few_sequences_split_units_and_many_split_sequences() {
        assert_eq!(chosen(2, 650, &[35; 20]), (Split::Sequences, 2), "more than a tile each");
        assert_eq!(chosen(2, 256, &[64; 64]), (Split::Sequences, 2));
        assert_eq!(chosen(2, 650, &[35; 4]), (Split::Units, 2), "a third of a tile each");
        assert_eq!(chosen(2, 256, &[16; 8]), (Split::Units, 2), "two thirds of a tile each");
        assert_eq!(chosen(2, 128, &[16; 8]), (Split::Sequences, 2), "the same with weights that stay in L2");
        assert_eq!(chosen(2, 512, &[1]), (Split::Units, 2), "one stream of one step");
        assert_eq!(chosen(2, 128, &[16]), (Split::Units, 2), "one short sequence");
        assert_eq!(chosen(2, 256, &[1000, 10, 10, 10]), (Split::Units, 2), "one long sequence");
        assert_eq!(chosen(8, 1024, &[35; 16]), (Split::Units, 8));
    }

    #[test]
    fn little_work_stays_on_one_thread() {
        assert_eq!(chosen(2, 50, &[2; 16]).1, 1);
        assert_eq!(chosen(2, 64, &[1]).1, 1);
        assert_eq!(chosen(8, 16, &[8; 8]).1, 1);
        assert_eq!(chosen(2, 128, &[]).1, 1);
        assert_eq!(chosen(2, 0, &[5; 5]).1, 1);
        assert_eq!(chosen(1, 1024, &[64; 64]).1, 1);
    }

    #[test]
    fn tiles_and_rows_are_those_of_every_step() {
        let lengths = [9, 9, 8, 8, 8, 8, 7, 5, 5, 4, 3, 3, 2, 1, 0];
        let (active, offsets) = batch(&lengths);
        let steps = Steps::new(&active, &offsets, &lengths);
        for share in [0..lengths.len(), 0..7, 3..12, 13..15, 4..4] {
            let present = (0..steps.len()).map(|t| share.end.min(active[t]).saturating_sub(share.start));
            let (tiles, rows) = present.fold((0, 0), |(a, b), n| (a + n.div_ceil(TILE), b + n));
            assert_eq!(steps.tiles_and_rows(share.clone()), (tiles as u64, rows as u64), "{share:?}");
        }
    }

    #[test]
    fn shares_cover_every_sequence_and_balance_their_rows() {
        let lengths: Vec<usize> = (0..64).map(|i| 256 - 4 * i).collect();
        let (active, offsets) = batch(&lengths);
        let steps = Steps::new(&active, &offsets, &lengths);
        for parts in 1..=8 {
            let mut next = 0;
            for part in 0..parts {
                let share = steps.share(part, parts);
                assert_eq!(share.start, next, "share {part} of {parts}");
                next = share.end;
                let rows: usize = lengths[share].iter().sum();
                assert!(
                    rows.abs_diff(steps.rows() / parts) <= 256,
                    "share {part} of {parts} has {rows} rows"
                );
            }
            assert_eq!(next, 64);
        }
    }
}

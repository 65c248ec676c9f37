//! The layout of a batch of sequences of different lengths in packed rows.

use crate::shown::counted;
use refrain_kernels::recurrent::Steps;

/// An error about lengths or a mask that do not match their array.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A length is larger than the array's number of steps.
    #[error("sequence {sequence} has length {length}, but its array holds {}", counted(*steps, "step"))]
    LengthTooLarge {
        /// The sequence, counted from 0.
        sequence: usize,
        /// The length given for it.
        length: usize,
        /// The number of steps in the array.
        steps: usize,
    },
    /// The number of lengths is not the number of sequences, or the size of the mask is not the number of
    /// steps.
    #[error("{got} {what}, but the batch needs {expected}")]
    Count {
        /// Either `lengths` or `mask entries`.
        what: &'static str,
        /// How many were given.
        got: usize,
        /// How many are needed.
        expected: usize,
    },
}

/// The packed layout of a ragged batch.
///
/// Sequences are sorted by length (longest first, ties in the caller's order) and laid out time-major without
/// padding: step `t` holds the first `active[t]` sorted sequences. Rebuilding a layout reuses its memory.
#[derive(Debug, Clone, Default)]
pub struct SeqLayout {
    lengths: Vec<usize>,
    order: Vec<usize>,
    rank: Vec<usize>,
    sorted: Vec<usize>,
    active: Vec<usize>,
    offsets: Vec<usize>,
    source: Vec<u32>,
    starts: Vec<usize>,
    kept: Vec<u32>,
    span: usize,
    /// The number of sequences, if each has all steps of the span.
    full: Option<usize>,
}

impl SeqLayout {
    /// Lays out sequences that all have `steps` steps.
    pub fn set_full(&mut self, sequences: usize, steps: usize) {
        // A session uses the same layout at every step.
        if self.full == Some(sequences) && self.span == steps {
            return;
        }
        self.begin(steps);
        self.full = Some(sequences);
        for _ in 0..sequences {
            self.kept.extend(0..steps as u32);
            self.starts.push(self.kept.len());
        }
        self.pack();
    }

    /// Lays out the first `lengths[n]` of `steps` steps of each sequence.
    ///
    /// # Errors
    /// Returns an error if a length is larger than `steps`.
    pub fn set_lengths(&mut self, lengths: &[usize], steps: usize) -> Result<(), LayoutError> {
        if let Some((sequence, &length)) = lengths.iter().enumerate().find(|(_, l)| **l > steps) {
            return Err(LayoutError::LengthTooLarge { sequence, length, steps });
        }
        self.begin(steps);
        for &length in lengths {
            self.kept.extend(0..length as u32);
            self.starts.push(self.kept.len());
        }
        self.pack();
        Ok(())
    }

    /// Lays out the steps of each sequence where `mask`, `(sequences, steps)` row-major, is true.
    ///
    /// # Errors
    /// Returns an error if the mask has another size.
    pub fn set_mask(&mut self, mask: &[bool], sequences: usize, steps: usize) -> Result<(), LayoutError> {
        if mask.len() != sequences * steps {
            let (what, got, expected) = ("mask entries", mask.len(), sequences * steps);
            return Err(LayoutError::Count { what, got, expected });
        }
        self.begin(steps);
        for n in 0..sequences {
            let row = &mask[n * steps..(n + 1) * steps];
            self.kept.extend((0..steps as u32).filter(|&t| row[t as usize]));
            self.starts.push(self.kept.len());
        }
        self.pack();
        Ok(())
    }

    /// Lays out the rows of `of` for which `keep(row)` is true, as a masking layer does.
    pub fn set_subset(&mut self, of: &SeqLayout, keep: impl Fn(usize) -> bool) {
        self.begin(of.span);
        for (n, &length) in of.lengths.iter().enumerate() {
            for t in 0..length {
                let row = of.row(n, t);
                if keep(row) {
                    self.kept.push(of.source[row]);
                }
            }
            self.starts.push(self.kept.len());
        }
        self.pack();
    }

    fn begin(&mut self, span: usize) {
        self.span = span;
        self.full = None;
        self.kept.clear();
        self.starts.clear();
        self.starts.push(0);
    }

    /// Lays out what `kept` and `starts` list.
    fn pack(&mut self) {
        let sequences = self.starts.len() - 1;
        let (starts, order) = (&self.starts, &mut self.order);
        self.lengths.clear();
        self.lengths.extend(starts.windows(2).map(|w| w[1] - w[0]));
        let lengths = &self.lengths;
        order.clear();
        order.extend(0..sequences);
        // The caller's index breaks ties, so an unstable sort (which needs no memory) is stable here.
        order.sort_unstable_by_key(|&n| (std::cmp::Reverse(lengths[n]), n));
        self.rank.clear();
        self.rank.resize(sequences, 0);
        for (sorted, &n) in order.iter().enumerate() {
            self.rank[n] = sorted;
        }
        self.sorted.clear();
        self.sorted.extend(order.iter().map(|&n| lengths[n]));
        self.active.clear();
        self.offsets.clear();
        self.source.clear();
        for t in 0..self.sorted.first().copied().unwrap_or(0) {
            let n = self.sorted.partition_point(|&l| l > t);
            self.active.push(n);
            self.offsets.push(self.source.len());
            for &lane in &order[..n] {
                self.source.push(self.kept[starts[lane] + t]);
            }
        }
    }

    /// Returns the step counts that the kernels need.
    pub fn steps(&self) -> Steps<'_> {
        Steps::new(&self.active, &self.offsets, &self.sorted)
    }

    /// Returns the number of sequences `N`.
    pub fn sequences(&self) -> usize {
        self.lengths.len()
    }

    /// Returns the number of rows `R`: the real steps of all sequences.
    pub fn rows(&self) -> usize {
        self.source.len()
    }

    /// Returns the number of steps of the longest sequence.
    pub fn longest(&self) -> usize {
        self.active.len()
    }

    /// Returns the number of steps of the caller's array, masked ones included.
    pub fn span(&self) -> usize {
        self.span
    }

    /// Returns the number of real steps of the caller's sequence `n`.
    pub fn length(&self, n: usize) -> usize {
        self.lengths[n]
    }

    /// Returns the caller's index of the `sorted`-th sequence.
    pub fn lane(&self, sorted: usize) -> usize {
        self.order[sorted]
    }

    /// Returns the position of the caller's sequence `n` in the sorted order.
    pub fn rank(&self, n: usize) -> usize {
        self.rank[n]
    }

    /// Returns the row of the caller's sequence `n` at its real step `t`.
    pub fn row(&self, n: usize, t: usize) -> usize {
        self.offsets[t] + self.rank[n]
    }

    /// Returns the row of the last real step of the caller's sequence `n`, or `None` if it is empty.
    pub fn last_row(&self, n: usize) -> Option<usize> {
        self.lengths[n].checked_sub(1).map(|t| self.row(n, t))
    }

    /// Returns the step in the caller's array that a row came from.
    pub fn source(&self, row: usize) -> usize {
        self.source[row] as usize
    }

    /// Returns each row with the caller's sequence and the step in the caller's array, in row order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        self.active.iter().zip(&self.offsets).flat_map(move |(&n, &offset)| {
            (0..n).map(move |i| (offset + i, self.order[i], self.source[offset + i] as usize))
        })
    }

    /// Returns the first sequence, in the caller's order, whose real steps differ from those in a layout of the
    /// same batch.
    pub fn first_difference(&self, other: &SeqLayout) -> Option<usize> {
        let steps = |layout: &SeqLayout, n: usize| layout.starts[n]..layout.starts[n + 1];
        // Equal lengths give equal starts, so the whole comparison is two of slices.
        if self.starts == other.starts && self.kept == other.kept {
            return None;
        }
        (0..self.sequences()).find(|&n| self.kept[steps(self, n)] != other.kept[steps(other, n)])
    }

    /// Writes, for each row, the rows of the same sequence one real step before and one step after it. At
    /// either end of a sequence it is the row itself.
    pub fn neighbours(&self, before: &mut Vec<u32>, after: &mut Vec<u32>) {
        before.clear();
        after.clear();
        for (t, &n) in self.active.iter().enumerate() {
            let back = t.checked_sub(1).map_or(0, |t| self.active[t]);
            let more = self.active.get(t + 1).copied().unwrap_or(0);
            for sorted in 0..n {
                let row = self.offsets[t] + sorted;
                before.push((row - back) as u32);
                after.push((row + if sorted < more { n } else { 0 }) as u32);
            }
        }
    }

    /// Writes to `index`, for each row, the row that mirrors it in time within its sequence.
    pub fn mirror(&self, index: &mut Vec<u32>) {
        index.clear();
        for (t, &n) in self.active.iter().enumerate() {
            for sorted in 0..n {
                index.push((self.offsets[self.sorted[sorted] - 1 - t] + sorted) as u32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_longest_first_and_keeps_ties_in_order() {
        let mut l = SeqLayout::default();
        l.set_lengths(&[1, 3, 0, 3], 5).unwrap();
        assert_eq!((l.rows(), l.sequences(), l.longest(), l.span()), (7, 4, 3, 5));
        assert_eq!((0..4).map(|s| l.lane(s)).collect::<Vec<_>>(), [1, 3, 0, 2]);
        let rows: Vec<_> = l.iter().collect();
        let expected = [(0, 1, 0), (1, 3, 0), (2, 0, 0), (3, 1, 1), (4, 3, 1), (5, 1, 2), (6, 3, 2)];
        assert_eq!(rows, expected);
        assert_eq!((l.last_row(0), l.last_row(1), l.last_row(2)), (Some(2), Some(5), None));
    }

    #[test]
    fn a_mask_keeps_the_source_steps() {
        let mut l = SeqLayout::default();
        l.set_mask(&[true, false, true, false, false, true], 2, 3).unwrap();
        assert_eq!(l.iter().collect::<Vec<_>>(), [(0, 0, 0), (1, 1, 2), (2, 0, 2)]);
        let mut again = SeqLayout::default();
        again.set_subset(&l, |row| row != 0);
        assert_eq!(again.iter().collect::<Vec<_>>(), [(0, 0, 2), (1, 1, 2)]);
    }

    #[test]
    fn a_full_layout_is_restored_after_another() {
        let mut l = SeqLayout::default();
        for (sequences, steps) in [(2, 3), (2, 3), (3, 3), (3, 2), (0, 2), (1, 6)] {
            l.set_full(sequences, steps);
            assert_eq!((l.sequences(), l.rows(), l.span()), (sequences, sequences * steps, steps));
        }
        l.set_lengths(&[4], 6).unwrap();
        l.set_full(1, 6);
        assert_eq!(l.rows(), 6);
    }

    #[test]
    fn mirror_is_its_own_inverse() {
        let mut l = SeqLayout::default();
        l.set_lengths(&[2, 4, 1, 4, 0], 4).unwrap();
        let mut index = Vec::new();
        l.mirror(&mut index);
        assert_eq!(index.len(), l.rows());
        for (row, &m) in index.iter().enumerate() {
            assert_eq!(index[m as usize] as usize, row);
        }
        assert_ne!(index[0], 0);
    }

    #[test]
    fn neighbours_belong_to_the_same_sequence() {
        let mut l = SeqLayout::default();
        l.set_mask(&[true, false, true, true, true, true, false, true, false], 3, 3).unwrap();
        let (mut before, mut after) = (vec![9], vec![9]);
        l.neighbours(&mut before, &mut after);
        let steps = || (0..3).flat_map(|n| (0..l.length(n)).map(move |t| (n, t)));
        for row in 0..l.rows() {
            let (n, t) = steps().find(|&(n, t)| l.row(n, t) == row).unwrap();
            assert_eq!(before[row] as usize, if t > 0 { l.row(n, t - 1) } else { row });
            assert_eq!(after[row] as usize, if t + 1 < l.length(n) { l.row(n, t + 1) } else { row });
        }
        assert_eq!((before.len(), after.len()), (6, 6));
    }

    #[test]
    fn wrong_sizes_are_named() {
        let mut l = SeqLayout::default();
        let error = l.set_lengths(&[1, 9], 5).unwrap_err();
        assert_eq!(error, LayoutError::LengthTooLarge { sequence: 1, length: 9, steps: 5 });
        assert!(l.set_mask(&[true], 2, 3).is_err());
    }
}

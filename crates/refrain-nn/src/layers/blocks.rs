//! Splitting rows into blocks, so that a wide output is never stored for all rows at once.

use refrain_kernels::row_step;
use std::ops::Range;

/// The limits on the size of a block of output rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blocks {
    /// The limit in rows, for wide rows. Each block reads and writes all of the layer's weights and gradients
    /// four times.
    pub(crate) rows: usize,
    /// The limit in floats, for narrow rows.
    pub(crate) floats: usize,
}

impl Default for Blocks {
    /// Returns the defaults. Blocks of narrow rows have 16 MB, which stays in L3 cache.
    fn default() -> Self {
        Self { rows: 192, floats: 1 << 22 }
    }
}

impl Blocks {
    /// Returns the largest number of rows of `width` floats in a block.
    pub(crate) fn most(self, width: usize) -> usize {
        (self.floats / row_step(width).max(1)).max(self.rows)
    }

    /// Splits rows of `width` floats into blocks of even height.
    pub(crate) fn cut(self, rows: usize, width: usize) -> impl Iterator<Item = Range<usize>> {
        let count = rows.div_ceil(self.most(width));
        (0..count).map(move |b| rows * b / count..rows * (b + 1) / count)
    }
}

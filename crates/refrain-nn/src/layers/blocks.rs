//! Cutting rows into blocks, so that wide outputs of all rows need not stand at once.

use refrain_kernels::row_step;
use std::ops::Range;

/// How many rows of an output stand at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blocks {
    /// Rows, where they are wide: for each block all of the layer's weights and gradients pass from memory four
    /// times.
    pub(crate) rows: usize,
    /// Floats, where they are narrow.
    pub(crate) floats: usize,
}

impl Default for Blocks {
    /// 16 MB of narrow rows, which stay in L3.
    fn default() -> Self {
        Self { rows: 192, floats: 1 << 22 }
    }
}

impl Blocks {
    /// The most rows of `width` floats that a block has.
    pub(crate) fn most(self, width: usize) -> usize {
        (self.floats / row_step(width).max(1)).max(self.rows)
    }

    /// Cuts rows of `width` floats into blocks of even height.
    pub(crate) fn cut(self, rows: usize, width: usize) -> impl Iterator<Item = Range<usize>> {
        let count = rows.div_ceil(self.most(width));
        (0..count).map(move |b| rows * b / count..rows * (b + 1) / count)
    }
}

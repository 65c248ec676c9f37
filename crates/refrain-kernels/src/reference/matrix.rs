//! The three products of a linear map, for one row and a block of columns.

use super::{Real, row, row_mut};

/// A block of columns of a row-major matrix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    pub(super) first: usize,
    pub(super) count: usize,
    /// Columns of the whole matrix.
    pub(super) width: usize,
}

impl Columns {
    pub(super) fn all(width: usize) -> Self {
        Self { first: 0, count: width, width }
    }

    fn of<T>(self, matrix: &[T], k: usize) -> &[T] {
        &row(matrix, k, self.width)[self.first..][..self.count]
    }

    fn of_mut<T>(self, matrix: &mut [T], k: usize) -> &mut [T] {
        &mut row_mut(matrix, k, self.width)[self.first..][..self.count]
    }
}

/// `y += x·W`
pub(super) fn add_product<T: Real>(y: &mut [T], x: &[T], w: &[T], columns: Columns) {
    for (k, &x) in x.iter().enumerate() {
        for (y, &w) in y.iter_mut().zip(columns.of(w, k)) {
            *y += x * w;
        }
    }
}

/// `dy·Wᵀ`, where W has `rows` rows.
pub(super) fn product_transposed<T: Real>(dy: &[T], w: &[T], rows: usize, columns: Columns) -> Vec<T> {
    (0..rows).map(|k| columns.of(w, k).iter().zip(dy).map(|(&w, &dy)| w * dy).sum()).collect()
}

/// `dW += xᵀ·dy`
pub(super) fn add_outer<T: Real>(dw: &mut [T], x: &[T], dy: &[T], columns: Columns) {
    for (k, &x) in x.iter().enumerate() {
        add(columns.of_mut(dw, k), dy.iter().map(|&dy| x * dy));
    }
}

/// `a += b`
pub(super) fn add<T: Real>(a: &mut [T], b: impl IntoIterator<Item = T>) {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b;
    }
}

/// Returns a row (classes) with a single 1 for each target.
///
/// # Panics
/// When a target is not below `classes`.
pub(super) fn one_hot<T: Real>(targets: &[u32], classes: usize) -> Vec<T> {
    let mut rows = vec![T::ZERO; targets.len() * classes];
    for (r, &target) in targets.iter().enumerate() {
        assert!((target as usize) < classes, "target {target} of row {r}: expected below {classes}");
        row_mut(&mut rows, r, classes)[target as usize] = T::ONE;
    }
    rows
}

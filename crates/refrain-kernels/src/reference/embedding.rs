//! Embedding: `y[r] = table[ids[r]]`.

use super::matrix::add;
use super::{Real, check_shape, row, row_mut};

/// Returns y (R, width) of ids (R) from a table (V, width).
///
/// # Panics
/// When an id is not below `V`.
pub fn forward<T: Real>(ids: &[u32], table: &[T], width: usize) -> Vec<T> {
    ids.iter().flat_map(|&id| row(table, id as usize, width)).copied().collect()
}

/// Returns the gradient (V, width) of the table under `Σ dy·y`: row v sums the rows of dy (R, width) whose id is v.
///
/// # Panics
/// When an id is not below `vocabulary`.
pub fn backward<T: Real>(ids: &[u32], dy: &[T], vocabulary: usize, width: usize) -> Vec<T> {
    check_shape("gradient of y", dy, ids.len(), width);
    let mut table = vec![T::ZERO; vocabulary * width];
    for (r, &id) in ids.iter().enumerate() {
        add(row_mut(&mut table, id as usize, width), row(dy, r, width).iter().copied());
    }
    table
}

//! Outputs and targets for tests.

use super::RowTargets;
use crate::graph::{Kind, Value};
use refrain_kernels::{AlignedVec, row_step};

/// Returns rows as a layer writes them, with NaN in the padding.
pub(crate) fn output(width: usize, values: &[f32]) -> Value {
    let mut value = Value::default();
    value.shape(values.len() / width, Kind::Features(width));
    value.data.fill(f32::NAN);
    for (r, row) in values.chunks_exact(width).enumerate() {
        value.view_mut().row(r).copy_from_slice(row);
    }
    value
}

pub(crate) fn ids(ids: &[u32], weights: &[f32]) -> RowTargets {
    RowTargets { ids: ids.to_vec(), rows: ids.len(), weights: weights.to_vec(), ..RowTargets::default() }
}

pub(crate) fn values(width: usize, values: &[f32], weights: &[f32]) -> RowTargets {
    let rows = values.len() / width;
    let mut buffer = AlignedVec::zeros(rows * row_step(width));
    for (to, from) in buffer.chunks_exact_mut(row_step(width)).zip(values.chunks_exact(width)) {
        to[..width].copy_from_slice(from);
    }
    RowTargets { values: buffer, rows, width, weights: weights.to_vec(), ..RowTargets::default() }
}

/// Returns floats in −1..1 that are the same on every machine (a linear congruential generator with Knuth's
/// constants).
pub(crate) fn floats(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..len + 4).map(|_| next()).skip(4).collect()
}

//! Tolerances for the golden files.

use crate::fixture::Tensor;

/// The largest difference from an array of f64 results, as a fraction of the array's largest value: sixteen
/// units in the last place of an f32. Every sum of the passes rounds, and gradients pass through all steps.
/// The worst arrays in the files, from cells with unbounded gates, need eleven; nine in ten need less than
/// two.
const TOLERANCE: f64 = 16.0 * f32::EPSILON as f64;
/// The largest relative difference of a loss: four units in the last place of an f32. A loss is a mean in f64
/// of f32 losses of rows. One step needs half a unit, ten steps of Nadam two.
const LOSS_TOLERANCE: f64 = 4.0 * f32::EPSILON as f64;

/// Fails unless shape and values match the file.
pub(crate) fn assert_close(what: &str, shape: &[usize], got: &[f32], expected: &Tensor) {
    assert_eq!(shape, expected.shape, "{what}: shapes");
    assert_eq!(got.len(), expected.values.len(), "{what}: values");
    let largest = expected.values.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    let distance = |i: usize| (f64::from(got[i]) - expected.values[i]).abs();
    // NaN is the worst of all.
    let worse = |a: &usize, b: &usize| distance(*a).total_cmp(&distance(*b));
    let Some(worst) = (0..got.len()).max_by(worse) else { return };
    assert!(
        distance(worst) <= TOLERANCE * largest,
        "{what}[{worst}]: {} instead of {}, {:.1e} of the largest value {largest:.3}; allowed is {TOLERANCE:.1e}",
        got[worst],
        expected.values[worst],
        distance(worst) / largest,
    );
}

/// Fails unless a loss matches the file.
pub(crate) fn assert_same_loss(what: &str, got: f64, expected: f64) {
    let distance = (got - expected).abs() / expected.abs();
    assert!(
        distance <= LOSS_TOLERANCE,
        "{what}: {got} instead of {expected}, {distance:.1e} away; allowed is {LOSS_TOLERANCE:.1e}"
    );
}

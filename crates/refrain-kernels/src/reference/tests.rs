//! Tests against Keras's values (golden.rs), against central differences in f64, and of f32 against f64.

mod cells;
#[rustfmt::skip]
mod golden;
mod optimizers;
mod rows;

use super::Real;

/// Relative tolerance. Keras computes the same f64 formulas in another order, with TensorFlow's exp and tanh.
const GOLDEN: f64 = 1e-12;
/// Relative tolerance. A few roundings of f32 (6e-8) in the order of the formulas; rounding 1 − β contributes 2e-5.
const GOLDEN_F32: f64 = 1e-6;
/// Relative tolerance. Both errors of a central difference at [`STEP`] stay below it: h²·f‴ (1e-10), and the rounding
/// of f64 divided by h (1e-11).
const DIFFERENCE: f64 = 1e-7;
/// The step of central differences. 1e-5 balances the two errors above.
const STEP: f64 = 1e-5;
/// Gradients below this are compared absolutely: the errors of a difference do not shrink with the gradient.
const FLOOR: f64 = 1e-2;
/// Tolerance relative to a tensor's largest value: roundings of f32 (6e-8) over sums of up to a few dozen terms,
/// amplified by four steps of unbounded activations.
const PRECISION: f64 = 1e-5;

/// Knuth's MMIX generator, with the upper 53 bits as a number in [-1, 1). `numbers` in golden.py is the same.
fn numbers(seed: u64, count: usize) -> Vec<f64> {
    let next = |state: &u64| {
        Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
    };
    let unit = |state: u64| (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
    std::iter::successors(Some(seed), next).skip(1).take(count).map(unit).collect()
}

/// `numbers` mapped to [0.05, 0.95], as probabilities.
fn probabilities(seed: u64, count: usize) -> Vec<f64> {
    numbers(seed, count).into_iter().map(|x| 0.5 + 0.45 * x).collect()
}

fn cast<T: Real>(values: &[f64]) -> Vec<T> {
    values.iter().copied().map(T::from_f64).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Asserts that every value is within `tolerance` of the expected one, relative to the larger of it and `floor`.
fn assert_close<T: Real, U: Real>(name: &str, got: &[T], expected: &[U], tolerance: f64, floor: f64) {
    assert_eq!(got.len(), expected.len(), "{name}: length");
    for (k, (got, expected)) in got.iter().zip(expected).enumerate() {
        let (got, expected) = (got.to_f64(), expected.to_f64());
        let error = (got - expected).abs() / expected.abs().max(floor);
        // Written so that NaN fails too.
        assert!(
            error <= tolerance,
            "{name}[{k}]: got {got}, expected {expected}, error {error:e} > {tolerance:e}"
        );
    }
}

/// Asserts that `analytic` is the gradient of `objective` with respect to what `values` returns.
fn assert_gradient<S>(
    name: &str,
    subject: &mut S,
    values: impl Fn(&mut S) -> &mut Vec<f64>,
    objective: impl Fn(&S) -> f64,
    analytic: &[f64],
) {
    let numeric: Vec<f64> = (0..values(subject).len())
        .map(|k| {
            let at = values(subject)[k];
            let [above, below] = [at + STEP, at - STEP].map(|x| {
                values(subject)[k] = x;
                objective(subject)
            });
            values(subject)[k] = at;
            (above - below) / (2.0 * STEP)
        })
        .collect();
    assert_close(name, analytic, &numeric, DIFFERENCE, FLOOR);
}

/// Asserts that f32 results agree with f64 ones.
fn assert_same_in_f32(name: &str, single: &[f32], double: &[f64]) {
    let largest = double.iter().fold(f64::MIN_POSITIVE, |a, b| a.max(b.abs()));
    assert_close(name, single, double, PRECISION, largest);
}

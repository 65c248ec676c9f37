//! Softmax over rows, alone and with cross-entropy from logits.

use super::losses::Loss;
use super::matrix::one_hot;
use super::{Real, check_shape, row};

/// Returns `y_v = e^{x_v} / Σ e^x` for each row of x (R, classes).
pub fn forward<T: Real>(x: &[T], classes: usize) -> Vec<T> {
    log_forward(x, classes).into_iter().map(T::exp).collect()
}

/// Returns `y_v = x_v − ln Σ e^x` for each row of x (R, classes).
pub fn log_forward<T: Real>(x: &[T], classes: usize) -> Vec<T> {
    let rows = x.chunks_exact(classes);
    assert!(rows.remainder().is_empty(), "x: expected rows of {classes} classes");
    rows.flat_map(log_softmax).collect()
}

/// Returns the gradient (R, classes) of x under `Σ dy·y`, computed from y: `y⊙(dy − Σ dy⊙y)`.
pub fn backward<T: Real>(y: &[T], dy: &[T], classes: usize) -> Vec<T> {
    assert_eq!(y.len(), dy.len(), "one gradient for each output");
    let rows = y.chunks_exact(classes).zip(dy.chunks_exact(classes));
    rows.flat_map(|(y, dy)| {
        let dot: T = y.iter().zip(dy).map(|(&y, &dy)| y * dy).sum();
        y.iter().zip(dy).map(move |(&y, &dy)| y * (dy - dot))
    })
    .collect()
}

/// Returns the softmax cross-entropy of logits (R, classes) and integer targets (R), weighted (R):
/// `loss_r = w_r · −ln softmax(logits_r)[target_r]`, gradient `w_r · (softmax(logits_r) − onehot(target_r))`.
///
/// # Panics
/// When a target is not below `classes`.
pub fn cross_entropy<T: Real>(logits: &[T], targets: &[u32], weights: &[T], classes: usize) -> Loss<T> {
    categorical_cross_entropy(logits, &one_hot(targets, classes), weights, classes)
}

/// Like [`cross_entropy`], with a distribution as the target of each row (R, classes):
/// `loss_r = w_r · −Σ target·ln softmax(logits_r)`, gradient `w_r · (softmax(logits_r)·Σ target − target)`.
pub fn categorical_cross_entropy<T: Real>(
    logits: &[T],
    targets: &[T],
    weights: &[T],
    classes: usize,
) -> Loss<T> {
    check_shape("logits", logits, weights.len(), classes);
    check_shape("targets", targets, weights.len(), classes);
    let mut to = Loss { values: Vec::new(), gradient: Vec::new() };
    for (r, &w) in weights.iter().enumerate() {
        let log_p = log_softmax(row(logits, r, classes));
        let target = row(targets, r, classes);
        let mass: T = target.iter().copied().sum();
        to.values.push(-w * target.iter().zip(&log_p).map(|(&t, &log_p)| t * log_p).sum::<T>());
        to.gradient.extend(target.iter().zip(&log_p).map(|(&t, &log_p)| w * (log_p.exp() * mass - t)));
    }
    to
}

/// `x − ln Σ e^x`, relative to the row's largest value so that nothing overflows.
fn log_softmax<T: Real>(x: &[T]) -> Vec<T> {
    let largest = x.iter().copied().reduce(T::max).unwrap_or(T::ZERO);
    let log_sum = x.iter().map(|&x| (x - largest).exp()).sum::<T>().ln();
    x.iter().map(|&x| x - largest - log_sum).collect()
}

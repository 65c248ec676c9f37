//! Losses (`keras/src/losses/losses.py`): a value per row, averaged over the last axis if Keras averages it, and the
//! gradient of the sum of the values.
//!
//! Weights per row, reduction over rows and label smoothing are left to the caller. Softmax cross-entropy from logits
//! is in [`super::softmax`].

use super::activation::{clamp, sigmoid, softplus};
use super::matrix::one_hot;
use super::{Real, check_shape, row};

/// Keras's `backend.epsilon()`: probabilities are clipped to [ε, 1 − ε].
pub const EPSILON: f64 = 1e-7;

/// A loss and its gradient.
#[derive(Clone, Debug)]
pub struct Loss<T> {
    /// (R)
    pub values: Vec<T>,
    /// (R, width): of `Σ values` with respect to the prediction.
    pub gradient: Vec<T>,
}

/// Returns the mean over each row of an elementwise loss, given its value and derivative.
fn mean_of<T: Real>(
    prediction: &[T],
    target: &[T],
    width: usize,
    element: impl Fn(T, T) -> (T, T),
) -> Loss<T> {
    assert_eq!(prediction.len(), target.len(), "one target for each prediction");
    let count = T::from_f64(width as f64);
    let rows = prediction.chunks_exact(width).zip(target.chunks_exact(width));
    assert_eq!(rows.len() * width, prediction.len(), "prediction: expected rows of {width}");
    let mut to = Loss { values: Vec::new(), gradient: Vec::new() };
    for (prediction, target) in rows {
        let (values, derivatives): (Vec<T>, Vec<T>) =
            prediction.iter().zip(target).map(|(&p, &t)| element(p, t)).unzip();
        to.values.push(values.into_iter().sum::<T>() / count);
        to.gradient.extend(derivatives.into_iter().map(|d| d / count));
    }
    to
}

/// `mean((p − t)²)`
pub fn mean_squared_error<T: Real>(prediction: &[T], target: &[T], width: usize) -> Loss<T> {
    mean_of(prediction, target, width, |p, t| ((p - t) * (p - t), T::from_f64(2.0) * (p - t)))
}

/// `mean(|p − t|)`, with derivative 0 where they are equal.
pub fn mean_absolute_error<T: Real>(prediction: &[T], target: &[T], width: usize) -> Loss<T> {
    mean_of(prediction, target, width, |p, t| ((p - t).abs(), sign(p - t)))
}

/// `mean(½e²)` if `|e| ≤ δ`, otherwise `δ|e| − ½δ²`, with `e = p − t` (Huber 1964). Keras's default δ is 1.
pub fn huber<T: Real>(prediction: &[T], target: &[T], width: usize, delta: T) -> Loss<T> {
    let half = T::from_f64(0.5);
    mean_of(prediction, target, width, |p, t| {
        let e = p - t;
        if e.abs() <= delta {
            (half * e * e, e)
        } else {
            (delta * e.abs() - half * delta * delta, delta * sign(e))
        }
    })
}

fn sign<T: Real>(x: T) -> T {
    match x.partial_cmp(&T::ZERO) {
        Some(std::cmp::Ordering::Less) => -T::ONE,
        Some(std::cmp::Ordering::Greater) => T::ONE,
        // Zero or NaN.
        _ => x,
    }
}

/// `mean(−t·ln σ(x) − (1 − t)·ln(1 − σ(x)))` of logits x.
pub fn binary_cross_entropy_from_logits<T: Real>(logits: &[T], target: &[T], width: usize) -> Loss<T> {
    mean_of(logits, target, width, |x, t| (softplus(x) - t * x, sigmoid(x) - t))
}

/// `mean(−t·ln p − (1 − t)·ln(1 − p))` of probabilities, which are clipped.
pub fn binary_cross_entropy<T: Real>(prediction: &[T], target: &[T], width: usize) -> Loss<T> {
    mean_of(prediction, target, width, |p, t| {
        let (p, slope) = clip(p);
        let (q, u) = (T::ONE - p, T::ONE - t);
        (-(t * p.ln() + u * q.ln()), slope * (u / q - t / p))
    })
}

/// Returns the clipped probability and the derivative of the clipping: 1 inside and at the borders, otherwise 0.
fn clip<T: Real>(p: T) -> (T, T) {
    let clipped = clamp(p, T::from_f64(EPSILON), T::from_f64(1.0 - EPSILON));
    (clipped, if clipped == p { T::ONE } else { T::ZERO })
}

/// `−Σ t·ln p` over each row of probabilities (R, classes), which are divided by their sum and then clipped.
pub fn categorical_cross_entropy<T: Real>(prediction: &[T], target: &[T], classes: usize) -> Loss<T> {
    assert_eq!(prediction.len(), target.len(), "one target for each prediction");
    let rows = prediction.len().checked_div(classes).unwrap_or(0);
    check_shape("prediction", prediction, rows, classes);
    let mut to = Loss { values: Vec::new(), gradient: Vec::new() };
    for r in 0..rows {
        let (prediction, target) = (row(prediction, r, classes), row(target, r, classes));
        let sum: T = prediction.iter().copied().sum();
        let (clipped, slopes): (Vec<T>, Vec<T>) = prediction.iter().map(|&p| clip(p / sum)).unzip();
        to.values.push(-target.iter().zip(&clipped).map(|(&t, &q)| t * q.ln()).sum::<T>());
        // With q = p / Σp: dL/dp = (dL/dq − Σ q⊙dL/dq) / Σp.
        let dq: Vec<T> = (0..classes).map(|v| -slopes[v] * target[v] / clipped[v]).collect();
        let dot: T = dq.iter().zip(prediction).map(|(&dq, &p)| dq * p / sum).sum();
        to.gradient.extend(dq.into_iter().map(|dq| (dq - dot) / sum));
    }
    to
}

/// Like [`categorical_cross_entropy`], with integer targets (R).
///
/// Keras's NumPy, JAX and PyTorch backends do the same. Its TensorFlow backend clips first and then divides by the
/// sum, which differs by up to `classes`·ε when many classes are clipped.
///
/// # Panics
/// When a target is not below `classes`.
pub fn sparse_categorical_cross_entropy<T: Real>(
    prediction: &[T],
    target: &[u32],
    classes: usize,
) -> Loss<T> {
    categorical_cross_entropy(prediction, &one_hot(target, classes), classes)
}

//! The losses of one row and their gradients, as plain loops. Only the softmax cross-entropy is a kernel
//! instead.
//!
//! Each function takes the row `x`, its target and the gradient's destination, which it overwrites with
//! `factor` times the derivative of the loss. Elements are `f32`, sums over a row `f64`.

use super::RowTargets;

/// Keras's `backend.epsilon()`.
const EPSILON: f32 = 1e-7;
/// The largest clipped probability. As in Keras, 1 − ε is computed in double precision first.
const CEILING: f32 = (1.0 - 1e-7_f64) as f32;

/// The target of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    /// A class.
    Class(usize),
    /// A value for each column.
    Values(&'a [f32]),
}

impl Target<'_> {
    /// Returns the target of a column: an element of the class's one-hot vector or, for a single column, the
    /// id itself.
    #[inline(always)]
    pub(crate) fn element(self, column: usize, width: usize) -> f32 {
        match self {
            Target::Class(id) if width == 1 => id as f32,
            Target::Class(id) => f32::from(u8::from(id == column)),
            Target::Values(values) => values[column],
        }
    }
}

impl RowTargets {
    /// Returns whether the targets are class ids.
    pub(crate) fn is_ids(&self) -> bool {
        !self.ids.is_empty() || self.values.is_empty()
    }

    /// Returns the target of a row.
    #[inline]
    pub(crate) fn target(&self, row: usize) -> Target<'_> {
        match self.ids.get(row) {
            Some(&id) => Target::Class(id as usize),
            None => Target::Values(self.view().row(row)),
        }
    }

    /// Returns the weight of a row.
    #[inline]
    pub(crate) fn row_weight(&self, row: usize) -> f32 {
        self.weights.get(row).copied().unwrap_or(1.0)
    }
}

/// The destination of a row's gradient, and its factor.
pub(super) type Gradient<'a> = Option<(&'a mut [f32], f32)>;

/// Returns the clipped probability and the derivative of the clipping, which is 1 at its bounds too. NaN
/// stays NaN.
#[inline(always)]
fn clip(p: f32) -> (f32, f32) {
    let inside = (EPSILON..=CEILING).contains(&p);
    (p.clamp(EPSILON, CEILING), f32::from(u8::from(inside)))
}

/// `ln Σ q − ln q_id` of clipped probabilities `q`. TensorFlow uses their logarithms as logits, so they are
/// divided by their sum after clipping.
pub(super) fn sparse_crossentropy(p: &[f32], id: usize, gradient: Gradient<'_>) -> f64 {
    let sum: f64 = p.iter().map(|&p| f64::from(clip(p).0)).sum();
    let (of_class, slope) = clip(p[id]);
    if let Some((to, factor)) = gradient {
        let by_sum = (f64::from(factor) / sum) as f32;
        to.iter_mut().zip(p).for_each(|(to, &p)| *to = by_sum * clip(p).1);
        to[id] -= slope * factor / of_class;
    }
    sum.ln() - f64::from(of_class).ln()
}

/// `−Σ t·ln q`, `q` the clipped `p / Σ p`. With `d = dL/dq`: `dL/dp = (d − Σ d·p/Σp) / Σp`.
pub(super) fn categorical_crossentropy(p: &[f32], target: &[f32], gradient: Gradient<'_>) -> f64 {
    let sum = p.iter().map(|&p| f64::from(p)).sum::<f64>() as f32;
    let (mut loss, mut dot) = (0.0, 0.0);
    for (&p, &t) in p.iter().zip(target) {
        let (q, slope) = clip(p / sum);
        loss -= f64::from(t) * f64::from(q).ln();
        dot -= f64::from(slope * t / q * (p / sum));
    }
    if let Some((to, factor)) = gradient {
        for ((to, &p), &t) in to.iter_mut().zip(p).zip(target) {
            let (q, slope) = clip(p / sum);
            *to = factor * (-slope * t / q - dot as f32) / sum;
        }
    }
    loss
}

/// The mean over a row of an elementwise loss. The closure returns the loss and its derivative.
#[inline(always)]
pub(super) fn mean_of(
    x: &[f32],
    target: Target<'_>,
    gradient: Gradient<'_>,
    element: impl Fn(f32, f32) -> (f32, f32),
) -> f64 {
    let width = x.len();
    let mut sum = 0.0;
    match gradient {
        None => {
            for (v, &x) in x.iter().enumerate() {
                sum += f64::from(element(x, target.element(v, width)).0);
            }
        }
        Some((to, factor)) => {
            let factor = factor / width as f32;
            for (v, (to, &x)) in to.iter_mut().zip(x).enumerate() {
                let (loss, derivative) = element(x, target.element(v, width));
                sum += f64::from(loss);
                *to = factor * derivative;
            }
        }
    }
    sum / width as f64
}

/// `ln(1 + e^x) − t·x`, written to avoid overflow.
#[inline(always)]
pub(super) fn binary_from_logit(x: f32, t: f32) -> (f32, f32) {
    (x.max(0.0) - t * x + (-x.abs()).exp().ln_1p(), 1.0 / (1.0 + (-x).exp()) - t)
}

/// `−t·ln q − (1 − t)·ln(1 − q)`, `q` the clipped `p`.
#[inline(always)]
pub(super) fn binary(p: f32, t: f32) -> (f32, f32) {
    let (q, slope) = clip(p);
    (-(t * q.ln() + (1.0 - t) * (1.0 - q).ln()), slope * ((1.0 - t) / (1.0 - q) - t / q))
}

/// `(p − t)²`
#[inline(always)]
pub(super) fn squared(p: f32, t: f32) -> (f32, f32) {
    let e = p - t;
    (e * e, 2.0 * e)
}

/// `|p − t|`
#[inline(always)]
pub(super) fn absolute(p: f32, t: f32) -> (f32, f32) {
    let e = p - t;
    (e.abs(), if e == 0.0 { 0.0 } else { e.signum() })
}

/// `e²/2` if `|e| ≤ delta`, otherwise `delta·|e| − delta²/2`.
#[inline(always)]
pub(super) fn huber(p: f32, t: f32, delta: f32) -> (f32, f32) {
    let e = p - t;
    if e.abs() <= delta {
        (0.5 * e * e, e)
    } else {
        (delta * e.abs() - 0.5 * delta * delta, delta * e.signum())
    }
}

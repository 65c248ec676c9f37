//! Softmax over rows, cross-entropy from logits, and the target ranks that metrics need.
//!
//! A row's largest logit is subtracted first, so that nothing overflows. The result of a row does not depend on other
//! rows. NaN among the logits makes the row's results NaN.

use crate::elementwise::{RowKernel, Sum, each_row, largest, load, map_rows, no_rows, store};
use crate::engine::Engine;
use crate::math;
use crate::rows::{Rows, RowsMut};
use crate::simd::Simd;

/// Computes `x_v = e^x_v / Σ e^x` in place: `x` `(R, V)`.
pub fn softmax(engine: &Engine, x: RowsMut<'_>) {
    map_rows(engine, &Softmax, x);
}

/// Computes `x_v = x_v − ln Σ e^x + shift` in place: `x` `(R, V)`, `shift` `(R)`, or 0 without it. No result is above
/// the row's shift.
///
/// # Panics
/// When there is not one shift per row.
pub fn log_softmax(engine: &Engine, shift: Option<&[f32]>, x: RowsMut<'_>) {
    assert!(shift.is_none_or(|shift| shift.len() == x.count()), "one shift per row");
    map_rows(engine, &LogSoftmax(shift), x);
}

/// Computes `d = y ⊙ (d − Σ d ⊙ y)` in place: turns the gradient of softmax's output `y` into that of its input.
///
/// # Panics
/// When the sizes differ.
pub fn softmax_gradient(engine: &Engine, y: Rows<'_>, d: RowsMut<'_>) {
    assert_eq!((y.count(), y.width()), (d.count(), d.width()), "output and gradient of softmax");
    map_rows(engine, &SoftmaxGradient(y), d);
}

/// Computes the cross-entropy of logits `(R, V)` with one target class per row `(R)`.
///
/// Sets `losses[r] = w_r · −ln p_r[targets[r]]` with `p = softmax(logits)`, and replaces the logits with
/// `w_r · scale · (p_r − onehot(targets[r]))`, the gradient of `scale · Σ losses`. Every `w_r` is 1
/// without `weights`.
///
/// # Panics
/// When the sizes do not match, or a target is not below `V`.
pub fn sparse_cross_entropy(
    engine: &Engine,
    logits: RowsMut<'_>,
    targets: &[u32],
    weights: Option<&[f32]>,
    scale: f32,
    losses: &mut [f32],
) {
    let (count, width) = (logits.count(), logits.width());
    check_targets(targets, count, width);
    let weights = Weights::new(weights, count);
    each_row(engine, &Sparse { targets, weights, scale }, width, logits, [losses]);
}

/// Computes the losses of [`sparse_cross_entropy`], bit-identical, without the gradient.
///
/// # Panics
/// When the sizes do not match, or a target is not below `V`.
pub fn sparse_cross_entropy_loss(
    engine: &Engine,
    logits: Rows<'_>,
    targets: &[u32],
    weights: Option<&[f32]>,
    losses: &mut [f32],
) {
    let (count, width) = (logits.count(), logits.width());
    check_targets(targets, count, width);
    let weights = Weights::new(weights, count);
    each_row(engine, &SparseLoss { logits, targets, weights }, width, no_rows(count), [losses]);
}

/// Computes the cross-entropy of logits `(R, V)` with a target distribution per row `(R, V)`.
///
/// Sets `losses[r] = w_r · −Σ targets[r] · ln p_r` with `p = softmax(logits)`, and replaces the logits with
/// `w_r · scale · (p_r · Σ targets[r] − targets[r])`, the gradient of `scale · Σ losses`.
///
/// # Panics
/// When the sizes do not match.
pub fn categorical_cross_entropy(
    engine: &Engine,
    logits: RowsMut<'_>,
    targets: Rows<'_>,
    weights: Option<&[f32]>,
    scale: f32,
    losses: &mut [f32],
) {
    let (count, width) = (logits.count(), logits.width());
    assert_eq!((targets.count(), targets.width()), (count, width), "one target per logit");
    let weights = Weights::new(weights, count);
    each_row(engine, &Categorical { targets, weights, scale }, width, logits, [losses]);
}

/// Computes the losses of [`categorical_cross_entropy`], bit-identical, without the gradient.
///
/// # Panics
/// When the sizes do not match.
pub fn categorical_cross_entropy_loss(
    engine: &Engine,
    logits: Rows<'_>,
    targets: Rows<'_>,
    weights: Option<&[f32]>,
    losses: &mut [f32],
) {
    let (count, width) = (logits.count(), logits.width());
    assert_eq!((targets.count(), targets.width()), (count, width), "one target per logit");
    let weights = Weights::new(weights, count);
    each_row(engine, &CategoricalLoss { logits, targets, weights }, width, no_rows(count), [losses]);
}

/// Finds the column of each row's largest value, the first among equals. NaN counts as smaller than everything else.
///
/// # Panics
/// When there is not one result per row, or the rows have no columns.
pub fn argmax(engine: &Engine, x: Rows<'_>, out: &mut [u32]) {
    assert!(x.width() > 0 || x.count() == 0, "argmax needs at least one column");
    each_row(engine, &Argmax(x), x.width(), no_rows(x.count()), [out]);
}

/// Computes the rank of each row's target among its logits, 0 for the largest: the number of logits that are larger,
/// or equal and to the left. A target is in the top k if its rank is below k. NaN counts as larger than everything in
/// another column and as smaller in the target's column, so it never counts as a hit.
///
/// # Panics
/// When the sizes do not match, or a target is not below `V`.
pub fn target_ranks(engine: &Engine, logits: Rows<'_>, targets: &[u32], out: &mut [u32]) {
    check_targets(targets, logits.count(), logits.width());
    each_row(engine, &Ranks { logits, targets }, logits.width(), no_rows(logits.count()), [out]);
}

fn check_targets(targets: &[u32], rows: usize, classes: usize) {
    assert_eq!(targets.len(), rows, "one target per row");
    for (r, &target) in targets.iter().enumerate() {
        assert!((target as usize) < classes, "target {target} in row {r}: expected below {classes}");
    }
}

#[derive(Clone, Copy)]
struct Weights<'a>(Option<&'a [f32]>);

impl<'a> Weights<'a> {
    fn new(weights: Option<&'a [f32]>, rows: usize) -> Self {
        assert!(weights.is_none_or(|w| w.len() == rows), "one weight per row");
        Self(weights)
    }

    #[inline(always)]
    fn of(self, row: usize) -> f32 {
        self.0.map_or(1.0, |w| w[row])
    }
}

/// Computes e^(x − max) in place and returns the sum.
#[inline(always)]
fn exponentials<S: Simd>(s: S, max: f32, x: &mut [f32]) -> f64 {
    let max = s.splat(max);
    let (mut total, len) = (Sum::new(s), x.len());
    for at in (0..len).step_by(S::LANES) {
        let e = math::exp(s, s.sub(load(s, x, at), max));
        store(s, x, at, e);
        total.add(e, len - at);
    }
    total.total()
}

/// Returns Σ e^(x − max), bit-identical to [`exponentials`].
#[inline(always)]
fn sum_of_exponentials<S: Simd>(s: S, max: f32, x: &[f32]) -> f64 {
    let max = s.splat(max);
    let mut total = Sum::new(s);
    for at in (0..x.len()).step_by(S::LANES) {
        total.add(math::exp(s, s.sub(load(s, x, at), max)), x.len() - at);
    }
    total.total()
}

/// Returns −ln p of a logit, from the row's largest logit and its Σ e^(x − max). The difference is computed first:
/// added to a large logit, the logarithm would lose digits.
#[inline(always)]
fn negative_log(max: f32, logit: f32, total: f64) -> f32 {
    (max - logit) + total.ln() as f32
}

struct Softmax;

impl RowKernel for Softmax {
    const COST: usize = 20;
    #[inline(always)]
    fn row<S: Simd>(&self, s: S, _: usize, row: &mut [f32], _: [&mut (); 0]) {
        let total = exponentials(s, largest(s, row), row);
        multiply(row, (1.0 / total) as f32);
    }
}

#[inline(always)]
fn multiply(row: &mut [f32], factor: f32) {
    for x in row {
        *x *= factor;
    }
}

struct LogSoftmax<'a>(Option<&'a [f32]>);

impl RowKernel for LogSoftmax<'_> {
    const COST: usize = 20;
    #[inline(always)]
    fn row<S: Simd>(&self, s: S, i: usize, row: &mut [f32], _: [&mut (); 0]) {
        let max = largest(s, row);
        let log_total = sum_of_exponentials(s, max, row).ln() as f32;
        let shift = self.0.map_or(0.0, |shift| shift[i]);
        for x in row {
            *x = ((*x - max) - log_total) + shift;
        }
    }
}

struct SoftmaxGradient<'a>(Rows<'a>);

impl RowKernel for SoftmaxGradient<'_> {
    const COST: usize = 4;
    #[inline(always)]
    fn row<S: Simd>(&self, s: S, i: usize, row: &mut [f32], _: [&mut (); 0]) {
        let y = self.0.row(i);
        let mut dot = Sum::new(s);
        for at in (0..y.len()).step_by(S::LANES) {
            dot.add(s.mul(load(s, y, at), load(s, row, at)), y.len() - at);
        }
        let dot = dot.total() as f32;
        for (d, y) in row.iter_mut().zip(y) {
            *d = y * (*d - dot);
        }
    }
}

struct Sparse<'a> {
    targets: &'a [u32],
    weights: Weights<'a>,
    scale: f32,
}

impl RowKernel<f32, 1> for Sparse<'_> {
    const COST: usize = 20;
    #[inline(always)]
    fn row<S: Simd>(&self, s: S, i: usize, row: &mut [f32], [loss]: [&mut f32; 1]) {
        let (target, weight) = (self.targets[i] as usize, self.weights.of(i));
        let (max, logit) = (largest(s, row), row[target]);
        let total = exponentials(s, max, row);
        *loss = weight * negative_log(max, logit, total);
        let factor = weight * self.scale;
        multiply(row, (f64::from(factor) / total) as f32);
        row[target] -= factor;
    }
}

struct SparseLoss<'a> {
    logits: Rows<'a>,
    targets: &'a [u32],
    weights: Weights<'a>,
}

impl RowKernel<f32, 1> for SparseLoss<'_> {
    const COST: usize = 20;
    #[inline(always)]
    fn row<S: Simd>(&self, s: S, i: usize, _: &mut [f32], [loss]: [&mut f32; 1]) {
        let x = self.logits.row(i);
        let max = largest(s, x);
        let total = sum_of_exponentials(s, max, x);
        *loss = self.weights.of(i) * negative_log(max, x[self.targets[i] as usize], total);
    }
}

/// Returns −ln p of a vector of logits: see [`negative_log`].
#[inline(always)]
fn negative_logs<S: Simd>(s: S, max: f32, x: S::F, log_total: f32) -> S::F {
    s.add(s.sub(s.splat(max), x), s.splat(log_total))
}

struct Categorical<'a> {
    targets: Rows<'a>,
    weights: Weights<'a>,
    scale: f32,
}

impl RowKernel<f32, 1> for Categorical<'_> {
    const COST: usize = 40;
    #[inline(always)]
    fn row<S: Simd>(&self, s: S, i: usize, row: &mut [f32], [loss]: [&mut f32; 1]) {
        let (targets, weight) = (self.targets.row(i), self.weights.of(i));
        let (mut mass, mut total) = (Sum::new(s), Sum::new(s));
        for at in (0..targets.len()).step_by(S::LANES) {
            mass.add(load(s, targets, at), targets.len() - at);
        }
        let mass = s.splat(mass.total() as f32);
        let max = largest(s, row);
        let log_total = sum_of_exponentials(s, max, row).ln() as f32;
        let (zero, factor) = (s.splat(0.0), s.splat(weight * self.scale));
        for at in (0..targets.len()).step_by(S::LANES) {
            let target = load(s, targets, at);
            let log = negative_logs(s, max, load(s, row, at), log_total);
            let p = math::exp(s, s.sub(zero, log));
            store(s, row, at, s.mul(factor, s.sub(s.mul(p, mass), target)));
            total.add(s.mul(target, log), targets.len() - at);
        }
        *loss = weight * total.total() as f32;
    }
}

struct CategoricalLoss<'a> {
    logits: Rows<'a>,
    targets: Rows<'a>,
    weights: Weights<'a>,
}

impl RowKernel<f32, 1> for CategoricalLoss<'_> {
    const COST: usize = 20;
    #[inline(always)]
    fn row<S: Simd>(&self, s: S, i: usize, _: &mut [f32], [loss]: [&mut f32; 1]) {
        let (x, targets) = (self.logits.row(i), self.targets.row(i));
        let max = largest(s, x);
        let log_total = sum_of_exponentials(s, max, x).ln() as f32;
        let mut total = Sum::new(s);
        for at in (0..x.len()).step_by(S::LANES) {
            let log = negative_logs(s, max, load(s, x, at), log_total);
            total.add(s.mul(load(s, targets, at), log), x.len() - at);
        }
        *loss = self.weights.of(i) * total.total() as f32;
    }
}

struct Argmax<'a>(Rows<'a>);

impl RowKernel<u32, 1> for Argmax<'_> {
    const COST: usize = 2;
    #[inline(always)]
    fn row<S: Simd>(&self, s: S, i: usize, _: &mut [f32], [out]: [&mut u32; 1]) {
        /// Columns that are compared before looking for the first hit.
        const BLOCK: usize = 64;
        let x = self.0.row(i);
        let max = largest(s, x);
        let block = x.chunks(BLOCK).position(|x| x.iter().fold(false, |hit, &x| hit | (x == max)));
        let first = block.unwrap_or(0) * BLOCK;
        *out = (first + x[first..].iter().position(|&x| x == max).unwrap_or(0)) as u32;
    }
}

struct Ranks<'a> {
    logits: Rows<'a>,
    targets: &'a [u32],
}

impl RowKernel<u32, 1> for Ranks<'_> {
    const COST: usize = 1;
    #[inline(always)]
    fn row<S: Simd>(&self, _: S, i: usize, _: &mut [f32], [out]: [&mut u32; 1]) {
        let (left, right) = self.logits.row(i).split_at(self.targets[i] as usize);
        let (logit, right) = (right[0], &right[1..]);
        // Counts what is below, not what is above: NaN is never below.
        let below: u32 = left.iter().map(|&x| u32::from(x < logit)).sum();
        let not_above: u32 = right.iter().map(|&x| u32::from(x <= logit)).sum();
        *out = (left.len() + right.len()) as u32 - below - not_above;
    }
}

#[cfg(test)]
mod tests;

//! Activity regularisation and temporal activity regularisation (Merity, McCann & Socher 2017):
//! `square · Σ x² + step · Σ (x[t+1] − x[t])²` over the rows of a packed batch.

use super::{PackedShape, Real, check_shape, row, row_mut};

/// The factors of the two sums.
#[derive(Clone, Copy, Debug)]
pub struct Factors<T> {
    /// Factor of the squares.
    pub square: T,
    /// Factor of the squared differences between neighbouring steps of a sequence.
    pub step: T,
}

/// Returns the penalty of x (R, width).
pub fn forward<T: Real>(packed: &PackedShape, factors: Factors<T>, x: &[T], width: usize) -> T {
    check_shape("x", x, packed.rows(), width);
    let mut penalty = T::ZERO;
    for place in packed.places() {
        let here = row(x, place.row, width);
        penalty += factors.square * here.iter().map(|&x| x * x).sum();
        if let Some(previous) = place.previous {
            let steps = here.iter().zip(row(x, previous, width)).map(|(&x, &before)| x - before);
            penalty += factors.step * steps.map(|d| d * d).sum();
        }
    }
    penalty
}

/// Returns the gradient (R, width) of x.
pub fn backward<T: Real>(packed: &PackedShape, factors: Factors<T>, x: &[T], width: usize) -> Vec<T> {
    check_shape("x", x, packed.rows(), width);
    let two = T::ONE + T::ONE;
    let mut dx: Vec<T> = x.iter().map(|&x| two * factors.square * x).collect();
    for place in packed.places() {
        let Some(previous) = place.previous else { continue };
        for k in 0..width {
            let d = two * factors.step * (row(x, place.row, width)[k] - row(x, previous, width)[k]);
            row_mut(&mut dx, place.row, width)[k] += d;
            row_mut(&mut dx, previous, width)[k] -= d;
        }
    }
    dx
}

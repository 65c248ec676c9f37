//! The reference implementation: plain loops that read like the formulas, against which the fast kernels are tested.
//!
//! Everything is generic over [`Real`] (`f32`, `f64`), takes slices, allocates its results, and uses neither vector
//! instructions nor threads. Each forward is next to its backward, with the same argument order. Wrong shapes panic.
//!
//! Letters: `T` steps, `N` sequences, `I` inputs, `H` units, `G` gates, `R` rows, `V` classes or vocabulary.
//! Matrices are row-major without padding. Equations, gate orders and defaults are those of Keras 3.15.1;
//! `tests/golden.py` writes the values of Keras that the tests compare with.
//!
//! A gradient is always that of a sum: of `Σ v·y` for layers, where `v` is the gradient passed in, and of the sum of
//! the values per row for losses. Results are new buffers. Nothing is accumulated into an argument, except that the
//! optimiser steps update weights and slots in place.

mod matrix;
#[cfg(test)]
mod tests;

pub mod activation;
pub mod activity;
pub mod cell;
pub mod dense;
pub mod embedding;
pub mod gru;
pub mod layer_norm;
pub mod losses;
pub mod lstm;
pub mod optimizer;
pub mod rnn;
pub mod softmax;

use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

/// The float types of the reference implementation.
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + Sum
    + 'static
{
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// Rounds `x` to the nearest value.
    fn from_f64(x: f64) -> Self;
    /// Converts without rounding.
    fn to_f64(self) -> f64;
    /// `|self|`
    fn abs(self) -> Self;
    /// `e^self`
    fn exp(self) -> Self;
    /// `e^self − 1`, accurate near zero.
    fn exp_m1(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// `ln(1 + self)`, accurate near zero.
    fn ln_1p(self) -> Self;
    /// The larger of the two; NaN is ignored.
    fn max(self, other: Self) -> Self;
    /// The smaller of the two; NaN is ignored.
    fn min(self, other: Self) -> Self;
    /// `self^exponent`
    fn powf(self, exponent: Self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
}

macro_rules! real {
    ($float:ident) => {
        impl Real for $float {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            fn from_f64(x: f64) -> Self {
                x as $float
            }
            fn to_f64(self) -> f64 {
                self.into()
            }
            fn abs(self) -> Self {
                $float::abs(self)
            }
            fn exp(self) -> Self {
                $float::exp(self)
            }
            fn exp_m1(self) -> Self {
                $float::exp_m1(self)
            }
            fn ln(self) -> Self {
                $float::ln(self)
            }
            fn ln_1p(self) -> Self {
                $float::ln_1p(self)
            }
            fn max(self, other: Self) -> Self {
                $float::max(self, other)
            }
            fn min(self, other: Self) -> Self {
                $float::min(self, other)
            }
            fn powf(self, exponent: Self) -> Self {
                $float::powf(self, exponent)
            }
            fn sqrt(self) -> Self {
                $float::sqrt(self)
            }
            fn tanh(self) -> Self {
                $float::tanh(self)
            }
        }
    };
}

real!(f32);
real!(f64);

/// The shape of a packed batch in time: sequences sorted by length, longest first, time-major, no padding rows.
#[derive(Clone, Copy, Debug)]
pub struct PackedShape<'a> {
    /// The number of sequences `n_t` at each step `t`, those longer than `t`. Positive and non-increasing.
    pub active: &'a [usize],
    /// `N`, including sequences of length 0.
    pub sequences: usize,
}

/// One row of a packed batch.
#[derive(Clone, Copy, Debug)]
struct BatchRow {
    /// The sorted sequence that the row belongs to.
    sequence: usize,
    /// The index of the row.
    row: usize,
    /// The row of the same sequence one step earlier; `None` at step 0.
    previous: Option<usize>,
}

impl PackedShape<'_> {
    /// `R = Σ n_t`
    pub fn rows(&self) -> usize {
        self.active.iter().sum()
    }

    /// Returns the first row of each step; row `n` of step `t` is `offsets()[t] + n`.
    pub fn offsets(&self) -> Vec<usize> {
        let ends = self.active.iter().scan(0, |end, &n_t| {
            *end += n_t;
            Some(*end)
        });
        ends.zip(self.active).map(|(end, n_t)| end - n_t).collect()
    }

    /// Returns the length of each sorted sequence (N).
    pub fn lengths(&self) -> Vec<usize> {
        (0..self.sequences).map(|n| self.active.iter().filter(|&&n_t| n < n_t).count()).collect()
    }

    /// Returns every row in order of time.
    ///
    /// # Panics
    /// When `active` increases, contains a zero, or exceeds `sequences`.
    fn places(&self) -> Vec<BatchRow> {
        let descending = self.active.is_sorted_by(|a, b| a >= b) && self.active.last() != Some(&0);
        assert!(descending, "active {:?}: expected positive and non-increasing", self.active);
        let first = self.active.first().copied().unwrap_or(0);
        assert!(first <= self.sequences, "step 0 has {first} of {} sequences", self.sequences);
        let offsets = self.offsets();
        let step = |t: usize| {
            let place = |n| BatchRow {
                sequence: n,
                row: offsets[t] + n,
                previous: t.checked_sub(1).map(|before| offsets[before] + n),
            };
            (0..self.active[t]).map(place).collect::<Vec<_>>()
        };
        (0..self.active.len()).flat_map(step).collect()
    }
}

impl BatchRow {
    /// Returns the state before this row: `rows` (R, width) one step earlier, or `initial` (N, width) at step 0.
    fn before<'a, T>(&self, rows: &'a [T], initial: &'a [T], width: usize) -> &'a [T] {
        match self.previous {
            Some(previous) => row(rows, previous, width),
            None => row(initial, self.sequence, width),
        }
    }
}

/// Returns row `index` of a matrix with `width` columns.
fn row<T>(data: &[T], index: usize, width: usize) -> &[T] {
    &data[index * width..][..width]
}

/// Like [`row`], but mutable.
fn row_mut<T>(data: &mut [T], index: usize, width: usize) -> &mut [T] {
    &mut data[index * width..][..width]
}

/// # Panics
/// When a buffer does not have `rows · width` values.
fn check_shape<T>(name: &str, data: &[T], rows: usize, width: usize) {
    assert_eq!(data.len(), rows * width, "{name}: expected the shape ({rows}, {width})");
}

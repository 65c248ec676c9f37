//! Layer normalisation (Ba et al. 2016; `keras/src/layers/normalization/layer_normalization.py`):
//! `y = γ⊙(x − mean) / √(variance + ε) + β`, mean and biased variance over each row.

use super::matrix::add;
use super::{Real, check_shape, row, row_mut};

/// Keras's default ε.
pub const EPSILON: f64 = 1e-3;

/// The weights of a layer normalisation.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a, T> {
    /// `F`, the number of values in a row.
    pub width: usize,
    /// γ (F); `None` stands for ones (`scale=False`).
    pub gamma: Option<&'a [T]>,
    /// β (F); `None` stands for zeros (`center=False`).
    pub beta: Option<&'a [T]>,
    /// ε, [`EPSILON`] in Keras.
    pub epsilon: T,
}

/// The result of [`forward`], which [`backward`] takes.
#[derive(Clone, Debug)]
pub struct Forward<T> {
    /// (R, F)
    pub y: Vec<T>,
    /// (R, F): `(x − mean) / √(variance + ε)`
    pub normalized: Vec<T>,
    /// (R): `1 / √(variance + ε)`
    pub inverse_deviation: Vec<T>,
}

/// The gradients that a layer normalisation's backward pass returns.
#[derive(Clone, Debug)]
pub struct Gradients<T> {
    /// (R, F)
    pub x: Vec<T>,
    /// (F); `None` without γ.
    pub gamma: Option<Vec<T>>,
    /// (F); `None` without β.
    pub beta: Option<Vec<T>>,
}

impl<T: Real> Weights<'_, T> {
    fn check(&self, rows: usize, x: &[T]) {
        check_shape("rows", x, rows, self.width);
        for (name, parameter) in [("gamma", self.gamma), ("beta", self.beta)] {
            if let Some(parameter) = parameter {
                check_shape(name, parameter, 1, self.width);
            }
        }
    }

    fn gamma(&self, j: usize) -> T {
        self.gamma.map_or(T::ONE, |gamma| gamma[j])
    }

    fn beta(&self, j: usize) -> T {
        self.beta.map_or(T::ZERO, |beta| beta[j])
    }
}

fn mean<T: Real>(values: impl IntoIterator<Item = T>, count: usize) -> T {
    values.into_iter().sum::<T>() / T::from_f64(count as f64)
}

/// Normalises x (rows, F).
pub fn forward<T: Real>(weights: &Weights<T>, rows: usize, x: &[T]) -> Forward<T> {
    weights.check(rows, x);
    let width = weights.width;
    let mut to = Forward { y: Vec::new(), normalized: Vec::new(), inverse_deviation: Vec::new() };
    for r in 0..rows {
        let x = row(x, r, width);
        let mu = mean(x.iter().copied(), width);
        let variance = mean(x.iter().map(|&x| (x - mu) * (x - mu)), width);
        let inverse = T::ONE / (variance + weights.epsilon).sqrt();
        for (j, &x) in x.iter().enumerate() {
            let normalized = (x - mu) * inverse;
            to.normalized.push(normalized);
            to.y.push(weights.gamma(j) * normalized + weights.beta(j));
        }
        to.inverse_deviation.push(inverse);
    }
    to
}

/// Returns the gradients of `Σ dy·y`, dy (rows, F). With `u = γ⊙dy` and the normalised row `n`:
/// `dx = (u − mean(u) − n⊙mean(u⊙n)) / √(variance + ε)`.
pub fn backward<T: Real>(weights: &Weights<T>, rows: usize, forward: &Forward<T>, dy: &[T]) -> Gradients<T> {
    weights.check(rows, dy);
    let width = weights.width;
    let mut to = Gradients {
        x: vec![T::ZERO; rows * width],
        gamma: weights.gamma.map(|_| vec![T::ZERO; width]),
        beta: weights.beta.map(|_| vec![T::ZERO; width]),
    };
    for r in 0..rows {
        let dy = row(dy, r, width);
        let n = row(&forward.normalized, r, width);
        let u: Vec<T> = (0..width).map(|j| weights.gamma(j) * dy[j]).collect();
        let mean_u = mean(u.iter().copied(), width);
        let mean_un = mean((0..width).map(|j| u[j] * n[j]), width);
        for (j, dx) in row_mut(&mut to.x, r, width).iter_mut().enumerate() {
            *dx = (u[j] - mean_u - n[j] * mean_un) * forward.inverse_deviation[r];
        }
        if let Some(gamma) = &mut to.gamma {
            add(gamma, (0..width).map(|j| dy[j] * n[j]));
        }
        if let Some(beta) = &mut to.beta {
            add(beta, dy.iter().copied());
        }
    }
    to
}

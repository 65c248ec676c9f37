//! Dense: `y = x·W + b`, row by row. The caller applies activations.

use super::matrix::{Columns, add, add_outer, add_product, product_transposed};
use super::{Real, check_shape, row, row_mut};

/// The weights of a dense layer.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a, T> {
    /// `I`
    pub inputs: usize,
    /// `O`
    pub outputs: usize,
    /// (I, O)
    pub kernel: &'a [T],
    /// (O)
    pub bias: Option<&'a [T]>,
}

/// The gradients that a dense layer's backward pass returns.
#[derive(Clone, Debug)]
pub struct Gradients<T> {
    /// (R, I)
    pub x: Vec<T>,
    /// (I, O)
    pub kernel: Vec<T>,
    /// (O); `None` without a bias.
    pub bias: Option<Vec<T>>,
}

impl<T> Weights<'_, T> {
    fn check(&self, rows: usize, x: &[T]) {
        check_shape("kernel", self.kernel, self.inputs, self.outputs);
        check_shape("x", x, rows, self.inputs);
        if let Some(bias) = self.bias {
            check_shape("bias", bias, 1, self.outputs);
        }
    }
}

/// Returns y (rows, O) of x (rows, I).
pub fn forward<T: Real>(weights: &Weights<T>, rows: usize, x: &[T]) -> Vec<T> {
    weights.check(rows, x);
    let Weights { inputs, outputs, kernel, bias } = *weights;
    let mut y = vec![T::ZERO; rows * outputs];
    for r in 0..rows {
        let y = row_mut(&mut y, r, outputs);
        y.copy_from_slice(bias.unwrap_or(&vec![T::ZERO; outputs]));
        add_product(y, row(x, r, inputs), kernel, Columns::all(outputs));
    }
    y
}

/// Returns the gradients of `Σ dy·y`, dy (rows, O).
pub fn backward<T: Real>(weights: &Weights<T>, rows: usize, x: &[T], dy: &[T]) -> Gradients<T> {
    weights.check(rows, x);
    check_shape("gradient of y", dy, rows, weights.outputs);
    let Weights { inputs, outputs, kernel, bias } = *weights;
    let mut to = Gradients {
        x: vec![T::ZERO; rows * inputs],
        kernel: vec![T::ZERO; inputs * outputs],
        bias: bias.map(|_| vec![T::ZERO; outputs]),
    };
    for r in 0..rows {
        let dy = row(dy, r, outputs);
        add_outer(&mut to.kernel, row(x, r, inputs), dy, Columns::all(outputs));
        let dx = product_transposed(dy, kernel, inputs, Columns::all(outputs));
        row_mut(&mut to.x, r, inputs).copy_from_slice(&dx);
        if let Some(bias) = &mut to.bias {
            add(bias, dy.iter().copied());
        }
    }
    to
}

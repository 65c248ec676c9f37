//! SimpleRNN: `h = act(x·W + b + h·U)` (Elman 1990; `keras/src/layers/rnn/simple_rnn.py`).

use super::activation::{apply, derivative_from_output};
use super::cell::{Dropout, Gradients, Layer, OutputGradients, State, Weights};
use super::{BatchRow, PackedShape, Real, row, row_mut};
use crate::Elementwise;

/// Gates `G`.
pub const GATES: usize = 1;

/// The options of a layer; the defaults are Keras's.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a, T> {
    /// Activation of the hidden state.
    pub activation: Elementwise,
    /// Dropout masks.
    pub dropout: Dropout<'a, T>,
}

impl<T> Default for Options<'_, T> {
    fn default() -> Self {
        Self { activation: Elementwise::Tanh, dropout: Dropout::default() }
    }
}

/// The result of [`forward`], which [`backward`] takes.
#[derive(Clone, Debug)]
pub struct Forward<T> {
    /// (R, H)
    pub y: Vec<T>,
    /// (N, H): h at each sequence's last step, or the initial h for a sequence of length 0.
    pub h: Vec<T>,
}

/// Runs all steps on x (R, I) from the initial state (c is empty).
pub fn forward<T: Real>(
    packed: &PackedShape,
    weights: &Weights<T>,
    options: &Options<T>,
    x: &[T],
    initial: &State<T>,
) -> Forward<T> {
    let layer = Layer::new(packed, weights, &options.dropout, GATES, 1);
    layer.check_inputs(x, initial, false);
    let units = weights.units;
    let mut y = vec![T::ZERO; packed.rows() * units];
    let mut h = initial.h.to_vec();
    for BatchRow { sequence: n, row: r, .. } in packed.places() {
        let a = layer.pre_activation(0, n, row(x, r, weights.inputs), row(&h, n, units));
        for (j, &a) in a.iter().enumerate() {
            row_mut(&mut h, n, units)[j] = apply(options.activation, a);
        }
        row_mut(&mut y, r, units).copy_from_slice(row(&h, n, units));
    }
    Forward { y, h }
}

/// Returns the gradients of `Σ d.y·y + Σ d.state.h·h`.
pub fn backward<T: Real>(
    packed: &PackedShape,
    weights: &Weights<T>,
    options: &Options<T>,
    x: &[T],
    initial: &State<T>,
    forward: &Forward<T>,
    d: &OutputGradients<T>,
) -> Gradients<T> {
    let layer = Layer::new(packed, weights, &options.dropout, GATES, 1);
    layer.check_inputs(x, initial, false);
    layer.check_gradients(d, false);
    let units = weights.units;
    let mut to = layer.start(&d.state);
    for place in packed.places().into_iter().rev() {
        let BatchRow { sequence: n, row: r, .. } = place;
        let h_prev = place.before(&forward.y, initial.h, units);
        let da: Vec<T> = (0..units)
            .map(|j| {
                let dh = row(&to.h, n, units)[j] + row(d.y, r, units)[j];
                row_mut(&mut to.each_h, r, units)[j] = dh;
                dh * derivative_from_output(options.activation, row(&forward.y, r, units)[j])
            })
            .collect();
        // From here on this row of `to.h` is the gradient of h_prev, which comes only from the product.
        row_mut(&mut to.h, n, units).fill(T::ZERO);
        layer.pre_activation_backward(&da, 0, place, (x, h_prev), &mut to);
    }
    to
}

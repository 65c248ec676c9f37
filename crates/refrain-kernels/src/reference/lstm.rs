//! LSTM (Hochreiter & Schmidhuber 1997, Gers et al. 2000; `keras/src/layers/rnn/lstm.py`):
//!
//! ```text
//! i = σ(x·W_i + b_i + h·U_i)    f = σ(x·W_f + b_f + h·U_f)
//! g = act(x·W_c + b_c + h·U_c)  o = σ(x·W_o + b_o + h·U_o)
//! c = f⊙c + i⊙g                 h = o⊙act(c)
//! ```
//!
//! Gate order i, f, c, o. σ is the recurrent activation.

use super::activation::{apply, derivative_from_output};
use super::cell::{Dropout, Gradients, Layer, OutputGradients, State, Weights};
use super::{BatchRow, PackedShape, Real, row, row_mut};
use crate::Elementwise;

/// Gates `G`.
pub const GATES: usize = 4;

/// The options of a layer; the defaults are Keras's.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a, T> {
    /// Activation of the candidate g, and of c when h is computed.
    pub activation: Elementwise,
    /// Activation of the gates i, f and o.
    pub recurrent_activation: Elementwise,
    /// Dropout masks.
    pub dropout: Dropout<'a, T>,
}

impl<T> Default for Options<'_, T> {
    fn default() -> Self {
        Self {
            activation: Elementwise::Tanh,
            recurrent_activation: Elementwise::Sigmoid,
            dropout: Dropout::default(),
        }
    }
}

impl<T> Options<'_, T> {
    fn gate_activations(&self) -> [Elementwise; GATES] {
        let sigma = self.recurrent_activation;
        [sigma, sigma, self.activation, sigma]
    }
}

/// The result of [`forward`], which [`backward`] takes.
#[derive(Clone, Debug)]
pub struct Forward<T> {
    /// (R, H): h of every step.
    pub y: Vec<T>,
    /// (R, H): c of every step.
    pub cells: Vec<T>,
    /// (R, 4·H): i, f, g, o after their activations.
    pub gates: Vec<T>,
    /// (N, H): h at each sequence's last step, or the initial h for a sequence of length 0.
    pub h: Vec<T>,
    /// (N, H): c, in the same way.
    pub c: Vec<T>,
}

/// Runs all steps on x (R, I) from the initial state.
pub fn forward<T: Real>(
    packed: &PackedShape,
    weights: &Weights<T>,
    options: &Options<T>,
    x: &[T],
    initial: &State<T>,
) -> Forward<T> {
    let layer = Layer::new(packed, weights, &options.dropout, GATES, 1);
    layer.check_inputs(x, initial, true);
    let units = weights.units;
    let rows = packed.rows();
    let mut y = vec![T::ZERO; rows * units];
    let mut cells = vec![T::ZERO; rows * units];
    let mut gates = vec![T::ZERO; rows * GATES * units];
    let (mut h, mut c) = (initial.h.to_vec(), initial.c.to_vec());
    for BatchRow { sequence: n, row: r, .. } in packed.places() {
        let gates = row_mut(&mut gates, r, GATES * units);
        for (gate, activation) in options.gate_activations().into_iter().enumerate() {
            let a = layer.pre_activation(gate, n, row(x, r, weights.inputs), row(&h, n, units));
            for (j, &a) in a.iter().enumerate() {
                row_mut(gates, gate, units)[j] = apply(activation, a);
            }
        }
        let (h, c) = (row_mut(&mut h, n, units), row_mut(&mut c, n, units));
        for j in 0..units {
            let [i, f, g, o] = std::array::from_fn(|gate| row(gates, gate, units)[j]);
            c[j] = f * c[j] + i * g;
            h[j] = o * apply(options.activation, c[j]);
        }
        row_mut(&mut y, r, units).copy_from_slice(h);
        row_mut(&mut cells, r, units).copy_from_slice(c);
    }
    Forward { y, cells, gates, h, c }
}

/// Returns the gradients of `Σ d.y·y + Σ d.state.h·h + Σ d.state.c·c`.
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
    layer.check_inputs(x, initial, true);
    layer.check_gradients(d, true);
    let units = weights.units;
    let mut to = layer.start(&d.state);
    to.each_c = vec![T::ZERO; packed.rows() * units];
    for place in packed.places().into_iter().rev() {
        let BatchRow { sequence: n, row: r, .. } = place;
        let h_prev = place.before(&forward.y, initial.h, units);
        let c_prev = place.before(&forward.cells, initial.c, units);
        let gates = row(&forward.gates, r, GATES * units);
        let mut da = [const { Vec::new() }; GATES];
        for (j, &c_prev) in c_prev.iter().enumerate() {
            let [i, f, g, o] = std::array::from_fn(|gate| row(gates, gate, units)[j]);
            let act_c = apply(options.activation, row(&forward.cells, r, units)[j]);
            let dh = row(&to.h, n, units)[j] + row(d.y, r, units)[j];
            let dc = row(&to.c, n, units)[j] + dh * o * derivative_from_output(options.activation, act_c);
            row_mut(&mut to.each_h, r, units)[j] = dh;
            row_mut(&mut to.each_c, r, units)[j] = dc;
            let d_gates = [dc * g, dc * c_prev, dc * i, dh * act_c];
            for (gate, activation) in options.gate_activations().into_iter().enumerate() {
                da[gate].push(d_gates[gate] * derivative_from_output(activation, [i, f, g, o][gate]));
            }
            // From here on these are the gradients of the previous state; that of h_prev comes from the products.
            row_mut(&mut to.c, n, units)[j] = dc * f;
            row_mut(&mut to.h, n, units)[j] = T::ZERO;
        }
        for (gate, da) in da.iter().enumerate() {
            layer.pre_activation_backward(da, gate, place, (x, h_prev), &mut to);
        }
    }
    to
}

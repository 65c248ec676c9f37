//! GRU (Cho et al. 2014; `keras/src/layers/rnn/gru.py`):
//!
//! ```text
//! z = σ(x·W_z + b_z + h·U_z + b′_z)    r = σ(x·W_r + b_r + h·U_r + b′_r)
//! reset after:   hh = act(x·W_h + b_h + r⊙(h·U_h + b′_h))
//! reset before:  hh = act(x·W_h + b_h + (r⊙h)·U_h), and no b′ anywhere
//! h = z⊙h + (1 − z)⊙hh
//! ```
//!
//! Gate order z, r, h. σ is the recurrent activation. The recurrent mask of the candidate is applied to h before r.

use super::activation::{apply, derivative_from_output};
use super::cell::{Dropout, Gradients, Layer, OutputGradients, State, Weights, times};
use super::matrix::add;
use super::{BatchRow, PackedShape, Real, row, row_mut};
use crate::Elementwise;

/// Gates `G`.
pub const GATES: usize = 3;
const Z: usize = 0;
const R: usize = 1;
const CANDIDATE: usize = 2;

/// The options of a layer; the defaults are Keras's.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a, T> {
    /// Activation of the candidate hh.
    pub activation: Elementwise,
    /// Activation of the gates z and r.
    pub recurrent_activation: Elementwise,
    /// Whether r multiplies `h·U_h + b′_h`, as in cuDNN, or h itself. Decides the shape of the bias.
    pub reset_after: bool,
    /// Dropout masks.
    pub dropout: Dropout<'a, T>,
}

impl<T> Default for Options<'_, T> {
    fn default() -> Self {
        Self {
            activation: Elementwise::Tanh,
            recurrent_activation: Elementwise::Sigmoid,
            reset_after: true,
            dropout: Dropout::default(),
        }
    }
}

impl<T> Options<'_, T> {
    fn bias_rows(&self) -> usize {
        if self.reset_after { 2 } else { 1 }
    }
}

/// The result of [`forward`], which [`backward`] takes.
#[derive(Clone, Debug)]
pub struct Forward<T> {
    /// (R, H)
    pub y: Vec<T>,
    /// (R, 3·H): z, r, hh after their activations.
    pub gates: Vec<T>,
    /// (R, H): what r multiplies, masked: `h·U_h + b′_h` with `reset_after`, otherwise h before the step.
    pub reset_input: Vec<T>,
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
    let layer = Layer::new(packed, weights, &options.dropout, GATES, options.bias_rows());
    layer.check_inputs(x, initial, false);
    let units = weights.units;
    let rows = packed.rows();
    let mut y = vec![T::ZERO; rows * units];
    let mut gates = vec![T::ZERO; rows * GATES * units];
    let mut reset_input = vec![T::ZERO; rows * units];
    let mut h = initial.h.to_vec();
    for BatchRow { sequence: n, row: r, .. } in packed.places() {
        let x = row(x, r, weights.inputs);
        let h = row_mut(&mut h, n, units);
        let [z_gate, r_gate] = [Z, R].map(|gate| {
            let mut a = layer.pre_activation(gate, n, x, h);
            if options.reset_after {
                add(&mut a, layer.bias(1, gate));
            }
            a.into_iter().map(|a| apply(options.recurrent_activation, a)).collect::<Vec<T>>()
        });
        let mut a = layer.bias(0, CANDIDATE);
        layer.add_input_product(&mut a, CANDIDATE, n, x);
        let reset = if options.reset_after {
            let mut recurrent = layer.bias(1, CANDIDATE);
            layer.add_state_product(&mut recurrent, CANDIDATE, n, h);
            add(&mut a, times(&r_gate, &recurrent));
            recurrent
        } else {
            let masked = times(h, &layer.state_mask(CANDIDATE, n));
            layer.add_unmasked_state_product(&mut a, CANDIDATE, &times(&r_gate, &masked));
            masked
        };
        let candidate: Vec<T> = a.into_iter().map(|a| apply(options.activation, a)).collect();
        for j in 0..units {
            h[j] = z_gate[j] * h[j] + (T::ONE - z_gate[j]) * candidate[j];
        }
        row_mut(&mut y, r, units).copy_from_slice(h);
        row_mut(&mut gates, r, GATES * units).copy_from_slice(&[z_gate, r_gate, candidate].concat());
        row_mut(&mut reset_input, r, units).copy_from_slice(&reset);
    }
    Forward { y, gates, reset_input, h }
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
    let layer = Layer::new(packed, weights, &options.dropout, GATES, options.bias_rows());
    layer.check_inputs(x, initial, false);
    layer.check_gradients(d, false);
    let units = weights.units;
    let sigma = options.recurrent_activation;
    let mut to = layer.start(&d.state);
    for place in packed.places().into_iter().rev() {
        let BatchRow { sequence: n, row: r, .. } = place;
        let h_prev = place.before(&forward.y, initial.h, units);
        let gates = row(&forward.gates, r, GATES * units);
        let [z_gate, r_gate, candidate] = std::array::from_fn(|gate| row(gates, gate, units));
        let reset_input = row(&forward.reset_input, r, units);

        let (mut da_z, mut da_candidate) = (Vec::new(), Vec::new());
        for j in 0..units {
            let dh = row(&to.h, n, units)[j] + row(d.y, r, units)[j];
            row_mut(&mut to.each_h, r, units)[j] = dh;
            let dz = dh * (h_prev[j] - candidate[j]);
            let d_candidate = dh * (T::ONE - z_gate[j]);
            da_z.push(dz * derivative_from_output(sigma, z_gate[j]));
            da_candidate.push(d_candidate * derivative_from_output(options.activation, candidate[j]));
            // From here on this is the gradient of h_prev: its direct part, to which the products are added.
            row_mut(&mut to.h, n, units)[j] = dh * z_gate[j];
        }

        layer.bias_backward(&da_candidate, 0, CANDIDATE, &mut to);
        layer.input_backward(&da_candidate, CANDIDATE, place, x, &mut to);
        // The gradient of r ⊙ reset_input.
        let d_product = if options.reset_after {
            let d_recurrent = times(&da_candidate, r_gate);
            layer.bias_backward(&d_recurrent, 1, CANDIDATE, &mut to);
            layer.state_backward(&d_recurrent, CANDIDATE, n, h_prev, &mut to);
            da_candidate
        } else {
            let reset = times(r_gate, reset_input);
            let d_reset = layer.unmasked_state_backward(&da_candidate, CANDIDATE, &reset, &mut to);
            let dh_prev = times(&times(&d_reset, r_gate), &layer.state_mask(CANDIDATE, n));
            add(row_mut(&mut to.h, n, units), dh_prev);
            d_reset
        };
        let da_r: Vec<T> = (0..units)
            .map(|j| d_product[j] * reset_input[j] * derivative_from_output(sigma, r_gate[j]))
            .collect();

        for (gate, da) in [(Z, &da_z), (R, &da_r)] {
            layer.pre_activation_backward(da, gate, place, (x, h_prev), &mut to);
            if options.reset_after {
                layer.bias_backward(da, 1, gate, &mut to);
            }
        }
    }
    to
}

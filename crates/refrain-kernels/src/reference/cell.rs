//! What the three cells share: weights, dropout masks, states, and the products before the activations.

use super::matrix::{Columns, add, add_outer, add_product, product_transposed};
use super::{BatchRow, PackedShape, Real, check_shape, row, row_mut};

/// The weights of a recurrent layer; the columns of gate `g` are `g·H..(g + 1)·H`.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a, T> {
    /// `I`
    pub inputs: usize,
    /// `H`
    pub units: usize,
    /// (I, G·H)
    pub kernel: &'a [T],
    /// (H, G·H)
    pub recurrent_kernel: &'a [T],
    /// (G·H); for a GRU with `reset_after` (2, 3·H): row 0 for the input, row 1 for the state.
    pub bias: Option<&'a [T]>,
}

/// Dropout masks in sorted order, the same at every step.
#[derive(Clone, Copy, Debug)]
pub struct Masks<'a, T> {
    /// (groups, N, I) for inputs, (groups, N, H) for states: 0 or 1 / (1 − rate).
    pub data: &'a [T],
    /// 1: one mask for all gates; `G`: one for each gate, in gate order.
    pub groups: usize,
}

/// The dropout of a recurrent layer. Both masks apply only to the products: what a cell takes directly from its
/// previous state (`z⊙h`, `f⊙c`) is never masked.
#[derive(Clone, Copy, Debug)]
pub struct Dropout<'a, T> {
    /// Masks of x; `None` for no dropout.
    pub input: Option<Masks<'a, T>>,
    /// Masks of h; `None` for no dropout.
    pub recurrent: Option<Masks<'a, T>>,
}

impl<T> Default for Dropout<'_, T> {
    fn default() -> Self {
        Self { input: None, recurrent: None }
    }
}

/// A state or the gradient of one, in sorted order.
#[derive(Clone, Copy, Debug)]
pub struct State<'a, T> {
    /// (N, H)
    pub h: &'a [T],
    /// (N, H) for an LSTM, otherwise empty.
    pub c: &'a [T],
}

/// The gradients passed to a recurrent layer's backward pass.
#[derive(Clone, Copy, Debug)]
pub struct OutputGradients<'a, T> {
    /// (R, H): of the outputs.
    pub y: &'a [T],
    /// Of the final state.
    pub state: State<'a, T>,
}

/// The gradients that a recurrent layer's backward pass returns.
#[derive(Clone, Debug)]
pub struct Gradients<T> {
    /// (R, I)
    pub x: Vec<T>,
    /// (I, G·H)
    pub kernel: Vec<T>,
    /// (H, G·H)
    pub recurrent_kernel: Vec<T>,
    /// Shaped like the bias; `None` without a bias.
    pub bias: Option<Vec<T>>,
    /// (N, H): of the initial h.
    pub h: Vec<T>,
    /// (N, H): of an LSTM's initial c; otherwise empty.
    pub c: Vec<T>,
    /// (R, H): of h at every step, through all later steps and the output of the step itself.
    pub each_h: Vec<T>,
    /// (R, H): of an LSTM's c at every step, including the path through the h of the same step; otherwise empty.
    pub each_c: Vec<T>,
}

/// A recurrent layer whose shapes have been checked.
pub(super) struct Layer<'a, T> {
    pub(super) packed: &'a PackedShape<'a>,
    weights: &'a Weights<'a, T>,
    dropout: &'a Dropout<'a, T>,
    gates: usize,
}

impl<'a, T: Real> Layer<'a, T> {
    /// Checks the shapes. `bias_rows` is 2 if input and state have separate biases.
    pub(super) fn new(
        packed: &'a PackedShape<'a>,
        weights: &'a Weights<'a, T>,
        dropout: &'a Dropout<'a, T>,
        gates: usize,
        bias_rows: usize,
    ) -> Self {
        let Weights { inputs, units, .. } = *weights;
        check_shape("kernel", weights.kernel, inputs, gates * units);
        check_shape("recurrent kernel", weights.recurrent_kernel, units, gates * units);
        if let Some(bias) = weights.bias {
            check_shape("bias", bias, bias_rows, gates * units);
        }
        for (name, masks, width) in
            [("input masks", dropout.input, inputs), ("recurrent masks", dropout.recurrent, units)]
        {
            if let Some(Masks { data, groups }) = masks {
                assert!(groups == 1 || groups == gates, "{name}: {groups} groups, expected 1 or {gates}");
                check_shape(name, data, groups * packed.sequences, width);
            }
        }
        Self { packed, weights, dropout, gates }
    }

    /// Checks the shapes of the inputs. Only an LSTM has a c.
    pub(super) fn check_inputs(&self, x: &[T], initial: &State<T>, has_c: bool) {
        check_shape("x", x, self.packed.rows(), self.weights.inputs);
        self.check_state("initial", initial, has_c);
    }

    /// Checks the shapes of the gradients passed to the backward pass.
    pub(super) fn check_gradients(&self, d: &OutputGradients<T>, has_c: bool) {
        check_shape("gradient of y", d.y, self.packed.rows(), self.weights.units);
        self.check_state("gradient of final", &d.state, has_c);
    }

    fn check_state(&self, name: &str, state: &State<T>, has_c: bool) {
        let PackedShape { sequences, .. } = *self.packed;
        check_shape(&format!("{name} h"), state.h, sequences, self.weights.units);
        check_shape(&format!("{name} c"), state.c, if has_c { sequences } else { 0 }, self.weights.units);
    }

    fn columns(&self, gate: usize) -> Columns {
        let units = self.weights.units;
        Columns { first: gate * units, count: units, width: self.gates * units }
    }

    fn mask(&self, masks: &Option<Masks<'a, T>>, gate: usize, sequence: usize, width: usize) -> Vec<T> {
        let Some(Masks { data, groups }) = *masks else { return vec![T::ONE; width] };
        let group = if groups == 1 { 0 } else { gate };
        row(data, group * self.packed.sequences + sequence, width).to_vec()
    }

    fn input_mask(&self, gate: usize, sequence: usize) -> Vec<T> {
        self.mask(&self.dropout.input, gate, sequence, self.weights.inputs)
    }

    /// Returns the mask of h for a gate; ones without dropout.
    pub(super) fn state_mask(&self, gate: usize, sequence: usize) -> Vec<T> {
        self.mask(&self.dropout.recurrent, gate, sequence, self.weights.units)
    }

    /// Returns row `bias_row` of the bias for a gate; zeros without a bias.
    pub(super) fn bias(&self, bias_row: usize, gate: usize) -> Vec<T> {
        let Columns { first, count, width } = self.columns(gate);
        match self.weights.bias {
            Some(bias) => row(bias, bias_row, width)[first..][..count].to_vec(),
            None => vec![T::ZERO; count],
        }
    }

    /// `a += (x⊙mask)·W_g`
    pub(super) fn add_input_product(&self, a: &mut [T], gate: usize, sequence: usize, x: &[T]) {
        let x = times(x, &self.input_mask(gate, sequence));
        add_product(a, &x, self.weights.kernel, self.columns(gate));
    }

    /// `a += (h⊙mask)·U_g`
    pub(super) fn add_state_product(&self, a: &mut [T], gate: usize, sequence: usize, h: &[T]) {
        self.add_unmasked_state_product(a, gate, &times(h, &self.state_mask(gate, sequence)));
    }

    /// `a += h·U_g`
    pub(super) fn add_unmasked_state_product(&self, a: &mut [T], gate: usize, h: &[T]) {
        add_product(a, h, self.weights.recurrent_kernel, self.columns(gate));
    }

    /// `b_g + (x⊙mask)·W_g + (h⊙mask)·U_g`, summed in this order.
    pub(super) fn pre_activation(&self, gate: usize, sequence: usize, x: &[T], h: &[T]) -> Vec<T> {
        let mut a = self.bias(0, gate);
        self.add_input_product(&mut a, gate, sequence, x);
        self.add_state_product(&mut a, gate, sequence, h);
        a
    }

    /// Returns gradients that are zero except for that of the final state, from which the backward pass starts.
    pub(super) fn start(&self, d_final: &State<T>) -> Gradients<T> {
        let Weights { inputs, kernel, recurrent_kernel, bias, .. } = self.weights;
        Gradients {
            x: vec![T::ZERO; self.packed.rows() * inputs],
            kernel: vec![T::ZERO; kernel.len()],
            recurrent_kernel: vec![T::ZERO; recurrent_kernel.len()],
            bias: bias.map(|bias| vec![T::ZERO; bias.len()]),
            h: d_final.h.to_vec(),
            c: d_final.c.to_vec(),
            each_h: vec![T::ZERO; self.packed.rows() * self.weights.units],
            each_c: Vec::new(),
        }
    }

    /// The backward of [`Self::bias`]: `db_g += d`
    pub(super) fn bias_backward(&self, d: &[T], bias_row: usize, gate: usize, to: &mut Gradients<T>) {
        let Columns { first, count, width } = self.columns(gate);
        if let Some(bias) = &mut to.bias {
            add(&mut row_mut(bias, bias_row, width)[first..][..count], d.iter().copied());
        }
    }

    /// The backward of [`Self::add_input_product`]: `dW_g += (x⊙mask)ᵀ·d`, `dx += (d·W_gᵀ)⊙mask`
    pub(super) fn input_backward(
        &self,
        d: &[T],
        gate: usize,
        place: BatchRow,
        x: &[T],
        to: &mut Gradients<T>,
    ) {
        let inputs = self.weights.inputs;
        let mask = self.input_mask(gate, place.sequence);
        let x = times(row(x, place.row, inputs), &mask);
        add_outer(&mut to.kernel, &x, d, self.columns(gate));
        let dx = product_transposed(d, self.weights.kernel, inputs, self.columns(gate));
        add(row_mut(&mut to.x, place.row, inputs), times(&dx, &mask));
    }

    /// The backward of [`Self::add_state_product`]: `dU_g += (h⊙mask)ᵀ·d`, `dh += (d·U_gᵀ)⊙mask`
    pub(super) fn state_backward(
        &self,
        d: &[T],
        gate: usize,
        sequence: usize,
        h: &[T],
        to: &mut Gradients<T>,
    ) {
        let mask = self.state_mask(gate, sequence);
        let dh = self.unmasked_state_backward(d, gate, &times(h, &mask), to);
        add(row_mut(&mut to.h, sequence, self.weights.units), times(&dh, &mask));
    }

    /// The backward of [`Self::add_unmasked_state_product`]: `dU_g += hᵀ·d`, returns `d·U_gᵀ`
    pub(super) fn unmasked_state_backward(
        &self,
        d: &[T],
        gate: usize,
        h: &[T],
        to: &mut Gradients<T>,
    ) -> Vec<T> {
        add_outer(&mut to.recurrent_kernel, h, d, self.columns(gate));
        product_transposed(d, self.weights.recurrent_kernel, self.weights.units, self.columns(gate))
    }

    /// The backward of [`Self::pre_activation`].
    pub(super) fn pre_activation_backward(
        &self,
        d: &[T],
        gate: usize,
        place: BatchRow,
        (x, h): (&[T], &[T]),
        to: &mut Gradients<T>,
    ) {
        self.bias_backward(d, 0, gate, to);
        self.input_backward(d, gate, place, x, to);
        self.state_backward(d, gate, place.sequence, h, to);
    }
}

/// `a⊙b`
pub(super) fn times<T: Real>(a: &[T], b: &[T]) -> Vec<T> {
    a.iter().zip(b).map(|(&a, &b)| a * b).collect()
}

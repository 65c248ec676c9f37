//! Recurrent layers over packed batches: SimpleRNN, LSTM and GRU, forward and backward.
//!
//! A packed batch holds sequences sorted by length, longest first, time-major and without padding rows: step `t` has
//! the rows `offsets[t]..offsets[t] + active[t]`, of which row `n` belongs to sorted sequence `n`. Letters: `T`
//! steps, `N` sequences, `I` inputs, `H` units, `G` gates, `R` rows (the sum of the lengths).
//!
//! | buffer | shape | |
//! |---|---|---|
//! | rows (`x`, `h`, `c`, `dy` …) | `(R, row_step(width))` | the content of the padding is unspecified |
//! | states (`h0`, `c0`, `dh` …) | `(N, row_step(H))` | sorted order |
//! | gates | `[panels][R][64]` | pre-activations, then activated gates, then their gradients, all in place |
//!
//! Weights are packed: kernel and recurrent kernel in the arrangement of the cell ([`Cell::arrangement`]), and for
//! the backward pass the transposes of both ([`Packed::pack_transposed`](crate::Packed::pack_transposed)). Only one
//! of the four is needed at a time.
//!
//! The order of calls in a training step: [`input_product`], [`forward`], [`backward`], then [`kernel_gradient`],
//! [`recurrent_gradient`], [`bias_gradient`] and [`input_gradient`].
//!
//! Each thread processes either some of the sequences through all steps, or some of the hidden units of all
//! sequences. The choice depends on the shapes and the number of threads.

mod backward;
mod biases;
mod cell;
mod forward;
mod gru;
mod lstm;
mod plan;
mod rnn;
#[cfg(test)]
mod tests;
mod tokens;

pub use backward::{
    Backward, Probe, backward, bias_gradient, input_gradient, kernel_gradient, recurrent_gradient,
};
pub use biases::Biases;
pub use forward::{Forward, StepInput, forward, input_product};
pub use tokens::{gather_gates, sum_gates};

use crate::activation::Elementwise;
use crate::layout::{GATE_ROW, PanelShape, SLOT};

/// A recurrent cell and its activations.
///
/// Gates are in Keras's order: LSTM i, f, c, o; GRU z, r, h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// `h = act(x·W + b + h·U)`
    SimpleRnn {
        /// Activation of the hidden state.
        activation: Elementwise,
    },
    /// `c = f⊙c + i⊙g`, `h = o⊙act(c)` (Hochreiter & Schmidhuber 1997, Gers et al. 2000)
    Lstm {
        /// Activation of the candidate and of the cell state's output.
        activation: Elementwise,
        /// Activation of the gates i, f and o.
        recurrent_activation: Elementwise,
    },
    /// `h = z⊙h + (1−z)⊙hh` (Cho et al. 2014)
    Gru {
        /// Activation of the candidate `hh`.
        activation: Elementwise,
        /// Activation of the gates z and r.
        recurrent_activation: Elementwise,
        /// Whether r multiplies `h·U_h + b` (true, the form of cuDNN) or `h` itself.
        reset_after: bool,
    },
}

impl Cell {
    /// Returns the number of gates `G`: 1, 4 or 3.
    pub fn gates(self) -> usize {
        match self {
            Cell::SimpleRnn { .. } => 1,
            Cell::Lstm { .. } => 4,
            Cell::Gru { .. } => 3,
        }
    }

    /// Returns whether there is a cell state `c` in addition to `h`.
    pub fn has_cell_state(self) -> bool {
        matches!(self, Cell::Lstm { .. })
    }

    /// Returns the number of floats in the bias: `G·H`, or twice that for a GRU with `reset_after` (input part,
    /// recurrent part).
    pub fn bias_len(self, units: usize) -> usize {
        self.gates() * units * if self.two_biases() { 2 } else { 1 }
    }

    pub(crate) fn two_biases(self) -> bool {
        matches!(self, Cell::Gru { reset_after: true, .. })
    }

    /// Returns whether the reset gate multiplies the state before its product, which takes two products per step.
    pub fn resets_before(self) -> bool {
        matches!(self, Cell::Gru { reset_after: false, .. })
    }

    /// Returns the slot of a gate buffer's row that holds each gate's recurrent part.
    pub(crate) fn recurrent_slots(self) -> [usize; 4] {
        // The candidate of a reset-after GRU keeps its two parts apart: x·W in slot 2, h·U in slot 3.
        if self.two_biases() { [0, 16, 48, 48] } else { [0, 16, 32, 48] }
    }

    /// Returns how the gates of `units` hidden units are arranged in panels: the shape of packed kernels and their
    /// gradients.
    pub fn arrangement(self, units: usize) -> PanelShape {
        PanelShape::gates(self.gates(), units)
    }

    /// Returns the index of a gate's value in a gate buffer of `rows` rows, for a cell with gates.
    pub fn gate_place(rows: usize, row: usize, gate: usize, unit: usize) -> usize {
        ((unit / SLOT) * rows + row) * GATE_ROW + gate * SLOT + unit % SLOT
    }

    /// Returns the number of floats in a gate buffer for `rows` rows.
    pub fn gates_len(self, units: usize, rows: usize) -> usize {
        self.arrangement(units).panels() * rows * GATE_ROW
    }
}

/// The shape of a packed batch in time.
#[derive(Clone, Copy, Debug)]
pub struct Steps<'a> {
    active: &'a [usize],
    offsets: &'a [usize],
    lengths: &'a [usize],
}

impl<'a> Steps<'a> {
    /// Describes `active[t]` sequences at step `t`, whose rows begin at `offsets[t]`, and the `lengths` of the sorted
    /// sequences.
    ///
    /// # Panics
    /// When the three do not describe the same batch.
    pub fn new(active: &'a [usize], offsets: &'a [usize], lengths: &'a [usize]) -> Self {
        assert_eq!(active.len(), offsets.len(), "one offset per step");
        assert_eq!(
            active.len(),
            lengths.first().copied().unwrap_or(0),
            "the number of steps equals the longest length"
        );
        assert!(lengths.is_sorted_by(|a, b| a >= b), "lengths must be sorted, longest first");
        let mut rows = 0;
        for (t, (&n, &offset)) in active.iter().zip(offsets).enumerate() {
            assert_eq!(offset, rows, "the offset of step {t}");
            assert_eq!(n, lengths.partition_point(|&l| l > t), "the number of sequences at step {t}");
            rows += n;
        }
        Self { active, offsets, lengths }
    }

    /// Returns the number of sequences `N`, including empty ones.
    pub fn sequences(&self) -> usize {
        self.lengths.len()
    }

    /// Returns the number of rows `R` of all steps.
    pub fn rows(&self) -> usize {
        self.active.last().map_or(0, |n| n + self.offsets[self.active.len() - 1])
    }

    /// Returns the number of steps `T` of the longest sequence.
    pub fn len(&self) -> usize {
        self.active.len()
    }

    /// Returns whether there are no steps.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// Returns the step and the sorted sequence of a row.
    fn step_of(&self, row: usize) -> (usize, usize) {
        let t = self.offsets.partition_point(|&o| o <= row) - 1;
        (t, row - self.offsets[t])
    }
}

/// Dropout masks of the hidden state, constant over time: `groups` buffers `(N, row_step(H))` in sorted order, one
/// for all gates or one per gate, with the values 0 or 1 / (1 − rate).
#[derive(Clone, Copy, Debug)]
pub struct StateMasks<'a> {
    /// The masks, one group after another.
    pub data: &'a [f32],
    /// 1 or `G`.
    pub groups: usize,
}

impl StateMasks<'_> {
    /// Returns the group that gate `g` uses.
    fn group_of(&self, gate: usize) -> usize {
        if self.groups == 1 { 0 } else { gate }
    }
}

//! Recurrent layers over packed batches: SimpleRNN, LSTM and GRU, forward and backward.
//!
//! A packed batch holds sequences sorted by length, longest first, time-major and without padding rows:
//! step `t` has the rows `offsets[t]..offsets[t] + active[t]`, row `n` of which belongs to sorted sequence
//! `n`. Letters: `T` steps, `N` sequences, `I` inputs, `H` units, `G` gates, `R` rows (Σ of the lengths).
//!
//! | buffer | shape | |
//! |---|---|---|
//! | rows (`x`, `h`, `c`, `dy` …) | `(R, row_step(width))` | what stands after a row's width is unspecified |
//! | states (`h0`, `c0`, `dh` …) | `(N, row_step(H))` | sorted order |
//! | gates | `[panels][R][64]` | pre-activations, then activated gates, then their gradients, in place |
//!
//! Weights come packed: kernel and recurrent kernel in the arrangement of the cell ([`Cell::arrangement`]), for
//! backward the transposes of both ([`Packed::pack_transposed`](crate::Packed::pack_transposed)). No two of the
//! four are needed at once.
//!
//! The order of work in a training step: [`input_product`], [`forward`], [`backward`], then
//! [`kernel_gradient`], [`recurrent_gradient`], [`bias_gradient`] and [`input_gradient`].
//!
//! Each thread takes a slice of the sequences through all steps, or a slice of the hidden units of all sequences;
//! the plan of a pass chooses by shapes and threads.

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

/// A recurrence and its activations.
///
/// Gate orders are Keras's: LSTM i, f, c, o; GRU z, r, h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// `h = act(x·W + b + h·U)`
    SimpleRnn {
        /// Of the hidden state.
        activation: Elementwise,
    },
    /// `c = f⊙c + i⊙g`, `h = o⊙act(c)` (Hochreiter & Schmidhuber 1997, Gers et al. 2000)
    Lstm {
        /// Of the candidate and the cell state's output.
        activation: Elementwise,
        /// Of the gates i, f and o.
        recurrent_activation: Elementwise,
    },
    /// `h = z⊙h + (1−z)⊙hh` (Cho et al. 2014)
    Gru {
        /// Of the candidate `hh`.
        activation: Elementwise,
        /// Of the gates z and r.
        recurrent_activation: Elementwise,
        /// Whether r multiplies `h·U_h + b` (true, the form of cuDNN) or `h` itself.
        reset_after: bool,
    },
}

impl Cell {
    /// Gates `G`: 1, 4 or 3.
    pub fn gates(self) -> usize {
        match self {
            Cell::SimpleRnn { .. } => 1,
            Cell::Lstm { .. } => 4,
            Cell::Gru { .. } => 3,
        }
    }

    /// Whether the state has a cell state `c` beside `h`.
    pub fn has_cell_state(self) -> bool {
        matches!(self, Cell::Lstm { .. })
    }

    /// Floats of the bias: `G·H`, twice that for a GRU with `reset_after` (input part, recurrent part).
    pub fn bias_len(self, units: usize) -> usize {
        self.gates() * units * if self.two_biases() { 2 } else { 1 }
    }

    pub(crate) fn two_biases(self) -> bool {
        matches!(self, Cell::Gru { reset_after: true, .. })
    }

    /// Whether the reset gate multiplies the state before its product: two products a step.
    pub fn resets_before(self) -> bool {
        matches!(self, Cell::Gru { reset_after: false, .. })
    }

    /// The slot of a gate buffer's row that holds each gate's recurrent part.
    pub(crate) fn recurrent_slots(self) -> [usize; 4] {
        // The candidate of a reset-after GRU keeps its two parts apart: x·W in slot 2, h·U in slot 3.
        if self.two_biases() { [0, 16, 48, 48] } else { [0, 16, 32, 48] }
    }

    /// How the gates of `units` hidden units lie in panels: the shape of packed kernels and of their gradients.
    pub fn arrangement(self, units: usize) -> PanelShape {
        PanelShape::gates(self.gates(), units)
    }

    /// Where a gate's value lies in the buffer of gates of `rows` rows, of a cell that has gates.
    pub fn gate_place(rows: usize, row: usize, gate: usize, unit: usize) -> usize {
        ((unit / SLOT) * rows + row) * GATE_ROW + gate * SLOT + unit % SLOT
    }

    /// Floats of a buffer of gates for `rows` rows.
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
    /// `active[t]` sequences at step `t`, whose rows begin at `offsets[t]`; `lengths` of the sorted sequences.
    ///
    /// # Panics
    /// When the three do not describe the same batch.
    pub fn new(active: &'a [usize], offsets: &'a [usize], lengths: &'a [usize]) -> Self {
        assert_eq!(active.len(), offsets.len(), "one offset a step");
        assert_eq!(
            active.len(),
            lengths.first().copied().unwrap_or(0),
            "as many steps as the longest length"
        );
        assert!(lengths.is_sorted_by(|a, b| a >= b), "lengths are sorted, longest first");
        let mut rows = 0;
        for (t, (&n, &offset)) in active.iter().zip(offsets).enumerate() {
            assert_eq!(offset, rows, "the offset of step {t}");
            assert_eq!(n, lengths.partition_point(|&l| l > t), "the sequences at step {t}");
            rows += n;
        }
        Self { active, offsets, lengths }
    }

    /// Sequences `N`, empty ones included.
    pub fn sequences(&self) -> usize {
        self.lengths.len()
    }

    /// Rows `R` of all steps.
    pub fn rows(&self) -> usize {
        self.active.last().map_or(0, |n| n + self.offsets[self.active.len() - 1])
    }

    /// Steps `T` of the longest sequence.
    pub fn len(&self) -> usize {
        self.active.len()
    }

    /// Whether there is no step.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// The step and the sorted sequence of a row.
    fn step_of(&self, row: usize) -> (usize, usize) {
        let t = self.offsets.partition_point(|&o| o <= row) - 1;
        (t, row - self.offsets[t])
    }
}

/// Dropout masks of the hidden state, constant over time: `groups` buffers `(N, row_step(H))` in sorted
/// order, one for all gates or one a gate, whose values are 0 or 1 / (1 − rate).
#[derive(Clone, Copy, Debug)]
pub struct StateMasks<'a> {
    /// The masks, group after group.
    pub data: &'a [f32],
    /// 1 or `G`.
    pub groups: usize,
}

impl StateMasks<'_> {
    /// Which group serves gate `g`.
    fn group_of(&self, gate: usize) -> usize {
        if self.groups == 1 { 0 } else { gate }
    }
}

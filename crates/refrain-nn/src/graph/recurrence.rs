//! Reading the states and gates of a recurrent layer.

use super::edge::{Axis, EdgeSpec, LayoutId, Value};
use crate::params::{Params, SpanId};
use crate::sequence::SeqLayout;
use refrain_kernels::recurrent::Cell;
use refrain_kernels::row_step;

/// The context of an operation after a pass.
#[derive(Debug, Clone, Copy)]
pub struct RecurrenceContext<'a> {
    /// All parameters.
    pub params: &'a Params,
    pub(super) input: EdgeSpec,
    pub(super) output: &'a Value,
    pub(super) layouts: &'a [SeqLayout],
}

impl<'a> RecurrenceContext<'a> {
    /// Returns the first output.
    pub fn output(&self) -> &'a Value {
        self.output
    }

    /// Returns the layout of the first input, if that has a time axis.
    pub fn input_layout(&self) -> Option<&'a SeqLayout> {
        match self.input.axis {
            Axis::Steps(LayoutId(id)) => Some(&self.layouts[id]),
            Axis::Lanes => None,
        }
    }

    /// Returns the name of the layer that one of its parameters belongs to: everything before the last slash.
    pub fn layer_of(&self, id: SpanId) -> &'a str {
        let name = &self.params.spans()[id.0].name;
        name.rsplit_once('/').map_or(name, |(layer, _)| layer)
    }
}

/// A recurrent layer's states, gates and their gradients at every step of the last batch.
///
/// Row `layout().row(n, t)` belongs to step `t` of the caller's sequence `n`. A layer that goes backwards
/// counts steps in its own direction: its step 0 is the last step of the sequence. With `H` units, each row
/// has `H` floats.
#[derive(Debug, Clone, Copy)]
pub struct Recurrence<'a> {
    pub(crate) layer: &'a str,
    pub(crate) cell: Cell,
    pub(crate) units: usize,
    pub(crate) layout: &'a SeqLayout,
    pub(crate) h: &'a [f32],
    pub(crate) c: &'a [f32],
    /// The activated gates, in the layout of the kernels; `None` after a backward pass that did not keep
    /// them.
    pub(crate) gates: Option<&'a [f32]>,
    /// The gradients dh and dc.
    pub(crate) gradients: Option<(&'a [f32], &'a [f32])>,
}

impl<'a> Recurrence<'a> {
    /// Returns the layer's name. For one direction of a bidirectional layer it is
    /// `bidirectional/forward_lstm` or similar. With `/recurrent_kernel` appended, it is the name of a
    /// parameter.
    pub fn layer(&self) -> &'a str {
        self.layer
    }

    /// Returns Keras's name of the layer: `SimpleRNN`, `LSTM` or `GRU`.
    pub fn class_name(&self) -> &'static str {
        match self.cell {
            Cell::SimpleRnn { .. } => "SimpleRNN",
            Cell::Lstm { .. } => "LSTM",
            Cell::Gru { .. } => "GRU",
        }
    }

    /// Returns the number of hidden units `H`.
    pub fn units(&self) -> usize {
        self.units
    }

    /// Returns the layout, which maps rows to steps of sequences.
    pub fn layout(&self) -> &'a SeqLayout {
        self.layout
    }

    /// Returns the gates in Keras's order and with its letters: i, f, c, o for LSTM; z, r, h for GRU; none
    /// for SimpleRNN. The LSTM's `c` and the GRU's `h` are the candidates.
    pub fn gate_names(&self) -> &'static [&'static str] {
        match self.cell {
            Cell::SimpleRnn { .. } => &[],
            Cell::Lstm { .. } => &["i", "f", "c", "o"],
            Cell::Gru { .. } => &["z", "r", "h"],
        }
    }

    /// Returns whether there is a cell state `c` in addition to the hidden state.
    pub fn has_cell_state(&self) -> bool {
        self.cell.has_cell_state()
    }

    /// Returns the hidden state after a step.
    pub fn hidden(&self, row: usize) -> &'a [f32] {
        self.row(self.h, row)
    }

    /// Returns an LSTM's cell state after a step.
    pub fn cell_state(&self, row: usize) -> Option<&'a [f32]> {
        self.has_cell_state().then(|| self.row(self.c, row))
    }

    /// Returns whether the gates of the last batch are available: after a forward pass, or after a backward
    /// pass with [`Model::set_gradient_probe`](crate::Model::set_gradient_probe).
    pub fn has_gates(&self) -> bool {
        self.gates.is_some() && !self.gate_names().is_empty()
    }

    /// Returns the values of one gate at a step, after its activation; empty if they are not available.
    ///
    /// # Panics
    /// Panics if there are fewer gates.
    pub fn gate(&self, gate: usize, row: usize) -> impl Iterator<Item = f32> + use<'a> {
        assert!(gate < self.gate_names().len().max(1), "gate {gate} of {:?}", self.gate_names());
        let (gates, rows) = (self.gates.filter(|_| self.has_gates()), self.layout.rows());
        let units = if gates.is_some() { self.units } else { 0 };
        let gates = gates.unwrap_or_default();
        (0..units).map(move |unit| gates[Cell::gate_place(rows, row, gate, unit)])
    }

    /// Returns the gradient of the loss with respect to the hidden state after a step, through everything
    /// that follows. Available only after a backward pass with
    /// [`Model::set_gradient_probe`](crate::Model::set_gradient_probe).
    pub fn hidden_gradient(&self, row: usize) -> Option<&'a [f32]> {
        self.gradients.map(|(dh, _)| self.row(dh, row))
    }

    /// Returns the gradient with respect to an LSTM's cell state, including the path through the hidden state
    /// of the same step.
    pub fn cell_gradient(&self, row: usize) -> Option<&'a [f32]> {
        self.gradients.filter(|_| self.has_cell_state()).map(|(_, dc)| self.row(dc, row))
    }

    fn row(&self, of: &'a [f32], row: usize) -> &'a [f32] {
        &of[row * row_step(self.units)..][..self.units]
    }
}

//! What a recurrent layer did with a batch, to be read.

use super::edge::{Axis, EdgeSpec, LayoutId, Value};
use crate::params::{Params, SpanId};
use crate::sequence::SeqLayout;
use refrain_kernels::recurrent::Cell;
use refrain_kernels::row_step;

/// An operation's surroundings after a pass.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// All parameters.
    pub params: &'a Params,
    pub(super) input: EdgeSpec,
    pub(super) output: &'a Value,
    pub(super) layouts: &'a [SeqLayout],
}

impl<'a> Surroundings<'a> {
    /// The first output.
    pub fn output(&self) -> &'a Value {
        self.output
    }

    /// The layout of the first input, if that has a time axis.
    pub fn input_layout(&self) -> Option<&'a SeqLayout> {
        match self.input.axis {
            Axis::Steps(LayoutId(id)) => Some(&self.layouts[id]),
            Axis::Lanes => None,
        }
    }

    /// The layer's name, of one of its parameters: what stands before the last slash.
    pub fn layer_of(&self, id: SpanId) -> &'a str {
        let name = &self.params.spans()[id.0].name;
        name.rsplit_once('/').map_or(name, |(layer, _)| layer)
    }
}

/// A recurrent layer's states, gates and their gradients at every step of the last batch.
///
/// Row `layout().row(n, t)` belongs to step `t` of the caller's sequence `n`. A layer that goes backwards counts steps
/// as it walks: its step 0 is the sequence's last. With `H` units each row is `H` floats.
#[derive(Debug, Clone, Copy)]
pub struct Recurrence<'a> {
    pub(crate) layer: &'a str,
    pub(crate) cell: Cell,
    pub(crate) units: usize,
    pub(crate) layout: &'a SeqLayout,
    pub(crate) h: &'a [f32],
    pub(crate) c: &'a [f32],
    /// Activated, in the kernels' panels; none after a backward pass that kept none.
    pub(crate) gates: Option<&'a [f32]>,
    /// dh and dc.
    pub(crate) gradients: Option<(&'a [f32], &'a [f32])>,
}

impl<'a> Recurrence<'a> {
    /// The layer's name; of one direction of a bidirectional layer `bidirectional/forward_lstm` and the like. With
    /// `/recurrent_kernel` after it the name of a parameter.
    pub fn layer(&self) -> &'a str {
        self.layer
    }

    /// Keras's name of the layer: `SimpleRNN`, `LSTM` or `GRU`.
    pub fn class_name(&self) -> &'static str {
        match self.cell {
            Cell::SimpleRnn { .. } => "SimpleRNN",
            Cell::Lstm { .. } => "LSTM",
            Cell::Gru { .. } => "GRU",
        }
    }

    /// Hidden units `H`.
    pub fn units(&self) -> usize {
        self.units
    }

    /// Which row belongs to which step of which sequence.
    pub fn layout(&self) -> &'a SeqLayout {
        self.layout
    }

    /// The gates in Keras's order and by its letters: LSTM i, f, c, o; GRU z, r, h; none of a SimpleRNN. The LSTM's
    /// `c` and the GRU's `h` are the candidates.
    pub fn gate_names(&self) -> &'static [&'static str] {
        match self.cell {
            Cell::SimpleRnn { .. } => &[],
            Cell::Lstm { .. } => &["i", "f", "c", "o"],
            Cell::Gru { .. } => &["z", "r", "h"],
        }
    }

    /// Whether there is a cell state `c` beside the hidden state.
    pub fn has_cell_state(&self) -> bool {
        self.cell.has_cell_state()
    }

    /// The hidden state after a step.
    pub fn hidden(&self, row: usize) -> &'a [f32] {
        self.row(self.h, row)
    }

    /// The cell state after a step, of an LSTM.
    pub fn cell_state(&self, row: usize) -> Option<&'a [f32]> {
        self.has_cell_state().then(|| self.row(self.c, row))
    }

    /// Whether the gates of the last batch are there: after a forward pass, and after a backward pass with
    /// [`Model::set_gradient_probe`](crate::Model::set_gradient_probe).
    pub fn has_gates(&self) -> bool {
        self.gates.is_some() && !self.gate_names().is_empty()
    }

    /// The values of one gate at a step, after its activation; nothing where they are not there.
    ///
    /// # Panics
    /// When there are fewer gates.
    pub fn gate(&self, gate: usize, row: usize) -> impl Iterator<Item = f32> + use<'a> {
        assert!(gate < self.gate_names().len().max(1), "gate {gate} of {:?}", self.gate_names());
        let (gates, rows) = (self.gates.filter(|_| self.has_gates()), self.layout.rows());
        let units = if gates.is_some() { self.units } else { 0 };
        let gates = gates.unwrap_or_default();
        (0..units).map(move |unit| gates[Cell::gate_place(rows, row, gate, unit)])
    }

    /// The gradient of the loss by the hidden state after a step, through everything that follows; only after a
    /// backward pass with [`Model::set_gradient_probe`](crate::Model::set_gradient_probe).
    pub fn hidden_gradient(&self, row: usize) -> Option<&'a [f32]> {
        self.gradients.map(|(dh, _)| self.row(dh, row))
    }

    /// The same by an LSTM's cell state, its way through the hidden state of the same step included.
    pub fn cell_gradient(&self, row: usize) -> Option<&'a [f32]> {
        self.gradients.filter(|_| self.has_cell_state()).map(|(_, dc)| self.row(dc, row))
    }

    fn row(&self, of: &'a [f32], row: usize) -> &'a [f32] {
        &of[row * row_step(self.units)..][..self.units]
    }
}

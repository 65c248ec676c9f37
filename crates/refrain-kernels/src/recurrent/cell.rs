//! The elementwise part of a step, in which the cells differ.

use super::{Cell, gru, lstm, rnn};
use crate::activation::Elementwise;
use crate::math::{Sigmoid, Tanh};
use crate::simd::Simd;
use std::ptr::{null, null_mut};

/// Pointers to one sequence's part of one panel at one step, already offset to the lanes in question.
///
/// `gates` points at the panel's row of sixty-four floats, all others at the panel's first unit in a row of units.
/// Pointers that a cell does not use (`c` outside the LSTM) are not dereferenced.
#[derive(Clone, Copy)]
pub(super) struct CellPointers {
    /// Unit vectors of the panel: 1, or up to 4 for a cell without gates.
    pub(super) slots: usize,
    pub(super) gates: *mut f32,
    pub(super) h_prev: *const f32,
    pub(super) c_prev: *const f32,
    pub(super) h: *mut f32,
    pub(super) c: *mut f32,
    /// r ⊙ h of a reset-before GRU.
    pub(super) reset: *mut f32,
    /// The state that the reset gate multiplies: `h_prev` after dropout.
    pub(super) h_reset: *const f32,
    /// Backward: the gradient of h; replaced with the part of it that reaches h_prev directly.
    pub(super) dh: *mut f32,
    /// Backward: the gradient of c; replaced with that of c_prev.
    pub(super) dc: *mut f32,
    /// Backward: where to store the gradient of c before it is replaced with that of c_prev, or null.
    pub(super) seen_dc: *mut f32,
    /// Backward of a reset-before GRU: the gradient of r ⊙ h.
    pub(super) d_reset: *const f32,
    /// Backward of a reset-before GRU: the dropout mask of the state in the candidate, or null.
    pub(super) reset_mask: *const f32,
}

impl CellPointers {
    /// Only null pointers, to be replaced with those that the pass has.
    pub(super) const NONE: CellPointers = CellPointers {
        slots: 0,
        gates: null_mut(),
        h_prev: null(),
        c_prev: null(),
        h: null_mut(),
        c: null_mut(),
        reset: null_mut(),
        h_reset: null(),
        dh: null_mut(),
        dc: null_mut(),
        seen_dc: null_mut(),
        d_reset: null(),
        reset_mask: null(),
    };
}

/// The elementwise part of a recurrence.
///
/// # Safety
/// Each function may read and write, through the pointers that its cell uses, `LANES` floats of each slot of `gates`
/// and `LANES` floats per unit vector of the panel.
pub(super) trait Pointwise: Copy + Sync {
    /// Slots of sixteen units that a panel holds: 4 for a cell without gates, otherwise 1.
    const UNIT_SLOTS: usize = 1;
    /// Gates whose recurrent product comes first. The candidate of a reset-before GRU follows in a second product.
    const FIRST_GATES: usize = 4;

    unsafe fn forward<S: Simd>(self, s: S, at: CellPointers);
    unsafe fn backward<S: Simd>(self, s: S, at: CellPointers);

    /// Runs between the two products of a step: activates the gates and writes r ⊙ h.
    unsafe fn reset_forward<S: Simd>(self, _: S, _: CellPointers) {}
    /// Runs once the gradient of r ⊙ h is known.
    unsafe fn reset_backward<S: Simd>(self, _: S, _: CellPointers) {}
}

/// A pass over a batch, generic over the cell.
pub(super) trait Pass {
    fn run<P: Pointwise>(self, pointwise: P);
}

/// Runs a pass with the elementwise part of a cell. The default activations have their own compiled version.
pub(super) fn with_pointwise(cell: Cell, pass: impl Pass) {
    use Elementwise::{Sigmoid as S, Tanh as T};
    match cell {
        Cell::SimpleRnn { activation: T } => pass.run(rnn::SimpleRnn { activation: Tanh }),
        Cell::Lstm { activation: T, recurrent_activation: S } => {
            pass.run(lstm::Lstm { activation: Tanh, recurrent: Sigmoid });
        }
        Cell::Gru { activation: T, recurrent_activation: S, reset_after: true } => {
            pass.run(gru::ResetAfter { activation: Tanh, recurrent: Sigmoid });
        }
        Cell::SimpleRnn { activation } => pass.run(rnn::SimpleRnn { activation }),
        Cell::Lstm { activation, recurrent_activation: recurrent } => {
            pass.run(lstm::Lstm { activation, recurrent });
        }
        Cell::Gru { activation, recurrent_activation: recurrent, reset_after: true } => {
            pass.run(gru::ResetAfter { activation, recurrent });
        }
        Cell::Gru { activation, recurrent_activation: recurrent, reset_after: false } => {
            pass.run(gru::ResetBefore { activation, recurrent });
        }
    }
}

//! A layer's bias in the order in which the kernels read it.

use super::Cell;
use crate::buffer::AlignedVec;
use crate::layout::{PanelShape, SLOT};
use crate::panel::{pack_bias, packed_bias_len};

/// The packed bias of one recurrent layer; zeros if the layer has no bias.
#[derive(Clone, Debug)]
pub struct Biases {
    cell: Cell,
    shape: PanelShape,
    /// Added to the input product. For a GRU with `reset_after`: both parts of z and r, and the input part of h.
    pub(super) input: AlignedVec,
    /// The recurrent part of the candidate bias of a GRU with `reset_after`, one slot per panel.
    pub(super) candidate: AlignedVec,
}

impl Biases {
    /// Creates zeros for `units` hidden units.
    pub fn new(cell: Cell, units: usize) -> Self {
        let shape = cell.arrangement(units);
        let input = AlignedVec::zeros(packed_bias_len(shape));
        Self { cell, shape, input, candidate: AlignedVec::zeros(shape.panels() * SLOT) }
    }

    /// Returns whether these are biases for such a layer.
    pub(super) fn fits(&self, cell: Cell, units: usize) -> bool {
        self.cell == cell && self.shape.units() == units
    }

    /// Packs a bias of [`Cell::bias_len`] floats.
    ///
    /// # Panics
    /// When the length is wrong.
    pub fn pack(&mut self, bias: &[f32]) {
        let (columns, units) = (self.shape.columns(), self.shape.units());
        assert_eq!(bias.len(), self.cell.bias_len(units), "the length of the bias of a recurrent layer");
        pack_bias(&bias[..columns], self.shape, &mut self.input);
        if self.cell.two_biases() {
            let recurrent = &bias[columns..];
            for p in 0..self.shape.panels() {
                let filled = self.shape.filled(p, 0);
                for gate in 0..2 {
                    let at = p * self.shape.row_len() + gate * SLOT;
                    let part = &recurrent[self.shape.column(p, gate)..][..filled];
                    for (b, r) in self.input[at..].iter_mut().zip(part) {
                        *b += r;
                    }
                }
                let part = &recurrent[self.shape.column(p, 2)..][..filled];
                self.candidate[p * SLOT..][..filled].copy_from_slice(part);
            }
        }
    }
}

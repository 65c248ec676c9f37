//! A layer's weights in the order that the kernels read.

use super::Cell;
use crate::buffer::AlignedVec;
use crate::engine::Engine;
use crate::gemm::{pack_bias, packed_bias_len};
use crate::panel::{Packed, PanelShape};
use crate::simd::SLOT;

/// Packed weights of one recurrent layer: repacked after each update, never by a forward pass.
#[derive(Clone, Debug)]
pub struct RecurrentWeights {
    pub(super) cell: Cell,
    pub(super) shape: PanelShape,
    pub(super) kernel: Packed,
    pub(super) recurrent: Packed,
    pub(super) kernel_t: Packed,
    pub(super) recurrent_t: Packed,
    /// Added to the input product: of a GRU with `reset_after` both parts of z and r, the input part of h.
    pub(super) bias: AlignedVec,
    /// The recurrent part of a reset-after GRU's candidate bias, one slot a panel.
    pub(super) candidate_bias: AlignedVec,
}

impl RecurrentWeights {
    /// Weights to be packed before their use.
    pub fn new(cell: Cell, inputs: usize, units: usize) -> Self {
        let shape = PanelShape::gates(cell.gates(), units);
        Self {
            cell,
            shape,
            kernel: Packed::new(shape, inputs),
            recurrent: Packed::new(shape, units),
            kernel_t: Packed::new(PanelShape::plain(inputs), shape.columns()),
            recurrent_t: Packed::new(PanelShape::plain(units), shape.columns()),
            bias: AlignedVec::default(),
            candidate_bias: AlignedVec::default(),
        }
    }

    /// Takes over `kernel` `(I, G·H)`, `recurrent` `(H, G·H)` and the bias of [`Cell::bias_len`] floats.
    /// The transposes, which only backward needs, are packed with `training`.
    ///
    /// # Panics
    /// When a length is wrong.
    pub fn pack(
        &mut self,
        engine: &Engine,
        kernel: &[f32],
        recurrent: &[f32],
        bias: Option<&[f32]>,
        training: bool,
    ) {
        self.kernel.pack(engine, kernel);
        self.recurrent.pack(engine, recurrent);
        if training {
            self.kernel_t.pack_transposed(engine, kernel, self.shape);
            self.recurrent_t.pack_transposed(engine, recurrent, self.shape);
        }
        self.bias.resize(packed_bias_len(self.shape));
        self.candidate_bias.resize(self.shape.panels() * SLOT);
        let Some(bias) = bias else { return };
        let (columns, units) = (self.shape.columns(), self.shape.units());
        assert_eq!(bias.len(), self.cell.bias_len(units), "the bias of a recurrent layer");
        pack_bias(&bias[..columns], self.shape, &mut self.bias);
        if self.cell.two_biases() {
            let recurrent = &bias[columns..];
            for p in 0..self.shape.panels() {
                let filled = self.shape.filled(p, 0);
                for gate in 0..2 {
                    let at = p * self.shape.row_len() + gate * SLOT;
                    let part = &recurrent[self.shape.column(p, gate)..][..filled];
                    for (b, r) in self.bias[at..].iter_mut().zip(part) {
                        *b += r;
                    }
                }
                let part = &recurrent[self.shape.column(p, 2)..][..filled];
                self.candidate_bias[p * SLOT..][..filled].copy_from_slice(part);
            }
        }
    }

    /// # Panics
    /// When the weights (with `training` their transposes) were never packed.
    pub(super) fn check_packed(&self, training: bool) {
        let matrix = if training { &self.recurrent_t } else { &self.recurrent };
        let needed = matrix.shape().panels() * matrix.panel_step();
        assert!(matrix.data().len() >= needed, "the weights were not packed (training: {training})");
    }

    /// The recurrence.
    pub fn cell(&self) -> Cell {
        self.cell
    }

    /// Hidden units `H`.
    pub fn units(&self) -> usize {
        self.shape.units()
    }

    /// Inputs `I`.
    pub fn inputs(&self) -> usize {
        self.kernel.depth()
    }
}

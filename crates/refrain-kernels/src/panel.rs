//! Matrices and biases in the panel layout.

use crate::buffer::AlignedVec;
use crate::engine::{Engine, SharedMut};
use crate::layout::{GATE_ROW, PanelShape, SLOT, SLOTS};

/// Cost of moving a float between a matrix and its panels, in floating-point operations.
const MOVE_COST: usize = 8;

/// A matrix of `depth` rows in panel layout. Columns that pad the last panel are zero.
///
/// Memory is allocated when it is first packed or cleared, not by `new`.
#[derive(Clone, Debug)]
pub struct Packed {
    shape: PanelShape,
    depth: usize,
    /// May be longer than the panels need.
    data: AlignedVec,
}

impl Packed {
    /// Creates a matrix with `depth` rows, which must be packed or cleared before use.
    pub fn new(shape: PanelShape, depth: usize) -> Self {
        Self::in_storage(shape, depth, AlignedVec::default())
    }

    /// Creates a matrix that reuses `storage`. It grows if it is too small.
    pub fn in_storage(shape: PanelShape, depth: usize, storage: AlignedVec) -> Self {
        Self { shape, depth, data: storage }
    }

    /// Returns the memory, for reuse.
    pub fn into_storage(self) -> AlignedVec {
        self.data
    }

    fn len(&self) -> Option<usize> {
        self.shape.panels().checked_mul(self.shape.row_len())?.checked_mul(self.depth)
    }

    fn allocate(&mut self) {
        let len = self.len().expect("the matrix fits in the address space");
        if self.data.len() < len {
            self.data.resize(len);
        }
    }

    /// Returns whether it has been packed or cleared.
    pub(crate) fn is_filled(&self) -> bool {
        self.len().is_some_and(|len| self.data.len() >= len)
    }

    /// Returns the number of rows.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Sets every element to zero.
    pub fn clear(&mut self) {
        self.allocate();
        let len = self.shape.panels() * self.panel_step();
        self.data[..len].fill(0.0);
    }

    /// Returns the arrangement of the columns.
    pub fn shape(&self) -> PanelShape {
        self.shape
    }

    pub(crate) fn panel_step(&self) -> usize {
        self.depth * self.shape.row_len()
    }

    pub(crate) fn data(&self) -> &[f32] {
        &self.data
    }

    pub(crate) fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// Packs `matrix`, `(depth, columns)`, row-major with `stride` floats from one row to the next.
    ///
    /// # Panics
    /// When the matrix is too short.
    pub fn pack(&mut self, engine: &Engine, matrix: &[f32], stride: usize) {
        let (shape, depth, columns) = (self.shape, self.depth, self.shape.columns());
        check_matrix(matrix.len(), depth, columns, stride);
        self.allocate();
        let (step, row_len) = (self.panel_step(), shape.row_len());
        let data = SharedMut::new(&mut self.data);
        // Row by row through all panels, so that the matrix is read from memory along its rows.
        engine.share(depth, depth * columns * MOVE_COST, |_, rows| {
            for k in rows {
                let source = &matrix[k * stride..][..columns];
                for p in 0..shape.panels() {
                    // SAFETY: row `k` of each panel belongs to one share.
                    let row = unsafe { data.slice(p * step + k * row_len..p * step + (k + 1) * row_len) };
                    for (s, slot) in row.chunks_exact_mut(SLOT).enumerate() {
                        let filled = if s < shape.slots(p) { shape.filled(p, s) } else { 0 };
                        copy_slot(slot, source, shape.column(p, s), filled);
                    }
                }
            }
        });
    }

    /// Packs the transpose of `matrix` `(columns, order.columns())`, row-major with `stride` floats from one row to
    /// the next, as the right factor of `d · matrixᵀ` with a gate buffer `d`: row `k` of the packed matrix is the
    /// column of `matrix` that is `k`-th in the panel order of `order`.
    ///
    /// # Panics
    /// When the sizes do not match.
    pub fn pack_transposed(&mut self, engine: &Engine, matrix: &[f32], stride: usize, order: PanelShape) {
        let (shape, depth, width) = (self.shape, self.depth, order.columns());
        assert_eq!(depth, width, "the depth of a transposed matrix is its number of columns");
        check_matrix(matrix.len(), shape.columns(), width, stride);
        self.allocate();
        let step = self.panel_step();
        let data = SharedMut::new(&mut self.data);
        engine.share(shape.panels(), depth * shape.columns() * MOVE_COST, |_, panels| {
            for p in panels {
                // SAFETY: each panel belongs to one share.
                let panel = unsafe { data.slice(p * step..(p + 1) * step) };
                for s in 0..SLOTS {
                    let filled = if s < shape.slots(p) { shape.filled(p, s) } else { 0 };
                    let rows = |lane: usize| {
                        let row = (shape.column(p, s) + lane) * stride;
                        &matrix[row..row + width]
                    };
                    for (op, os) in order.all_slots() {
                        let to = &mut panel[order.rank(op, os) * GATE_ROW + s * SLOT..];
                        transpose_block(rows, filled, order.column(op, os), order.filled(op, os), to);
                    }
                }
            }
        });
    }

    /// Writes the matrix back to `matrix` `(depth, columns)` in row-major order, with `stride` floats from one row to
    /// the next.
    ///
    /// # Panics
    /// When `matrix` is too short.
    pub fn unpack(&self, engine: &Engine, matrix: &mut [f32], stride: usize) {
        let (shape, depth, columns) = (self.shape, self.depth, self.shape.columns());
        check_matrix(matrix.len(), depth, columns, stride);
        let (step, row_len) = (self.panel_step(), shape.row_len());
        let out = SharedMut::new(matrix);
        engine.share(depth, depth * columns * MOVE_COST, |_, rows| {
            for k in rows {
                // SAFETY: each row belongs to one share.
                let row = unsafe { out.slice(k * stride..k * stride + columns) };
                for (p, s) in shape.all_slots() {
                    let (column, filled) = (shape.column(p, s), shape.filled(p, s));
                    let source = &self.data[p * step + k * row_len + s * SLOT..][..filled];
                    match row[column..].first_chunk_mut::<SLOT>().zip(source.first_chunk::<SLOT>()) {
                        Some((row, source)) => *row = *source,
                        None => row[column..column + filled].copy_from_slice(source),
                    }
                }
            }
        });
    }
}

/// Packs a bias in the order of packed panels. `out` gets `panels · row length` floats.
///
/// # Panics
/// When the sizes do not match.
pub fn pack_bias(bias: &[f32], shape: PanelShape, out: &mut [f32]) {
    assert_eq!(bias.len(), shape.columns(), "a bias has one float per column");
    out.fill(0.0);
    for p in 0..shape.panels() {
        for s in 0..shape.slots(p) {
            let (column, filled) = (shape.column(p, s), shape.filled(p, s));
            out[p * shape.row_len() + s * SLOT..][..filled].copy_from_slice(&bias[column..column + filled]);
        }
    }
}

/// Returns the number of floats in a packed bias.
pub fn packed_bias_len(shape: PanelShape) -> usize {
    shape.panels() * shape.row_len()
}

/// Copies `filled` floats of `source` from `column` on into a slot, followed by zeros.
#[inline(always)]
fn copy_slot(slot: &mut [f32], source: &[f32], column: usize, filled: usize) {
    match slot.first_chunk_mut::<SLOT>() {
        // With a length that the compiler knows, the copy is a few moves instead of a call.
        Some(slot) if filled == SLOT => {
            *slot = *source[column..].first_chunk().expect("the slot is filled");
        }
        _ => {
            slot[..filled].copy_from_slice(if filled == 0 { &[] } else { &source[column..column + filled] });
            slot[filled..].fill(0.0);
        }
    }
}

/// Sets `to[i · GATE_ROW + lane] = rows(lane)[column + i]` for `i` below `count` and each lane of a slot. Lanes from
/// `lanes` on are set to zero.
#[inline(always)]
fn transpose_block<'a>(
    rows: impl Fn(usize) -> &'a [f32],
    lanes: usize,
    column: usize,
    count: usize,
    to: &mut [f32],
) {
    // First the rows are copied into a block, then its columns out, so that both sides access whole cache lines.
    let mut block = [[0.0; SLOT]; SLOT];
    for (lane, block) in block.iter_mut().enumerate().take(lanes) {
        copy_slot(block, rows(lane), column, count);
    }
    for (i, to) in to.chunks_mut(GATE_ROW).enumerate().take(count) {
        let to = to.first_chunk_mut::<SLOT>().expect("each row has a slot");
        for lane in 0..SLOT {
            to[lane] = block[lane][i];
        }
    }
}

/// # Panics
/// When a buffer of `len` floats is too short for `rows` rows of `columns` floats at a distance of `stride`.
fn check_matrix(len: usize, rows: usize, columns: usize, stride: usize) {
    assert!(stride >= columns, "rows of {columns} floats, {stride} apart");
    let needed = if rows == 0 { 0 } else { (rows - 1) * stride + columns };
    assert!(len >= needed, "a matrix of {rows} x {columns}, rows {stride} apart, in {len} floats");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    #[test]
    fn unpack_inverts_pack_for_every_shape() {
        let engine = Engine::new(Isa::portable(), 2);
        for gates in 1..=4 {
            for units in [1, 2, 15, 16, 17, 63, 64, 65, 130] {
                for depth in [0, 1, 5] {
                    let shape = PanelShape::gates(gates, units);
                    let matrix: Vec<f32> = (0..depth * shape.columns()).map(|i| i as f32 + 1.0).collect();
                    let mut packed = Packed::new(shape, depth);
                    packed.pack(&engine, &matrix, shape.columns());
                    let mut back = vec![0.0; matrix.len()];
                    packed.unpack(&engine, &mut back, shape.columns());
                    assert_eq!(back, matrix, "{gates} gates, {units} units, depth {depth}");
                }
            }
        }
    }
}

//! The gradient of a table when a batch reads only a few of its rows.

use refrain_kernels::embedding::scatter_add;
use refrain_kernels::{AlignedVec, Engine, Rows};

/// The rows of a table's gradient that may be nonzero.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowGradient {
    /// The row numbers, ascending.
    ids: Vec<u32>,
    /// For each id of the batch, the position of its row.
    places: Vec<u32>,
    /// `(ids, width)`
    data: AlignedVec,
    width: usize,
}

impl RowGradient {
    /// Stores the sum: row `r` of `d` belongs to row `ids[r]` of the table.
    pub(super) fn set(&mut self, engine: &Engine, ids: &[u32], d: Rows<'_>) {
        self.ids.clear();
        self.ids.extend_from_slice(ids);
        self.ids.sort_unstable();
        self.ids.dedup();
        self.places.clear();
        self.places.extend(ids.iter().map(|id| self.ids.partition_point(|other| other < id) as u32));
        self.width = d.width();
        self.data.resize(self.ids.len() * self.width);
        self.data.fill(0.0);
        scatter_add(engine, &self.places, d, &mut self.data);
    }

    /// Returns all rows, one after the other.
    pub(crate) fn data(&self) -> &[f32] {
        &self.data
    }

    /// Returns each row with its offset in the flat table.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &[f32])> {
        let rows = self.data.chunks_exact(self.width.max(1));
        self.ids.iter().map(|&id| id as usize * self.width).zip(rows)
    }

    /// Overwrites the gradient of the whole table.
    pub(super) fn spread(&self, table: &mut [f32]) {
        table.fill(0.0);
        for (at, row) in self.iter() {
            table[at..at + self.width].copy_from_slice(row);
        }
    }
}

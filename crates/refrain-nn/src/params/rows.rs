//! The gradient of a table of which a batch reads few rows.

use refrain_kernels::embedding::scatter_add;
use refrain_kernels::{AlignedVec, Engine, Rows};

/// The rows of a table's gradient that may be other than zero.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowGradient {
    /// Which rows, ascending.
    ids: Vec<u32>,
    /// Where the row of each id of the batch stands.
    places: Vec<u32>,
    /// `(ids, width)`
    data: AlignedVec,
    width: usize,
}

impl RowGradient {
    /// Takes over the sum: row `r` of `d` belongs to row `ids[r]` of the table.
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

    /// All rows, one after the other.
    pub(crate) fn data(&self) -> &[f32] {
        &self.data
    }

    /// Each row with its place in the flat table.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &[f32])> {
        let rows = self.data.chunks_exact(self.width.max(1));
        self.ids.iter().map(|&id| id as usize * self.width).zip(rows)
    }

    /// The whole table's gradient, overwritten.
    pub(super) fn spread(&self, table: &mut [f32]) {
        table.fill(0.0);
        for (at, row) in self.iter() {
            table[at..at + self.width].copy_from_slice(row);
        }
    }
}

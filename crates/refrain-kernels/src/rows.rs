//! Row-major rows in a slice, each as long as whole vectors.

use crate::layout::{GATE_ROW, SLOT};
use std::ops::Range;

/// Rows of floats at a fixed distance: `count` rows of `width` floats, `step` floats apart.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) count: usize,
    pub(crate) width: usize,
    pub(crate) step: usize,
}

/// Returns the distance between rows of `width` floats: whole vectors, so that kernels may write past the end of a
/// row. The content of the padding is unspecified.
pub fn row_step(width: usize) -> usize {
    width.next_multiple_of(SLOT)
}

/// # Panics
/// When a buffer of `len` floats is too short for the rows.
fn check_rows(len: usize, count: usize, step: usize) {
    let fits = count.checked_mul(step).is_some_and(|floats| floats <= len);
    assert!(fits, "{count} rows of {step} floats in a buffer of {len}");
}

/// # Panics
/// When the columns exceed `width` or do not begin at a panel.
fn check_columns(columns: &Range<usize>, width: usize) {
    assert!(columns.start <= columns.end && columns.end <= width, "columns {columns:?} of {width}");
    assert!(columns.start.is_multiple_of(GATE_ROW), "columns begin at a panel, not at {}", columns.start);
}

impl<'a> Rows<'a> {
    /// Wraps the first `count` rows of a buffer with `row_step(width)` floats per row.
    ///
    /// # Panics
    /// When the buffer is too short.
    pub fn new(data: &'a [f32], count: usize, width: usize) -> Self {
        let step = row_step(width);
        check_rows(data.len(), count, step);
        Self { data, count, width, step }
    }

    /// Returns the first `width` floats of row `i`.
    pub fn row(&self, i: usize) -> &'a [f32] {
        &self.data[i * self.step..][..self.width]
    }

    /// Returns a range of these rows.
    ///
    /// # Panics
    /// When the range exceeds the rows.
    pub fn rows(self, rows: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.count, "rows {rows:?} of {}", self.count);
        Self { data: &self.data[rows.start * self.step..], count: rows.len(), ..self }
    }

    /// Returns a range of columns of all rows. It must begin at a panel.
    ///
    /// # Panics
    /// When the range exceeds the columns, or does not begin at a panel.
    pub fn columns(self, columns: Range<usize>) -> Self {
        check_columns(&columns, self.width);
        let start = columns.start.min(self.data.len());
        Self { data: &self.data[start..], width: columns.len(), ..self }
    }

    /// Returns the start of row `i` and the distance to the next row.
    pub(crate) fn row_ptr(&self, i: usize) -> (*const f32, usize) {
        (self.data[i * self.step..].as_ptr(), self.step)
    }

    /// Returns the number of rows.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the number of floats in a row.
    pub fn width(&self) -> usize {
        self.width
    }
}

/// Mutable rows. See [`Rows`].
#[derive(Debug)]
pub struct RowsMut<'a> {
    pub(crate) data: &'a mut [f32],
    pub(crate) count: usize,
    pub(crate) width: usize,
    pub(crate) step: usize,
}

impl<'a> RowsMut<'a> {
    /// Wraps the first `count` rows of a buffer with `row_step(width)` floats per row.
    ///
    /// # Panics
    /// When the buffer is too short.
    pub fn new(data: &'a mut [f32], count: usize, width: usize) -> Self {
        let step = row_step(width);
        check_rows(data.len(), count, step);
        Self { data, count, width, step }
    }

    /// Returns the first `width` floats of row `i`.
    pub fn row(&mut self, i: usize) -> &mut [f32] {
        &mut self.data[i * self.step..][..self.width]
    }

    /// Reborrows the rows.
    pub fn reborrow(&mut self) -> RowsMut<'_> {
        RowsMut { data: self.data, ..*self }
    }

    /// Returns a range of these rows.
    ///
    /// # Panics
    /// When the range exceeds the rows.
    pub fn rows(self, rows: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.count, "rows {rows:?} of {}", self.count);
        Self { data: &mut self.data[rows.start * self.step..], count: rows.len(), ..self }
    }

    /// Returns a range of columns of all rows. It must begin at a panel.
    ///
    /// # Panics
    /// When the range exceeds the columns, or does not begin at a panel.
    pub fn columns(self, columns: Range<usize>) -> Self {
        check_columns(&columns, self.width);
        let start = columns.start.min(self.data.len());
        Self { data: &mut self.data[start..], width: columns.len(), ..self }
    }

    /// Returns the number of rows.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the number of floats in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the buffer, with `row_step(width)` floats per row.
    ///
    /// # Panics
    /// When these are only some of the columns of wider rows.
    pub(crate) fn data(&mut self) -> &mut [f32] {
        assert_eq!(self.step, row_step(self.width), "expected whole rows, not a range of columns");
        self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "rows of 16 floats")]
    fn rows_whose_size_overflows_do_not_fit() {
        RowsMut::new(&mut [], 1 << 60, 16);
    }
}

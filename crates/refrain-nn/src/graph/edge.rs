//! The values that flow between operations.

use crate::shown::counted;
use refrain_kernels::{AlignedVec, Rows, RowsMut, row_step};
use std::fmt;

/// An edge of the graph: the output of one operation or an input of the model. Any number of operations may
/// read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EdgeId(pub(crate) usize);

/// A ragged time axis. Values with the same axis have the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LayoutId(pub(crate) usize);

/// What the rows of a value represent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Packed rows, one for each real step of each sequence.
    Steps(LayoutId),
    /// One row for each sequence, in the caller's order.
    Lanes,
}

/// The contents of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One id.
    Ids,
    /// This many floats.
    Features(usize),
}

/// The shape of an edge, known when the model is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeSpec {
    /// The rows.
    pub axis: Axis,
    /// The contents of a row.
    pub kind: Kind,
}

impl EdgeSpec {
    /// Creates the shape of packed rows of `width` floats.
    pub fn steps(layout: LayoutId, width: usize) -> Self {
        Self { axis: Axis::Steps(layout), kind: Kind::Features(width) }
    }

    /// Creates the shape of one row of `width` floats per sequence.
    pub fn lanes(width: usize) -> Self {
        Self { axis: Axis::Lanes, kind: Kind::Features(width) }
    }

    /// Returns the number of floats per row; 0 for ids.
    pub fn width(&self) -> usize {
        match self.kind {
            Kind::Ids => 0,
            Kind::Features(width) => width,
        }
    }
}

impl fmt::Display for EdgeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            Kind::Ids => "ids".to_owned(),
            Kind::Features(width) => counted(width, "feature"),
        };
        match self.axis {
            Axis::Steps(_) => write!(f, "a sequence of {what}"),
            Axis::Lanes => write!(f, "{what} without a time axis"),
        }
    }
}

/// The buffer of one edge.
#[derive(Debug, Clone, Default)]
pub struct Value {
    /// Floats, `(rows, row_step(width))`; empty for ids.
    pub data: AlignedVec,
    /// Ids, one per row; empty for floats.
    pub ids: Vec<u32>,
    rows: usize,
    width: usize,
}

impl Value {
    /// Resizes the buffer to `rows` rows of this kind. The contents are unspecified afterwards.
    pub fn shape(&mut self, rows: usize, kind: Kind) {
        self.rows = rows;
        match kind {
            Kind::Ids => self.ids.resize(rows, 0),
            Kind::Features(width) => {
                self.width = width;
                self.data.resize(rows * row_step(width));
            }
        }
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the number of floats per row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the rows, for reading.
    pub fn view(&self) -> Rows<'_> {
        Rows::new(&self.data, self.rows, self.width)
    }

    /// Returns the rows, for writing.
    pub fn view_mut(&mut self) -> RowsMut<'_> {
        RowsMut::new(&mut self.data, self.rows, self.width)
    }
}

//! What flows between operations.

use refrain_kernels::{AlignedVec, Rows, RowsMut, row_step};
use std::fmt;

/// An edge of the graph: the output of one operation (or an input of the model), read by any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EdgeId(pub(crate) usize);

/// A ragged time axis. Values with the same axis have the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LayoutId(pub(crate) usize);

/// What the rows of a value are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Packed rows, one for each real step of each sequence.
    Steps(LayoutId),
    /// One row for each sequence, in the caller's order.
    Lanes,
}

/// What a row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One id.
    Ids,
    /// That many floats.
    Features(usize),
}

/// The shape of an edge, known when the model is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeSpec {
    /// Its rows.
    pub axis: Axis,
    /// What a row holds.
    pub kind: Kind,
}

impl EdgeSpec {
    /// Packed rows of `width` floats.
    pub fn steps(layout: LayoutId, width: usize) -> Self {
        Self { axis: Axis::Steps(layout), kind: Kind::Features(width) }
    }

    /// One row of `width` floats a sequence.
    pub fn lanes(width: usize) -> Self {
        Self { axis: Axis::Lanes, kind: Kind::Features(width) }
    }

    /// Floats of a row; 0 for ids.
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
            Kind::Features(width) => format!("{width} features"),
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
    /// Ids, one a row; empty for floats.
    pub ids: Vec<u32>,
    rows: usize,
    width: usize,
}

impl Value {
    /// Makes room for `rows` rows of what `kind` says. What it held is unspecified afterwards.
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

    /// Rows it holds.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Floats of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Its rows, to be read.
    pub fn view(&self) -> Rows<'_> {
        Rows::new(&self.data, self.rows, self.width)
    }

    /// Its rows, to be written.
    pub fn view_mut(&mut self) -> RowsMut<'_> {
        RowsMut::new(&mut self.data, self.rows, self.width)
    }
}

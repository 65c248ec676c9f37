//! One cluster of classes.

use crate::graph::{Kind, Mode, Op, Value, of_rows, total_of};
use crate::layers::Affine;
use crate::params::Params;
use refrain_kernels::{AlignedVec, Engine, Rows, RowsMut, row_step};
use std::ops::Range;

/// The weights for a forward pass of some rows.
pub(crate) struct Weights<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) params: &'a Params,
    /// Whether [`Op::pack`] has seen the parameters.
    pub(crate) packed: bool,
    pub(crate) workspace: &'a mut AlignedVec,
}

impl Weights<'_> {
    /// `y = x · W + b`
    pub(super) fn multiply(&mut self, affine: &mut Affine, x: Rows<'_>, y: RowsMut<'_>) {
        if self.packed {
            affine.forward_packed(self.engine, x, y);
        } else {
            affine.forward_rows(self.engine, self.params, self.workspace, x, y);
        }
    }
}

/// The scores of a cluster's classes: `y = (x · projection) · kernel`.
#[derive(Debug, Clone)]
pub(crate) struct Tail {
    pub(crate) classes: Range<usize>,
    projection: Affine,
    kernel: Affine,
    /// `x · projection` for the last rows.
    projected: Value,
    d_projected: Value,
}

impl Tail {
    pub(super) fn new(projection: Affine, kernel: Affine, classes: Range<usize>) -> Self {
        let (projected, d_projected) = (Value::default(), Value::default());
        Self { classes, projection, kernel, projected, d_projected }
    }

    /// Reserves memory for this many rows at once, because the number of a cluster's rows varies from batch
    /// to batch.
    pub(crate) fn reserve(&mut self, rows: usize) {
        reserve(&mut self.projected, rows, self.projection.outputs());
        reserve(&mut self.d_projected, rows, self.projection.outputs());
    }

    pub(super) fn layers(&self) -> [&Affine; 2] {
        [&self.projection, &self.kernel]
    }

    /// Returns the size of the buffers kept for this many rows at once.
    pub(super) fn rows_bytes(&self, rows: u64, mode: Mode) -> u64 {
        let projected = of_rows(rows, self.projection.outputs());
        total_of([projected, if mode == Mode::Train { projected } else { 0 }])
    }

    /// Overwrites `y` and keeps the data that [`Tail::backward_rows`] needs.
    pub(crate) fn forward_rows(&mut self, weights: &mut Weights<'_>, x: Rows<'_>, y: RowsMut<'_>) {
        self.projected.shape(x.count(), Kind::Features(self.projection.outputs()));
        weights.multiply(&mut self.projection, x, self.projected.view_mut());
        weights.multiply(&mut self.kernel, self.projected.view(), y);
    }

    /// Adds to the parameters' gradients from the gradient `dy` of the last forward pass, and overwrites `dx`
    /// or, with `add`, adds to it.
    pub(crate) fn backward_rows(
        &mut self,
        engine: &Engine,
        params: &mut Params,
        workspace: &mut AlignedVec,
        x: Rows<'_>,
        dy: Rows<'_>,
        dx: Option<(RowsMut<'_>, bool)>,
    ) {
        self.d_projected.shape(x.count(), Kind::Features(self.projection.outputs()));
        let d = Some((self.d_projected.view_mut(), false));
        self.kernel.backward_rows(engine, params, workspace, self.projected.view(), dy, d);
        self.projection.backward_rows(engine, params, workspace, x, self.d_projected.view(), dx);
    }

    pub(super) fn pack(&mut self, engine: &Engine, params: &Params) {
        self.projection.pack(engine, params);
        self.kernel.pack(engine, params);
    }
}

/// Reserves memory for `rows` rows of `width` floats, if necessary.
pub(crate) fn reserve(value: &mut Value, rows: usize, width: usize) {
    if value.data.capacity() < rows * row_step(width) {
        value.shape(rows, Kind::Features(width));
    }
}

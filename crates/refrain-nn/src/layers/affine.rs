//! The product of rows with a parameter, which a dense layer owns and a tied one shares.

use crate::error::Error;
use crate::graph::{Backward, EdgeId, EdgeSpec, Forward, Kind, Op, Plan};
use crate::params::{Params, SpanId};
use refrain_kernels::{
    AlignedVec, Engine, Packed, PanelShape, Rows, RowsMut, bias_gradient, matmul, matmul_gradient, pack_bias,
    packed_bias_len,
};
use std::ops::Range;

/// Floats of the parameter that are packed together (4 MB): so many that every row passes seldom, and so few that
/// they stay in L3 and cost little memory.
const PIECE: usize = 1 << 20;
/// Columns of a piece are whole panels.
const PANEL: usize = 64;

/// `y = x · W + b` over rows, where `W` `(I, O)` is the parameter or, transposed, `(O, I)`.
#[derive(Debug, Clone)]
pub(crate) struct Affine {
    matrix: SpanId,
    transposed: bool,
    bias: Option<SpanId>,
    inputs: usize,
    outputs: usize,
    /// `W`, where it was packed for many passes.
    packed: Packed,
    packed_bias: AlignedVec,
}

impl Affine {
    /// The parameter is `(inputs, outputs)`.
    pub(super) fn new(matrix: SpanId, bias: Option<SpanId>, inputs: usize, outputs: usize) -> Self {
        let shape = PanelShape::plain(outputs);
        Self {
            matrix,
            transposed: false,
            bias,
            inputs,
            outputs,
            packed: Packed::new(shape, inputs),
            packed_bias: AlignedVec::zeros(packed_bias_len(shape)),
        }
    }

    /// The parameter is `(outputs, inputs)`.
    pub(super) fn transposed(matrix: SpanId, bias: Option<SpanId>, inputs: usize, outputs: usize) -> Self {
        Self { transposed: true, ..Self::new(matrix, bias, inputs, outputs) }
    }

    /// Plans it on the rows of an edge.
    pub(super) fn lower(self, plan: &mut Plan<'_>, input: EdgeId) -> EdgeId {
        let spec = EdgeSpec { axis: plan.spec(input).axis, kind: Kind::Features(self.outputs) };
        plan.op(Box::new(self), &[input], &[spec])[0]
    }

    /// Columns of what it gives.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// The outputs, some at a time.
    fn pieces(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (outputs, width) = (self.outputs, (PIECE / self.inputs.max(1) / PANEL).max(1) * PANEL);
        (0..outputs).step_by(width).map(move |first| first..outputs.min(first + width))
    }

    /// Where the columns `piece` of `W` lie in the parameter, and the distance of its rows.
    fn place(&self, piece: &Range<usize>) -> (usize, usize) {
        if self.transposed { (piece.start * self.inputs, self.inputs) } else { (piece.start, self.outputs) }
    }

    /// The columns `piece` of `W`, packed.
    fn pack_piece(
        &self,
        engine: &Engine,
        matrix: &[f32],
        piece: &Range<usize>,
        memory: AlignedVec,
    ) -> Packed {
        let (first, stride) = self.place(piece);
        let mut packed = Packed::in_storage(PanelShape::plain(piece.len()), self.inputs, memory);
        if self.transposed {
            packed.pack_transposed(engine, &matrix[first..], stride, PanelShape::plain(self.inputs));
        } else {
            packed.pack(engine, &matrix[first..], stride);
        }
        packed
    }

    /// The transpose of the same columns, packed.
    fn pack_piece_across(
        &self,
        engine: &Engine,
        matrix: &[f32],
        piece: &Range<usize>,
        memory: AlignedVec,
    ) -> Packed {
        let (first, stride) = self.place(piece);
        let mut packed = Packed::in_storage(PanelShape::plain(self.inputs), piece.len(), memory);
        if self.transposed {
            packed.pack(engine, &matrix[first..], stride);
        } else {
            packed.pack_transposed(engine, &matrix[first..], stride, PanelShape::plain(piece.len()));
        }
        packed
    }

    fn take_bias(&mut self, params: &Params) {
        if let Some(bias) = self.bias {
            pack_bias(params.value(bias), self.packed.shape(), &mut self.packed_bias);
        }
    }

    /// `y = x · W + b` for some rows.
    pub(crate) fn forward_rows(
        &mut self,
        engine: &Engine,
        params: &Params,
        workspace: &mut AlignedVec,
        x: Rows<'_>,
        mut y: RowsMut<'_>,
    ) {
        self.take_bias(params);
        for piece in self.pieces() {
            let w = self.pack_piece(engine, params.value(self.matrix), &piece, std::mem::take(workspace));
            let bias = &self.packed_bias[piece.start..];
            matmul(engine, x, &w, Some(bias), false, y.reborrow().columns(piece));
            *workspace = w.into_storage();
        }
    }

    /// From the gradient `dy` of some rows adds to the parameters' gradients, and overwrites `dx`, or adds to it
    /// with `add`.
    pub(crate) fn backward_rows(
        &mut self,
        engine: &Engine,
        params: &mut Params,
        workspace: &mut AlignedVec,
        x: Rows<'_>,
        dy: Rows<'_>,
        mut dx: Option<(RowsMut<'_>, bool)>,
    ) {
        let trains = |params: &Params, id: SpanId| params.spans()[id.0].trainable;
        let trains_matrix = trains(params, self.matrix);
        let held = trains_matrix && params.claim_gradient(self.matrix);
        for piece in self.pieces() {
            let d = dy.columns(piece.clone());
            if trains_matrix {
                let (first, stride) = self.place(&piece);
                let (left, right) = if self.transposed { (d, x) } else { (x, d) };
                let shape = PanelShape::plain(right.width());
                let mut gradient = Packed::in_storage(shape, left.width(), std::mem::take(workspace));
                let matrix = &mut params.claimed_gradient(self.matrix)[first..];
                if held {
                    gradient.pack(engine, matrix, stride);
                } else {
                    gradient.clear();
                }
                matmul_gradient(engine, left, right, &mut gradient);
                gradient.unpack(engine, matrix, stride);
                *workspace = gradient.into_storage();
            }
            if let Some((dx, add)) = &mut dx {
                let memory = std::mem::take(workspace);
                let wt = self.pack_piece_across(engine, params.value(self.matrix), &piece, memory);
                matmul(engine, d, &wt, None, *add || piece.start > 0, dx.reborrow());
                *workspace = wt.into_storage();
            }
        }
        if let Some(bias) = self.bias.filter(|&b| trains(params, b)) {
            bias_gradient(engine, dy, params.gradient_mut(bias));
        }
    }
}

impl Op for Affine {
    fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error> {
        let (engine, params, x) = (cx.engine, cx.params, cx.input(0));
        if cx.packed {
            let y = cx.output(0).view_mut();
            matmul(engine, x.view(), &self.packed, Some(&self.packed_bias), false, y);
        } else {
            let mut workspace = std::mem::take(cx.workspace);
            self.forward_rows(engine, params, &mut workspace, x.view(), cx.output(0).view_mut());
            *cx.workspace = workspace;
        }
        Ok(())
    }

    fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error> {
        let Some(dy) = cx.d_output(0) else { return Ok(()) };
        let (engine, x) = (cx.engine, cx.input(0));
        let (slot, params, workspace) = cx.d_input_and_parameters(0);
        let dx = slot.map(|slot| (slot.value.view_mut(), slot.add));
        self.backward_rows(engine, params, workspace, x.view(), dy.view(), dx);
        Ok(())
    }

    fn pack(&mut self, engine: &Engine, params: &Params) {
        self.take_bias(params);
        let memory = std::mem::replace(&mut self.packed, Packed::new(PanelShape::plain(0), 0)).into_storage();
        self.packed = self.pack_piece(engine, params.value(self.matrix), &(0..self.outputs), memory);
    }

    fn boxed_clone(&self) -> Box<dyn Op> {
        Box::new(self.clone())
    }
}

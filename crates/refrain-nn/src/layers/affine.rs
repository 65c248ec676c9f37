//! The product of rows with a parameter that a dense layer owns and a tied layer shares.

use crate::error::Error;
use crate::graph::{
    Backward, EdgeId, EdgeSpec, Forward, Kind, Mode, Op, OpMemory, PassSize, Plan, of_packed,
};
use crate::params::{Params, SpanId};
use refrain_kernels::{
    AlignedVec, Engine, Packed, PanelShape, Rows, RowsMut, bias_gradient, matmul, matmul_gradient, pack_bias,
    packed_bias_len,
};
use std::ops::Range;

/// The number of the parameter's floats that are packed together (1 MB): large enough that the rows are read
/// only a few times, and small enough to stay in cache and use little memory.
const PIECE: usize = 1 << 18;
/// The number of columns in a panel. A piece has whole panels.
const PANEL: usize = 64;

/// `y = x · W + b` over rows. `W` `(I, O)` is the parameter or, transposed, `(O, I)`.
#[derive(Debug, Clone)]
pub(crate) struct Affine {
    matrix: SpanId,
    transposed: bool,
    bias: Option<SpanId>,
    inputs: usize,
    outputs: usize,
    /// `W`, if it was packed for several passes.
    packed: Packed,
    packed_bias: AlignedVec,
}

impl Affine {
    /// Creates a product whose parameter is `(inputs, outputs)`.
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

    /// Creates a product whose parameter is `(outputs, inputs)`.
    pub(super) fn transposed(matrix: SpanId, bias: Option<SpanId>, inputs: usize, outputs: usize) -> Self {
        Self { transposed: true, ..Self::new(matrix, bias, inputs, outputs) }
    }

    /// Plans the product on the rows of an edge.
    pub(super) fn lower(self, plan: &mut Plan<'_>, input: EdgeId) -> EdgeId {
        self.charge(plan);
        let spec = EdgeSpec { axis: plan.spec(input).axis, kind: Kind::Features(self.outputs) };
        plan.op(Box::new(self), &[input], &[spec])[0]
    }

    /// Counts the memory that the product needs.
    pub(super) fn charge(&self, plan: &mut Plan<'_>) {
        plan.charge_matrix(PanelShape::plain(self.outputs), self.inputs);
    }

    /// Returns the number of output columns.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Returns the number of input columns.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Returns the output columns, one piece at a time.
    fn pieces(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (outputs, width) = (self.outputs, (PIECE / self.inputs.max(1) / PANEL).max(1) * PANEL);
        (0..outputs).step_by(width).map(move |first| first..outputs.min(first + width))
    }

    /// Returns the offset of the columns `piece` of `W` in the parameter, and the distance between rows.
    fn place(&self, piece: &Range<usize>) -> (usize, usize) {
        if self.transposed { (piece.start * self.inputs, self.inputs) } else { (piece.start, self.outputs) }
    }

    /// Packs the columns `piece` of `W`.
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

    /// Packs the transpose of the columns `piece` of `W`.
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

    /// Returns the size of what [`Affine::forward_rows`] and, in training, [`Affine::backward_rows`] pack
    /// into the workspace.
    pub(crate) fn piece_bytes(&self, mode: Mode) -> u64 {
        let columns = self.pieces().map(|piece| piece.len()).max().unwrap_or(0);
        let along = of_packed(PanelShape::plain(columns), self.inputs);
        let across = of_packed(PanelShape::plain(self.inputs), columns);
        if mode == Mode::Train { along.max(across) } else { along }
    }

    /// Returns the size of its own buffers, and of all its packed weights.
    pub(crate) fn own_bytes(&self, packed: bool) -> (u64, u64) {
        let shape = PanelShape::plain(self.outputs);
        (of_packed(shape, 1), if packed { of_packed(shape, self.inputs) } else { 0 })
    }

    fn take_bias(&mut self, params: &Params) {
        if let Some(bias) = self.bias {
            pack_bias(params.value(bias), self.packed.shape(), &mut self.packed_bias);
        }
    }

    /// Computes `y = x · W + b` for some rows.
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

    /// Computes `y = x · W + b` for some rows with the parameters as [`Op::pack`] last saw them.
    pub(crate) fn forward_packed(&self, engine: &Engine, x: Rows<'_>, y: RowsMut<'_>) {
        matmul(engine, x, &self.packed, Some(&self.packed_bias), false, y);
    }

    /// Adds to the parameters' gradients from the gradient `dy` of some rows, and overwrites `dx` or, with
    /// `add`, adds to it.
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
            self.forward_packed(engine, x.view(), cx.output(0).view_mut());
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

    fn memory(&self, pass: &PassSize<'_>) -> OpMemory {
        let (kept, packed) = self.own_bytes(pass.packed);
        let workspace = if pass.packed { 0 } else { self.piece_bytes(pass.mode) };
        OpMemory { packed, workspace, ..OpMemory::keeps(kept) }
    }

    fn boxed_clone(&self) -> Box<dyn Op> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::Initializer;
    use crate::params::ParamSpec;
    use refrain_kernels::{Isa, row_step};

    const ROWS: usize = 21;
    const INPUTS: usize = 4_000;
    const OUTPUTS: usize = 600;

    fn numbers(rows: usize, width: usize, salt: usize) -> AlignedVec {
        let mut v = AlignedVec::zeros(rows * row_step(width));
        v.fill(f32::NAN);
        for (r, row) in v.chunks_exact_mut(row_step(width)).enumerate() {
            (0..width).for_each(|k| row[k] = ((r * width + k + salt) as f32 * 0.37).sin());
        }
        v
    }

    /// Runs forward and backward in pieces, with the rows in blocks that end at `ends`.
    fn run(transposed: bool, ends: &[usize]) -> (Vec<u32>, Vec<u32>, Vec<u32>, Vec<u32>) {
        let engine = Engine::new(Isa::detect(), 2);
        let mut params = Params::default();
        let mut add = |name, shape| {
            let initializer = Initializer::RandomUniform { minval: -1.0, maxval: 1.0 };
            let spec = ParamSpec { name, shape, initializer, regularizer: None, decay: true };
            params.add(name.to_owned(), spec, true).unwrap()
        };
        let shape = if transposed { vec![OUTPUTS, INPUTS] } else { vec![INPUTS, OUTPUTS] };
        let (matrix, bias) = (add("kernel", shape), add("bias", vec![OUTPUTS]));
        params.initialize(5).unwrap();
        params.begin_gradients();
        let make = if transposed { Affine::transposed } else { Affine::new };
        let mut affine = make(matrix, Some(bias), INPUTS, OUTPUTS);
        assert!(affine.pieces().count() > 1);
        let (x, dy) = (numbers(ROWS, INPUTS, 1), numbers(ROWS, OUTPUTS, 2));
        let (mut y, mut dx) = (numbers(ROWS, OUTPUTS, 3), numbers(ROWS, INPUTS, 4));
        let mut workspace = numbers(1, 99, 5);
        let mut from = 0;
        for &to in ends {
            let rows = from..to;
            let x = Rows::new(&x, ROWS, INPUTS).rows(rows.clone());
            let y = RowsMut::new(&mut y, ROWS, OUTPUTS).rows(rows.clone());
            affine.forward_rows(&engine, &params, &mut workspace, x, y);
            let dy = Rows::new(&dy, ROWS, OUTPUTS).rows(rows.clone());
            let dx = Some((RowsMut::new(&mut dx, ROWS, INPUTS).rows(rows), false));
            affine.backward_rows(&engine, &mut params, &mut workspace, x, dy, dx);
            from = to;
        }
        let bits = |rows: Rows<'_>| -> Vec<u32> {
            (0..rows.count()).flat_map(|r| rows.row(r).iter().map(|x| x.to_bits())).collect()
        };
        let of = |id| params.gradient(id).iter().map(|x| x.to_bits()).collect();
        let y = bits(Rows::new(&y, ROWS, OUTPUTS));
        // Packing the whole parameter, as a session does, gives the same result.
        affine.pack(&engine, &params);
        let mut whole = numbers(ROWS, OUTPUTS, 6);
        let (x, to) = (Rows::new(&x, ROWS, INPUTS), RowsMut::new(&mut whole, ROWS, OUTPUTS));
        matmul(&engine, x, &affine.packed, Some(&affine.packed_bias), false, to);
        assert_eq!(bits(Rows::new(&whole, ROWS, OUTPUTS)), y);
        (y, bits(Rows::new(&dx, ROWS, INPUTS)), of(matrix), of(bias))
    }

    #[test]
    fn blocks_of_rows_equal_all_rows_bit_for_bit() {
        for transposed in [false, true] {
            let whole = run(transposed, &[ROWS]);
            assert_eq!(run(transposed, &[7, 8, ROWS]), whole);
            assert_eq!(run(transposed, &[20, ROWS]), whole);
        }
    }

    #[test]
    fn products_of_pieces_match_plain_loops() {
        let (y, dx, dw, _) = run(false, &[ROWS]);
        let (yt, dxt, dwt, _) = run(true, &[ROWS]);
        let mut params = Params::default();
        let initializer = Initializer::RandomUniform { minval: -1.0, maxval: 1.0 };
        let shape = vec![INPUTS, OUTPUTS];
        let spec = ParamSpec { name: "kernel", shape, initializer, regularizer: None, decay: true };
        let id = params.add("kernel".to_owned(), spec, true).unwrap();
        params.initialize(5).unwrap();
        let w = |i: usize, o: usize, t: bool| {
            f64::from(params.value(id)[if t { o * INPUTS + i } else { i * OUTPUTS + o }])
        };
        let (x, dy) = (numbers(ROWS, INPUTS, 1), numbers(ROWS, OUTPUTS, 2));
        let x = |r: usize, i: usize| f64::from(x[r * row_step(INPUTS) + i]);
        let dy = |r: usize, o: usize| f64::from(dy[r * row_step(OUTPUTS) + o]);
        // Absolute tolerance for f32 sums of up to 4,000 products of numbers below 1.
        let close = |got: u32, want: f64| assert!((f64::from(f32::from_bits(got)) - want).abs() < 2e-3);
        for (r, i, o) in [(0, 0, 0), (20, 3_999, 599), (7, 1_234, 256), (13, 77, 511)] {
            // The bias has its own values, which the difference to another input removes.
            for (t, y, dx, dw) in [(false, &y, &dx, &dw), (true, &yt, &dxt, &dwt)] {
                let product = |r: usize| (0..INPUTS).map(|i| x(r, i) * w(i, o, t)).sum::<f64>();
                let other = (r + 1) % ROWS;
                let got = |r: usize| f32::from_bits(y[r * OUTPUTS + o]);
                close((got(r) - got(other)).to_bits(), product(r) - product(other));
                close(dx[r * INPUTS + i], (0..OUTPUTS).map(|o| dy(r, o) * w(i, o, t)).sum());
                let at = if t { o * INPUTS + i } else { i * OUTPUTS + o };
                close(dw[at], (0..ROWS).map(|r| x(r, i) * dy(r, o)).sum());
            }
        }
    }
}

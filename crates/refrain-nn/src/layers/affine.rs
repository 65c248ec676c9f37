//! The product of rows with a parameter, which a dense layer owns and a tied one shares.

use crate::error::Error;
use crate::graph::{Backward, EdgeId, EdgeSpec, Forward, Kind, Op, Plan};
use crate::params::{Params, SpanId};
use refrain_kernels::{
    AlignedVec, Engine, Packed, PanelShape, bias_gradient, matmul, matmul_gradient, pack_bias,
    packed_bias_len,
};

/// `y = x · W + b` over rows, where `W` `(I, O)` is the parameter or, transposed, `(O, I)`.
#[derive(Debug, Clone)]
pub(super) struct Affine {
    matrix: SpanId,
    transposed: bool,
    bias: Option<SpanId>,
    /// `W`, for forward.
    packed: Packed,
    /// `Wᵀ`, for the input's gradient.
    packed_t: Packed,
    packed_bias: AlignedVec,
    /// Of the parameter, in its own orientation.
    gradient: Packed,
}

impl Affine {
    /// The parameter is `(inputs, outputs)`.
    pub(super) fn new(matrix: SpanId, bias: Option<SpanId>, inputs: usize, outputs: usize) -> Self {
        Self {
            matrix,
            transposed: false,
            bias,
            packed: Packed::new(PanelShape::plain(outputs), inputs),
            packed_t: Packed::new(PanelShape::plain(inputs), outputs),
            packed_bias: AlignedVec::default(),
            gradient: Packed::new(PanelShape::plain(outputs), inputs),
        }
    }

    /// The parameter is `(outputs, inputs)`.
    pub(super) fn transposed(matrix: SpanId, bias: Option<SpanId>, inputs: usize, outputs: usize) -> Self {
        let gradient = Packed::new(PanelShape::plain(inputs), outputs);
        Self { transposed: true, gradient, ..Self::new(matrix, bias, inputs, outputs) }
    }

    /// Plans it on the rows of an edge.
    pub(super) fn lower(self, plan: &mut Plan<'_>, input: EdgeId) -> EdgeId {
        let kind = Kind::Features(self.packed.shape().columns());
        let spec = EdgeSpec { axis: plan.spec(input).axis, kind };
        plan.op(Box::new(self), &[input], &[spec])[0]
    }
}

impl Op for Affine {
    fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error> {
        let (engine, x) = (cx.engine, cx.input(0));
        let y = cx.output(0);
        matmul(engine, x.view(), &self.packed, Some(&self.packed_bias), false, y.view_mut());
        Ok(())
    }

    fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error> {
        let Some(dy) = cx.d_output(0) else { return Ok(()) };
        let (engine, x) = (cx.engine, cx.input(0));
        if cx.trains(self.matrix) {
            self.gradient.clear();
            let (left, right) = if self.transposed { (dy, x) } else { (x, dy) };
            matmul_gradient(engine, left.view(), right.view(), &mut self.gradient);
            self.gradient.add_to(engine, cx.params.gradient_mut(self.matrix));
        }
        if let Some(bias) = self.bias.filter(|&b| cx.trains(b)) {
            bias_gradient(engine, dy.view(), cx.params.gradient_mut(bias));
        }
        if let Some(dx) = cx.d_input(0) {
            matmul(engine, dy.view(), &self.packed_t, None, dx.add, dx.value.view_mut());
        }
        Ok(())
    }

    fn pack(&mut self, engine: &Engine, params: &Params, training: bool) {
        let matrix = params.value(self.matrix);
        let (along, across) = if self.transposed {
            (&mut self.packed_t, &mut self.packed)
        } else {
            (&mut self.packed, &mut self.packed_t)
        };
        // Forward needs one of the two, whichever lies across.
        if training || !self.transposed {
            along.pack(engine, matrix);
        }
        if training || self.transposed {
            let order = PanelShape::plain(across.depth());
            across.pack_transposed(engine, matrix, order);
        }
        self.packed_bias.resize(packed_bias_len(self.packed.shape()));
        if let Some(bias) = self.bias {
            pack_bias(params.value(bias), self.packed.shape(), &mut self.packed_bias);
        }
    }

    fn boxed_clone(&self) -> Box<dyn Op> {
        Box::new(self.clone())
    }
}

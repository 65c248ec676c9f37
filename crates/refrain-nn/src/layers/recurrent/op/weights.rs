//! The two matrices and the bias: packing them for a pass, and their gradients.

use super::super::table::Table;
use super::super::weight_drop::WeightDrop;
use super::RecurrentOp;
use crate::graph::{Backward, Forward, Mode};
use crate::params::{Params, SpanId};
use refrain_kernels::recurrent as kernel;
use refrain_kernels::{Packed, PanelShape};

/// One of the two matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Kernel,
    Recurrent,
}

impl RecurrentOp {
    pub(super) fn take_bias(&mut self, params: &Params) {
        if let Some(bias) = self.spans.bias {
            self.biases.pack(params.value(bias));
        }
    }

    pub(super) fn own(&mut self, weight: Weight) -> &mut Packed {
        match weight {
            Weight::Kernel => &mut self.kernel,
            Weight::Recurrent => &mut self.recurrent,
        }
    }

    /// Returns the span, its number of rows, and the panel shape of its columns.
    pub(super) fn place(&self, weight: Weight) -> (SpanId, usize, PanelShape) {
        let shape = self.set.cell.arrangement(self.set.units);
        match weight {
            Weight::Kernel => (self.spans.kernel, self.set.inputs, shape),
            Weight::Recurrent => (self.spans.recurrent, self.set.units, shape),
        }
    }

    /// Returns the dropped-out matrix that replaces the parameter in training, if any.
    pub(super) fn dropped(&self, weight: Weight) -> Option<&WeightDrop> {
        self.weight_drop.as_ref().filter(|_| weight == Weight::Recurrent)
    }

    /// Returns whether [`Op::pack`] packed the matrix for this pass.
    pub(super) fn is_packed(&self, cx: &Forward<'_>, weight: Weight) -> bool {
        cx.packed && (cx.mode == Mode::Infer || self.dropped(weight).is_none())
    }

    /// Returns a matrix packed for the forward pass, either by [`Op::pack`] or now in the workspace.
    pub(super) fn lend(&mut self, cx: &mut Forward<'_>, weight: Weight) -> Packed {
        let (span, depth, shape) = self.place(weight);
        if self.is_packed(cx, weight) {
            return std::mem::replace(self.own(weight), Packed::new(shape, depth));
        }
        let mut packed = Packed::in_storage(shape, depth, std::mem::take(cx.workspace));
        let dropped = self.dropped(weight).filter(|_| cx.mode == Mode::Train);
        let matrix = dropped.map_or_else(|| cx.params.value(span), WeightDrop::weights);
        packed.pack(cx.engine, matrix, shape.columns());
        packed
    }

    pub(super) fn give_back(&mut self, cx: &mut Forward<'_>, weight: Weight, packed: Packed) {
        if self.is_packed(cx, weight) {
            *self.own(weight) = packed;
        } else {
            *cx.workspace = packed.into_storage();
        }
    }

    /// Returns the transpose of a matrix, packed in the workspace.
    pub(super) fn pack_across(&self, cx: &mut Backward<'_>, weight: Weight) -> Packed {
        let (span, depth, order) = self.place(weight);
        let memory = std::mem::take(cx.workspace);
        let mut packed = Packed::in_storage(PanelShape::plain(depth), order.columns(), memory);
        let matrix = self.dropped(weight).map_or_else(|| cx.params.value(span), WeightDrop::weights);
        packed.pack_transposed(cx.engine, matrix, order.columns(), order);
        packed
    }

    /// Adds to the gradient of a matrix. `product` adds to the packed gradient; with `drop`, the mask
    /// applies.
    pub(super) fn add_gradient(
        &self,
        cx: &mut Backward<'_>,
        weight: Weight,
        drop: Option<&mut WeightDrop>,
        product: impl FnOnce(&mut Packed),
    ) {
        let (span, depth, shape) = self.place(weight);
        if !cx.trains(span) {
            return;
        }
        let mut gradient = Packed::in_storage(shape, depth, std::mem::take(cx.workspace));
        let held = cx.params.claim_gradient(span);
        if held && drop.is_none() {
            gradient.pack(cx.engine, cx.params.claimed_gradient(span), shape.columns());
        } else {
            gradient.clear();
        }
        product(&mut gradient);
        match drop {
            Some(drop) => drop.take_gradient(cx, span, held, &gradient),
            None => gradient.unpack(cx.engine, cx.params.claimed_gradient(span), shape.columns()),
        }
        *cx.workspace = gradient.into_storage();
    }

    /// Adds the gradients of kernel, recurrent kernel and bias, if they are trained. With `table`, kernel and
    /// bias use the table's rows; with `drop`, the mask applies to the recurrent kernel.
    pub(super) fn add_gradients(
        &self,
        cx: &mut Backward<'_>,
        table: Option<&Table>,
        drop: Option<&mut WeightDrop>,
    ) {
        let (engine, set, layout) = (cx.engine, self.set, cx.input_layout(0));
        let h: &[f32] = if set.return_sequences { &cx.output(0).data } else { &self.h };
        let mut inputs: [_; 4] = std::array::from_fn(|i| (i < set.products).then(|| cx.input(i).view()));
        let (mut gates, mut rows) = (&*self.gates, layout.rows());
        if let Some(table) = table {
            inputs = [Some(table.rows(&set)), None, None, None];
            (gates, rows) = (table.gates(), table.tokens());
        }
        self.add_gradient(cx, Weight::Kernel, None, |gradient| {
            for (i, x) in inputs.into_iter().flatten().enumerate() {
                kernel::kernel_gradient(engine, self.gate(i), gates, x, gradient);
            }
        });
        let masked = (!self.masks.is_empty()).then_some((&*self.masked, set.mask_groups));
        self.add_gradient(cx, Weight::Recurrent, drop, |gradient| {
            kernel::recurrent_gradient(
                engine,
                set.cell,
                layout.steps(),
                (&self.h0, h),
                masked,
                &self.reset,
                &self.gates,
                gradient,
            );
        });
        if let Some(bias) = self.spans.bias.filter(|&b| cx.trains(b)) {
            let gradient = cx.params.gradient_mut(bias);
            kernel::bias_gradient(engine, set.cell, set.units, gates, rows, gradient);
        }
    }
}

//! Computing a loss over all rows of an output.

use super::row::{self, Gradient, Target};
use super::{Family, Form, Loss, RowTargets};
use crate::graph::{Kind, Value};
use refrain_kernels::{Engine, softmax};

impl Loss {
    /// Returns whether the loss is a softmax cross-entropy of logits, which [`Loss::evaluate_in_place`]
    /// computes.
    pub(crate) fn is_of_softmax_logits(&self, form: Form) -> bool {
        let logits = form != Form::Values || self.takes_logits();
        logits && matches!(self.family(), Family::Sparse | Family::Categorical)
    }

    /// Returns whether the loss needs only the probability of the target class, not the whole distribution.
    pub(crate) fn is_of_classes(&self) -> bool {
        self.family() == Family::Sparse
    }

    /// Writes the unweighted loss of every row to `losses`. With `gradient`, which gets the shape of
    /// `output`, also overwrites that with `weight · scale · dloss/doutput`.
    ///
    /// Does not allocate once `gradient` has reached its largest size.
    ///
    /// # Panics
    /// Panics if [`Loss::check`] rejects the output and the targets, or if the numbers of rows differ.
    #[expect(
        clippy::too_many_arguments,
        reason = "a kernel's argument list: what it reads, then what it writes"
    )]
    pub(crate) fn evaluate(
        &self,
        engine: &Engine,
        form: Form,
        output: &Value,
        targets: &RowTargets,
        scale: f32,
        losses: &mut [f32],
        mut gradient: Option<&mut Value>,
    ) {
        let (rows, width) = (output.rows(), output.width());
        assert_eq!((targets.rows, losses.len()), (rows, rows), "rows of targets, losses and output");
        assert!(targets.is_ids() || targets.width == width, "widths of targets and output");
        if let Some(gradient) = &mut gradient {
            gradient.shape(rows, Kind::Features(width));
        }
        match gradient {
            Some(gradient) if self.is_of_softmax_logits(form) => {
                gradient.data.copy_from_slice(&output.data);
                self.evaluate_in_place(engine, gradient, targets, scale, losses);
            }
            None if self.is_of_softmax_logits(form) => {
                let logits = output.view();
                if targets.is_ids() {
                    softmax::sparse_cross_entropy_loss(engine, logits, &targets.ids, None, losses);
                } else {
                    softmax::categorical_cross_entropy_loss(engine, logits, targets.view(), None, losses);
                }
            }
            gradient => {
                let logits = form != Form::Values || self.takes_logits();
                let mut to = gradient.map(Value::view_mut);
                for (r, loss) in losses.iter_mut().enumerate() {
                    let gradient = to.as_mut().map(|to| (to.row(r), targets.row_weight(r) * scale));
                    *loss = self.row(logits, output.view().row(r), targets.target(r), gradient) as f32;
                }
            }
        }
    }

    /// Computes a softmax cross-entropy as [`Loss::evaluate`] does, and replaces the logits with their
    /// gradient.
    ///
    /// `Σ t·(ln Σ e^x − x)`, derivative `softmax(x)·Σ t − t`. (TensorFlow omits `Σ t`, which is 1 for a
    /// distribution.) The losses stay unweighted, so the gradient is weighted afterwards.
    pub(crate) fn evaluate_in_place(
        &self,
        engine: &Engine,
        logits: &mut Value,
        targets: &RowTargets,
        scale: f32,
        losses: &mut [f32],
    ) {
        let mut rows = logits.view_mut();
        if targets.is_ids() {
            softmax::sparse_cross_entropy(engine, rows.reborrow(), &targets.ids, None, scale, losses);
        } else {
            let (to, targets) = (rows.reborrow(), targets.view());
            softmax::categorical_cross_entropy(engine, to, targets, None, scale, losses);
        }
        for (r, &weight) in targets.weights.iter().enumerate() {
            rows.row(r).iter_mut().for_each(|g| *g *= weight);
        }
    }

    /// Computes a loss that is evaluated row by row.
    fn row(&self, logits: bool, x: &[f32], target: Target<'_>, gradient: Gradient<'_>) -> f64 {
        match (*self, target) {
            (Loss::MeanSquaredError, _) => row::mean_of(x, target, gradient, row::squared),
            (Loss::MeanAbsoluteError, _) => row::mean_of(x, target, gradient, row::absolute),
            (Loss::Huber { delta }, _) => row::mean_of(x, target, gradient, |p, t| row::huber(p, t, delta)),
            (Loss::BinaryCrossentropy | Loss::BinaryCrossentropyFromLogits, _) => {
                let element = if logits { row::binary_from_logit } else { row::binary };
                row::mean_of(x, target, gradient, element)
            }
            (_, Target::Class(id)) => row::sparse_crossentropy(x, id, gradient),
            (_, Target::Values(t)) => row::categorical_crossentropy(x, t, gradient),
        }
    }
}

//! A loss over all rows of an output.

use super::row::{self, Gradient, Target};
use super::{Family, Form, Loss, RowTargets};
use crate::graph::{Kind, Value};
use refrain_kernels::{Engine, softmax};

impl Loss {
    /// The loss of every row, unweighted, into `losses`; returns `Σ weight·loss`, summed in the order of the
    /// rows. With `gradient`, which takes the shape of `output`, also overwrites that with
    /// `weight · scale · dloss/doutput`.
    ///
    /// Allocates nothing once `losses` and `gradient` have been as large.
    ///
    /// # Panics
    /// When [`Loss::check`] refuses the output and the targets, or their rows differ.
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
        losses: &mut Vec<f32>,
        mut gradient: Option<&mut Value>,
    ) -> f64 {
        let (rows, width) = (output.rows(), output.width());
        assert_eq!(targets.rows, rows, "rows of targets and output");
        assert!(targets.is_ids() || targets.width == width, "widths of targets and output");
        if let Some(gradient) = &mut gradient {
            gradient.shape(rows, Kind::Features(width));
        }
        losses.resize(rows, 0.0);
        let logits = form != Form::Values || self.takes_logits();
        if logits && matches!(self.family(), Family::Sparse | Family::Categorical) {
            softmax_crossentropy(engine, output, targets, scale, losses, gradient);
        } else {
            let mut to = gradient.map(Value::view_mut);
            for (r, loss) in losses.iter_mut().enumerate() {
                let gradient = to.as_mut().map(|to| (to.row(r), targets.row_weight(r) * scale));
                *loss = self.row(logits, output.view().row(r), targets.target(r), gradient) as f32;
            }
        }
        losses.iter().enumerate().map(|(r, &loss)| f64::from(targets.row_weight(r)) * f64::from(loss)).sum()
    }

    /// The losses that are taken row by row.
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

/// `Σ t·(ln Σ e^x − x)`, derivative `softmax(x)·Σ t − t`. (TensorFlow leaves out `Σ t`, which is 1 for a
/// distribution.) The losses stay unweighted, so the weights join the gradient afterwards.
fn softmax_crossentropy(
    engine: &Engine,
    output: &Value,
    targets: &RowTargets,
    scale: f32,
    losses: &mut [f32],
    gradient: Option<&mut Value>,
) {
    let Some(gradient) = gradient else {
        return if targets.is_ids() {
            softmax::sparse_cross_entropy_loss(engine, output.view(), &targets.ids, None, losses);
        } else {
            softmax::categorical_cross_entropy_loss(engine, output.view(), targets.view(), None, losses);
        };
    };
    gradient.data.copy_from_slice(&output.data);
    if targets.is_ids() {
        softmax::sparse_cross_entropy(engine, gradient.view_mut(), &targets.ids, None, scale, losses);
    } else {
        let targets = targets.view();
        softmax::categorical_cross_entropy(engine, gradient.view_mut(), targets, None, scale, losses);
    }
    let mut rows = gradient.view_mut();
    for (r, &weight) in targets.weights.iter().enumerate() {
        rows.row(r).iter_mut().for_each(|g| *g *= weight);
    }
}

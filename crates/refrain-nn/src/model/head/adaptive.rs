//! An adaptive softmax with its loss. A cluster is computed only for the rows whose target is in it.

use super::Scoring;
use super::top_class::TopClass;
use crate::graph::{Kind, Value};
use crate::layers::{AdaptiveOp, Weights, reserve};
use crate::loss::RowTargets;
use crate::metrics::Metric;
use refrain_kernels::elementwise::permute_rows;

/// Buffers for scoring one cluster after another.
#[derive(Debug, Clone, Default)]
pub(super) struct Scorer {
    /// The rows of the batch whose target is in the cluster.
    rows: Vec<u32>,
    /// Those rows of the layer's input, or of its gradient.
    x: Value,
    dx: Value,
    losses: Vec<f32>,
    top_class: TopClass,
}

impl Scorer {
    /// Runs the layer, the loss and the layer's backward pass, and updates the metrics. The loss of a row is
    /// that of the head, whose target is a class or a cluster's entry, plus that of the class within its
    /// cluster. The results are the same bits as computing each for all rows at once.
    pub(super) fn score(&mut self, op: &mut AdaptiveOp, mut on: Scoring<'_>) {
        let finds = on.metrics.iter().any(|m| m.metric() == Metric::Accuracy);
        // As for a dense layer, the block uses the larger buffer.
        std::mem::swap(&mut on.block.data, on.workspace);
        if finds {
            self.top_class.begin(op.tails.len(), on.x.rows());
        }
        self.score_head(op, &mut on, finds);
        for cluster in 0..op.tails.len() {
            self.score_tail(op, &mut on, cluster);
        }
        if finds {
            self.top_class.look_at_tails(op, &mut on, &mut self.rows, &mut self.x);
        }
        for metric in on.metrics.iter_mut() {
            match metric.metric() {
                Metric::Accuracy => metric.update_classes(on.targets, self.top_class.classes()),
                kind if kind.reads_losses() => metric.update_losses(on.targets, on.losses),
                _ => {}
            }
        }
        update_whole_rows(op, &mut on);
        std::mem::swap(&mut on.block.data, on.workspace);
    }

    /// Overwrites losses and `dx` with the head's part.
    fn score_head(&mut self, op: &mut AdaptiveOp, on: &mut Scoring<'_>, finds: bool) {
        let (width, engine) = (op.head.outputs(), on.engine);
        let losses = std::mem::take(&mut on.losses);
        for rows in op.blocks.cut(on.x.rows(), width) {
            on.block.shape(rows.len(), Kind::Features(width));
            on.block_targets.copy_rows(on.targets, rows.clone());
            on.block_targets.ids.iter_mut().for_each(|id| *id = op.entry(*id));
            let x = on.x.view().rows(rows.clone());
            op.head.forward_rows(engine, on.params, on.workspace, x, on.block.view_mut());
            if finds {
                self.top_class.look_at_head(engine, op.shortlist(), on.block, rows.start);
            }
            on.take_loss(&mut losses[rows.clone()]);
            if on.backward {
                let dx = on.dx.as_mut().map(|dx| (dx.value.view_mut().rows(rows), dx.add));
                op.head.backward_rows(engine, on.params, on.workspace, x, on.block.view(), dx);
            }
        }
        on.losses = losses;
    }

    /// Adds a cluster's part to losses and `dx`.
    fn score_tail(&mut self, op: &mut AdaptiveOp, on: &mut Scoring<'_>, cluster: usize) {
        let Self { rows, x, dx, losses, .. } = self;
        let (engine, inputs, all) = (on.engine, on.x.width(), on.x.rows());
        let (tail, blocks) = (&mut op.tails[cluster], op.blocks);
        let (classes, width) = (tail.classes.clone(), tail.classes.len());
        rows.clear();
        rows.reserve(all);
        rows.extend((0..all as u32).filter(|&r| classes.contains(&(on.targets.ids[r as usize] as usize))));
        // The rows of a cluster vary from batch to batch, so memory is reserved for all of them.
        let most = all.min(blocks.most(width));
        tail.reserve(most);
        for (value, width) in [(&mut *x, inputs), (&mut *dx, inputs), (&mut *on.block, width)] {
            reserve(value, most, width);
        }
        for part in blocks.cut(rows.len(), width) {
            let rows = &rows[part];
            x.shape(rows.len(), Kind::Features(inputs));
            permute_rows(engine, rows, on.x.view(), false, x.view_mut());
            take_targets(on.block_targets, on.targets, rows, classes.start as u32);
            on.block.shape(rows.len(), Kind::Features(width));
            let (params, workspace) = (&*on.params, &mut *on.workspace);
            let weights = &mut Weights { engine, params, packed: false, workspace };
            tail.forward_rows(weights, x.view(), on.block.view_mut());
            losses.resize(all, 0.0);
            let losses = &mut losses[..rows.len()];
            on.take_loss(losses);
            rows.iter().zip(&*losses).for_each(|(&r, loss)| on.losses[r as usize] += loss);
            if on.backward {
                dx.shape(rows.len(), Kind::Features(inputs));
                let to = on.dx.is_some().then(|| (dx.view_mut(), false));
                tail.backward_rows(engine, on.params, on.workspace, x.view(), on.block.view(), to);
                let Some(slot) = &mut on.dx else { continue };
                let mut to = slot.value.view_mut();
                for (i, &r) in rows.iter().enumerate() {
                    to.row(r as usize).iter_mut().zip(dx.view().row(i)).for_each(|(to, dx)| *to += dx);
                }
            }
        }
    }
}

/// Updates the metrics that read every class.
fn update_whole_rows(op: &mut AdaptiveOp, on: &mut Scoring<'_>) {
    let reads = |metric: Metric| metric != Metric::Accuracy && !metric.reads_losses();
    if !on.metrics.iter().any(|m| reads(m.metric())) {
        return;
    }
    let (engine, width) = (on.engine, op.classes());
    for rows in op.blocks.cut(on.x.rows(), width) {
        on.block.shape(rows.len(), Kind::Features(width));
        on.block_targets.copy_rows(on.targets, rows.clone());
        let (params, workspace) = (&*on.params, &mut *on.workspace);
        let weights = &mut Weights { engine, params, packed: false, workspace };
        op.log_probabilities(weights, on.x.view().rows(rows), on.block.view_mut());
        for metric in on.metrics.iter_mut().filter(|m| reads(m.metric())) {
            metric.update(engine, on.form, on.block, on.block_targets, &[]);
        }
    }
}

/// Copies the targets of some rows, as classes of the cluster that begins at `first`.
fn take_targets(to: &mut RowTargets, from: &RowTargets, rows: &[u32], first: u32) {
    to.ids.clear();
    to.ids.extend(rows.iter().map(|&r| from.ids[r as usize] - first));
    to.weights.clear();
    if !from.weights.is_empty() {
        to.weights.extend(rows.iter().map(|&r| from.weights[r as usize]));
    }
    to.values.resize(0);
    (to.rows, to.width) = (rows.len(), from.width);
}

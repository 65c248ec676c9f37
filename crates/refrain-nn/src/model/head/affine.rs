//! A dense output layer with its loss.

use super::Scoring;
use crate::graph::Kind;
use crate::layers::{Affine, Blocks};

/// Runs the output layer, the loss and the layer's backward pass block by block. The results are the same
/// bits as processing all rows at once.
pub(super) fn score(affine: &mut Affine, mut on: Scoring<'_>) {
    let (width, engine) = (affine.outputs(), on.engine);
    let losses_of_rows = std::mem::take(&mut on.losses);
    // The block needs more memory than a piece of the layer's weights. It uses the workspace, which is large
    // anyway because of other operations, and the layer works in the block's buffer instead.
    std::mem::swap(&mut on.block.data, on.workspace);
    for rows in Blocks::default().cut(on.x.rows(), width) {
        on.block.shape(rows.len(), Kind::Features(width));
        on.block_targets.copy_rows(on.targets, rows.clone());
        let (x, losses) = (on.x.view().rows(rows.clone()), &mut losses_of_rows[rows.clone()]);
        affine.forward_rows(engine, on.params, on.workspace, x, on.block.view_mut());
        for metric in on.metrics.iter_mut().filter(|m| !m.metric().reads_losses()) {
            metric.update(engine, on.form, on.block, on.block_targets, &[]);
        }
        on.take_loss(losses);
        if on.backward {
            let dx = on.dx.as_mut().map(|dx| (dx.value.view_mut().rows(rows), dx.add));
            affine.backward_rows(engine, on.params, on.workspace, x, on.block.view(), dx);
        }
        for metric in on.metrics.iter_mut().filter(|m| m.metric().reads_losses()) {
            metric.update_losses(on.block_targets, losses);
        }
    }
    std::mem::swap(&mut on.block.data, on.workspace);
}

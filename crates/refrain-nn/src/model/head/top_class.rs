//! Finding the most likely class of every row of an adaptive softmax without scoring every class.

use super::Scoring;
use crate::graph::{Kind, Value};
use crate::layers::{AdaptiveOp, Weights};
use refrain_kernels::Engine;
use refrain_kernels::elementwise::{copy_columns, permute_rows};
use refrain_kernels::softmax::{argmax, log_softmax};

/// The most likely class of every row among those examined so far.
///
/// No class is more likely than its cluster's entry, so a cluster is scored only for rows where its entry is
/// more likely than the best class so far. All comparisons use the values of the full output, and of equal
/// ones the first counts. The result is therefore the class of the largest output, including any rounding.
#[derive(Debug, Clone, Default)]
pub(super) struct TopClass {
    /// Logarithms of the head's probabilities, some rows at a time.
    logs: Value,
    /// The logarithms of the clusters' entries, `(R, clusters)`.
    entries: Vec<f32>,
    clusters: usize,
    classes: Vec<u32>,
    /// The logarithm of the class's probability.
    best: Vec<f32>,
    /// For the rows scored in a cluster: their entries and their largest columns.
    shift: Vec<f32>,
    columns: Vec<u32>,
}

impl TopClass {
    /// Returns the class of every row.
    pub(super) fn classes(&self) -> &[u32] {
        &self.classes
    }

    pub(super) fn begin(&mut self, clusters: usize, rows: usize) {
        self.clusters = clusters;
        self.entries.resize(rows * clusters, 0.0);
        self.classes.resize(rows, 0);
        self.best.resize(rows, 0.0);
        self.shift.clear();
        self.shift.reserve(rows);
        self.columns.clear();
        self.columns.reserve(rows);
    }

    /// Finds the most likely class of the shortlist from the head's logits for rows starting at `first`.
    pub(super) fn look_at_head(&mut self, engine: &Engine, shortlist: usize, logits: &Value, first: usize) {
        let rows = first..first + logits.rows();
        self.logs.shape(logits.rows(), Kind::Features(logits.width()));
        copy_columns(engine, logits.view(), 0, false, self.logs.view_mut());
        log_softmax(engine, None, self.logs.view_mut());
        let classes = &mut self.classes[rows.clone()];
        argmax(engine, self.logs.view().columns(0..shortlist), classes);
        let to = self.best[rows.clone()]
            .iter_mut()
            .zip(self.entries[rows.start * self.clusters..].chunks_exact_mut(self.clusters));
        for (r, (best, entries)) in to.enumerate() {
            let logs = self.logs.view().row(r);
            *best = logs[classes[r] as usize];
            entries.copy_from_slice(&logs[shortlist..]);
        }
    }

    /// Searches the clusters for a more likely class.
    pub(super) fn look_at_tails(
        &mut self,
        op: &mut AdaptiveOp,
        on: &mut Scoring<'_>,
        rows: &mut Vec<u32>,
        x: &mut Value,
    ) {
        let Self { entries, clusters, classes, best, shift, columns, .. } = self;
        let (engine, inputs, blocks) = (on.engine, on.x.width(), op.blocks);
        for (i, tail) in op.tails.iter_mut().enumerate() {
            let entry = |r: u32| entries[r as usize * *clusters + i];
            rows.clear();
            rows.extend((0..classes.len() as u32).filter(|&r| entry(r) > best[r as usize]));
            let width = tail.classes.len();
            for part in blocks.cut(rows.len(), width) {
                let rows = &rows[part];
                x.shape(rows.len(), Kind::Features(inputs));
                permute_rows(engine, rows, on.x.view(), false, x.view_mut());
                on.block.shape(rows.len(), Kind::Features(width));
                let (params, workspace) = (&*on.params, &mut *on.workspace);
                let weights = &mut Weights { engine, params, packed: false, workspace };
                tail.forward_rows(weights, x.view(), on.block.view_mut());
                shift.clear();
                shift.extend(rows.iter().map(|&r| entry(r)));
                log_softmax(engine, Some(shift), on.block.view_mut());
                columns.resize(rows.len(), 0);
                argmax(engine, on.block.view(), columns);
                for (k, (&r, &column)) in rows.iter().zip(&*columns).enumerate() {
                    let (r, log) = (r as usize, on.block.view().row(k)[column as usize]);
                    if log > best[r] {
                        (best[r], classes[r]) = (log, tail.classes.start as u32 + column);
                    }
                }
            }
        }
    }
}

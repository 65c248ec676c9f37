//! The likeliest class of every row of an adaptive softmax, without scoring every class.

use super::Scoring;
use crate::graph::{Kind, Value};
use crate::layers::{AdaptiveOp, Weights};
use refrain_kernels::Engine;
use refrain_kernels::elementwise::{copy_columns, permute_rows};
use refrain_kernels::softmax::{argmax, log_softmax};

/// The likeliest class of every row, as far as it was looked for.
///
/// No class is likelier than its cluster's entry, so a cluster is scored only for the rows where its entry is likelier
/// than the best class found before. All comparisons are of the numbers that the whole output has, and of equal ones
/// the first counts: the class is that of the largest output, whatever rounding makes of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Likeliest {
    /// Logarithms of the head's probabilities, some rows at a time.
    logs: Value,
    /// Those of the clusters' entries, `(R, clusters)`.
    entries: Vec<f32>,
    clusters: usize,
    classes: Vec<u32>,
    /// The logarithm of the class's probability.
    best: Vec<f32>,
    /// Of the rows that a cluster gets: their entries and their largest columns.
    shift: Vec<f32>,
    columns: Vec<u32>,
}

impl Likeliest {
    /// The class of every row.
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

    /// Finds the likeliest class of the shortlist from the head's logits of the rows from `first` on.
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

    /// Looks for a likelier class in the clusters.
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

//! Computing the logarithm of every class's probability.

use super::tail::{Tail, Weights};
use crate::error::Error;
use crate::graph::{
    Backward, Forward, Kind, Mode, Op, OpMemory, PassSize, Value, grown, of_floats, of_rows, total_of,
};
use crate::layers::{Affine, Blocks};
use crate::params::Params;
use refrain_kernels::elementwise::copy_columns;
use refrain_kernels::softmax::{log_softmax, softmax};
use refrain_kernels::{AlignedVec, Engine, Rows, RowsMut};

/// `y = ln p` on rows, for every class. The backward pass recomputes all scores, some rows at a time, and
/// stores nothing.
#[derive(Debug, Clone)]
pub(crate) struct AdaptiveOp {
    /// The scores of the shortlist, then of the clusters' entries.
    pub(crate) head: Affine,
    pub(crate) tails: Vec<Tail>,
    pub(crate) blocks: Blocks,
    head_rows: Value,
    tail_rows: Value,
    /// One number per row that a cluster's classes share.
    shared: Vec<f32>,
}

impl AdaptiveOp {
    pub(super) fn new(head: Affine, tails: Vec<Tail>) -> Self {
        let (head_rows, tail_rows) = (Value::default(), Value::default());
        Self { head, tails, blocks: Blocks::default(), head_rows, tail_rows, shared: Vec::new() }
    }

    /// Returns the number of classes that the head scores, which are the first ones.
    pub(crate) fn shortlist(&self) -> usize {
        self.tails[0].classes.start
    }

    pub(crate) fn classes(&self) -> usize {
        self.tails[self.tails.len() - 1].classes.end
    }

    /// Returns the head's column for a class: its own, or its cluster's entry.
    pub(crate) fn entry(&self, class: u32) -> u32 {
        let clusters = self.tails.partition_point(|tail| tail.classes.start <= class as usize);
        if clusters == 0 { class } else { (self.shortlist() + clusters - 1) as u32 }
    }

    /// Returns the head and the two products of each cluster.
    fn layers(&self) -> impl Iterator<Item = &Affine> {
        std::iter::once(&self.head).chain(self.tails.iter().flat_map(Tail::layers))
    }

    /// Returns [`Affine::piece_bytes`] of the largest product.
    pub(crate) fn piece_bytes(&self, mode: Mode) -> u64 {
        self.layers().map(|layer| layer.piece_bytes(mode)).max().unwrap_or(0)
    }

    /// Returns the size of the buffers that the products and clusters keep if each cluster is scored for this
    /// many rows at once.
    pub(crate) fn kept_bytes(&self, rows: impl Fn(usize) -> u64, mode: Mode) -> u64 {
        let tails = self.tails.iter().map(|tail| tail.rows_bytes(rows(tail.classes.len()), mode));
        total_of(self.layers().map(|layer| layer.own_bytes(false).0).chain(tails))
    }

    /// Returns the memory for [`AdaptiveOp::log_probabilities`], without the products' weights.
    pub(crate) fn whole_bytes(&self, rows: u64) -> u64 {
        let rows = rows.min(self.blocks.most(self.widest()) as u64);
        let tail = self.tails.iter().map(|tail| of_rows(rows, tail.classes.len())).max().unwrap_or(0);
        total_of([of_rows(rows, self.head.outputs()), tail, of_floats(grown(rows))])
    }

    /// Returns the width of the widest rows that are stored while some rows are scored for all classes.
    fn widest(&self) -> usize {
        self.tails.iter().map(|tail| tail.classes.len()).chain([self.head.outputs()]).max().unwrap_or(0)
    }

    /// Overwrites `y` with the logarithm of every class's probability.
    pub(crate) fn log_probabilities(&mut self, weights: &mut Weights<'_>, x: Rows<'_>, mut y: RowsMut<'_>) {
        for rows in self.blocks.cut(x.count(), self.widest()) {
            self.block_log_probabilities(weights, x.rows(rows.clone()), y.reborrow().rows(rows));
        }
    }

    fn block_log_probabilities(&mut self, weights: &mut Weights<'_>, x: Rows<'_>, mut y: RowsMut<'_>) {
        let (engine, shortlist) = (weights.engine, self.shortlist());
        let Self { head, tails, head_rows, tail_rows, shared, .. } = self;
        head_rows.shape(x.count(), Kind::Features(head.outputs()));
        weights.multiply(head, x, head_rows.view_mut());
        log_softmax(engine, None, head_rows.view_mut());
        copy_columns(engine, head_rows.view().columns(0..shortlist), 0, false, y.reborrow());
        for (i, tail) in tails.iter_mut().enumerate() {
            shared.clear();
            shared.extend((0..x.count()).map(|r| head_rows.view().row(r)[shortlist + i]));
            tail_rows.shape(x.count(), Kind::Features(tail.classes.len()));
            tail.forward_rows(weights, x, tail_rows.view_mut());
            log_softmax(engine, Some(shared), tail_rows.view_mut());
            copy_columns(engine, tail_rows.view(), tail.classes.start, false, y.reborrow());
        }
    }

    /// Adds to the parameters' gradients from the gradient `dy` of some rows, and overwrites `dx` or adds to
    /// it.
    ///
    /// With `s_i` the sum of `dy` over cluster `i`, the gradient of that cluster's scores is `dy − p · s_i`,
    /// where `p` are the probabilities within it. The head's is the same, with the gradients `s_i` for its
    /// entries.
    fn block_backward(
        &mut self,
        engine: &Engine,
        params: &mut Params,
        workspace: &mut AlignedVec,
        x: Rows<'_>,
        dy: Rows<'_>,
        mut dx: Option<(RowsMut<'_>, bool)>,
    ) {
        let shortlist = self.shortlist();
        let Self { head, tails, head_rows, tail_rows, .. } = self;
        head_rows.shape(x.count(), Kind::Features(head.outputs()));
        head.forward_rows(engine, params, workspace, x, head_rows.view_mut());
        softmax(engine, head_rows.view_mut());
        let mut to = head_rows.view_mut();
        for r in 0..x.count() {
            let (p, dy) = (to.row(r), dy.row(r));
            let total = sum(dy);
            subtract(&mut p[..shortlist], &dy[..shortlist], total);
            for (p, tail) in p[shortlist..].iter_mut().zip(&*tails) {
                *p = sum(&dy[tail.classes.clone()]) - *p * total;
            }
        }
        let d = dx.as_mut().map(|(dx, add)| (dx.reborrow(), *add));
        head.backward_rows(engine, params, workspace, x, head_rows.view(), d);
        for tail in tails {
            tail_rows.shape(x.count(), Kind::Features(tail.classes.len()));
            let weights = &mut Weights { engine, params, packed: false, workspace };
            tail.forward_rows(weights, x, tail_rows.view_mut());
            softmax(engine, tail_rows.view_mut());
            let mut to = tail_rows.view_mut();
            for r in 0..x.count() {
                let dy = &dy.row(r)[tail.classes.clone()];
                subtract(to.row(r), dy, sum(dy));
            }
            let d = dx.as_mut().map(|(dx, _)| (dx.reborrow(), true));
            tail.backward_rows(engine, params, workspace, x, tail_rows.view(), d);
        }
    }
}

fn sum(x: &[f32]) -> f32 {
    x.iter().map(|&x| f64::from(x)).sum::<f64>() as f32
}

/// `p = dy − p · total`
fn subtract(p: &mut [f32], dy: &[f32], total: f32) {
    p.iter_mut().zip(dy).for_each(|(p, dy)| *p = dy - *p * total);
}

impl Op for AdaptiveOp {
    fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error> {
        let (engine, params, packed, x) = (cx.engine, cx.params, cx.packed, cx.input(0));
        let mut workspace = std::mem::take(cx.workspace);
        let weights = &mut Weights { engine, params, packed, workspace: &mut workspace };
        self.log_probabilities(weights, x.view(), cx.output(0).view_mut());
        *cx.workspace = workspace;
        Ok(())
    }

    fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error> {
        let Some(dy) = cx.d_output(0) else { return Ok(()) };
        let (engine, x) = (cx.engine, cx.input(0));
        let (mut slot, params, workspace) = cx.d_input_and_parameters(0);
        for rows in self.blocks.cut(x.rows(), self.widest()) {
            let dx = slot.as_mut().map(|slot| (slot.value.view_mut().rows(rows.clone()), slot.add));
            let (x, dy) = (x.view().rows(rows.clone()), dy.view().rows(rows));
            self.block_backward(engine, params, workspace, x, dy, dx);
        }
        Ok(())
    }

    fn pack(&mut self, engine: &Engine, params: &Params) {
        self.head.pack(engine, params);
        self.tails.iter_mut().for_each(|tail| tail.pack(engine, params));
    }

    fn memory(&self, pass: &PassSize<'_>) -> OpMemory {
        let rows = pass.rows.min(self.blocks.most(self.widest()) as u64);
        OpMemory {
            kept: vec![self.kept_bytes(|_| rows, pass.mode), self.whole_bytes(pass.rows)],
            packed: total_of(self.layers().map(|layer| layer.own_bytes(pass.packed).1)),
            workspace: if pass.packed { 0 } else { self.piece_bytes(pass.mode) },
            ..OpMemory::default()
        }
    }

    fn boxed_clone(&self) -> Box<dyn Op> {
        Box::new(self.clone())
    }
}

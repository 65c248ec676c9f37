//! One output with its loss and metrics.

use crate::data::Batch;
use crate::error::Error;
use crate::graph::{Axis, EdgeId, Graph, Kind, Single, Value};
use crate::layers::Affine;
use crate::loss::{Form, Loss, RowTargets};
use crate::metrics::{Accumulator, Metric};
use crate::params::Params;
use refrain_kernels::{Engine, row_step};
use std::any::Any;
use std::ops::Range;

/// Rows of logits that stand at once, where they are wide: for each block all of the layer's weights and gradients
/// pass from memory four times.
const BLOCK_ROWS: usize = 192;
/// Floats of the logits that stand at once, where they are narrow (16 MB, which stays in L3).
const BLOCK: usize = 1 << 22;

/// What training lowers and reports of one output.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// What the loss reads: the output, or what its activation reads.
    edge: EdgeId,
    form: Form,
    loss: Loss,
    /// The output layer, where the loss runs it itself.
    layer: Option<usize>,
    targets: RowTargets,
    losses: Vec<f32>,
    metrics: Vec<Accumulator>,
    names: Vec<String>,
    /// Some rows of the output, or of its gradient.
    block: Value,
    block_targets: RowTargets,
}

/// The loss of one output over a batch.
pub(super) struct HeadLoss {
    /// `Σ weight·loss`
    pub(super) sum: f64,
    /// Real rows.
    pub(super) rows: f64,
    /// `Σ weight`
    pub(super) weight: f64,
}

impl Head {
    /// The head of an output. Activations and layers that the loss takes over join `skip`: nobody needs to run them.
    ///
    /// # Errors
    /// When the loss or a metric cannot be taken of such an output.
    pub(super) fn new(
        graph: &Graph,
        output: EdgeId,
        loss: Loss,
        metrics: &[Metric],
        prefix: &str,
        skip: &mut Vec<usize>,
    ) -> Result<Self, Error> {
        let readers = |edge: EdgeId| graph.nodes.iter().filter(|n| n.inputs.contains(&edge)).count();
        let node = graph.producer(output);
        let activation = node.and_then(|n| graph.nodes[n].op.activation());
        let (mut edge, mut form) = (output, Form::Values);
        if let (Some(node), Some(skipped), 0) = (node, loss.skips(activation), readers(output)) {
            skip.push(node);
            (edge, form) = (graph.nodes[node].inputs[0], skipped);
        }
        let spec = graph.specs[edge.0];
        loss.check(spec, &RowTargets::default())?;
        for metric in metrics {
            metric.check(&loss, spec, &RowTargets::default())?;
        }
        let own_readers = usize::from(edge != output);
        let layer = graph.producer(edge).filter(|&n| {
            let op: &dyn Any = &*graph.nodes[n].op;
            op.is::<Affine>() && loss.is_of_softmax_logits(form) && readers(edge) == own_readers
        });
        skip.extend(layer);
        Ok(Self {
            edge,
            form,
            loss,
            layer,
            targets: RowTargets::default(),
            losses: Vec::new(),
            metrics: metrics.iter().map(|&m| Accumulator::new(m)).collect(),
            names: metrics.iter().map(|m| format!("{prefix}{}", m.name())).collect(),
            block: Value::default(),
            block_targets: RowTargets::default(),
        })
    }

    /// What the loss reads.
    pub(super) fn edge(&self) -> EdgeId {
        self.edge
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The metrics of all rows since the last reset.
    pub(super) fn results(&self) -> impl Iterator<Item = f64> {
        self.metrics.iter().map(Accumulator::result)
    }

    pub(super) fn reset(&mut self) {
        self.metrics.iter_mut().for_each(Accumulator::reset);
    }

    /// Takes loss and metrics of what a forward pass left; with `backward` the gradient too, as far as this head
    /// goes: backward goes on from there.
    ///
    /// # Errors
    /// When the targets do not fit the output.
    pub(super) fn score(
        &mut self,
        i: usize,
        batch: &Batch,
        graph: &mut Graph,
        params: &mut Params,
        engine: &Engine,
        backward: bool,
    ) -> Result<HeadLoss, Error> {
        let spec = graph.specs[self.edge.0];
        let layout = match spec.axis {
            Axis::Steps(id) => Some(graph.layout(id)),
            Axis::Lanes => None,
        };
        self.targets.gather(&batch.targets[i], &batch.weights, batch.lanes, layout, spec.width())?;
        self.loss.check(spec, &self.targets)?;
        for metric in &self.metrics {
            metric.metric().check(&self.loss, spec, &self.targets)?;
        }
        let rows = self.targets.rows as f64;
        let scale = if rows > 0.0 { (1.0 / rows) as f32 } else { 0.0 };
        self.losses.resize(self.targets.rows, 0.0);
        match self.layer {
            Some(node) => self.score_blocks(graph.single(node, backward), params, engine, scale, backward),
            None => {
                let (value, gradient) = if backward {
                    let (value, gradient) = graph.seed_gradient(self.edge);
                    (value, Some(gradient))
                } else {
                    (graph.value(self.edge), None)
                };
                let Self { loss, form, targets, losses, metrics, .. } = self;
                loss.evaluate(engine, *form, value, targets, scale, losses, gradient);
                for metric in metrics {
                    metric.update(engine, *form, value, targets, losses);
                }
            }
        }
        let sum = self.targets.weighted_sum(&self.losses);
        Ok(HeadLoss { sum, rows, weight: self.targets.weight() })
    }

    /// Runs the output layer, the loss and the layer's backward pass block by block: the output of all rows never
    /// exists. The results are the bits of doing it at once.
    fn score_blocks(
        &mut self,
        layer: Single<'_>,
        params: &mut Params,
        engine: &Engine,
        scale: f32,
        backward: bool,
    ) {
        let Single { op, x, mut dx, workspace } = layer;
        let op: &mut dyn Any = op;
        let affine = op.downcast_mut::<Affine>().expect("`new` looked at it");
        let width = affine.outputs();
        let Self { form, loss, targets, losses, metrics, block, block_targets, .. } = self;
        // The block needs more memory than a piece of the layer's weights. It lies in the workspace, which is large
        // for other operations, and the layer works where the block's would be.
        std::mem::swap(&mut block.data, workspace);
        for rows in blocks(x.rows(), width) {
            block.shape(rows.len(), Kind::Features(width));
            block_targets.copy_rows(targets, rows.clone());
            let (x, losses) = (x.view().rows(rows.clone()), &mut losses[rows.clone()]);
            affine.forward_rows(engine, params, workspace, x, block.view_mut());
            for metric in metrics.iter_mut().filter(|m| !m.metric().reads_losses()) {
                metric.update(engine, *form, block, block_targets, &[]);
            }
            if backward {
                loss.evaluate_in_place(engine, block, block_targets, scale, losses);
                let dx = dx.as_mut().map(|dx| (dx.value.view_mut().rows(rows), dx.add));
                affine.backward_rows(engine, params, workspace, x, block.view(), dx);
            } else {
                loss.evaluate(engine, *form, block, block_targets, scale, losses, None);
            }
            for metric in metrics.iter_mut().filter(|m| m.metric().reads_losses()) {
                metric.update(engine, *form, block, block_targets, losses);
            }
        }
        std::mem::swap(&mut block.data, workspace);
    }
}

/// Cuts rows of `width` floats into blocks of even height.
fn blocks(rows: usize, width: usize) -> impl Iterator<Item = Range<usize>> {
    let most = (BLOCK / row_step(width).max(1)).max(BLOCK_ROWS);
    let count = rows.div_ceil(most);
    (0..count).map(move |b| rows * b / count..rows * (b + 1) / count)
}

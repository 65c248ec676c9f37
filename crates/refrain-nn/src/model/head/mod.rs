//! One output with its loss and metrics.

mod adaptive;
mod affine;
mod memory;
#[cfg(test)]
mod tests;
mod top_class;

use super::{Compile, Reduction};
use crate::data::Batch;
use crate::error::Error;
use crate::graph::{Axis, EdgeId, EdgeSpec, GradientSlot, Graph, Op, Single, Value};
use crate::layers::{AdaptiveOp, Affine};
use crate::loss::{Form, Loss, RowTargets};
use crate::metrics::{Accumulator, Mean};
use crate::params::Params;
pub(super) use memory::HeadMemory;
use refrain_kernels::{AlignedVec, Engine};
use std::any::Any;

/// The loss and metrics of one output.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// The edge that the loss reads: the output, or the input of its activation.
    edge: EdgeId,
    form: Form,
    loss: Loss,
    reduction: Reduction,
    /// The output layer, if the loss runs it.
    layer: Option<(usize, OutputLayer)>,
    targets: RowTargets,
    losses: Vec<f32>,
    metrics: Vec<Accumulator>,
    /// Whether batches update the metrics.
    metrics_enabled: bool,
    names: Vec<String>,
    /// Some rows of the output, or of its gradient.
    block: Value,
    block_targets: RowTargets,
}

/// An output layer that the loss runs itself, some rows at a time, so that the full output is never stored.
#[derive(Debug, Clone)]
enum OutputLayer {
    Affine,
    Adaptive(Box<adaptive::Scorer>),
}

impl OutputLayer {
    fn of(op: &dyn Op, loss: &Loss, form: Form) -> Option<Self> {
        let is_adaptive = (op as &dyn Any).is::<AdaptiveOp>();
        match loss.is_of_softmax_logits(form) {
            true if (op as &dyn Any).is::<Affine>() => Some(Self::Affine),
            true if is_adaptive && loss.is_of_classes() => Some(Self::Adaptive(Box::default())),
            _ => None,
        }
    }
}

/// A batch to be scored, and the data for the output layer.
struct Scoring<'a> {
    engine: &'a Engine,
    params: &'a mut Params,
    loss: &'a Loss,
    form: Form,
    /// The factor of the gradient.
    scale: f32,
    backward: bool,
    targets: &'a RowTargets,
    losses: &'a mut [f32],
    metrics: &'a mut [Accumulator],
    /// The output layer's input.
    x: &'a Value,
    dx: Option<GradientSlot<'a>>,
    workspace: &'a mut AlignedVec,
    /// Some rows of the output, or of its gradient.
    block: &'a mut Value,
    block_targets: &'a mut RowTargets,
}

impl Scoring<'_> {
    /// Computes the losses of the block of logits. With `backward`, replaces the logits with their gradient.
    fn take_loss(&mut self, losses: &mut [f32]) {
        let (engine, targets) = (self.engine, &*self.block_targets);
        if self.backward {
            self.loss.evaluate_in_place(engine, self.block, targets, self.scale, losses);
        } else {
            self.loss.evaluate(engine, self.form, self.block, targets, self.scale, losses, None);
        }
    }
}

/// The loss of one output over a batch.
pub(super) struct HeadLoss {
    /// `Σ weight·loss`
    pub(super) sum: f64,
    /// Real rows.
    pub(super) rows: f64,
    /// `Σ weight`
    pub(super) weight: f64,
    /// The gradient is that of the sum times this factor.
    pub(super) scale: f64,
}

impl Head {
    /// Creates the head of an output. Activations and layers that the loss runs itself are added to `skip`.
    ///
    /// # Errors
    /// Returns an error if the loss or a metric does not support the output.
    pub(super) fn new(
        graph: &Graph,
        output: EdgeId,
        compile: &Compile,
        prefix: &str,
        skip: &mut Vec<usize>,
    ) -> Result<Self, Error> {
        let Compile { loss, reduction, ref metrics, .. } = *compile;
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
        let layer = graph.producer(edge).filter(|_| readers(edge) == own_readers);
        let layer = layer.and_then(|n| Some((n, OutputLayer::of(&*graph.nodes[n].op, &loss, form)?)));
        skip.extend(layer.iter().map(|(n, _)| n));
        Ok(Self {
            edge,
            form,
            loss,
            reduction,
            layer,
            targets: RowTargets::default(),
            losses: Vec::new(),
            metrics: metrics.iter().map(|&m| Accumulator::new(m)).collect(),
            metrics_enabled: true,
            names: metrics.iter().map(|m| format!("{prefix}{}", m.name())).collect(),
            block: Value::default(),
            block_targets: RowTargets::default(),
        })
    }

    /// Returns the edge that the loss reads.
    pub(super) fn edge(&self) -> EdgeId {
        self.edge
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the metrics over all rows since the last reset.
    pub(super) fn results(&self) -> impl Iterator<Item = f64> {
        self.metrics.iter().map(Accumulator::result)
    }

    /// Returns the sums of the metrics so far.
    pub(super) fn means(&self) -> impl Iterator<Item = Mean> {
        self.metrics.iter().map(Accumulator::mean)
    }

    pub(super) fn means_mut(&mut self) -> impl Iterator<Item = &mut Mean> {
        self.metrics.iter_mut().map(Accumulator::mean_mut)
    }

    /// Sets whether further batches update the metrics.
    pub(super) fn set_metrics_enabled(&mut self, enabled: bool) {
        self.metrics_enabled = enabled;
    }

    pub(super) fn reset(&mut self) {
        self.metrics.iter_mut().for_each(Accumulator::reset);
    }

    /// Checks the targets. The place in an error is a row of the output.
    fn check(&self, output: EdgeSpec) -> Result<(), Error> {
        self.loss.check(output, &self.targets)?;
        self.metrics.iter().try_for_each(|metric| metric.metric().check(&self.loss, output, &self.targets))
    }

    /// Computes loss and metrics after a forward pass. With `backward`, also computes the gradient up to this
    /// head's edge, from which the backward pass continues.
    ///
    /// # Errors
    /// Returns an error if the targets do not fit the output.
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
        self.check(spec).map_err(|error| error.in_layout(layout))?;
        let reduced = self.reduction.scale(self.targets.rows, batch.lanes);
        let scale = reduced as f32;
        self.losses.resize(self.targets.rows, 0.0);
        let Self { edge, form, loss, layer, targets, losses, metrics, block, block_targets, .. } = self;
        let metrics = if self.metrics_enabled { &mut metrics[..] } else { &mut [] };
        match layer {
            Some((node, layer)) => {
                let Single { op, x, dx, workspace } = graph.single(*node, backward);
                let op: &mut dyn Any = op;
                let on = Scoring {
                    engine,
                    params,
                    loss,
                    form: *form,
                    scale,
                    backward,
                    targets,
                    losses,
                    metrics,
                    x,
                    dx,
                    workspace,
                    block,
                    block_targets,
                };
                match layer {
                    OutputLayer::Affine => affine::score(downcast(op), on),
                    OutputLayer::Adaptive(scorer) => scorer.score(downcast(op), on),
                }
            }
            None => {
                let (value, gradient) = if backward {
                    let (value, gradient) = graph.seed_gradient(*edge);
                    (value, Some(gradient))
                } else {
                    (graph.value(*edge), None)
                };
                loss.evaluate(engine, *form, value, targets, scale, losses, gradient);
                for metric in metrics {
                    metric.update(engine, *form, value, targets, losses);
                }
            }
        }
        let (sum, rows) = (self.targets.weighted_sum(&self.losses), self.targets.rows as f64);
        Ok(HeadLoss { sum, rows, weight: self.targets.weight(), scale: reduced })
    }
}

fn downcast<T: Op>(op: &mut dyn Any) -> &mut T {
    op.downcast_mut().expect("`OutputLayer::of` checked the type")
}

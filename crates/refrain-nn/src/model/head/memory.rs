//! The memory of an output with its loss and metrics.

use super::{Head, OutputLayer};
use crate::graph::{Axis, EdgeId, Graph, Mode, grown, of_floats, of_rows, raise, total_of};
use crate::layers::{AdaptiveOp, Affine, Blocks};
use crate::metrics::Metric;
use std::any::Any;

/// Sizes in bytes.
#[derive(Debug, Clone, Default)]
pub(in crate::model) struct HeadMemory {
    /// Each buffer that is kept from batch to batch.
    pub(in crate::model) kept: Vec<u64>,
    /// The largest use of the workspace.
    pub(in crate::model) workspace: u64,
}

impl HeadMemory {
    /// Raises the sizes to those of another batch.
    pub(in crate::model) fn join(&mut self, other: &Self) {
        raise(&mut self.kept, &other.kept);
        self.workspace = self.workspace.max(other.workspace);
    }
}

impl Head {
    /// Returns the edge whose gradient the head computes.
    pub(in crate::model) fn seed(&self, graph: &Graph) -> EdgeId {
        self.layer.as_ref().map_or(self.edge, |(node, _)| graph.nodes[*node].inputs[0])
    }

    /// Returns the size of a batch's targets, for this many sequences or rows.
    pub(in crate::model) fn target_bytes(&self, graph: &Graph, lanes: u64, rows: u64) -> u64 {
        let spec = graph.specs[self.edge.0];
        let rows = if spec.axis == Axis::Lanes { lanes } else { rows };
        match self.loss.is_of_classes() {
            true => of_floats(grown(rows)),
            false => of_floats(rows.saturating_mul(spec.width() as u64)),
        }
    }

    /// Returns the memory that a batch needs.
    pub(in crate::model) fn memory(&self, graph: &Graph, lanes: u64, steps: u64, mode: Mode) -> HeadMemory {
        let spec = graph.specs[self.edge.0];
        let rows = if spec.axis == Axis::Lanes { lanes } else { lanes.saturating_mul(steps) };
        let width = spec.width();
        // A batch may have weights.
        let target = |rows: u64| match self.loss.is_of_classes() {
            true => of_floats(grown(rows)).saturating_mul(2),
            false => of_rows(rows, width).saturating_add(of_floats(grown(rows))),
        };
        let own = target(rows).saturating_add(of_floats(rows));
        let averages = |metric: Metric| {
            let of_whole_rows = matches!(metric, Metric::Accuracy) && width > 1;
            !of_whole_rows && !matches!(metric, Metric::Perplexity | Metric::TopK(_))
        };
        let metrics = |rows: u64| {
            let each = |metric: Metric| if averages(metric) { of_rows(rows, width) } else { of_floats(rows) };
            total_of(self.metrics.iter().map(|m| each(m.metric())))
        };
        let Some((node, layer)) = &self.layer else {
            return HeadMemory { kept: vec![own, metrics(rows)], workspace: 0 };
        };
        let op: &dyn Any = &*graph.nodes[*node].op;
        // The layer packs its weights in the block's buffer, and the block is in the workspace.
        match (layer, op.downcast_ref::<Affine>(), op.downcast_ref::<AdaptiveOp>()) {
            (OutputLayer::Affine, Some(affine), _) => {
                let block = rows.min(Blocks::default().most(width) as u64);
                let of_layer = (affine.own_bytes(false).0, affine.piece_bytes(mode));
                let kept = vec![own, target(block), metrics(block), of_layer.0, of_layer.1];
                HeadMemory { kept, workspace: of_rows(block, width) }
            }
            (OutputLayer::Adaptive(_), _, Some(op)) => self.adaptive_memory(op, rows, own, mode),
            _ => HeadMemory { kept: vec![own], workspace: 0 },
        }
    }

    fn adaptive_memory(&self, op: &AdaptiveOp, rows: u64, own: u64, mode: Mode) -> HeadMemory {
        let most = |width: usize| rows.min(op.blocks.most(width) as u64);
        let (head, inputs) = (op.head.outputs(), op.head.inputs());
        let tails = || op.tails.iter().map(|tail| tail.classes.len());
        let largest = tails().map(most).max().unwrap_or(0);
        let moved = of_rows(largest, inputs);
        let mut kept = vec![
            own,
            op.piece_bytes(mode),
            op.kept_bytes(most, mode),
            // The rows of a cluster, and their rows of the input and of the gradient.
            of_floats(rows).saturating_mul(2),
            moved.saturating_mul(2),
            of_floats(grown(most(head).max(largest))).saturating_mul(2),
        ];
        let mut workspace = tails().chain([head]).map(|width| of_rows(most(width), width)).max().unwrap_or(0);
        let metrics = || self.metrics.iter().map(|m| m.metric());
        if metrics().any(|m| m == Metric::Accuracy) {
            // One logarithm per row and cluster, the best value and its class, and the values of a cluster's
            // rows.
            let numbers = rows.saturating_mul(op.tails.len() as u64 + 4);
            kept.push(of_rows(most(head), head).saturating_add(of_floats(numbers)));
        }
        if metrics().any(|m| m != Metric::Accuracy && !m.reads_losses()) {
            workspace = workspace.max(of_rows(most(op.classes()), op.classes()));
            kept.push(op.whole_bytes(rows));
        }
        HeadMemory { kept, workspace }
    }
}

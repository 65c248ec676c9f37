//! Helpers for the tests of layers, in addition to [`Bench`].

use super::super::Layer;
use crate::error::Error;
use crate::gradcheck::{Bench, Input, gradcheck};
use crate::graph::{Axis, Causality, EdgeId, Op, Plan};
use std::fmt;

/// A layer that consists only of its lowering, for operations without a layer of their own.
#[derive(Clone)]
pub(crate) struct Lowering<F>(pub(crate) F);

impl<F> fmt::Debug for Lowering<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lowering")
    }
}

impl<F> Layer for Lowering<F>
where
    F: Fn(&mut Plan<'_>, &[EdgeId]) -> Result<Vec<EdgeId>, Error> + Clone + Send + Sync + 'static,
{
    fn class_name(&self) -> &'static str {
        "Lowering"
    }

    fn name(&self) -> Option<&str> {
        None
    }

    fn config(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        (self.0)(plan, inputs)
    }

    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}

/// Checks a layer with the default settings, and that every gradient is nonzero.
pub(crate) fn check(layer: &dyn Layer, inputs: &[Input]) -> Bench {
    let report = gradcheck(layer, inputs).unwrap_or_else(|e| panic!("{layer:?}: {e}"));
    for variable in &report.variables {
        assert!(variable.norm > 0.0, "{layer:?}: the gradient of {} is zero", variable.name);
    }
    let mut bench = Bench::new(layer, inputs).expect("a layer that was planned before");
    bench.differentiate().expect("a batch that ran before");
    bench
}

impl Bench {
    pub(crate) fn causality(&self) -> Causality {
        self.graph.causality()
    }

    /// Returns the number of operations that the layer lowered to.
    pub(crate) fn operations(&self) -> usize {
        self.graph.nodes.len()
    }

    pub(crate) fn operation(&self, i: usize) -> &dyn Op {
        &*self.graph.nodes[i].op
    }

    /// Returns the number of steps in the caller's array for the `i`-th input.
    pub(crate) fn span(&self, i: usize) -> usize {
        match self.graph.specs[self.inputs[i].0].axis {
            Axis::Steps(layout) => self.graph.layout(layout).span(),
            Axis::Lanes => panic!("input {i} has no time axis"),
        }
    }

    /// Returns the ids of the `i`-th output.
    pub(crate) fn output_ids(&self, i: usize) -> Vec<Vec<u32>> {
        let ids = &self.graph.value(self.outputs[i]).ids;
        self.places(self.outputs[i]).iter().map(|s| s.iter().map(|&(row, _)| ids[row]).collect()).collect()
    }

    /// Returns the gradient from which the backward pass started at the `i`-th output.
    pub(crate) fn output_gradient(&self, i: usize) -> Vec<Vec<f32>> {
        let edge = self.outputs[i];
        self.in_callers_order(edge, self.graph.gradient(edge).expect("a gradient of the edge"))
    }
}

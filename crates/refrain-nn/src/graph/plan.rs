//! Turning layers into operations.

use super::copy::CopyOp;
use super::edge::{Axis, EdgeId, EdgeSpec, Kind, LayoutId};
use super::exec::Graph;
use super::op::Op;
use crate::error::Error;
use crate::params::{ParamSpec, Params, SpanId};
use crate::shown::counted;
use refrain_kernels::{PanelShape, packed_bias_len};
use std::collections::HashSet;

/// The context in which a layer declares its parameters and operations. See `Layer::lower`.
#[derive(Debug)]
pub struct Plan<'a> {
    pub(crate) graph: &'a mut Graph,
    pub(crate) params: &'a mut Params,
    scope: String,
    trainable: bool,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(graph: &'a mut Graph, params: &'a mut Params) -> Self {
        Self { graph, params, scope: String::new(), trainable: true }
    }

    /// Returns the name of the layer being planned, including those that contain it:
    /// `bidirectional/forward_lstm`.
    pub fn name(&self) -> &str {
        &self.scope
    }

    /// Returns the shape of an edge.
    pub fn spec(&self, edge: EdgeId) -> EdgeSpec {
        self.graph.specs[edge.0]
    }

    /// Runs `plan` with `name` appended to the scope of everything it declares. If the outer scope is frozen,
    /// so is the inner one.
    ///
    /// # Errors
    /// Returns the errors of `plan`.
    pub fn scoped<T>(
        &mut self,
        name: &str,
        trainable: bool,
        plan: impl FnOnce(&mut Plan<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let scope = if self.scope.is_empty() { name.to_owned() } else { format!("{}/{name}", self.scope) };
        let trainable = self.trainable && trainable;
        plan(&mut Plan { graph: self.graph, params: self.params, scope, trainable })
    }

    /// Declares a parameter of this layer. Declaring the same name again returns the same parameter, which is
    /// how a layer that is used twice shares its weights.
    ///
    /// # Errors
    /// Returns an error if the parameter was declared with another shape, or if the model comes from a file
    /// without such a tensor.
    pub fn param(&mut self, spec: ParamSpec) -> Result<SpanId, Error> {
        let name = format!("{}/{}", self.scope, spec.name);
        self.graph.budget.parameter(&spec.shape);
        if let Some(id) = self.params.find(&name) {
            let known = &self.params.spans()[id.0].shape;
            if *known != spec.shape {
                let (got, expected) =
                    (format!("{:?}", spec.shape), format!("{known:?}, as in its first use"));
                return Err(Error::setting(name, "shape", got, expected));
            }
            return Ok(id);
        }
        let backed = self.graph.budget.check_backed(&name, &spec.shape, self.params.flat_len());
        backed.map_err(|refused| Error::Other(refused.into()))?;
        let (what, shape) = (name.clone(), format!("{:?}", spec.shape));
        self.params
            .add(name, spec, self.trainable)
            .ok_or_else(|| Error::setting(what, "shape", shape, "small enough to fit in memory"))
    }

    /// Returns a parameter that an earlier layer declared, by its full name, for shared weights.
    pub fn find_param(&self, name: &str) -> Option<SpanId> {
        self.params.find(name)
    }

    /// Counts the memory of a matrix that an operation packs, and of its bias.
    pub(crate) fn charge_matrix(&mut self, shape: PanelShape, depth: usize) {
        self.graph.budget.floats(packed_bias_len(shape).saturating_mul(depth.saturating_add(1)));
    }

    /// Counts the memory that an operation needs for each row of an edge in addition to its inputs and
    /// outputs.
    pub(crate) fn charge_rows(&mut self, edge: EdgeId, floats: usize) {
        self.graph.budget.rows(self.spec(edge).axis, floats);
    }

    /// Returns the shape of a parameter.
    pub fn param_shape(&self, id: SpanId) -> &[usize] {
        &self.params.spans()[id.0].shape
    }

    /// Declares a time axis that an operation of this layer creates.
    pub fn layout(&mut self) -> LayoutId {
        self.graph.add_layout()
    }

    /// Declares a time axis whose number of steps does not depend on the batch.
    pub(crate) fn layout_of(&mut self, steps: usize) -> LayoutId {
        let layout = self.layout();
        self.graph.budget.set_steps(layout, steps);
        layout
    }

    /// Returns a number that is unique among the operations of this model, for its random numbers.
    pub fn purpose(&self) -> u32 {
        self.graph.nodes.len() as u32
    }

    /// Declares an operation that reads `inputs` and writes one edge for each of `outputs`. If an edge occurs
    /// twice among the inputs, a copy is inserted, because the executor stores gradients by edge.
    pub fn op(&mut self, op: Box<dyn Op>, inputs: &[EdgeId], outputs: &[EdgeSpec]) -> Vec<EdgeId> {
        let mut distinct = Vec::with_capacity(inputs.len());
        let mut seen = HashSet::with_capacity(inputs.len());
        for &edge in inputs {
            distinct.push(if seen.insert(edge) { edge } else { self.copy(edge) });
        }
        let read: Vec<EdgeSpec> = inputs.iter().map(|&edge| self.spec(edge)).collect();
        self.graph.budget.operation(&read, outputs);
        self.graph.add_node(op, &distinct, outputs)
    }

    fn copy(&mut self, edge: EdgeId) -> EdgeId {
        let spec = self.spec(edge);
        self.graph.budget.operation(&[spec], &[spec]);
        self.graph.add_node(Box::new(CopyOp { kind: spec.kind }), &[edge], &[spec])[0]
    }

    /// Returns the width of an input that must have features.
    ///
    /// # Errors
    /// Returns an error if it has ids.
    pub fn features(&self, edge: EdgeId) -> Result<usize, Error> {
        match self.spec(edge).kind {
            Kind::Features(0) => {
                Err(Error::connection(&self.scope, "without features", "at least 1 feature"))
            }
            Kind::Features(width) => Ok(width),
            Kind::Ids => {
                Err(Error::connection(&self.scope, self.spec(edge), "features (add an Embedding before it)"))
            }
        }
    }

    /// Returns the time axis of an input that must have one.
    ///
    /// # Errors
    /// Returns an error if it has none.
    pub fn steps(&self, edge: EdgeId) -> Result<LayoutId, Error> {
        match self.spec(edge).axis {
            Axis::Steps(layout) => Ok(layout),
            Axis::Lanes => Err(Error::connection(
                &self.scope,
                self.spec(edge),
                "a sequence (set `return_sequences` on the layer before it)",
            )),
        }
    }

    /// Returns the only input of a layer that takes one.
    ///
    /// # Errors
    /// Returns an error if there is not exactly one.
    pub fn one(&self, inputs: &[EdgeId]) -> Result<EdgeId, Error> {
        match inputs {
            [edge] => Ok(*edge),
            _ => Err(self.wrong_inputs(inputs, "the output of one layer")),
        }
    }

    /// Returns the error for another number of inputs than a layer takes.
    pub(crate) fn wrong_inputs(&self, inputs: &[EdgeId], expected: impl Into<String>) -> Error {
        let got = match inputs.len() {
            0 => "missing".to_owned(),
            n => format!("the output of {}", counted(n, "layer")),
        };
        Error::connection(&self.scope, got, expected)
    }
}

//! The functional form: a graph of connected layers.

use super::Model;
use super::architecture::{Architecture, ArchitectureNode, InputSpec};
use super::compile::{Compile, DEFAULT_SEED};
use super::memory::PlannedModel;
use crate::error::Error;
use crate::graph::{Axis, Budget, BudgetError, EdgeId, EdgeSpec, Graph, Kind, Plan};
use crate::layers::{Layer, LayerRegistry, snake_case};
use crate::params::Params;
use refrain_kernels::Engine;
use std::collections::{BTreeSet, HashMap};

/// An output of a layer (or an input) in a [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tensor {
    node: usize,
    output: usize,
}

/// A network under construction, which may have several inputs and outputs and any connections between its
/// layers.
///
/// ```no_run
/// # use refrain_nn::{Network, InputSpec, Compile, layers::*};
/// # fn main() -> Result<(), refrain_nn::Error> {
/// let mut net = Network::new();
/// let x = net.input(InputSpec::features(3));
/// let past = net.add(Lstm::new(8), &[x])?;
/// let future = net.add(Lstm::new(8).go_backwards(true), &[x])?;
/// let both = net.add(Concatenate::new(), &[past, future])?;
/// let y = net.add(Dense::new(1), &[both])?;
/// let model = net.compile(&[y], Compile::default())?;
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
pub struct Network {
    inputs: Vec<InputSpec>,
    layers: Vec<ArchitectureNode>,
    graph: Graph,
    params: Params,
    input_edges: Vec<EdgeId>,
    /// The outputs of every node.
    edges: Vec<Vec<EdgeId>>,
    names: BTreeSet<String>,
    /// The next number to try for a name that is taken.
    numbers: HashMap<String, usize>,
    /// The registry that a file's layers were built with.
    registry: LayerRegistry,
}

impl Network {
    /// Creates a network without inputs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares an input. All inputs must be declared before the first layer.
    ///
    /// # Panics
    /// Panics if a layer was already added.
    pub fn input(&mut self, spec: InputSpec) -> Tensor {
        assert!(self.layers.is_empty(), "declare a network's inputs before its layers");
        let axis = if spec.sequence { Axis::Steps(self.graph.add_layout()) } else { Axis::Lanes };
        let kind = spec.features.map_or(Kind::Ids, Kind::Features);
        let edge = self.graph.add_input(EdgeSpec { axis, kind });
        let mut spec = spec;
        spec.name = self.unique(&spec.name);
        self.inputs.push(spec);
        self.input_edges.push(edge);
        self.edges.push(vec![edge]);
        Tensor { node: self.edges.len() - 1, output: 0 }
    }

    /// Adds a layer that has one output.
    ///
    /// # Errors
    /// Returns an error if a setting of the layer is out of range or an input does not fit.
    pub fn add(&mut self, layer: impl Layer + 'static, inputs: &[Tensor]) -> Result<Tensor, Error> {
        Ok(self.add_boxed(Box::new(layer), inputs)?[0])
    }

    /// Adds a layer and returns all its outputs. With `return_state`, the states follow the output.
    ///
    /// # Errors
    /// Returns an error if a setting of the layer is out of range or an input does not fit.
    pub fn add_all(&mut self, layer: impl Layer + 'static, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        self.add_boxed(Box::new(layer), inputs)
    }

    pub(crate) fn add_boxed(
        &mut self,
        layer: Box<dyn Layer>,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>, Error> {
        let name = match layer.name() {
            // A repeated name means the same layer again: it shares its parameters.
            Some(name) => name.to_owned(),
            None => self.unique(&snake_case(layer.class_name())),
        };
        self.add_named(layer, name, inputs)
    }

    fn add_named(
        &mut self,
        layer: Box<dyn Layer>,
        name: String,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>, Error> {
        let mut edges = Vec::with_capacity(inputs.len());
        for t in inputs {
            let edge = self.edges.get(t.node).and_then(|node| node.get(t.output)).ok_or_else(|| {
                Error::connection(
                    &name,
                    format!("output {} of node {}", t.output, t.node),
                    "an output of an earlier layer",
                )
            })?;
            edges.push(*edge);
        }
        let mut plan = Plan::new(&mut self.graph, &mut self.params);
        let outputs = plan.scoped(&name, layer.trainable(), |plan| layer.lower(plan, &edges))?;
        self.names.insert(name.clone());
        self.layers.push(ArchitectureNode {
            class_name: layer.class_name().to_owned(),
            name,
            config: layer.config(),
            inputs: inputs.iter().map(|t| (t.node, t.output)).collect(),
        });
        let node = self.edges.len();
        let tensors = (0..outputs.len()).map(|output| Tensor { node, output }).collect();
        self.edges.push(outputs);
        Ok(tensors)
    }

    fn unique(&mut self, base: &str) -> String {
        let mut name = base.to_owned();
        if self.names.contains(base) {
            // Names are never freed, so numbers that were tried stay taken.
            let number = self.numbers.entry(name.clone()).or_insert(1);
            while self.names.contains(&name) {
                name = format!("{base}_{number}");
                *number += 1;
            }
        }
        self.names.insert(name.clone());
        name
    }

    /// Builds the model with new parameters, ready to train.
    ///
    /// # Errors
    /// Returns an error if `outputs` do not belong to this network, or if loss, metrics or optimiser do not
    /// fit.
    pub fn compile(self, outputs: &[Tensor], compile: Compile) -> Result<Model, Error> {
        self.plan(outputs, compile)?.allocate()
    }

    /// Plans the model that [`Network::compile`] would build, without memory for its parameters, for example
    /// to find out how much it needs.
    ///
    /// # Errors
    /// Returns an error if `outputs` do not belong to this network, or if loss, metrics or optimiser do not
    /// fit.
    pub fn plan(self, outputs: &[Tensor], compile: Compile) -> Result<PlannedModel, Error> {
        let model = self.build(outputs, compile.engine.clone().unwrap_or_default(), compile.seed)?;
        PlannedModel::new(model, compile)
    }

    /// Builds a model without initialising its parameters.
    fn build(self, outputs: &[Tensor], engine: Engine, seed: u64) -> Result<Model, Error> {
        let mut edges = Vec::new();
        for t in outputs {
            let edge = self.edges.get(t.node).and_then(|node| node.get(t.output)).copied();
            edges.push(edge.ok_or_else(|| {
                Error::connection("the model", format!("{t:?}"), "an output of the same network")
            })?);
        }
        if edges.is_empty() {
            return Err(Error::connection(
                "the model",
                "not connected to an output",
                "connected to at least one",
            ));
        }
        Ok(Model {
            architecture: Architecture {
                inputs: self.inputs,
                layers: self.layers,
                outputs: outputs.iter().map(|t| (t.node, t.output)).collect(),
            },
            layer_outputs: self.edges[self.input_edges.len()..].to_vec(),
            own_state: self.graph.own_state(),
            graph: self.graph,
            params: self.params,
            inputs: self.input_edges,
            outputs: edges,
            engine,
            seed,
            registry: self.registry,
            training: None,
        })
    }

    /// Plans the model that an architecture describes, within a memory budget and without memory for its
    /// parameters. The error is the reason why the architecture is invalid.
    pub(crate) fn plan_architecture(
        architecture: &Architecture,
        engine: Engine,
        budget: Budget,
        registry: &LayerRegistry,
    ) -> Result<Model, String> {
        let mut network = Self { registry: registry.clone(), ..Self::new() };
        network.graph.budget = budget;
        let refused = |refused: BudgetError| refused.to_string();
        for input in &architecture.inputs {
            let width = input.features.unwrap_or(0);
            network.graph.budget.edge(EdgeSpec::lanes(width));
            network.graph.budget.check().map_err(refused)?;
            network.input(input.clone());
        }
        let tensors = |list: &[(usize, usize)]| -> Vec<Tensor> {
            list.iter().map(|&(node, output)| Tensor { node, output }).collect()
        };
        for node in &architecture.layers {
            let layer = registry.layer(&node.class_name, node.config.clone())?;
            network.add_named(layer, node.name.clone(), &tensors(&node.inputs)).map_err(|e| e.to_string())?;
            network.graph.budget.check().map_err(refused)?;
        }
        network.graph.budget = Budget::default();
        network.build(&tensors(&architecture.outputs), engine, DEFAULT_SEED).map_err(|e| e.to_string())
    }
}

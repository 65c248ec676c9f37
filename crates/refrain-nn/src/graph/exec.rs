//! Running the operations of a planned graph.

use super::budget::Budget;
use super::edge::{EdgeId, EdgeSpec, Kind, LayoutId, Value};
use super::op::{Backward, Causality, Forward, GradientSlot, Mode, Op, RandomKey};
use super::recurrence::{Recurrence, RecurrenceContext};
use crate::error::Error;
use crate::params::Params;
use crate::sequence::SeqLayout;
use crate::shown::counted;
use crate::state::State;
use refrain_kernels::{AlignedVec, Engine};

/// The operations of a model with the buffers of every edge. The operations are in the order of their
/// declaration, in which each comes after those it depends on.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) specs: Vec<EdgeSpec>,
    /// The node that writes each edge; `None` for the model's inputs.
    producers: Vec<Option<usize>>,
    /// The memory that the operations need, counted during planning.
    pub(crate) budget: Budget,
    values: Vec<Value>,
    gradients: Vec<Value>,
    written: Vec<bool>,
    layouts: Vec<SeqLayout>,
    inputs: Vec<EdgeId>,
    lanes: usize,
    /// Whether to compute the gradients of the model's inputs.
    pub(crate) input_gradients: bool,
    outputs: Vec<Value>,
    targets: Vec<Option<Value>>,
    target_written: Vec<bool>,
    asked: Vec<bool>,
    node_specs: Vec<EdgeSpec>,
    /// Whether every operation's packed parameters are up to date.
    pub(crate) packed: bool,
    /// Scratch memory that the operations use in turn: packed parameters and gradients of the largest
    /// operation.
    workspace: AlignedVec,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) op: Box<dyn Op>,
    pub(crate) inputs: Vec<EdgeId>,
    pub(crate) outputs: Vec<EdgeId>,
}

/// One operation with one input, run by the caller.
pub(crate) struct Single<'a> {
    pub(crate) op: &'a mut dyn Op,
    pub(crate) x: &'a Value,
    /// The destination of the input's gradient, if it is needed.
    pub(crate) dx: Option<GradientSlot<'a>>,
    pub(crate) workspace: &'a mut AlignedVec,
}

impl Clone for Node {
    fn clone(&self) -> Self {
        Self { op: self.op.boxed_clone(), inputs: self.inputs.clone(), outputs: self.outputs.clone() }
    }
}

impl Graph {
    /// Declares an input of the model.
    pub(crate) fn add_input(&mut self, spec: EdgeSpec) -> EdgeId {
        let edge = self.add_edge(spec);
        self.inputs.push(edge);
        edge
    }

    fn add_edge(&mut self, spec: EdgeSpec) -> EdgeId {
        self.specs.push(spec);
        self.producers.push(None);
        self.values.push(Value::default());
        self.gradients.push(Value::default());
        self.written.push(false);
        EdgeId(self.specs.len() - 1)
    }

    pub(crate) fn add_layout(&mut self) -> LayoutId {
        self.layouts.push(SeqLayout::default());
        LayoutId(self.layouts.len() - 1)
    }

    pub(crate) fn add_node(
        &mut self,
        op: Box<dyn Op>,
        inputs: &[EdgeId],
        outputs: &[EdgeSpec],
    ) -> Vec<EdgeId> {
        let outputs: Vec<_> = outputs.iter().map(|&spec| self.add_edge(spec)).collect();
        outputs.iter().for_each(|edge| self.producers[edge.0] = Some(self.nodes.len()));
        self.nodes.push(Node { op, inputs: inputs.to_vec(), outputs: outputs.clone() });
        outputs
    }

    /// Returns the node that writes an edge, or `None` for the model's inputs.
    pub(crate) fn producer(&self, edge: EdgeId) -> Option<usize> {
        self.producers[edge.0]
    }

    /// Returns the recurrent operations with their results for the last batch.
    pub(crate) fn recurrences<'a>(&'a self, params: &'a Params) -> impl Iterator<Item = Recurrence<'a>> {
        self.nodes.iter().filter_map(move |node| {
            let (input, output) = (self.specs[node.inputs.first()?.0], &self.values[node.outputs.first()?.0]);
            node.op.recurrence(&RecurrenceContext { params, input, output, layouts: &self.layouts })
        })
    }

    /// Starts a batch of `lanes` sequences.
    pub(crate) fn begin(&mut self, lanes: usize) {
        self.lanes = lanes;
    }

    pub(crate) fn lanes(&self) -> usize {
        self.lanes
    }

    pub(crate) fn layout_count(&self) -> usize {
        self.layouts.len()
    }

    pub(crate) fn inputs(&self) -> &[EdgeId] {
        &self.inputs
    }

    /// Returns the inputs whose gradients are not needed.
    pub(super) fn given(&self) -> &[EdgeId] {
        if self.input_gradients { &[] } else { &self.inputs }
    }

    pub(crate) fn layout(&self, id: LayoutId) -> &SeqLayout {
        &self.layouts[id.0]
    }

    pub(crate) fn layout_mut(&mut self, id: LayoutId) -> &mut SeqLayout {
        &mut self.layouts[id.0]
    }

    pub(crate) fn value(&self, edge: EdgeId) -> &Value {
        &self.values[edge.0]
    }

    /// Returns an edge's value and the layouts, for writing a model's input.
    pub(crate) fn value_mut(&mut self, edge: EdgeId) -> (&mut Value, &[SeqLayout]) {
        (&mut self.values[edge.0], &self.layouts)
    }

    /// Returns the gradient of an edge, after a backward pass that computed one.
    pub(crate) fn gradient(&self, edge: EdgeId) -> Option<&Value> {
        self.written[edge.0].then(|| &self.gradients[edge.0])
    }

    /// Packs the parameters for repeated forward passes, unless that is done. Code that changes a parameter
    /// must clear `packed`.
    pub(crate) fn pack(&mut self, engine: &Engine, params: &Params) {
        if !self.packed {
            for node in &mut self.nodes {
                node.op.pack(engine, params);
            }
            self.packed = true;
        }
    }

    /// Returns whether the graph can run step by step, or why not.
    pub(crate) fn causality(&self) -> Causality {
        self.nodes
            .iter()
            .map(|n| n.op.causality())
            .find(|c| *c != Causality::Causal)
            .unwrap_or(Causality::Causal)
    }

    /// Returns a state with a slot for every node that carries one.
    pub(crate) fn new_state(&self) -> State {
        State::new(self.nodes.iter().map(|n| n.op.state()))
    }

    /// Returns a state with a slot for every `stateful` node.
    pub(crate) fn own_state(&self) -> State {
        State::new(self.nodes.iter().map(|n| n.op.state().filter(|s| s.stateful)))
    }

    /// Runs every node except those in `skip`, whose results the caller does not need.
    pub(crate) fn forward(
        &mut self,
        engine: &Engine,
        params: &Params,
        mode: Mode,
        random: RandomKey,
        state: &mut State,
        skip: &[usize],
    ) -> Result<(), Error> {
        if state.slots.len() != self.nodes.len() {
            let got = format!("of a model with {} operations", state.slots.len());
            return Err(Error::data(
                "the state",
                got,
                format!("one of this model's, with {}", self.nodes.len()),
            ));
        }
        state.prepare(self.lanes);
        if state.lanes() != self.lanes && state.layers().next().is_some() {
            let (got, expected) =
                (counted(self.lanes, "sequence"), format!("{}, like its state", state.lanes()));
            return Err(Error::data("the batch", got, expected));
        }
        for (i, node) in self.nodes.iter_mut().enumerate() {
            if skip.contains(&i) {
                continue;
            }
            self.outputs.clear();
            self.node_specs.clear();
            for edge in &node.outputs {
                self.outputs.push(std::mem::take(&mut self.values[edge.0]));
                self.node_specs.push(self.specs[edge.0]);
            }
            let result = node.op.forward(&mut Forward {
                engine,
                params,
                mode,
                random,
                state: state.slots[i].as_mut(),
                packed: self.packed,
                workspace: &mut self.workspace,
                inputs: &node.inputs,
                specs: &self.specs,
                values: &self.values,
                outputs: &mut self.outputs,
                output_specs: &self.node_specs,
                layouts: &mut self.layouts,
                lanes: self.lanes,
            });
            for (edge, value) in node.outputs.iter().zip(self.outputs.drain(..)) {
                self.values[edge.0] = value;
            }
            result?;
        }
        Ok(())
    }

    /// Discards the gradients of the last batch.
    pub(crate) fn begin_backward(&mut self) {
        self.written.fill(false);
    }

    /// Returns the gradient buffer of an edge, sized as its value, for the caller to overwrite. The backward
    /// pass starts there.
    pub(crate) fn seed_gradient(&mut self, edge: EdgeId) -> (&Value, &mut Value) {
        let value = &self.values[edge.0];
        let gradient = &mut self.gradients[edge.0];
        gradient.shape(value.rows(), self.specs[edge.0].kind);
        self.written[edge.0] = true;
        (value, gradient)
    }

    /// Returns a node with one input, for the caller to run. With `backward`, the gradient of its input
    /// counts as written afterwards.
    pub(crate) fn single(&mut self, node: usize, backward: bool) -> Single<'_> {
        let wants = backward && wants_gradient(&self.specs, self.given(), self.nodes[node].inputs[0]);
        let node = &mut self.nodes[node];
        let edge = node.inputs[0].0;
        let x = &self.values[edge];
        let dx = wants.then(|| {
            let (value, add) = (&mut self.gradients[edge], std::mem::replace(&mut self.written[edge], true));
            if !add {
                value.shape(x.rows(), self.specs[edge].kind);
            }
            GradientSlot { value, add }
        });
        Single { op: &mut *node.op, x, dx, workspace: &mut self.workspace }
    }

    /// Returns the penalties of the last forward pass.
    pub(crate) fn penalty(&self) -> f64 {
        self.nodes.iter().map(|n| n.op.penalty()).sum()
    }

    /// Runs the nodes backwards from the edges whose gradients were seeded and from penalties, except those
    /// in `skip`.
    pub(crate) fn backward(
        &mut self,
        engine: &Engine,
        params: &mut Params,
        random: RandomKey,
        skip: &[usize],
    ) -> Result<(), Error> {
        let given = if self.input_gradients { &[][..] } else { &self.inputs };
        for (i, node) in self.nodes.iter_mut().enumerate().rev() {
            let depends = node.outputs.iter().any(|e| self.written[e.0]) || node.op.penalty() != 0.0;
            if skip.contains(&i) || !depends {
                continue;
            }
            self.targets.clear();
            self.target_written.clear();
            for edge in &node.inputs {
                let wanted = wants_gradient(&self.specs, given, *edge);
                self.target_written.push(self.written[edge.0]);
                self.targets.push(wanted.then(|| std::mem::take(&mut self.gradients[edge.0])));
            }
            self.asked.clear();
            self.asked.resize(node.inputs.len(), false);
            let result = node.op.backward(&mut Backward {
                engine,
                params,
                random,
                workspace: &mut self.workspace,
                inputs: &node.inputs,
                outputs: &node.outputs,
                specs: &self.specs,
                values: &self.values,
                gradients: &self.gradients,
                written: &self.written,
                targets: &mut self.targets,
                target_written: &self.target_written,
                asked: &mut self.asked,
                layouts: &self.layouts,
                lanes: self.lanes,
            });
            for ((edge, target), asked) in node.inputs.iter().zip(self.targets.drain(..)).zip(&self.asked) {
                if let Some(value) = target {
                    self.gradients[edge.0] = value;
                    self.written[edge.0] |= asked;
                }
            }
            result?;
        }
        Ok(())
    }
}

/// Returns whether an edge needs a gradient: it holds floats and is not in `given`, the inputs whose
/// gradients are not needed.
pub(super) fn wants_gradient(specs: &[EdgeSpec], given: &[EdgeId], edge: EdgeId) -> bool {
    matches!(specs[edge.0].kind, Kind::Features(_)) && !given.contains(&edge)
}

impl Clone for Graph {
    fn clone(&self) -> Self {
        Self {
            nodes: self.nodes.clone(),
            specs: self.specs.clone(),
            producers: self.producers.clone(),
            values: self.values.clone(),
            gradients: self.gradients.clone(),
            written: self.written.clone(),
            layouts: self.layouts.clone(),
            inputs: self.inputs.clone(),
            lanes: self.lanes,
            input_gradients: self.input_gradients,
            packed: self.packed,
            ..Self::default()
        }
    }
}

//! What the tests of layers share: a layer between inputs and outputs, and the check of its gradients
//! against central differences.

use super::Layer;
use crate::error::Error;
use crate::graph::{
    Axis, Causality, EdgeId, EdgeSpec, Graph, Kind, LayoutId, Mode, Op, Plan, RandomKey, Value,
};
use crate::params::{Params, SpanId};
use refrain_kernels::{Engine, Isa};
use std::fmt;

/// The largest difference between the slope of the objective along a direction of ±1 and that of its central
/// difference, as a share of the gradient's norm. Rounding of the f32 forward pass takes most of it.
const TOLERANCE: f64 = 1e-2;
/// The step of the central difference, as a share of a variable's root mean square.
const STEP: f64 = 5e-3;
/// Directions that are tried for each variable.
const DIRECTIONS: u64 = 4;
/// Steps that every array has behind its longest sequence, so that rows and array places differ.
const PADDING: usize = 2;
/// The scope of the layer under test.
const SCOPE: &str = "layer";

/// One input of a layer, in the caller's order.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    /// Sequences of rows of `width` floats, each sequence flat.
    Steps { width: usize, sequences: Vec<Vec<f32>> },
    /// A row of `width` floats for each sequence, flat.
    Lanes { width: usize, rows: Vec<f32> },
    /// Sequences of ids.
    Ids(Vec<Vec<u32>>),
    /// One id for each sequence.
    LaneIds(Vec<u32>),
}

impl Data {
    pub(crate) fn steps(width: usize, sequences: &[&[f32]]) -> Self {
        Self::Steps { width, sequences: sequences.iter().map(|s| s.to_vec()).collect() }
    }

    pub(crate) fn lanes(width: usize, rows: &[f32]) -> Self {
        Self::Lanes { width, rows: rows.to_vec() }
    }

    pub(crate) fn ids(sequences: &[&[u32]]) -> Self {
        Self::Ids(sequences.iter().map(|s| s.to_vec()).collect())
    }

    pub(crate) fn random_steps(width: usize, lengths: &[usize]) -> Self {
        let sequence =
            |n: usize, length: usize| (0..length * width).map(|i| noise(n as u64, i) as f32).collect();
        Self::Steps { width, sequences: lengths.iter().enumerate().map(|(n, &l)| sequence(n, l)).collect() }
    }

    pub(crate) fn random_lanes(width: usize, lanes: usize) -> Self {
        Self::Lanes { width, rows: (0..lanes * width).map(|i| noise(99, i) as f32).collect() }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Steps { width, .. } | Self::Lanes { width, .. } => Kind::Features(*width),
            Self::Ids(_) | Self::LaneIds(_) => Kind::Ids,
        }
    }

    /// The lengths of its sequences; none without a time axis.
    fn lengths(&self) -> Option<Vec<usize>> {
        match self {
            Self::Steps { width, sequences } => Some(sequences.iter().map(|s| s.len() / width).collect()),
            Self::Ids(sequences) => Some(sequences.iter().map(Vec::len).collect()),
            Self::Lanes { .. } | Self::LaneIds(_) => None,
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Steps { sequences, .. } => sequences.len(),
            Self::Lanes { width, rows } => rows.len() / width,
            Self::Ids(sequences) => sequences.len(),
            Self::LaneIds(ids) => ids.len(),
        }
    }
}

/// A layer made of nothing but its lowering, for operations that are no layer of their own.
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

/// A planned layer with its inputs filled in.
#[derive(Debug)]
pub(crate) struct Harness {
    graph: Graph,
    params: Params,
    engine: Engine,
    inputs: Vec<EdgeId>,
    outputs: Vec<EdgeId>,
}

impl Harness {
    /// Plans `layer` over inputs; those with the same lengths share a time axis.
    pub(crate) fn new(layer: &dyn Layer, data: &[Data]) -> Result<Self, Error> {
        Self::repeated(layer, data, 1)
    }

    /// Plans `layer` `times` times over the same inputs with the same parameters.
    fn repeated(layer: &dyn Layer, data: &[Data], times: usize) -> Result<Self, Error> {
        let mut graph = Graph::default();
        graph.input_gradients = true;
        let mut params = Params::default();
        let mut axes: Vec<(Vec<usize>, LayoutId)> = Vec::new();
        let mut inputs = Vec::new();
        for data in data {
            let axis = match data.lengths() {
                None => Axis::Lanes,
                Some(lengths) => Axis::Steps(match axes.iter().find(|(known, _)| *known == lengths) {
                    Some((_, layout)) => *layout,
                    None => {
                        axes.push((lengths, graph.add_layout()));
                        axes[axes.len() - 1].1
                    }
                }),
            };
            inputs.push(graph.add_input(EdgeSpec { axis, kind: data.kind() }));
        }
        let mut outputs = Vec::new();
        for _ in 0..times {
            let mut plan = Plan::new(&mut graph, &mut params);
            outputs.extend(plan.scoped(SCOPE, layer.trainable(), |plan| layer.lower(plan, &inputs))?);
        }
        params.initialize(7)?;
        graph.begin(data[0].count());
        for (lengths, layout) in &axes {
            let span = lengths.iter().max().map_or(0, |l| l + PADDING);
            graph.layout_mut(*layout).set_lengths(lengths, span)?;
        }
        let mut harness = Self { graph, params, engine: Engine::new(Isa::detect(), 2), inputs, outputs };
        for (i, data) in data.iter().enumerate() {
            harness.fill(i, data);
        }
        harness.repack();
        Ok(harness)
    }

    fn fill(&mut self, i: usize, data: &Data) {
        let edge = self.inputs[i];
        let axis = self.graph.specs[edge.0].axis;
        let (value, layouts) = self.graph.value_mut(edge);
        let places: Vec<(usize, usize, usize)> = match axis {
            Axis::Lanes => (0..data.count()).map(|n| (n, n, 0)).collect(),
            Axis::Steps(layout) => layouts[layout.0].iter().collect(),
        };
        value.shape(places.len(), data.kind());
        value.data.fill(f32::NAN);
        for (row, n, t) in places {
            match data {
                Data::Steps { width, sequences } => {
                    value.view_mut().row(row).copy_from_slice(&sequences[n][t * width..(t + 1) * width]);
                }
                Data::Lanes { width, rows } => {
                    value.view_mut().row(row).copy_from_slice(&rows[n * width..(n + 1) * width]);
                }
                Data::Ids(sequences) => value.ids[row] = sequences[n][t],
                Data::LaneIds(ids) => value.ids[row] = ids[n],
            }
        }
    }

    fn repack(&mut self) {
        self.graph.pack(&self.engine, &self.params, true);
    }

    /// The names of the parameters with their shapes.
    pub(crate) fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        self.params.spans().iter().map(|s| (s.name.clone(), s.shape.clone())).collect()
    }

    /// Sets a parameter of the layer.
    pub(crate) fn set(&mut self, name: &str, values: &[f32]) {
        let id = self.params.find(&format!("{SCOPE}/{name}")).expect("a parameter of the layer");
        self.params.value_mut(id).copy_from_slice(values);
        self.repack();
    }

    /// The gradient of a parameter of the layer, after a backward pass.
    pub(crate) fn parameter_gradient(&self, name: &str) -> &[f32] {
        self.params.gradient(self.params.find(&format!("{SCOPE}/{name}")).expect("a parameter of the layer"))
    }

    /// Runs forward over poisoned buffers.
    pub(crate) fn forward(&mut self, mode: Mode) -> Result<(), Error> {
        for edge in (0..self.graph.specs.len()).map(EdgeId).filter(|e| !self.inputs.contains(e)) {
            let value = self.graph.value_mut(edge).0;
            value.data.fill(f32::NAN);
            value.ids.fill(u32::MAX);
        }
        let mut state = self.graph.own_state();
        self.graph.forward(&self.engine, &self.params, mode, RANDOM, &mut state, &[])
    }

    pub(crate) fn causality(&self) -> Causality {
        self.graph.causality()
    }

    /// Operations that the layer lowered to.
    pub(crate) fn operations(&self) -> usize {
        self.graph.nodes.len()
    }

    pub(crate) fn operation(&self, i: usize) -> &dyn Op {
        &*self.graph.nodes[i].op
    }

    /// Steps of the caller's array for the `i`-th input.
    pub(crate) fn span(&self, i: usize) -> usize {
        match self.graph.specs[self.inputs[i].0].axis {
            Axis::Steps(layout) => self.graph.layout(layout).span(),
            Axis::Lanes => panic!("input {i} has no time axis"),
        }
    }

    /// The buffer rows of each of the caller's sequences, with the steps that they came from.
    fn places(&self, edge: EdgeId) -> Vec<Vec<(usize, usize)>> {
        match self.graph.specs[edge.0].axis {
            Axis::Lanes => (0..self.graph.lanes()).map(|n| vec![(n, 0)]).collect(),
            Axis::Steps(layout) => {
                let layout = self.graph.layout(layout);
                let sequence = |n| (0..layout.length(n)).map(move |t| layout.row(n, t));
                (0..layout.sequences())
                    .map(|n| sequence(n).map(|r| (r, layout.source(r))).collect())
                    .collect()
            }
        }
    }

    /// The `i`-th output: for each of the caller's sequences its rows, flat.
    pub(crate) fn output(&self, i: usize) -> Vec<Vec<f32>> {
        self.in_callers_order(self.outputs[i], self.graph.value(self.outputs[i]))
    }

    /// The `i`-th output's ids.
    pub(crate) fn output_ids(&self, i: usize) -> Vec<Vec<u32>> {
        let ids = &self.graph.value(self.outputs[i]).ids;
        self.places(self.outputs[i]).iter().map(|s| s.iter().map(|&(row, _)| ids[row]).collect()).collect()
    }

    /// The places in the caller's array that the `i`-th output's steps came from.
    pub(crate) fn output_sources(&self, i: usize) -> Vec<Vec<usize>> {
        self.places(self.outputs[i]).iter().map(|s| s.iter().map(|&(_, t)| t).collect()).collect()
    }

    /// The gradient of the `i`-th input after a backward pass, as [`Harness::output`] shows values.
    pub(crate) fn input_gradient(&self, i: usize) -> Vec<Vec<f32>> {
        self.gradient(self.inputs[i])
    }

    /// The gradient that backward began with at the `i`-th output.
    pub(crate) fn output_gradient(&self, i: usize) -> Vec<Vec<f32>> {
        self.gradient(self.outputs[i])
    }

    fn gradient(&self, edge: EdgeId) -> Vec<Vec<f32>> {
        self.in_callers_order(edge, self.graph.gradient(edge).expect("a gradient of the edge"))
    }

    fn in_callers_order(&self, edge: EdgeId, value: &Value) -> Vec<Vec<f32>> {
        let (view, places) = (value.view(), self.places(edge));
        places.iter().map(|s| s.iter().flat_map(|&(row, _)| view.row(row)).copied().collect()).collect()
    }

    /// Checks the gradients of every parameter and input, with the layer used once, and used twice so that
    /// gradients add up.
    pub(crate) fn check(layer: &dyn Layer, data: &[Data]) -> Self {
        Self::repeated(layer, data, 2).expect("a layer that plans").compare();
        let mut harness = Self::new(layer, data).expect("a layer that plans");
        harness.compare();
        harness
    }

    /// Runs forward in training and backward from the objective's weights.
    pub(crate) fn differentiate(&mut self) {
        self.objective();
        self.backward();
    }

    fn compare(&mut self) {
        self.differentiate();
        for id in 0..self.params.spans().len() {
            if self.params.spans()[id].trainable {
                let gradient = self.params.gradient(SpanId(id)).to_vec();
                self.compare_variable(Variable::Parameter(id), &gradient);
            }
        }
        for i in 0..self.inputs.len() {
            if let Kind::Features(width) = self.graph.specs[self.inputs[i].0].kind {
                let value = self.graph.gradient(self.inputs[i]).expect("a gradient of each input");
                let (view, rows) = (value.view(), value.rows());
                assert_eq!(value.width(), width, "the width of input {i}'s gradient");
                let gradient: Vec<f32> = (0..rows).flat_map(|r| view.row(r)).copied().collect();
                self.compare_variable(Variable::Input(i), &gradient);
            }
        }
    }

    fn compare_variable(&mut self, variable: Variable, gradient: &[f32]) {
        let norm = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        assert!(norm.is_finite() && norm > 0.0, "{variable:?} of {self:?}: the gradient's norm is {norm}");
        let values = self.values(variable);
        let square = values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / values.len() as f64;
        let step = STEP * if square > 0.0 { square.sqrt() } else { 1.0 };
        for k in 0..DIRECTIONS {
            let sign = |i: usize| if noise(1000 + k, i) < 0.0 { -1.0 } else { 1.0 };
            let moved = |by: f64| -> Vec<f32> {
                values.iter().enumerate().map(|(i, &x)| (f64::from(x) + by * sign(i)) as f32).collect()
            };
            let (ahead, behind) = (moved(step), moved(-step));
            self.set_values(variable, &ahead);
            let high = self.objective();
            self.set_values(variable, &behind);
            let low = self.objective();
            let slope: f64 = gradient.iter().enumerate().map(|(i, &g)| f64::from(g) * sign(i)).sum();
            let difference = (high - low) / (2.0 * step);
            assert!(
                (slope - difference).abs() <= TOLERANCE * norm,
                "{variable:?}, direction {k}: backward says {slope}, the difference {difference}, norm {norm}",
            );
        }
        self.set_values(variable, &values);
    }

    fn values(&self, variable: Variable) -> Vec<f32> {
        match variable {
            Variable::Parameter(id) => self.params.value(SpanId(id)).to_vec(),
            Variable::Input(i) => {
                let value = self.graph.value(self.inputs[i]);
                (0..value.rows()).flat_map(|r| value.view().row(r)).copied().collect()
            }
        }
    }

    fn set_values(&mut self, variable: Variable, values: &[f32]) {
        match variable {
            Variable::Parameter(id) => {
                self.params.value_mut(SpanId(id)).copy_from_slice(values);
                self.repack();
            }
            Variable::Input(i) => {
                let value = self.graph.value_mut(self.inputs[i]).0;
                let width = value.width();
                for r in 0..value.rows() {
                    value.view_mut().row(r).copy_from_slice(&values[r * width..(r + 1) * width]);
                }
            }
        }
    }

    /// Runs forward in training and sums every output with its weight.
    fn objective(&mut self) -> f64 {
        self.forward(Mode::Train).expect("a batch that runs");
        let mut sum = 0.0;
        for (k, &edge) in self.outputs.iter().enumerate() {
            let value = self.graph.value(edge);
            for r in 0..value.rows() {
                for (j, &y) in value.view().row(r).iter().enumerate() {
                    assert!(y.is_finite(), "output {k}, row {r}, column {j} is {y}");
                    sum += weight(k, r, j) * f64::from(y);
                }
            }
        }
        sum
    }

    /// Runs backward from the objective's weights over poisoned buffers.
    fn backward(&mut self) {
        for edge in 0..self.graph.specs.len() {
            self.graph.seed_gradient(EdgeId(edge)).1.data.fill(f32::NAN);
        }
        self.graph.begin_backward();
        self.params.flat().2.fill(0.0);
        for (k, &edge) in self.outputs.iter().enumerate() {
            let gradient = self.graph.seed_gradient(edge).1;
            for r in 0..gradient.rows() {
                gradient
                    .view_mut()
                    .row(r)
                    .iter_mut()
                    .enumerate()
                    .for_each(|(j, g)| *g = weight(k, r, j) as f32);
            }
        }
        let result = self.graph.backward(&self.engine, &mut self.params, RANDOM, &[]);
        result.expect("a batch that runs backwards");
    }
}

#[derive(Debug, Clone, Copy)]
enum Variable {
    Parameter(usize),
    Input(usize),
}

/// The random numbers of every batch.
pub(crate) const RANDOM: RandomKey = RandomKey { seed: 3, counter: 5 };

/// The objective's weight of an element, exact in f32.
fn weight(output: usize, row: usize, column: usize) -> f64 {
    f64::from(noise(output as u64, row * 1009 + column) as f32)
}

/// A number in −1..1 for each place of a stream (SplitMix64).
fn noise(stream: u64, place: usize) -> f64 {
    let mut x = (stream << 40).wrapping_add(place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)) as f64 / (1u64 << 63) as f64 - 1.0
}

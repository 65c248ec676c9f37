//! Testing a layer in isolation.

use super::input::{Input, Values};
use crate::error::Error;
use crate::graph::{Axis, EdgeId, EdgeSpec, Graph, Kind, LayoutId, Mode, Plan, RandomKey, Value};
use crate::layers::{Layer, snake_case};
use crate::params::{Params, SpanId};
use crate::shown::counted;
use refrain_kernels::Engine;

/// Padding steps after the longest sequence of every array, so that packed rows and array positions differ.
const PADDING: usize = 2;
/// The same for every batch, so that dropout draws the same masks.
pub(crate) const RANDOM: RandomKey = RandomKey { seed: 3, counter: 5 };
/// The seed of the initial parameters.
const SEED: u64 = 7;

/// A layer in isolation with its inputs filled in. It runs forward and backward on the real engine and gives
/// access to every output, parameter and gradient in the caller's order.
///
/// Every buffer is filled with NaN before a pass, to reveal elements that a layer does not write.
///
/// ```
/// use refrain_nn::gradcheck::{Bench, Input};
/// use refrain_nn::{graph::Mode, layers::SimpleRnn};
///
/// # fn main() -> Result<(), refrain_nn::Error> {
/// let mut bench = Bench::new(&SimpleRnn::new(1), &[Input::steps(1, &[&[0.5, -0.5], &[1.0]])])?;
/// bench.set_weight("kernel", &[1.0])?;
/// bench.forward(Mode::Train)?;
/// assert_eq!(bench.output(0)[1], [1.0_f32.tanh()]);
/// bench.backward(&[vec![vec![1.0], vec![0.0]]])?;
/// assert_eq!(bench.input_gradient(0)[1], [0.0]);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Bench {
    pub(crate) graph: Graph,
    pub(super) params: Params,
    pub(super) engine: Engine,
    pub(crate) inputs: Vec<EdgeId>,
    pub(crate) outputs: Vec<EdgeId>,
    scope: String,
    /// The mode of the last forward pass.
    last: Option<Mode>,
}

impl Bench {
    /// Plans `layer` on the engine that [`Engine::default`] returns. Inputs with the same lengths and mask
    /// share a time axis.
    ///
    /// # Errors
    /// Returns an error if an input is not a valid array, or if the layer rejects its inputs or a setting.
    pub fn new(layer: &dyn Layer, inputs: &[Input]) -> Result<Self, Error> {
        Self::with_engine(layer, inputs, Engine::default())
    }

    /// Plans `layer` on this engine.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Bench::new`].
    pub fn with_engine(layer: &dyn Layer, inputs: &[Input], engine: Engine) -> Result<Self, Error> {
        Self::repeated(layer, inputs, engine, 1)
    }

    /// Plans `layer` `times` times over the same inputs, with shared parameters.
    pub(super) fn repeated(
        layer: &dyn Layer,
        inputs: &[Input],
        engine: Engine,
        times: usize,
    ) -> Result<Self, Error> {
        let lanes = inputs.first().map_or(0, Input::count);
        for (i, input) in inputs.iter().enumerate() {
            input.check(i)?;
            if input.count() != lanes {
                let what = format!("input {i} of the layer");
                return Err(Error::data(what, counted(input.count(), "sequence"), lanes.to_string()));
            }
        }
        let mut graph = Graph::default();
        graph.input_gradients = true;
        let mut axes: Vec<(&Input, LayoutId)> = Vec::new();
        let mut edges = Vec::new();
        for input in inputs {
            let known = axes.iter().find(|(i, _)| i.lengths() == input.lengths() && i.mask == input.mask);
            let axis = match (input.lengths(), known) {
                (None, _) => Axis::Lanes,
                (Some(_), Some((_, layout))) => Axis::Steps(*layout),
                (Some(_), None) => {
                    let layout = graph.add_layout();
                    axes.push((input, layout));
                    Axis::Steps(layout)
                }
            };
            edges.push(graph.add_input(EdgeSpec { axis, kind: input.kind() }));
        }
        let mut params = Params::default();
        let scope = layer.name().map_or_else(|| snake_case(layer.class_name()), str::to_owned);
        let mut outputs = Vec::new();
        for _ in 0..times {
            let mut plan = Plan::new(&mut graph, &mut params);
            outputs.extend(plan.scoped(&scope, layer.trainable(), |plan| layer.lower(plan, &edges))?);
        }
        params.initialize(SEED)?;
        graph.begin(lanes);
        for (input, layout) in axes {
            lay_out(&mut graph, layout, input)?;
        }
        let mut bench = Self { graph, params, engine, inputs: edges, outputs, scope, last: None };
        for (i, input) in inputs.iter().enumerate() {
            bench.fill(i, &input.clone().drawn(i));
        }
        Ok(bench)
    }

    fn fill(&mut self, i: usize, input: &Input) {
        let edge = self.inputs[i];
        let axis = self.graph.specs[edge.0].axis;
        let (value, layouts) = self.graph.value_mut(edge);
        let places: Vec<(usize, usize, usize)> = match axis {
            Axis::Lanes => (0..input.count()).map(|n| (n, n, 0)).collect(),
            Axis::Steps(layout) => layouts[layout.0].iter().collect(),
        };
        value.shape(places.len(), input.kind());
        value.data.fill(f32::NAN);
        for (row, n, t) in places {
            match &input.values {
                Values::Steps { width, sequences } => {
                    value.view_mut().row(row).copy_from_slice(&sequences[n][t * width..(t + 1) * width]);
                }
                Values::Lanes { width, rows } => {
                    value.view_mut().row(row).copy_from_slice(&rows[n * width..(n + 1) * width]);
                }
                Values::Ids(sequences) => value.ids[row] = sequences[n][t],
                Values::LaneIds(ids) => value.ids[row] = ids[n],
            }
        }
    }

    /// Returns the names of the layer's parameters within the layer (`kernel`, `forward_lstm/bias`), with
    /// their shapes.
    pub fn weights(&self) -> Vec<(String, Vec<usize>)> {
        let inside = |name: &str| {
            name.strip_prefix(&self.scope).and_then(|n| n.strip_prefix('/')).unwrap_or(name).to_owned()
        };
        self.params.spans().iter().map(|s| (inside(&s.name), s.shape.clone())).collect()
    }

    fn find(&self, name: &str) -> Result<SpanId, Error> {
        self.params.find(&format!("{}/{name}", self.scope)).ok_or_else(|| {
            let names: Vec<_> = self.weights().into_iter().map(|(name, _)| name).collect();
            let expected = format!("one of {}", names.join(", "));
            Error::data(format!("the parameter name for {}", self.scope), format!("`{name}`"), expected)
        })
    }

    /// Returns the values of a parameter.
    ///
    /// # Errors
    /// Returns an error if the layer has no parameter with this name.
    pub fn weight(&self, name: &str) -> Result<&[f32], Error> {
        Ok(self.params.value(self.find(name)?))
    }

    /// Sets the values of a parameter.
    ///
    /// # Errors
    /// Returns an error if the layer has no parameter with this name, or if the number of values differs.
    pub fn set_weight(&mut self, name: &str, values: &[f32]) -> Result<(), Error> {
        let id = self.find(name)?;
        let shape = &self.params.spans()[id.0].shape;
        if shape.iter().product::<usize>() != values.len() {
            let what = format!("`{name}` of {}", self.scope);
            return Err(Error::data(what, counted(values.len(), "value"), format!("shape {shape:?}")));
        }
        self.params.value_mut(id).copy_from_slice(values);
        self.graph.packed = false;
        Ok(())
    }

    /// Returns the gradient of a parameter after [`Bench::backward`].
    ///
    /// # Errors
    /// Returns an error if the layer has no parameter with this name.
    pub fn weight_gradient(&self, name: &str) -> Result<&[f32], Error> {
        Ok(self.params.flat_gradient(self.find(name)?))
    }

    /// Runs the forward pass. Stateful layers start from a zero state. Dropout draws the same masks each
    /// time.
    ///
    /// # Errors
    /// Returns the errors of the layer's operations.
    pub fn forward(&mut self, mode: Mode) -> Result<(), Error> {
        self.forward_batch(mode, RANDOM)
    }

    /// Runs the forward pass with the random numbers of another batch.
    pub(crate) fn forward_batch(&mut self, mode: Mode, random: RandomKey) -> Result<(), Error> {
        for edge in (0..self.graph.specs.len()).map(EdgeId).filter(|e| !self.inputs.contains(e)) {
            let value = self.graph.value_mut(edge).0;
            value.data.fill(f32::NAN);
            value.ids.fill(u32::MAX);
        }
        let mut state = self.graph.own_state();
        self.last = Some(mode);
        if mode == Mode::Infer {
            self.graph.pack(&self.engine, &self.params);
        }
        self.graph.forward(&self.engine, &self.params, mode, random, &mut state, &[])
    }

    /// Returns the real rows of each of the caller's sequences in the `i`-th output, flat.
    ///
    /// # Panics
    /// Panics before the first forward pass, or if the layer has fewer outputs.
    pub fn output(&self, i: usize) -> Vec<Vec<f32>> {
        self.in_callers_order(self.outputs[i], self.graph.value(self.outputs[i]))
    }

    /// Returns, after a forward pass, the steps of the caller's array that the rows of the `i`-th output came
    /// from.
    ///
    /// # Panics
    /// Panics if the layer has fewer outputs.
    pub fn output_sources(&self, i: usize) -> Vec<Vec<usize>> {
        self.places(self.outputs[i]).iter().map(|s| s.iter().map(|&(_, t)| t).collect()).collect()
    }

    /// Runs the backward pass from a gradient for each output, arranged as [`Bench::output`] returns values.
    /// Call it once after each forward pass in [`Mode::Train`].
    ///
    /// # Errors
    /// Returns an error if there was no such forward pass or a gradient does not have the shape of its
    /// output, and the errors of the layer's operations.
    pub fn backward(&mut self, gradients: &[Vec<Vec<f32>>]) -> Result<(), Error> {
        if gradients.len() != self.outputs.len() {
            let (got, expected) = (gradients.len().to_string(), self.outputs.len().to_string());
            return Err(Error::data("the number of output gradients", got, expected));
        }
        let mut packed = Vec::with_capacity(gradients.len());
        for (i, given) in gradients.iter().enumerate() {
            let edge = self.outputs[i];
            let (places, width) = (self.places(edge), self.graph.specs[edge.0].width());
            let got: Vec<_> = given.iter().map(Vec::len).collect();
            let expected: Vec<_> = places.iter().map(|p| p.len() * width).collect();
            if got != expected {
                let what = format!("the gradient of output {i}");
                return Err(Error::data(
                    what,
                    format!("{got:?} floats per sequence"),
                    format!("{expected:?}"),
                ));
            }
            let mut rows = vec![&[][..]; places.iter().map(Vec::len).sum()];
            for (given, places) in given.iter().zip(&places) {
                given.chunks_exact(width.max(1)).zip(places).for_each(|(from, &(row, _))| rows[row] = from);
            }
            packed.push(rows);
        }
        self.run_backward(|output, row, column| packed[output][row][column])
    }

    /// Repeats the last forward and backward pass as a training step performs them: parameters are packed
    /// again and gradients start from zero. This is what a benchmark should time. Buffers are not filled with
    /// NaN.
    ///
    /// # Errors
    /// Returns the errors of the layer's operations.
    pub fn repeat(&mut self) -> Result<(), Error> {
        self.graph.packed = false;
        let mut state = self.graph.own_state();
        self.graph.forward(&self.engine, &self.params, Mode::Train, RANDOM, &mut state, &[])?;
        self.graph.begin_backward();
        self.params.begin_gradients();
        for &edge in &self.outputs {
            self.graph.seed_gradient(edge);
        }
        self.graph.backward(&self.engine, &mut self.params, RANDOM, &[])?;
        self.params.finish_gradients();
        Ok(())
    }

    /// Returns the gradient of the `i`-th input after [`Bench::backward`], arranged as [`Bench::output`]
    /// returns values. It is empty for ids and for inputs that no output depends on.
    ///
    /// # Panics
    /// Panics if the layer has fewer inputs.
    pub fn input_gradient(&self, i: usize) -> Vec<Vec<f32>> {
        let gradient = self.graph.gradient(self.inputs[i]);
        gradient.map_or_else(Vec::new, |g| self.in_callers_order(self.inputs[i], g))
    }

    /// Runs backward with NaN-filled buffers from `seed(output, row, column)`, rows in packed order.
    pub(super) fn run_backward(&mut self, seed: impl Fn(usize, usize, usize) -> f32) -> Result<(), Error> {
        if self.last.take() != Some(Mode::Train) {
            let reason = "call it once after each forward pass in `Mode::Train`";
            return Err(Error::unsupported("a backward pass", reason));
        }
        for edge in 0..self.graph.specs.len() {
            self.graph.seed_gradient(EdgeId(edge)).1.data.fill(f32::NAN);
        }
        self.graph.begin_backward();
        self.params.begin_gradients();
        for (k, &edge) in self.outputs.iter().enumerate() {
            // A layer that changes nothing may return its input, even twice.
            let again = self.outputs[..k].contains(&edge);
            let gradient = self.graph.seed_gradient(edge).1;
            for r in 0..gradient.rows() {
                for (j, g) in gradient.view_mut().row(r).iter_mut().enumerate() {
                    *g = seed(k, r, j) + if again { *g } else { 0.0 };
                }
            }
        }
        self.graph.backward(&self.engine, &mut self.params, RANDOM, &[])?;
        self.params.finish_gradients();
        Ok(())
    }

    /// Returns the buffer rows of each of the caller's sequences, with the steps they came from.
    pub(crate) fn places(&self, edge: EdgeId) -> Vec<Vec<(usize, usize)>> {
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

    pub(crate) fn in_callers_order(&self, edge: EdgeId, value: &Value) -> Vec<Vec<f32>> {
        let (view, places) = (value.view(), self.places(edge));
        places.iter().map(|s| s.iter().flat_map(|&(row, _)| view.row(row)).copied().collect()).collect()
    }

    /// Returns the positions of the inputs that have gradients.
    pub(super) fn feature_inputs(&self) -> impl Iterator<Item = usize> {
        let features = |i: &usize| matches!(self.graph.specs[self.inputs[*i].0].kind, Kind::Features(_));
        (0..self.inputs.len()).filter(features)
    }
}

fn lay_out(graph: &mut Graph, layout: LayoutId, input: &Input) -> Result<(), Error> {
    let lengths = input.lengths().unwrap_or_default();
    let span = lengths.iter().max().map_or(0, |l| l + PADDING);
    match &input.mask {
        None => graph.layout_mut(layout).set_lengths(&lengths, span)?,
        Some(mask) => {
            let padded = mask.iter().flat_map(|m| m.iter().copied().chain(vec![false; span - m.len()]));
            let padded: Vec<bool> = padded.collect();
            graph.layout_mut(layout).set_mask(&padded, lengths.len(), span)?;
        }
    }
    Ok(())
}

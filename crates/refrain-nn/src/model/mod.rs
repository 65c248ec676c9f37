//! Models: a network with its parameters, and what it takes to train, evaluate and run it.

mod architecture;
mod average;
mod differentiate;
mod fresh;
mod head;
mod memory;
mod network;
mod noiseless;
mod predict;
mod recurrences;
mod reduction;
mod sequential;
mod session;
mod summary;
mod totals;
mod train;
mod training_state;

pub use architecture::{Architecture, ArchitectureNode, InputSpec};
pub use average::Averaging;
pub use memory::{Memory, MemoryUse, PlannedModel, Work};
pub use network::{Network, Tensor};
pub use reduction::Reduction;
pub use sequential::Sequential;
pub use session::Session;
pub use summary::Summary;
pub use totals::Totals;
pub use train::{Compile, DEFAULT_SEED};
pub use training_state::{AverageCounters, TrainingCounters, TrainingState};

use crate::data::{Batch, BatchInput, Extent};
use crate::error::Error;
use crate::graph::{Axis, EdgeId, Graph, Kind};
use crate::layers::LayerRegistry;
use crate::params::{Params, SpanId};
use crate::state::State;
use ndarray::{ArrayBase, Data, Dimension};
use refrain_kernels::{Engine, row_step};
use train::Training;

/// A network that can be run and, once compiled, trained.
#[derive(Debug, Clone)]
pub struct Model {
    architecture: Architecture,
    graph: Graph,
    params: Params,
    inputs: Vec<EdgeId>,
    outputs: Vec<EdgeId>,
    engine: Engine,
    seed: u64,
    /// The outputs of each layer of the architecture.
    layer_outputs: Vec<Vec<EdgeId>>,
    /// Of the layers that carry their state unasked.
    own_state: State,
    /// What layers are made with again.
    registry: LayerRegistry,
    training: Option<Training>,
}

impl Model {
    /// What it is made of.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Its parameters and their last gradients.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Instructions and threads it runs on.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Runs on another engine from now on. The results stay the same bits on the same instruction set.
    pub fn set_engine(&mut self, engine: Engine) {
        self.engine = engine;
    }

    /// The seed of its initial weights and its dropout.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A state for all of its recurrent layers, for runs that carry it from batch to batch.
    pub fn new_state(&self) -> State {
        self.graph.new_state()
    }

    /// Sets the states of the layers that carry one unasked (`stateful`) to zero.
    pub fn reset_states(&mut self) {
        self.own_state.reset();
    }

    /// Width of the `i`-th output.
    ///
    /// # Panics
    /// When there are fewer outputs.
    pub fn output_width(&self, i: usize) -> usize {
        self.graph.specs[self.outputs[i].0].width()
    }

    /// Outputs it has.
    pub fn output_count(&self) -> usize {
        self.outputs.len()
    }

    /// Sets one parameter, of the shape that [`Model::params`] and `summary` show.
    ///
    /// # Errors
    /// When there is no parameter of this name, or it has another shape.
    pub fn set_weight<S: Data<Elem = f32>, D: Dimension>(
        &mut self,
        name: &str,
        values: &ArrayBase<S, D>,
    ) -> Result<(), Error> {
        let id = self.find(name)?;
        let (got, expected) = (values.shape(), &self.params.spans()[id.0].shape);
        if got != expected.as_slice() {
            let transposed = expected.len() > 1 && got.iter().eq(expected.iter().rev());
            let advice = if transposed { ": transpose it" } else { "" };
            return Err(Error::data(name, format!("of shape {got:?}"), format!("{expected:?}{advice}")));
        }
        self.params.value_mut(id).iter_mut().zip(values).for_each(|(to, &value)| *to = value);
        self.graph.packed = false;
        Ok(())
    }

    /// Sets one parameter, its values row by row.
    ///
    /// # Errors
    /// When there is no parameter of this name, or it has another number of values.
    pub fn set_weight_flat(&mut self, name: &str, values: &[f32]) -> Result<(), Error> {
        let id = self.find(name)?;
        let span = &self.params.spans()[id.0];
        if span.len() != values.len() {
            let expected = format!("{} values, shape {:?}", span.len(), span.shape);
            return Err(Error::data(name, format!("{} values", values.len()), expected));
        }
        self.params.value_mut(id).copy_from_slice(values);
        self.graph.packed = false;
        Ok(())
    }

    /// The values of one parameter.
    ///
    /// # Errors
    /// When there is no parameter of this name.
    pub fn weight(&self, name: &str) -> Result<&[f32], Error> {
        Ok(self.params.value(self.find(name)?))
    }

    /// Sets whether training changes the parameters whose names begin with `prefix`; returns how many there
    /// are.
    pub fn set_trainable(&mut self, prefix: &str, trainable: bool) -> usize {
        let ids: Vec<_> = (0..self.params.spans().len())
            .filter(|&i| self.params.spans()[i].name.starts_with(prefix))
            .map(SpanId)
            .collect();
        for &id in &ids {
            self.params.span_mut(id).trainable = trainable;
        }
        ids.len()
    }

    /// A copy of all parameters, flat.
    pub fn weights(&self) -> Vec<f32> {
        self.params.values().to_vec()
    }

    /// Sets all parameters from what [`Model::weights`] gave.
    ///
    /// # Errors
    /// When the number of values is another.
    pub fn set_weights_flat(&mut self, values: &[f32]) -> Result<(), Error> {
        let expected = self.params.values().len();
        if values.len() != expected {
            return Err(Error::data("the weights", format!("{} values", values.len()), expected.to_string()));
        }
        self.params.values_mut().copy_from_slice(values);
        self.graph.packed = false;
        Ok(())
    }

    /// Its layers with their output shapes and numbers of parameters, as Keras prints them.
    pub fn summary(&self) -> Summary {
        Summary::new(self)
    }

    /// Makes room for all parameters, zero.
    pub(crate) fn allocate_parameters(&mut self) {
        self.params.allocate();
        self.graph.packed = false;
    }

    fn find(&self, name: &str) -> Result<SpanId, Error> {
        self.params.find(name).ok_or_else(|| {
            let names: Vec<_> = self.params.spans().iter().map(|s| s.name.as_str()).collect();
            Error::data("the parameter", format!("`{name}`"), format!("one of {}", names.join(", ")))
        })
    }

    /// Lays a batch's inputs out in the graph's buffers.
    fn feed(&mut self, batch: &Batch) -> Result<(), Error> {
        if batch.inputs.len() != self.inputs.len() {
            let (got, expected) = (format!("{} arrays", batch.inputs.len()), self.inputs.len().to_string());
            return Err(Error::data("the input", got, expected));
        }
        self.graph.begin(batch.lanes);
        for (i, input) in batch.inputs.iter().enumerate() {
            let edge = self.inputs[i];
            let spec = self.graph.specs[edge.0];
            let name = &self.architecture.inputs[i].name;
            let steps = if let Axis::Steps(_) = spec.axis { input.steps } else { 1 };
            if spec.axis == Axis::Lanes && input.steps != 1 {
                let got = format!("an array of {} steps", input.steps);
                return Err(Error::data(
                    format!("input `{name}`"),
                    got,
                    self.architecture.inputs[i].to_string(),
                ));
            }
            let (got, needed) = match spec.kind {
                Kind::Ids => (input.ids.len(), batch.lanes * steps),
                Kind::Features(width) => (input.features.len(), batch.lanes * steps * width),
            };
            if got != needed {
                let got = format!("{got} values for {} sequences of {} steps", batch.lanes, input.steps);
                return Err(Error::data(
                    format!("input `{name}`"),
                    got,
                    self.architecture.inputs[i].to_string(),
                ));
            }
            if let Axis::Steps(id) = spec.axis {
                set_layout(self.graph.layout_mut(id), batch.lanes, input)?;
            }
            let rows = match spec.axis {
                Axis::Steps(id) => self.graph.layout(id).rows(),
                Axis::Lanes => batch.lanes,
            };
            let (value, layouts) = self.graph.value_mut(edge);
            value.shape(rows, spec.kind);
            let mut place = |row: usize, at: usize| match spec.kind {
                Kind::Ids => value.ids[row] = input.ids[at],
                Kind::Features(width) => value.data[row * row_step(width)..][..width]
                    .copy_from_slice(&input.features[at * width..][..width]),
            };
            match spec.axis {
                Axis::Steps(id) => {
                    for (row, lane, step) in layouts[id.0].iter() {
                        place(row, lane * steps + step);
                    }
                }
                Axis::Lanes => (0..batch.lanes).for_each(|lane| place(lane, lane)),
            }
        }
        Ok(())
    }
}

fn set_layout(
    layout: &mut crate::sequence::SeqLayout,
    lanes: usize,
    input: &BatchInput,
) -> Result<(), Error> {
    match input.extent {
        Extent::Full => layout.set_full(lanes, input.steps),
        Extent::Lengths => {
            if input.lengths.len() != lanes {
                let (what, got) = ("lengths", input.lengths.len());
                return Err(crate::sequence::LayoutError::Count { what, got, expected: lanes }.into());
            }
            layout.set_lengths(&input.lengths, input.steps)?;
        }
        Extent::Mask => layout.set_mask(&input.mask, lanes, input.steps)?,
    }
    Ok(())
}

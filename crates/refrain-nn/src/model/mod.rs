//! Models: a network with its parameters, and everything to train, evaluate and run it.

mod architecture;
mod average;
mod compile;
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
mod stateful;
mod status;
mod summary;
mod totals;
mod train;
mod training_state;

pub use architecture::{Architecture, ArchitectureNode, InputSpec};
pub use average::Averaging;
pub use compile::{Compile, DEFAULT_SEED};
pub use memory::{Memory, MemoryUse, PlannedModel, Work};
pub use network::{Network, Tensor};
pub use reduction::Reduction;
pub use sequential::Sequential;
pub use session::Session;
pub use summary::Summary;
pub use totals::Totals;
pub use training_state::{AverageCounters, TrainingCounters, TrainingState};

use crate::data::{Batch, BatchInput, Extent};
use crate::error::Error;
use crate::graph::{Axis, EdgeId, Graph, Kind};
use crate::layers::LayerRegistry;
use crate::params::{Params, SpanId};
use crate::shown::counted;
use crate::state::State;
use compile::Training;
use ndarray::{ArrayBase, Data, Dimension};
use refrain_kernels::{Engine, row_step};

/// A network with parameters. It can be run and, once compiled, trained.
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
    /// The state of `stateful` layers.
    own_state: State,
    /// The registry for rebuilding layers.
    registry: LayerRegistry,
    training: Option<Training>,
}

impl Model {
    /// Returns the architecture of the model.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Returns the parameters and their most recent gradients.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Returns the engine, with its instruction set and threads.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Sets the engine. The results are the same bits as long as the instruction set is the same.
    pub fn set_engine(&mut self, engine: Engine) {
        self.engine = engine;
    }

    /// Returns the seed of the initial weights and of dropout.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns a new state for all recurrent layers, to be carried from batch to batch.
    pub fn new_state(&self) -> State {
        self.graph.new_state()
    }

    /// Returns the width of the `i`-th output.
    ///
    /// # Panics
    /// Panics if there are fewer outputs.
    pub fn output_width(&self, i: usize) -> usize {
        self.graph.specs[self.outputs[i].0].width()
    }

    /// Returns the number of outputs.
    pub fn output_count(&self) -> usize {
        self.outputs.len()
    }

    /// Sets one parameter. The shape must be the one that [`Model::params`] and `summary` show.
    ///
    /// # Errors
    /// Returns an error if there is no parameter with this name, or if its shape differs.
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

    /// Sets one parameter from its values in row-major order.
    ///
    /// # Errors
    /// Returns an error if there is no parameter with this name, or if its number of values differs.
    pub fn set_weight_flat(&mut self, name: &str, values: &[f32]) -> Result<(), Error> {
        let id = self.find(name)?;
        let span = &self.params.spans()[id.0];
        if span.len() != values.len() {
            let expected = format!("{}, shape {:?}", counted(span.len(), "value"), span.shape);
            return Err(Error::data(name, counted(values.len(), "value"), expected));
        }
        self.params.value_mut(id).copy_from_slice(values);
        self.graph.packed = false;
        Ok(())
    }

    /// Returns the values of one parameter.
    ///
    /// # Errors
    /// Returns an error if there is no parameter with this name.
    pub fn weight(&self, name: &str) -> Result<&[f32], Error> {
        Ok(self.params.value(self.find(name)?))
    }

    /// Sets whether training changes the parameters whose names begin with `prefix`. Returns the number of
    /// those parameters.
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

    /// Returns a copy of all parameters, flat.
    pub fn weights(&self) -> Vec<f32> {
        self.params.values().to_vec()
    }

    /// Sets all parameters from the values that [`Model::weights`] returned.
    ///
    /// # Errors
    /// Returns an error if the number of values differs.
    pub fn set_weights_flat(&mut self, values: &[f32]) -> Result<(), Error> {
        let expected = self.params.values().len();
        if values.len() != expected {
            return Err(Error::data(
                "the array of weights",
                counted(values.len(), "value"),
                expected.to_string(),
            ));
        }
        self.params.values_mut().copy_from_slice(values);
        self.graph.packed = false;
        Ok(())
    }

    /// Returns the layers with their output shapes and numbers of parameters, as Keras prints them.
    pub fn summary(&self) -> Summary {
        Summary::new(self)
    }

    /// Allocates memory for all parameters, zeroed.
    pub(crate) fn allocate_parameters(&mut self) {
        self.params.allocate();
        self.graph.packed = false;
    }

    fn find(&self, name: &str) -> Result<SpanId, Error> {
        self.params.find(name).ok_or_else(|| {
            let names: Vec<_> = self.params.spans().iter().map(|s| s.name.as_str()).collect();
            Error::data("the parameter name", format!("`{name}`"), format!("one of {}", names.join(", ")))
        })
    }

    /// Writes a batch's inputs to the graph's buffers.
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
                let got = format!("an array of {}", counted(input.steps, "step"));
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
                let got = format!(
                    "{} for {} of {}",
                    counted(got, "value"),
                    counted(batch.lanes, "sequence"),
                    counted(input.steps, "step")
                );
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

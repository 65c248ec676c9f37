//! Estimates of the memory that training, evaluating or running a model needs.

use super::head::HeadMemory;
use super::{Compile, Model};
use crate::error::Error;
use crate::graph::{GraphMemory, GraphPass, Kind, Mode, grown, of_floats, of_rows, total_of};
use crate::init::Initializer;
use crate::numbers::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;

/// An operation on a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// [`Model::train_step`].
    Train,
    /// [`Model::test_step`].
    Evaluate,
    /// [`Model::predict_batch`] or, with one step, a session.
    Predict,
}

/// An operation on a batch of a given size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    /// The operation.
    pub work: Work,
    /// The number of sequences.
    pub lanes: usize,
    /// The number of steps of the longest sequence.
    pub steps: usize,
}

impl MemoryUse {
    /// Creates a use: `work` on `lanes` sequences of `steps` steps.
    pub fn new(work: Work, lanes: usize, steps: usize) -> Self {
        Self { work, lanes, steps }
    }
}

/// Memory in bytes, by purpose. Sizes saturate at the largest 64-bit number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    parts: Vec<(&'static str, u64)>,
}

impl Memory {
    /// Returns the total.
    pub fn total(&self) -> u64 {
        total_of(self.parts.iter().map(|part| part.1))
    }

    /// Returns the part called `name`, or 0 if there is none.
    pub fn of(&self, name: &str) -> u64 {
        total_of(self.parts.iter().filter(|part| part.0 == name).map(|part| part.1))
    }

    /// Returns all parts, the largest first.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let mut parts = self.parts.clone();
        parts.sort_by_key(|part| std::cmp::Reverse(part.1));
        parts.into_iter()
    }

    /// Adds a part unless it is 0 bytes.
    pub fn with(mut self, name: &'static str, bytes: u64) -> Self {
        self.parts.extend((bytes > 0).then_some((name, bytes)));
        self
    }
}

/// Displays the total, then the three largest parts: `1.2 GB (activations 812 MB, parameters 104 MB,
/// gradients 104 MB …)`.
impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        write!(f, "{}", Bytes(self.total()))?;
        for (i, (name, bytes)) in self.parts().take(SHOWN).enumerate() {
            write!(f, "{}{name} {}", if i == 0 { " (" } else { ", " }, Bytes(bytes))?;
        }
        match self.parts().count() {
            0 => Ok(()),
            1..=SHOWN => f.write_str(")"),
            _ => f.write_str(" …)"),
        }
    }
}

/// Serializes as an object of all parts and `total`.
impl Serialize for Memory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("total", &self.total())?;
        self.parts().try_for_each(|(name, bytes)| map.serialize_entry(name, &bytes))?;
        map.end()
    }
}

impl Model {
    /// Returns the memory that the model needs if all `uses` happen one after the other: its parameters, the
    /// training state if it is compiled, and every buffer at its largest size. Allocates nothing.
    ///
    /// Custom operations are included only if they report their memory: [`crate::graph::Op::memory`].
    pub fn memory(&self, uses: &[MemoryUse]) -> Memory {
        let parameters = of_floats(self.params.flat_len() as u64);
        let (mut graph, mut batch) = (GraphMemory::default(), 0);
        let mut heads = vec![HeadMemory::default(); self.training.as_ref().map_or(0, |t| t.heads.len())];
        for of in uses {
            self.add_use(of, &mut graph, &mut heads);
            batch = batch.max(self.batch_bytes(of));
        }
        let slots = self.training.as_ref().map_or(0, |t| t.state.slots().count() as u64);
        let averages = if self.is_averaging() { parameters } else { 0 };
        Memory::default()
            .with("parameters", parameters)
            .with("gradients", parameters)
            .with("optimizer", parameters.saturating_mul(slots))
            .with("averages", averages)
            .with(
                "activations",
                graph.activations().saturating_add(total_of(heads.iter().flat_map(|h| &h.kept).copied())),
            )
            .with("packed weights", graph.packed())
            .with("workspace", heads.iter().map(|h| h.workspace).fold(graph.workspace(), u64::max))
            .with("states", graph.states())
            .with("batch", batch)
    }

    /// Adds a use to the memory of the graph and of the outputs with their losses.
    fn add_use(&self, of: &MemoryUse, graph: &mut GraphMemory, memory: &mut [HeadMemory]) {
        let (lanes, steps) = (of.lanes as u64, of.steps as u64);
        let mode = if of.work == Work::Train { Mode::Train } else { Mode::Infer };
        let training = self.training.as_ref().filter(|_| of.work != Work::Predict);
        let heads = training.map_or(&[][..], |t| &t.heads);
        let seeds = heads.iter().filter(|_| mode == Mode::Train).map(|h| h.seed(&self.graph)).collect();
        let skip = training.map_or(&[][..], |t| &t.skip);
        let packed = of.work == Work::Predict;
        graph.add(&self.graph, &self.params, &GraphPass { mode, packed, lanes, steps, skip, seeds });
        for (memory, head) in memory.iter_mut().zip(heads) {
            memory.join(&head.memory(&self.graph, lanes, steps, mode));
        }
    }

    /// Returns the size of a batch's inputs and its targets or, for a prediction, its outputs.
    fn batch_bytes(&self, of: &MemoryUse) -> u64 {
        let (lanes, rows) = (of.lanes as u64, (of.lanes as u64).saturating_mul(of.steps as u64));
        let edge = |edge: &crate::graph::EdgeId| {
            let spec = self.graph.specs[edge.0];
            let rows = if spec.axis == crate::graph::Axis::Lanes { lanes } else { rows };
            match spec.kind {
                Kind::Ids => of_floats(grown(rows)),
                Kind::Features(width) => of_floats(rows.saturating_mul(width as u64)),
            }
        };
        let inputs = total_of(self.inputs.iter().map(edge));
        if of.work == Work::Predict {
            return inputs.saturating_add(total_of(self.outputs.iter().map(edge)));
        }
        let heads = self.training.iter().flat_map(|t| &t.heads);
        inputs.saturating_add(total_of(heads.map(|head| head.target_bytes(&self.graph, lanes, rows))))
    }
}

/// A model without memory for its parameters, and the settings to compile it with.
///
/// Use it to find out how much memory a model needs before allocating it: see [`PlannedModel::memory`].
#[derive(Debug, Clone)]
pub struct PlannedModel {
    model: Model,
    compile: Compile,
}

impl PlannedModel {
    pub(super) fn new(mut model: Model, compile: Compile) -> Result<Self, Error> {
        // There are no parameters yet, so the optimiser's state is empty.
        model.compile(compile.clone())?;
        Ok(Self { model, compile })
    }

    /// Returns the memory that the model will need for these uses, one after the other; see
    /// [`Model::memory`]. If initialising the weights needs more than the uses, the difference is included.
    pub fn memory(&self, uses: &[MemoryUse]) -> Memory {
        let memory = self.model.memory(uses);
        let drawn = self.model.params.spans().iter().map(|span| match span.initializer {
            // Computed in f64.
            Initializer::Orthogonal { .. } => of_rows(1, span.len()).saturating_mul(2),
            _ => 0,
        });
        let beside = total_of([memory.of("parameters"), drawn.max().unwrap_or(0)]);
        let more = beside.saturating_sub(memory.total());
        memory.with("initial weights", more)
    }

    /// Allocates the parameters and initialises them.
    ///
    /// # Errors
    /// Returns an error if a setting of an initialiser is out of range.
    pub fn allocate(self) -> Result<Model, Error> {
        let Self { mut model, compile } = self;
        model.params.initialize(compile.seed)?;
        model.compile(compile)?;
        Ok(model)
    }
}

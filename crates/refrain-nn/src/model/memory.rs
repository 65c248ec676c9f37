//! What training, scoring or running a model takes, said before it is taken.

use super::head::HeadMemory;
use super::{Compile, Model};
use crate::error::Error;
use crate::graph::{GraphMemory, GraphPass, Kind, Mode, grown, of_floats, of_rows, total_of};
use crate::init::Initializer;
use crate::numbers::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;

/// What is done with a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// [`Model::train_step`]
    Train,
    /// [`Model::test_step`]
    Evaluate,
    /// [`Model::predict_batch`] or, with one step, a session.
    Predict,
}

/// A batch of this many sequences of this many steps, and what is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    /// What is done.
    pub work: Work,
    /// Sequences.
    pub lanes: usize,
    /// Steps of the longest.
    pub steps: usize,
}

impl MemoryUse {
    /// `work` on `lanes` sequences of `steps` steps.
    pub fn new(work: Work, lanes: usize, steps: usize) -> Self {
        Self { work, lanes, steps }
    }
}

/// Bytes by what they are for. Sizes beyond what 64 bits count stand at the largest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    parts: Vec<(&'static str, u64)>,
}

impl Memory {
    /// All of it.
    pub fn total(&self) -> u64 {
        total_of(self.parts.iter().map(|part| part.1))
    }

    /// What is for `name`; 0 where nothing is.
    pub fn of(&self, name: &str) -> u64 {
        total_of(self.parts.iter().filter(|part| part.0 == name).map(|part| part.1))
    }

    /// Every part, the largest first.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let mut parts = self.parts.clone();
        parts.sort_by_key(|part| std::cmp::Reverse(part.1));
        parts.into_iter()
    }

    /// Adds a part, if it is any.
    pub fn with(mut self, name: &'static str, bytes: u64) -> Self {
        self.parts.extend((bytes > 0).then_some((name, bytes)));
        self
    }
}

/// The total, then the three largest parts: `1.2 GB (activations 812 MB, parameters 104 MB, gradients 104 MB …)`.
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

/// An object of all parts, and `total`.
impl Serialize for Memory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("total", &self.total())?;
        self.parts().try_for_each(|(name, bytes)| map.serialize_entry(name, &bytes))?;
        map.end()
    }
}

impl Model {
    /// What the model takes where all of `uses` come, one after the other: its parameters and, compiled, what training
    /// keeps beside them, and every buffer as large as the largest use makes it. Nothing is allocated to answer.
    ///
    /// Operations of the user's own count where they say what they take: [`crate::graph::Op::memory`].
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

    /// Adds a use to what the graph takes, and what the outputs take with their losses.
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

    /// A batch's inputs and targets or, of a prediction, what it gives.
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

/// A model without memory for its parameters, and how it will be compiled.
///
/// It tells what it will take before it takes it: see [`PlannedModel::memory`].
#[derive(Debug, Clone)]
pub struct PlannedModel {
    model: Model,
    compile: Compile,
}

impl PlannedModel {
    pub(super) fn new(mut model: Model, compile: Compile) -> Result<Self, Error> {
        // Of no parameters yet, so that the optimiser's state takes nothing.
        model.compile(compile.clone())?;
        Ok(Self { model, compile })
    }

    /// What the model will take for these uses, one after the other; see [`Model::memory`]. Initial weights that take
    /// more while they are drawn than training takes afterwards count too.
    pub fn memory(&self, uses: &[MemoryUse]) -> Memory {
        let memory = self.model.memory(uses);
        let drawn = self.model.params.spans().iter().map(|span| match span.initializer {
            // It works in f64.
            Initializer::Orthogonal { .. } => of_rows(1, span.len()).saturating_mul(2),
            _ => 0,
        });
        let beside = total_of([memory.of("parameters"), drawn.max().unwrap_or(0)]);
        let more = beside.saturating_sub(memory.total());
        memory.with("initial weights", more)
    }

    /// Takes the memory and draws the initial weights.
    ///
    /// # Errors
    /// When an initialiser's setting is out of range.
    pub fn allocate(self) -> Result<Model, Error> {
        let Self { mut model, compile } = self;
        model.params.initialize(compile.seed)?;
        model.compile(compile)?;
        Ok(model)
    }
}

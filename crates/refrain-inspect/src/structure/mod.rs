//! The structure of a model as drawings: its layers, and the network unrolled through time.

mod cell;
mod graph;
#[cfg(test)]
mod tests;
mod unrolled;
mod words;

pub use cell::Cell;

use refrain_nn::Model;
use serde::Serialize;
use serde_json::Value;

/// A model's layers, their connections and their parameters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Structure {
    /// The inputs: nodes 0, 1, ….
    pub inputs: Vec<InputBox>,
    /// The layers: the nodes after the inputs, each after the nodes it reads.
    pub layers: Vec<LayerBox>,
    /// The nodes whose outputs are the model's outputs.
    pub outputs: Vec<usize>,
    /// Number of parameters; shared ones count once.
    pub parameters: usize,
    /// Number of trainable parameters.
    pub trainable: usize,
}

/// An input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputBox {
    /// Its name.
    pub name: String,
    /// Its symbolic shape, such as `(N, T)`.
    pub shape: String,
    /// Whether it has a time axis.
    pub steps: bool,
}

/// A layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerBox {
    /// Its name.
    pub name: String,
    /// Its class, such as `LSTM`.
    pub class_name: String,
    /// The symbolic shape of its output, such as `(N, T, 256)`.
    pub shape: String,
    /// Whether its output has a time axis.
    pub steps: bool,
    /// Number of its parameters.
    pub parameters: usize,
    /// The names and shapes of its parameters.
    pub weights: Vec<(String, Vec<usize>)>,
    /// The nodes that it reads.
    pub reads: Vec<usize>,
    /// Its recurrence, if it has one.
    pub memory: Option<MemoryBox>,
    /// Its cell, if it is recurrent.
    pub cell: Option<Cell>,
}

/// How a layer carries a state from step to step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MemoryBox {
    /// Whether there is a cell state in addition to the hidden state.
    pub cell_state: bool,
    /// Whether it reads from the first step to the last.
    pub forwards: bool,
    /// Whether it reads from the last step to the first.
    pub backwards: bool,
}

impl Structure {
    /// Returns the structure of a model.
    pub fn of(model: &Model) -> Self {
        let architecture = model.architecture();
        let summary = model.summary();
        let input = |spec: &refrain_nn::InputSpec| {
            let kind = spec.to_string();
            let shape = kind.split_once(' ').map_or("", |(_, shape)| shape).to_owned();
            InputBox { name: printable(&spec.name), shape, steps: spec.sequence }
        };
        let spans = model.params().spans();
        let layer = |(node, line): (&refrain_nn::ArchitectureNode, &(String, String, usize))| {
            let own = |name: &str| Some(name.strip_prefix(&node.name)?.strip_prefix('/')?.to_owned());
            let weights = spans.iter().filter_map(|span| Some((own(&span.name)?, span.shape.clone())));
            let cell = Cell::of(&node.class_name, &node.config);
            LayerBox {
                name: printable(&node.name),
                class_name: printable(&node.class_name),
                shape: in_letters(&line.1),
                steps: line.1.starts_with("(None, None"),
                parameters: line.2,
                weights: weights.collect(),
                reads: node.inputs.iter().map(|&(from, _)| from).collect(),
                memory: cell.as_ref().map(|cell| memory(&node.class_name, &node.config, cell)),
                cell,
            }
        };
        Self {
            inputs: architecture.inputs.iter().map(input).collect(),
            layers: architecture.layers.iter().zip(&summary.layers).map(layer).collect(),
            outputs: architecture.outputs.iter().map(|&(node, _)| node).collect(),
            parameters: summary.total,
            trainable: summary.trainable,
        }
    }
}

/// Converts Keras's `(None, None, 64)` to `(N, T, 64)`.
fn in_letters(shape: &str) -> String {
    shape.replacen("None", "N", 1).replacen("None", "T", 1)
}

/// Replaces control characters, which a file's names may contain.
fn printable(name: &str) -> String {
    refrain_nn::shown::escaped(name)
}

/// Returns how a layer with this cell carries its state.
fn memory(class_name: &str, config: &Value, cell: &Cell) -> MemoryBox {
    let both = class_name == "Bidirectional";
    let turned = config.get("go_backwards").and_then(Value::as_bool).unwrap_or(false);
    MemoryBox { cell_state: cell.kind == "LSTM", forwards: both || !turned, backwards: both || turned }
}

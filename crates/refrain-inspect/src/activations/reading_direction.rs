//! The direction in which a recurrent layer reads, and the input that it reads.

use refrain_nn::Architecture;
use serde_json::Value;

/// How a recurrent layer's steps correspond to the steps of the model's inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadingDirection {
    /// Whether the layer starts at the end of the sequence.
    pub(crate) backwards: bool,
    /// The input whose steps it follows; `None` after a layer that creates its own steps.
    pub(crate) input: Option<usize>,
}

impl ReadingDirection {
    /// Returns the direction of a layer, by the name that [`Recurrence::layer`](refrain_nn::Recurrence::layer) gives
    /// it. For an unknown layer: the first input, forwards.
    pub(crate) fn of(architecture: &Architecture, layer: &str) -> Self {
        let mut nodes: Vec<ReadingDirection> = (0..architecture.inputs.len())
            .map(|input| ReadingDirection { backwards: false, input: Some(input) })
            .collect();
        for node in &architecture.layers {
            let before = node.inputs.first().and_then(|&(node, _)| nodes.get(node).copied());
            let before = before.unwrap_or(ReadingDirection { backwards: false, input: None });
            let turns = node.config.get("go_backwards").and_then(Value::as_bool).unwrap_or(false);
            let direction = ReadingDirection { backwards: before.backwards != turns, ..before };
            if layer == node.name {
                return direction;
            }
            if let Some(half) = layer.strip_prefix(&node.name).and_then(|rest| rest.strip_prefix('/')) {
                return ReadingDirection {
                    backwards: before.backwards != half.starts_with("backward_"),
                    ..before
                };
            }
            nodes.push(match node.class_name.as_str() {
                "RepeatVector" => ReadingDirection { backwards: false, input: None },
                _ => direction,
            });
        }
        ReadingDirection { backwards: false, input: Some(0) }
    }
}

/// Returns a setting of a recurrent layer's cell, such as its activation.
pub(crate) fn cell_setting<'a>(
    architecture: &'a Architecture,
    layer: &str,
    setting: &str,
) -> Option<&'a str> {
    let own =
        |name: &str| layer == name || layer.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
    let node = architecture.layers.iter().find(|node| own(&node.name))?;
    let config = node.config.pointer("/layer/config").unwrap_or(&node.config);
    config.get("cell")?.get(setting)?.as_str()
}

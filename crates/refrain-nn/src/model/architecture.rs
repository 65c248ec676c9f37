//! The architecture of a model as data, sufficient to rebuild it.

use super::Network;
use crate::error::Error;
use crate::graph::Budget;
use crate::layers::LayerRegistry;
use crate::storage::printable;
use refrain_kernels::{Engine, Isa};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The inputs, layers and outputs of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// The inputs: nodes 0, 1, ….
    pub inputs: Vec<InputSpec>,
    /// The layers, as the nodes after the inputs. Each layer comes after the nodes it reads.
    pub layers: Vec<ArchitectureNode>,
    /// The outputs, as pairs of a node and the index of its output.
    pub outputs: Vec<(usize, usize)>,
}

/// An input of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// The name.
    pub name: String,
    /// The number of features per step; `None` for ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<usize>,
    /// Whether the input has a time axis.
    pub sequence: bool,
}

/// A layer and its connections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchitectureNode {
    /// The layer's type, such as `LSTM`.
    pub class_name: String,
    /// The layer's name in this model, with which the names of its parameters begin.
    pub name: String,
    /// The layer's settings.
    pub config: serde_json::Value,
    /// The inputs, as pairs of a node and the index of its output.
    pub inputs: Vec<(usize, usize)>,
}

impl Architecture {
    /// Returns the name and shape of each parameter of such a model, in order, without allocating the
    /// parameters. All parameters together may have at most `most` values.
    ///
    /// # Errors
    /// Returns an error if the architecture is invalid, or if its model is too large for a file with this
    /// many values.
    pub fn parameters(&self, most: usize) -> Result<Vec<(String, Vec<usize>)>, Error> {
        let model = Network::plan_architecture(
            self,
            Engine::new(Isa::portable(), 1),
            Budget::of_values(most),
            &LayerRegistry::default(),
        )
        .map_err(|reason| Error::ModelFile {
            path: "the architecture".to_owned(),
            reason: printable(&reason),
        })?;
        Ok(model.params().spans().iter().map(|span| (span.name.clone(), span.shape.clone())).collect())
    }
}

impl InputSpec {
    /// Creates an input of sequences of ids, `(N, T)`.
    pub fn ids() -> Self {
        Self { name: "input".into(), features: None, sequence: true }
    }

    /// Creates an input of sequences of `width` features, `(N, T, width)`.
    pub fn features(width: usize) -> Self {
        Self { name: "input".into(), features: Some(width), sequence: true }
    }

    /// Creates an input with one row of `width` features per sequence, `(N, width)`.
    pub fn flat(width: usize) -> Self {
        Self { name: "input".into(), features: Some(width), sequence: false }
    }

    /// Sets the name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }
}

impl fmt::Display for InputSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.features, self.sequence) {
            (None, true) => f.write_str("ids (N, T)"),
            (None, false) => f.write_str("ids (N)"),
            (Some(width), true) => write!(f, "features (N, T, {width})"),
            (Some(width), false) => write!(f, "features (N, {width})"),
        }
    }
}

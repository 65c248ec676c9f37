//! What a model is made of, as data: enough to build it again.

use super::Network;
use crate::error::Error;
use crate::graph::Budget;
use crate::layers::LayerRegistry;
use crate::storage::printable;
use refrain_kernels::{Engine, Isa};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A network's inputs, layers and outputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// The inputs: nodes 0, 1, ….
    pub inputs: Vec<InputSpec>,
    /// The layers, each after those it reads: the nodes after the inputs.
    pub layers: Vec<ArchitectureNode>,
    /// Which outputs of which nodes are the model's.
    pub outputs: Vec<(usize, usize)>,
}

/// An input of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Its name.
    pub name: String,
    /// Floats of a step; none for ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<usize>,
    /// Whether it has a time axis.
    pub sequence: bool,
}

/// A layer in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchitectureNode {
    /// The layer's kind, `LSTM`.
    pub class_name: String,
    /// Its name in this model, the first part of its parameters' names.
    pub name: String,
    /// Its settings.
    pub config: serde_json::Value,
    /// Which outputs of which nodes it reads.
    pub inputs: Vec<(usize, usize)>,
}

impl Architecture {
    /// The name and shape of each parameter of such a model, in their order, where all have at most this many values
    /// together. Takes no memory for the parameters.
    ///
    /// # Errors
    /// When it does not describe a model, or one that is larger than a file of this many values may hold.
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
    /// Sequences of ids, `(N, T)`.
    pub fn ids() -> Self {
        Self { name: "input".into(), features: None, sequence: true }
    }

    /// Sequences of `width` features, `(N, T, width)`.
    pub fn features(width: usize) -> Self {
        Self { name: "input".into(), features: Some(width), sequence: true }
    }

    /// One row of `width` features a sequence, `(N, width)`.
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

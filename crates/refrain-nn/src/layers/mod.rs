//! Layers: descriptions from which a model's operations are planned.

#[macro_use]
mod macros;

mod activation;
mod activity_penalty;
mod adaptive;
mod affine;
mod bidirectional;
mod blocks;
mod dense;
mod dropout;
mod embedding;
mod masking;
mod merge;
mod norm;
mod recurrent;
mod registry;
mod repeat;
mod reverse;
mod spatial_dropout;
#[cfg(test)]
mod tests;
mod tied;
mod time_distributed;

pub use activation::ActivationLayer;
pub use activity_penalty::ActivityPenalty;
pub use adaptive::AdaptiveSoftmax;
pub(crate) use adaptive::{AdaptiveOp, Weights, reserve};
pub(crate) use affine::Affine;
pub(crate) use bidirectional::snake_case;
pub use bidirectional::{Bidirectional, MergeMode, RecurrentLayer};
pub(crate) use blocks::Blocks;
pub use dense::Dense;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use masking::Masking;
pub use merge::{Add, Concatenate};
pub use norm::LayerNormalization;
pub use recurrent::{
    CellConfig, Gru, GruCell, Lstm, LstmCell, Recurrent, RecurrentMask, SimpleRnn, SimpleRnnCell,
};
pub use registry::LayerRegistry;
pub use repeat::RepeatVector;
pub use spatial_dropout::SpatialDropout1D;
pub use tied::TiedDense;
pub use time_distributed::TimeDistributed;

use crate::error::Error;
use crate::graph::{EdgeId, Plan};
use std::fmt;

/// A layer: a description that declares its parameters and operations when a model is built.
///
/// Implement it for custom layers, either with your own operations ([`crate::graph::Op`]) or by lowering to
/// other layers.
pub trait Layer: fmt::Debug + Send + Sync {
    /// Returns the layer's type name, as shown in model files and `summary`: `LSTM`, `Dense`.
    fn class_name(&self) -> &'static str;

    /// Returns the name that the user gave the layer. If there is none, the model derives one from the class
    /// name.
    fn name(&self) -> Option<&str>;

    /// Returns the settings, from which the layer can be rebuilt.
    fn config(&self) -> serde_json::Value;

    /// Returns whether training changes the layer's parameters.
    fn trainable(&self) -> bool {
        true
    }

    /// Declares the parameters and operations that compute the layer's outputs from `inputs`.
    ///
    /// # Errors
    /// Returns an error if a setting is out of range or an input does not fit.
    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error>;

    /// Returns the layer without anything that is random in training and without penalties on activations.
    /// The parameters and their order stay the same. A layer that has neither returns a copy of itself.
    fn without_dropout(&self) -> Box<dyn Layer> {
        self.boxed_clone()
    }

    /// Returns a boxed copy of the layer.
    fn boxed_clone(&self) -> Box<dyn Layer>;
}

impl Clone for Box<dyn Layer> {
    fn clone(&self) -> Self {
        self.boxed_clone()
    }
}

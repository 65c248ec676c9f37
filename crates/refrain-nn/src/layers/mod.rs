//! Layers: descriptions that plan operations.

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
/// Users implement it for layers of their own, from operations of their own ([`crate::graph::Op`]) or by
/// lowering to other layers.
pub trait Layer: fmt::Debug + Send + Sync {
    /// The name of its kind, as a model file and `summary` show it: `LSTM`, `Dense`.
    fn class_name(&self) -> &'static str;

    /// The name the user gave it; a model makes one from the class name where there is none.
    fn name(&self) -> Option<&str>;

    /// Its settings, from which it can be made again.
    fn config(&self) -> serde_json::Value;

    /// Whether training changes its parameters.
    fn trainable(&self) -> bool {
        true
    }

    /// Declares parameters and operations that compute its outputs from `inputs`.
    ///
    /// # Errors
    /// When a setting is out of range or an input does not fit.
    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error>;

    /// The layer without what is random in training and without penalties on activations; parameters and their order
    /// are the same. A layer that has neither is its own copy.
    fn without_dropout(&self) -> Box<dyn Layer> {
        self.boxed_clone()
    }

    /// Its copy.
    fn boxed_clone(&self) -> Box<dyn Layer>;
}

impl Clone for Box<dyn Layer> {
    fn clone(&self) -> Self {
        self.boxed_clone()
    }
}

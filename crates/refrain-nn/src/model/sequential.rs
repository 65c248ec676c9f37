//! A chain of layers.

use super::Model;
use super::architecture::InputSpec;
use super::compile::Compile;
use super::network::Network;
use crate::error::Error;
use crate::layers::Layer;

/// A chain of layers.
///
/// ```no_run
/// # use refrain_nn::{Sequential, Compile, Activation, layers::*, loss::Loss};
/// # fn main() -> Result<(), refrain_nn::Error> {
/// let model = Sequential::new()
///     .add(Embedding::new(50, 10))
///     .add(Lstm::new(20))
///     .add(Dense::new(50).activation(Activation::Softmax))
///     .compile(Compile { loss: Loss::SparseCategoricalCrossentropy, ..Default::default() })?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Sequential {
    input: Option<InputSpec>,
    layers: Vec<Box<dyn Layer>>,
}

impl Sequential {
    /// Creates a chain without layers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the input. It can be omitted if the first layer is an Embedding, which takes sequences of ids.
    pub fn input(mut self, spec: InputSpec) -> Self {
        self.input = Some(spec);
        self
    }

    /// Adds a layer.
    #[allow(clippy::should_implement_trait, reason = "Keras's word for it")]
    pub fn add(mut self, layer: impl Layer + 'static) -> Self {
        self.layers.push(Box::new(layer));
        self
    }

    /// Builds the model with new parameters, ready to train.
    ///
    /// # Errors
    /// Returns an error if the input is unknown, a setting is out of range, or two consecutive layers do not
    /// fit.
    pub fn compile(self, compile: Compile) -> Result<Model, Error> {
        let Some(first) = self.layers.first() else {
            return Err(Error::connection("Sequential", "not connected", "connected to at least one layer"));
        };
        let input = match self.input {
            Some(input) => input,
            None if first.class_name() == "Embedding" => InputSpec::ids(),
            None => {
                return Err(Error::connection(
                    first.class_name(),
                    "unknown",
                    "declared: call `.input(InputSpec::features(width))` before adding layers",
                ));
            }
        };
        let mut network = Network::new();
        let mut tensors = vec![network.input(input)];
        for layer in self.layers {
            tensors = network.add_boxed(layer, &tensors[..1])?;
        }
        network.compile(&tensors, compile)
    }
}

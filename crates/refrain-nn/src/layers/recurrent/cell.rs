//! The recurrences of the three recurrent layers.

use crate::activation::Activation;
use crate::error::Error;
use crate::init::Initializer;
use refrain_kernels as kernels;
use refrain_kernels::recurrent::Cell;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

/// The settings of a recurrence, implemented by [`SimpleRnnCell`], [`LstmCell`] and [`GruCell`].
pub trait CellConfig:
    Clone + Debug + Default + PartialEq + Send + Sync + Serialize + DeserializeOwned + 'static
{
    /// Keras's name for the layer with this cell.
    const CLASS_NAME: &'static str;

    /// Returns the recurrence for the kernels.
    ///
    /// # Errors
    /// Returns an error if an activation's derivative cannot be computed from its output.
    fn kernel(&self, layer: &str) -> Result<Cell, Error>;

    /// Returns the bias's initialiser, given the layer's.
    fn bias(&self, initializer: Initializer) -> Initializer {
        initializer
    }

    /// Returns the activation of the hidden state.
    fn activation_mut(&mut self) -> &mut Activation;
}

fn elementwise(
    activation: Activation,
    layer: &str,
    setting: &'static str,
) -> Result<kernels::Elementwise, Error> {
    activation
        .elementwise()
        .ok_or_else(|| Error::setting(layer, setting, activation, "an elementwise activation"))
}

/// The settings of a [`super::SimpleRnn`] cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimpleRnnCell {
    /// The activation of the hidden state; tanh by default.
    pub activation: Activation,
}

/// The settings of an [`super::Lstm`] cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LstmCell {
    /// The activation of the candidate and of the cell state's output; tanh by default.
    pub activation: Activation,
    /// The activation of the gates; sigmoid by default.
    pub recurrent_activation: Activation,
    /// Whether the forget gate's bias starts at 1; true by default.
    pub unit_forget_bias: bool,
}

/// The settings of a [`super::Gru`] cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GruCell {
    /// The activation of the candidate; tanh by default.
    pub activation: Activation,
    /// The activation of the gates; sigmoid by default.
    pub recurrent_activation: Activation,
    /// Whether the reset gate is applied after the recurrent product; true by default.
    pub reset_after: bool,
}

impl Default for SimpleRnnCell {
    fn default() -> Self {
        Self { activation: Activation::Tanh }
    }
}

impl Default for LstmCell {
    fn default() -> Self {
        Self {
            activation: Activation::Tanh,
            recurrent_activation: Activation::Sigmoid,
            unit_forget_bias: true,
        }
    }
}

impl Default for GruCell {
    fn default() -> Self {
        Self { activation: Activation::Tanh, recurrent_activation: Activation::Sigmoid, reset_after: true }
    }
}

impl CellConfig for SimpleRnnCell {
    const CLASS_NAME: &'static str = "SimpleRNN";

    fn kernel(&self, layer: &str) -> Result<Cell, Error> {
        Ok(Cell::SimpleRnn { activation: elementwise(self.activation, layer, "activation")? })
    }

    fn activation_mut(&mut self) -> &mut Activation {
        &mut self.activation
    }
}

impl CellConfig for LstmCell {
    const CLASS_NAME: &'static str = "LSTM";

    fn kernel(&self, layer: &str) -> Result<Cell, Error> {
        Ok(Cell::Lstm {
            activation: elementwise(self.activation, layer, "activation")?,
            recurrent_activation: elementwise(self.recurrent_activation, layer, "recurrent_activation")?,
        })
    }

    fn bias(&self, initializer: Initializer) -> Initializer {
        if self.unit_forget_bias {
            Initializer::UnitForgetBias { base: Box::new(initializer) }
        } else {
            initializer
        }
    }

    fn activation_mut(&mut self) -> &mut Activation {
        &mut self.activation
    }
}

impl CellConfig for GruCell {
    const CLASS_NAME: &'static str = "GRU";

    fn kernel(&self, layer: &str) -> Result<Cell, Error> {
        Ok(Cell::Gru {
            activation: elementwise(self.activation, layer, "activation")?,
            recurrent_activation: elementwise(self.recurrent_activation, layer, "recurrent_activation")?,
            reset_after: self.reset_after,
        })
    }

    fn activation_mut(&mut self) -> &mut Activation {
        &mut self.activation
    }
}

//! What the three recurrent layers do not share: their recurrence.

use crate::activation::Activation;
use crate::error::Error;
use crate::init::Initializer;
use refrain_kernels as kernels;
use refrain_kernels::recurrent::Cell;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

/// The settings of a recurrence. Implemented by [`SimpleRnnCell`], [`LstmCell`] and [`GruCell`].
pub trait CellConfig:
    Clone + Debug + Default + PartialEq + Send + Sync + Serialize + DeserializeOwned + 'static
{
    /// Keras's name of the layer with this cell.
    const CLASS_NAME: &'static str;

    /// The recurrence that kernels run.
    ///
    /// # Errors
    /// When an activation has no derivative that follows from its output.
    fn kernel(&self, layer: &str) -> Result<Cell, Error>;

    /// How the bias begins, given the layer's initialiser.
    fn bias(&self, initializer: Initializer) -> Initializer {
        initializer
    }

    /// The activation of the hidden state.
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

/// Of a [`super::SimpleRnn`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimpleRnnCell {
    /// Of the hidden state; tanh by default.
    pub activation: Activation,
}

/// Of an [`super::Lstm`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LstmCell {
    /// Of the candidate and of the cell state's output; tanh by default.
    pub activation: Activation,
    /// Of the gates; sigmoid by default.
    pub recurrent_activation: Activation,
    /// Whether the forget gate's bias begins at 1; yes by default.
    pub unit_forget_bias: bool,
}

/// Of a [`super::Gru`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GruCell {
    /// Of the candidate; tanh by default.
    pub activation: Activation,
    /// Of the gates; sigmoid by default.
    pub recurrent_activation: Activation,
    /// Whether the reset gate is applied after the recurrent product; yes by default.
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

//! Dense: `y = activation(x · kernel + bias)` on every row.

use super::Layer;
use super::activation::lower_activation;
use super::affine::Affine;
use crate::activation::Activation;
use crate::error::Error;
use crate::graph::{EdgeId, Plan};
use crate::init::Initializer;
use crate::params::ParamSpec;
use crate::regularizer::Regularizer;
use serde::{Deserialize, Serialize};

/// A fully connected layer: `y = activation(x · kernel + bias)`.
///
/// The input is `(…, I)`, the output `(…, units)`. On a sequence the layer is applied to every step, so
/// [`super::TimeDistributed`] is not needed. Parameters: `kernel` `(I, units)`, `bias` `(units)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// The width of the output.
    pub units: usize,
    /// The activation.
    #[serde(default)]
    pub activation: Activation,
    /// Whether to add a bias.
    #[serde(default = "yes")]
    pub use_bias: bool,
    /// The kernel's initialiser; Glorot uniform by default.
    #[serde(default = "glorot")]
    pub kernel_initializer: Initializer,
    /// The bias's initialiser; zeros by default.
    #[serde(default = "zeros")]
    pub bias_initializer: Initializer,
    /// The penalty on the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_regularizer: Option<Regularizer>,
    /// The penalty on the bias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bias_regularizer: Option<Regularizer>,
    /// Whether training changes the layer's parameters.
    #[serde(default = "yes")]
    pub trainable: bool,
    /// The name, if the user gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The largest width: far beyond practical models, and small enough that products of a few sizes do not
/// overflow.
pub(super) const MAX_UNITS: usize = 1 << 24;

pub(super) fn check_units(layer: &str, units: usize) -> Result<(), Error> {
    if (1..=MAX_UNITS).contains(&units) {
        return Ok(());
    }
    Err(Error::setting(layer, "units", units, format!("from 1 to {MAX_UNITS}")))
}

pub(super) fn yes() -> bool {
    true
}

pub(super) fn glorot() -> Initializer {
    Initializer::GlorotUniform
}

pub(super) fn zeros() -> Initializer {
    Initializer::Zeros
}

impl Dense {
    /// Creates a linear layer with `units` outputs and Keras's defaults.
    pub fn new(units: usize) -> Self {
        Self {
            units,
            activation: Activation::Linear,
            use_bias: true,
            kernel_initializer: glorot(),
            bias_initializer: zeros(),
            kernel_regularizer: None,
            bias_regularizer: None,
            trainable: true,
            name: None,
        }
    }

    setters! {
        /// Sets the activation.
        activation: Activation,
        /// Sets whether to add a bias.
        use_bias: bool,
        /// Sets the kernel's initialiser.
        kernel_initializer: Initializer,
        /// Sets the bias's initialiser.
        bias_initializer: Initializer,
        /// Sets the kernel's penalty.
        kernel_regularizer: Some(Regularizer),
        /// Sets the bias's penalty.
        bias_regularizer: Some(Regularizer),
        name,
        /// Sets whether training changes the layer's parameters.
        trainable: bool,
    }
}

impl Layer for Dense {
    named_layer!("Dense", trainable);

    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        let input = plan.one(inputs)?;
        let width = plan.features(input)?;
        check_units(plan.name(), self.units)?;
        let kernel = plan.param(ParamSpec {
            name: "kernel",
            shape: vec![width, self.units],
            initializer: self.kernel_initializer.clone(),
            regularizer: self.kernel_regularizer,
            decay: true,
        })?;
        let bias = if self.use_bias {
            Some(plan.param(ParamSpec {
                name: "bias",
                shape: vec![self.units],
                initializer: self.bias_initializer.clone(),
                regularizer: self.bias_regularizer,
                decay: true,
            })?)
        } else {
            None
        };
        let sum = Affine::new(kernel, bias, width, self.units).lower(plan, input);
        Ok(vec![lower_activation(plan, self.activation, sum)])
    }
}

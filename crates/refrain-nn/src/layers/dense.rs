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

/// A densely connected layer: `y = activation(x · kernel + bias)`.
///
/// Input `(…, I)`, output `(…, units)`; on a sequence it works on every step, so [`super::TimeDistributed`] is
/// not needed for it. Parameters: `kernel` `(I, units)`, `bias` `(units)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Width of the output.
    pub units: usize,
    /// Applied to the sum.
    #[serde(default)]
    pub activation: Activation,
    /// Whether a bias is added.
    #[serde(default = "yes")]
    pub use_bias: bool,
    /// Of the kernel; Glorot uniform by default.
    #[serde(default = "glorot")]
    pub kernel_initializer: Initializer,
    /// Of the bias; zeros by default.
    #[serde(default = "zeros")]
    pub bias_initializer: Initializer,
    /// Penalty on the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_regularizer: Option<Regularizer>,
    /// Penalty on the bias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bias_regularizer: Option<Regularizer>,
    /// Whether training changes it.
    #[serde(default = "yes")]
    pub trainable: bool,
    /// Its name, if the user gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The widest layer: far beyond what trains, and small enough that no product of a few sizes overflows.
pub(super) const MOST_UNITS: usize = 1 << 24;

pub(super) fn check_units(layer: &str, units: usize) -> Result<(), Error> {
    if (1..=MOST_UNITS).contains(&units) {
        return Ok(());
    }
    Err(Error::setting(layer, "units", units, format!("from 1 to {MOST_UNITS}")))
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
    /// `units` outputs, linear, with Keras's defaults.
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
        /// Sets whether a bias is added.
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
        /// Sets whether training changes it.
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

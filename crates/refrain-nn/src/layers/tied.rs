//! An output layer that shares an embedding's weights.

use super::Layer;
use super::activation::lower_activation;
use super::affine::Affine;
use super::dense::{yes, zeros};
use crate::activation::Activation;
use crate::error::Error;
use crate::graph::{EdgeId, Plan};
use crate::init::Initializer;
use crate::params::ParamSpec;
use crate::shown::counted;
use serde::{Deserialize, Serialize};

/// A dense layer whose kernel is the transpose of another layer's parameter: `y = activation(x · Eᵀ + bias)`.
/// Press & Wolf (2017) and Inan et al. (2017) tie the output of a language model to its embedding in this
/// way.
///
/// The input is `(…, D)` and the output `(…, V)` for a parameter `(V, D)`. Its own parameter is `bias` `(V)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TiedDense {
    /// The full name of the shared parameter, such as `embedding/embeddings`.
    pub parameter: String,
    /// The activation.
    #[serde(default)]
    pub activation: Activation,
    /// Whether to add a bias.
    #[serde(default = "yes")]
    pub use_bias: bool,
    /// The bias's initialiser; zeros by default.
    #[serde(default = "zeros")]
    pub bias_initializer: Initializer,
    /// The name, if the user gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl TiedDense {
    /// Creates a linear layer that shares the parameter with this full name.
    pub fn new(parameter: impl Into<String>) -> Self {
        Self {
            parameter: parameter.into(),
            activation: Activation::Linear,
            use_bias: true,
            bias_initializer: zeros(),
            name: None,
        }
    }

    setters! {
        /// Sets the activation.
        activation: Activation,
        /// Sets whether to add a bias.
        use_bias: bool,
        name,
    }
}

impl Layer for TiedDense {
    named_layer!("TiedDense");

    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        let input = plan.one(inputs)?;
        let width = plan.features(input)?;
        let shared = plan.find_param(&self.parameter).ok_or_else(|| {
            Error::setting(
                plan.name(),
                "parameter",
                &self.parameter,
                "the full name of an earlier layer's parameter",
            )
        })?;
        let shape = plan.param_shape(shared).to_vec();
        let &[vocab, columns] = &shape[..] else {
            return Err(Error::setting(plan.name(), "parameter", format!("{shape:?}"), "a matrix"));
        };
        if columns != width {
            let expected = format!("{}, the width of `{}`", counted(columns, "feature"), self.parameter);
            return Err(Error::connection(plan.name(), plan.spec(input), expected));
        }
        let bias = if self.use_bias {
            Some(plan.param(ParamSpec {
                name: "bias",
                shape: vec![vocab],
                initializer: self.bias_initializer.clone(),
                regularizer: None,
                decay: true,
            })?)
        } else {
            None
        };
        let sum = Affine::transposed(shared, bias, width, vocab).lower(plan, input);
        Ok(vec![lower_activation(plan, self.activation, sum)])
    }
}

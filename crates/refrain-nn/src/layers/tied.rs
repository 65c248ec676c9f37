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
use serde::{Deserialize, Serialize};

/// A dense layer whose kernel is the transpose of another layer's parameter: `y = activation(x · Eᵀ + bias)`,
/// as Press & Wolf (2017) and Inan et al. (2017) tie the output of a language model to its embedding.
///
/// Input `(…, D)`, output `(…, V)` for a parameter `(V, D)`. Own parameter: `bias` `(V)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TiedDense {
    /// The full name of the shared parameter, `embedding/embeddings`.
    pub parameter: String,
    /// Applied to the sum.
    #[serde(default)]
    pub activation: Activation,
    /// Whether a bias is added.
    #[serde(default = "yes")]
    pub use_bias: bool,
    /// Of the bias; zeros by default.
    #[serde(default = "zeros")]
    pub bias_initializer: Initializer,
    /// Its name, if the user gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl TiedDense {
    /// Shares the parameter of this full name, linear.
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
        /// Sets whether a bias is added.
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
            let expected = format!("{columns} features, as wide as `{}`", self.parameter);
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

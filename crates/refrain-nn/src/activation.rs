//! The activations of layers, under Keras's names.

use refrain_kernels::Elementwise;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An elementwise activation, or softmax over the features of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x`
    #[default]
    Linear,
    /// `tanh x`
    Tanh,
    /// `1 / (1 + e^−x)`
    Sigmoid,
    /// `min(max(x + 3, 0), 6) / 6`
    HardSigmoid,
    /// `max(x, 0)`
    Relu,
    /// `x` above zero, else `e^x − 1`
    Elu,
    /// `scale · x` above zero, else `scale · α · (e^x − 1)` (Klambauer et al. 2017)
    Selu,
    /// `x / (1 + |x|)`
    Softsign,
    /// `ln(1 + e^x)`
    Softplus,
    /// `e^x`
    Exponential,
    /// `e^x / Σ e^x` over the features of a row; not for gates and states.
    Softmax,
}

impl Activation {
    /// Every activation but softmax. These are the ones that cells accept.
    pub const ELEMENTWISE: [Self; 10] = [
        Self::Linear,
        Self::Tanh,
        Self::Sigmoid,
        Self::HardSigmoid,
        Self::Relu,
        Self::Elu,
        Self::Selu,
        Self::Softsign,
        Self::Softplus,
        Self::Exponential,
    ];

    /// Returns the kernels' form; `None` for softmax, which is no function of one element.
    pub(crate) fn elementwise(self) -> Option<Elementwise> {
        Some(match self {
            Self::Linear => Elementwise::Linear,
            Self::Tanh => Elementwise::Tanh,
            Self::Sigmoid => Elementwise::Sigmoid,
            Self::HardSigmoid => Elementwise::HardSigmoid,
            Self::Relu => Elementwise::Relu,
            Self::Elu => Elementwise::Elu,
            Self::Selu => Elementwise::Selu,
            Self::Softsign => Elementwise::Softsign,
            Self::Softplus => Elementwise::Softplus,
            Self::Exponential => Elementwise::Exponential,
            Self::Softmax => return None,
        })
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.elementwise().map_or("softmax", Elementwise::name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activation_names_match_the_kernels() {
        for (kernel, layer) in Elementwise::ALL.into_iter().zip(Activation::ELEMENTWISE) {
            assert_eq!(layer.elementwise(), Some(kernel));
            assert_eq!(layer.to_string(), kernel.name());
            assert_eq!(serde_json::to_string(&layer).unwrap(), format!("\"{layer}\""));
        }
        assert_eq!(Activation::Softmax.elementwise(), None);
        assert_eq!(serde_json::to_string(&Activation::Softmax).unwrap(), "\"softmax\"");
    }
}

//! The activations of layers, under Keras's names.

use refrain_kernels as kernels;
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
    /// All but softmax: those that cells know.
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

    /// The elementwise form that kernels know; none for softmax.
    pub(crate) fn elementwise(self) -> Option<kernels::Activation> {
        kernels::Activation::from_name(&self.to_string())
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Activation::Linear => "linear",
            Activation::Tanh => "tanh",
            Activation::Sigmoid => "sigmoid",
            Activation::HardSigmoid => "hard_sigmoid",
            Activation::Relu => "relu",
            Activation::Elu => "elu",
            Activation::Selu => "selu",
            Activation::Softsign => "softsign",
            Activation::Softplus => "softplus",
            Activation::Exponential => "exponential",
            Activation::Softmax => "softmax",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_activation_has_its_layer_twin() {
        for (kernel, layer) in kernels::Activation::ALL.into_iter().zip(Activation::ELEMENTWISE) {
            let json = format!("\"{}\"", kernel.name());
            assert_eq!(serde_json::from_str::<Activation>(&json).unwrap(), layer);
            assert_eq!(layer.elementwise(), Some(kernel));
            assert_eq!(serde_json::to_string(&layer).unwrap(), json);
        }
        assert_eq!(Activation::Softmax.elementwise(), None);
    }
}

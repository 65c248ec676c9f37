//! The activations of cells and layers, by name.

/// An activation whose derivative follows from its output, with Keras's definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `x`
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
}

impl Activation {
    /// Every activation.
    pub const ALL: [Activation; 10] = [
        Activation::Linear,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::HardSigmoid,
        Activation::Relu,
        Activation::Elu,
        Activation::Selu,
        Activation::Softsign,
        Activation::Softplus,
        Activation::Exponential,
    ];

    /// Keras's name for it.
    ///
    /// ```
    /// use refrain_kernels::Activation;
    /// assert_eq!(Activation::HardSigmoid.name(), "hard_sigmoid");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
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
        }
    }

    /// The activation of this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name() == name)
    }
}

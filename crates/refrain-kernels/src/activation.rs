//! Elementwise activations, by name.

/// An activation that works on each element alone and whose derivative follows from its output. The definitions are
/// Keras's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Elementwise {
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

impl Elementwise {
    /// Every activation.
    pub const ALL: [Elementwise; 10] = [
        Elementwise::Linear,
        Elementwise::Tanh,
        Elementwise::Sigmoid,
        Elementwise::HardSigmoid,
        Elementwise::Relu,
        Elementwise::Elu,
        Elementwise::Selu,
        Elementwise::Softsign,
        Elementwise::Softplus,
        Elementwise::Exponential,
    ];

    /// Keras's name for it.
    ///
    /// ```
    /// use refrain_kernels::Elementwise;
    /// assert_eq!(Elementwise::HardSigmoid.name(), "hard_sigmoid");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Elementwise::Linear => "linear",
            Elementwise::Tanh => "tanh",
            Elementwise::Sigmoid => "sigmoid",
            Elementwise::HardSigmoid => "hard_sigmoid",
            Elementwise::Relu => "relu",
            Elementwise::Elu => "elu",
            Elementwise::Selu => "selu",
            Elementwise::Softsign => "softsign",
            Elementwise::Softplus => "softplus",
            Elementwise::Exponential => "exponential",
        }
    }
}

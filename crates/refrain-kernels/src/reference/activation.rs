//! Activations as Keras defines them (`keras/src/activations/activations.py`).

use super::Real;
use crate::Elementwise;

/// α of SELU (Klambauer et al. 2017), as Keras writes it.
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
/// The scale of SELU.
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

/// `act(x)`
pub fn apply<T: Real>(activation: Elementwise, x: T) -> T {
    let c = T::from_f64;
    match activation {
        Elementwise::Linear => x,
        Elementwise::Tanh => x.tanh(),
        Elementwise::Sigmoid => sigmoid(x),
        Elementwise::HardSigmoid => clamp(x + c(3.0), T::ZERO, c(6.0)) / c(6.0),
        Elementwise::Relu => clamp_below(x, T::ZERO),
        Elementwise::Elu => elu(x),
        Elementwise::Selu if x > T::ZERO => c(SELU_SCALE) * x,
        Elementwise::Selu => c(SELU_SCALE) * c(SELU_ALPHA) * x.exp_m1(),
        Elementwise::Softsign => x / (T::ONE + x.abs()),
        Elementwise::Softplus => softplus(x),
        Elementwise::Exponential => x.exp(),
    }
}

/// Returns `act′(x)`, computed from `y = act(x)`. At a kink, the derivative is that of the flat side, as in
/// TensorFlow and PyTorch.
pub fn derivative_from_output<T: Real>(activation: Elementwise, y: T) -> T {
    let c = T::from_f64;
    match activation {
        Elementwise::Linear => T::ONE,
        Elementwise::Tanh => T::ONE - y * y,
        Elementwise::Sigmoid => y * (T::ONE - y),
        Elementwise::HardSigmoid if y > T::ZERO && y < T::ONE => T::ONE / c(6.0),
        Elementwise::HardSigmoid => T::ZERO,
        Elementwise::Relu if y > T::ZERO => T::ONE,
        Elementwise::Relu => T::ZERO,
        Elementwise::Elu if y > T::ZERO => T::ONE,
        Elementwise::Elu => y + T::ONE,
        Elementwise::Selu if y > T::ZERO => c(SELU_SCALE),
        Elementwise::Selu => y + c(SELU_SCALE) * c(SELU_ALPHA),
        Elementwise::Softsign => (T::ONE - y.abs()) * (T::ONE - y.abs()),
        Elementwise::Softplus => -(-y).exp_m1(),
        Elementwise::Exponential => y,
    }
}

/// `1 / (1 + e^−x)`
pub(super) fn sigmoid<T: Real>(x: T) -> T {
    T::ONE / (T::ONE + (-x).exp())
}

/// `ln(1 + e^x)`, computed so that e^x cannot overflow.
pub(super) fn softplus<T: Real>(x: T) -> T {
    clamp_below(x, T::ZERO) + (-x.abs()).exp().ln_1p()
}

fn elu<T: Real>(x: T) -> T {
    if x > T::ZERO { x } else { x.exp_m1() }
}

/// `max(x, low)`, but NaN stays NaN, unlike with `Real::max`.
fn clamp_below<T: Real>(x: T, low: T) -> T {
    if x < low { low } else { x }
}

/// `min(max(x, low), high)`, but NaN stays NaN.
pub(super) fn clamp<T: Real>(x: T, low: T, high: T) -> T {
    let x = clamp_below(x, low);
    if x > high { high } else { x }
}

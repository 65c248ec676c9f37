//! Vector exp, sigmoid, tanh and the activation functions.

use crate::activation::Elementwise;
use crate::layout::SLOT;
use crate::simd::Simd;

/// Coefficients of e^r on |r| ≤ ln 2 / 2, highest power first, then r², r and 1 (Cephes `expf`).
const EXP: [f32; 6] = [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5];
/// ln 2 in two parts: the first has few enough bits that `n · LN2_HIGH` is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// Coefficients of (tanh x − x) / x³ in x² on |x| < 0.625, highest power first (Cephes `tanhf`).
#[allow(clippy::excessive_precision, reason = "as published")]
const TANH: [f32; 5] = [-5.704_988_6e-3, 2.063_908_9e-2, -5.373_971_5e-2, 0.133_314_42, -0.333_332_82];
const TANH_SMALL: f32 = 0.625;

const SELU_SCALE: f32 = 1.050_701;
/// The scale times α: minus the limit of SELU at −∞.
const SELU_LOW: f32 = 1.758_099_3;

/// ln 2 / 2: the polynomial of `exp` is accurate up to here.
const EXPM1_SMALL: f32 = 0.346_573_6;

/// Returns e^x. Results beyond the largest float are infinite; those below the smallest subnormal are zero.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    // With this operand order, a NaN passes through both clamps.
    let x = s.min(s.splat(89.0), s.max(s.splat(-104.0), x));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    let r = s.fma(n, s.splat(-LN2_HIGH), x);
    let r = s.fma(n, s.splat(-LN2_LOW), r);
    s.scale(s.add(exp_minus_one(s, r), s.splat(1.0)), n)
}

/// Returns e^r − 1 for |r| ≤ ln 2 / 2.
#[inline(always)]
fn exp_minus_one<S: Simd>(s: S, r: S::F) -> S::F {
    let mut p = s.splat(EXP[0]);
    for c in &EXP[1..] {
        p = s.fma(p, r, s.splat(*c));
    }
    s.fma(p, s.mul(r, r), r)
}

/// Returns 1 − e^−y for y ≥ 0, with the polynomial of `exp` near zero, where the difference would lose digits.
#[inline(always)]
fn one_minus_exp_of_minus<S: Simd>(s: S, y: S::F) -> S::F {
    let r = s.sub(s.splat(0.0), y);
    let small = s.sub(s.splat(0.0), exp_minus_one(s, r));
    let large = s.sub(s.splat(1.0), exp(s, r));
    s.select(s.lt(y, s.splat(EXPM1_SMALL)), small, large)
}

/// Returns 1 / (1 + e^−x). If e^−x is infinite, for results below 2⁻¹²⁸, the result is zero.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.sub(s.splat(0.0), x))))
}

/// Returns tanh x, with an odd polynomial near zero, where 1 − 2 / (e^2x + 1) would lose digits.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(s: S, x: S::F) -> S::F {
    let z = s.mul(x, x);
    let mut p = s.splat(TANH[0]);
    for c in &TANH[1..] {
        p = s.fma(p, z, s.splat(*c));
    }
    let size = s.abs(x);
    let small = s.fma(s.mul(p, z), size, size);
    let one = s.splat(1.0);
    let e = exp(s, s.add(size, size));
    let large = s.sub(one, s.div(s.splat(2.0), s.add(e, one)));
    // The sign is set last: the polynomial alone would lose that of −0.
    s.copysign(s.select(s.lt(size, s.splat(TANH_SMALL)), small, large), x)
}

/// An activation that a kernel is compiled for: any of them, or a fixed one.
///
/// A fixed one leaves no branch between the activations of a row, so that the work of several rows overlaps.
pub(crate) trait Activate: Copy + Sync {
    fn name(self) -> Elementwise;
}

impl Activate for Elementwise {
    #[inline(always)]
    fn name(self) -> Elementwise {
        self
    }
}

/// Fixed [`Elementwise::Tanh`].
#[derive(Clone, Copy)]
pub(crate) struct Tanh;

impl Activate for Tanh {
    #[inline(always)]
    fn name(self) -> Elementwise {
        Elementwise::Tanh
    }
}

/// Fixed [`Elementwise::Sigmoid`].
#[derive(Clone, Copy)]
pub(crate) struct Sigmoid;

impl Activate for Sigmoid {
    #[inline(always)]
    fn name(self) -> Elementwise {
        Elementwise::Sigmoid
    }
}

/// Applies an activation lane by lane.
#[inline(always)]
pub(crate) fn activate<S: Simd>(s: S, activation: impl Activate, x: S::F) -> S::F {
    let (zero, one) = (s.splat(0.0), s.splat(1.0));
    match activation.name() {
        Elementwise::Linear => x,
        Elementwise::Tanh => tanh(s, x),
        Elementwise::Sigmoid => sigmoid(s, x),
        Elementwise::HardSigmoid => {
            let y = s.mul(s.add(x, s.splat(3.0)), s.splat(1.0 / 6.0));
            s.min(one, s.max(zero, y))
        }
        Elementwise::Relu => s.max(zero, x),
        Elementwise::Elu => s.select(s.lt(zero, x), x, s.sub(exp(s, x), one)),
        Elementwise::Selu => {
            let low = s.splat(SELU_LOW);
            let below = s.fma(low, exp(s, x), s.sub(zero, low));
            s.select(s.lt(zero, x), s.mul(s.splat(SELU_SCALE), x), below)
        }
        Elementwise::Softsign => s.div(x, s.add(one, s.abs(x))),
        Elementwise::Softplus => each(s, x, |x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
        Elementwise::Exponential => exp(s, x),
    }
}

/// Returns `d` times the derivative of an activation, computed from the activation's output `y`.
#[inline(always)]
pub(crate) fn derive<S: Simd>(s: S, activation: impl Activate, y: S::F, d: S::F) -> S::F {
    let (zero, one) = (s.splat(0.0), s.splat(1.0));
    let slope = match activation.name() {
        Elementwise::Linear => return d,
        Elementwise::Tanh => s.sub(one, s.mul(y, y)),
        Elementwise::Sigmoid => s.mul(y, s.sub(one, y)),
        Elementwise::HardSigmoid => {
            let inside = s.select(s.lt(y, one), s.splat(1.0 / 6.0), zero);
            s.select(s.lt(zero, y), inside, zero)
        }
        Elementwise::Relu => s.select(s.lt(zero, y), one, zero),
        Elementwise::Elu => s.select(s.lt(zero, y), one, s.add(y, one)),
        Elementwise::Selu => s.select(s.lt(zero, y), s.splat(SELU_SCALE), s.add(y, s.splat(SELU_LOW))),
        Elementwise::Softsign => {
            let rest = s.sub(one, s.abs(y));
            s.mul(rest, rest)
        }
        Elementwise::Softplus => one_minus_exp_of_minus(s, y),
        Elementwise::Exponential => y,
    };
    s.mul(d, slope)
}

/// Applies a scalar function to each lane, for functions too rare for a vector form.
#[inline(always)]
fn each<S: Simd>(s: S, x: S::F, f: impl Fn(f32) -> f32) -> S::F {
    let mut lanes = [0.0; SLOT];
    // SAFETY: a slot has room for any vector.
    unsafe {
        s.store(lanes.as_mut_ptr(), x);
        for lane in &mut lanes[..S::LANES] {
            *lane = f(*lane);
        }
        s.load(lanes.as_ptr())
    }
}

#[cfg(test)]
mod tests;

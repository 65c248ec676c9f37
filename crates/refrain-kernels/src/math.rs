//! Vector exp, sigmoid, tanh and the activations of cells.

use crate::activation::Activation;
use crate::simd::{SLOT, Simd};

/// Coefficients of e^r on |r| ≤ ln 2 / 2, highest power first, then r², r and 1 (Cephes `expf`).
const EXP: [f32; 6] = [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5];
/// ln 2 in two parts: the first has few enough bits that `n · LN2_HIGH` is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// Coefficients of (tanh x − x) / x³ in x² on |x| < 0.625, highest power first (Cephes `tanhf`).
#[allow(clippy::excessive_precision, reason = "as published, to the digits that f32 may need")]
const TANH: [f32; 5] = [-5.704_988_6e-3, 2.063_908_9e-2, -5.373_971_5e-2, 0.133_314_42, -0.333_332_82];
const TANH_SMALL: f32 = 0.625;

const SELU_ALPHA: f32 = 1.673_263_2;
const SELU_SCALE: f32 = 1.050_701;

/// e^x. Results beyond the largest float are infinite, those below the smallest subnormal zero.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    // In this operand order a NaN passes through both clamps.
    let x = s.min(s.splat(89.0), s.max(s.splat(-104.0), x));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    let r = s.fma(n, s.splat(-LN2_HIGH), x);
    let r = s.fma(n, s.splat(-LN2_LOW), r);
    let mut p = s.splat(EXP[0]);
    for c in &EXP[1..] {
        p = s.fma(p, r, s.splat(*c));
    }
    let p = s.add(s.fma(p, s.mul(r, r), r), s.splat(1.0));
    s.scale(p, n)
}

/// 1 / (1 + e^−x).
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.sub(s.splat(0.0), x))))
}

/// tanh x, with an odd polynomial near zero, where 1 − 2 / (e^2x + 1) would lose its digits.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(s: S, x: S::F) -> S::F {
    let z = s.mul(x, x);
    let mut p = s.splat(TANH[0]);
    for c in &TANH[1..] {
        p = s.fma(p, z, s.splat(*c));
    }
    let small = s.fma(s.mul(p, z), x, x);
    let size = s.abs(x);
    let one = s.splat(1.0);
    let e = exp(s, s.add(size, size));
    let large = s.copysign(s.sub(one, s.div(s.splat(2.0), s.add(e, one))), x);
    s.select(s.lt(size, s.splat(TANH_SMALL)), small, large)
}

/// An activation, lane by lane.
#[inline(always)]
pub(crate) fn activate<S: Simd>(s: S, activation: Activation, x: S::F) -> S::F {
    let (zero, one) = (s.splat(0.0), s.splat(1.0));
    match activation {
        Activation::Linear => x,
        Activation::Tanh => tanh(s, x),
        Activation::Sigmoid => sigmoid(s, x),
        Activation::HardSigmoid => {
            let y = s.mul(s.add(x, s.splat(3.0)), s.splat(1.0 / 6.0));
            s.min(one, s.max(zero, y))
        }
        Activation::Relu => s.max(zero, x),
        Activation::Elu => s.select(s.lt(zero, x), x, s.sub(exp(s, x), one)),
        Activation::Selu => {
            let low = s.mul(s.splat(SELU_ALPHA), s.sub(exp(s, x), one));
            s.mul(s.splat(SELU_SCALE), s.select(s.lt(zero, x), x, low))
        }
        Activation::Softsign => s.div(x, s.add(one, s.abs(x))),
        Activation::Softplus => each(s, x, |x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
        Activation::Exponential => exp(s, x),
    }
}

/// `d` times the derivative of an activation, which follows from the activation's output `y`.
#[inline(always)]
pub(crate) fn derive<S: Simd>(s: S, activation: Activation, y: S::F, d: S::F) -> S::F {
    let (zero, one) = (s.splat(0.0), s.splat(1.0));
    let slope = match activation {
        Activation::Linear => return d,
        Activation::Tanh => s.sub(one, s.mul(y, y)),
        Activation::Sigmoid => s.mul(y, s.sub(one, y)),
        Activation::HardSigmoid => {
            let inside = s.select(s.lt(y, one), s.splat(1.0 / 6.0), zero);
            s.select(s.lt(zero, y), inside, zero)
        }
        Activation::Relu => s.select(s.lt(zero, y), one, zero),
        Activation::Elu => s.select(s.lt(zero, y), one, s.add(y, one)),
        Activation::Selu => {
            let scale = s.splat(SELU_SCALE);
            s.select(s.lt(zero, y), scale, s.fma(scale, s.splat(SELU_ALPHA), y))
        }
        Activation::Softsign => {
            let rest = s.sub(one, s.abs(y));
            s.mul(rest, rest)
        }
        Activation::Softplus => s.sub(one, exp(s, s.sub(zero, y))),
        Activation::Exponential => y,
    };
    s.mul(d, slope)
}

/// A scalar function of each lane, for what is too rare to deserve a vector form.
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
mod tests {
    use super::*;
    use crate::Isa;
    use crate::isa::Kernel;

    /// Largest distance to the nearest f32, in units in the last place, over results that are normal numbers.
    /// Two for the polynomial and its scaling, the rest where a portable `fma` rounds twice.
    const EXP_ULP: f64 = 3.0;
    /// A division and an addition more than exp.
    const SIGMOID_ULP: f64 = 5.0;
    const TANH_ULP: f64 = 5.0;

    #[derive(Clone, Copy)]
    enum Function {
        Exp,
        Sigmoid,
        Tanh,
    }

    struct Map<'a>(Function, &'a mut [f32]);

    impl Kernel for Map<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            for chunk in self.1.chunks_exact_mut(S::LANES) {
                // SAFETY: a chunk has LANES floats.
                unsafe {
                    let x = s.load(chunk.as_ptr());
                    let y = match self.0 {
                        Function::Exp => exp(s, x),
                        Function::Sigmoid => sigmoid(s, x),
                        Function::Tanh => tanh(s, x),
                    };
                    s.store(chunk.as_mut_ptr(), y);
                }
            }
        }
    }

    impl Function {
        fn exact(self, x: f64) -> f64 {
            match self {
                Function::Exp => x.exp(),
                Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
                Function::Tanh => x.tanh(),
            }
        }

        fn bound(self) -> f64 {
            match self {
                Function::Exp => EXP_ULP,
                Function::Sigmoid => SIGMOID_ULP,
                Function::Tanh => TANH_ULP,
            }
        }
    }

    /// Checks every `step`-th float there is.
    fn sweep(function: Function, step: usize) {
        let inputs: Vec<f32> = (0..=u32::MAX).step_by(step).map(f32::from_bits).collect();
        let inputs = &inputs[..inputs.len() / SLOT * SLOT];
        for isa in Isa::available() {
            let mut outputs = inputs.to_vec();
            isa.run(Map(function, &mut outputs));
            for (&x, &y) in inputs.iter().zip(&outputs) {
                let exact = function.exact(x.into());
                if x.is_nan() {
                    assert!(y.is_nan(), "{x} gives {y} on {isa}");
                    continue;
                }
                let nearest = exact as f32;
                if nearest.is_infinite() {
                    assert_eq!(y, nearest, "{x} on {isa}");
                } else if nearest.abs() < f32::MIN_POSITIVE {
                    // Below the normal numbers digits are lost by nature; nothing must be larger than they are.
                    assert!(y.abs() <= f32::MIN_POSITIVE, "{x} gives {y} on {isa}");
                } else {
                    let ulp =
                        f64::from(f32::from_bits(nearest.abs().to_bits() + 1)) - f64::from(nearest.abs());
                    let error = (f64::from(y) - exact).abs() / ulp;
                    assert!(error <= function.bound(), "{x} gives {y}, {error:.2} ULP from {exact} on {isa}");
                }
            }
        }
    }

    #[test]
    fn a_sample_of_all_floats_is_within_the_bounds() {
        for function in [Function::Exp, Function::Sigmoid, Function::Tanh] {
            sweep(function, 9_973);
        }
    }

    #[test]
    #[ignore = "a minute: 250 million floats on every instruction set"]
    fn a_seventeenth_of_all_floats_is_within_the_bounds() {
        for function in [Function::Exp, Function::Sigmoid, Function::Tanh] {
            sweep(function, 17);
        }
    }
}

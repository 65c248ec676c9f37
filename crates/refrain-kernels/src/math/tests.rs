use super::*;
use crate::Isa;
use crate::isa::Kernel;
use crate::reference::activation::{apply, derivative_from_output};
use std::ops::RangeInclusive;
use std::sync::Mutex;

/// Largest error of e^x, in units in the last place of the nearest float; for subnormal results the unit is the
/// smallest subnormal. The maximum over every float, rounded up: 1.011 with FMA, 0.991 without.
const EXP_ULP: f64 = 1.02;
/// As above: 2.481 on every instruction set, where 1 + e^−x has just passed a power of two.
const SIGMOID_ULP: f64 = 2.49;
/// As above: 1.331, at the edge of the polynomial's range.
const TANH_ULP: f64 = 1.34;
/// Below this, sigmoid may return zero: 2⁻¹²⁸, the inverse of the first power of two that overflows, plus rounding.
const SIGMOID_FLUSHED: f64 = 2.9388e-39;

/// Floats that a test computes in one call.
const BLOCK: usize = 1 << 12;

struct Map<'a>(Elementwise, &'a mut [f32]);

impl Kernel for Map<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for chunk in self.1.chunks_exact_mut(S::LANES) {
            // SAFETY: a chunk has LANES floats.
            unsafe {
                let x = s.load(chunk.as_ptr());
                s.store(chunk.as_mut_ptr(), activate(s, self.0, x));
            }
        }
    }
}

fn map(isa: Isa, function: Elementwise, inputs: &[f32]) -> Vec<f32> {
    let mut outputs = inputs.to_vec();
    outputs.resize(inputs.len().next_multiple_of(SLOT), 0.0);
    isa.run(Map(function, &mut outputs));
    outputs.truncate(inputs.len());
    outputs
}

/// The functions on which all others are built.
const BASIC: [Elementwise; 3] = [Elementwise::Exponential, Elementwise::Sigmoid, Elementwise::Tanh];

/// Returns the guarantees for each of [`BASIC`]: its largest error in ULP, and the range of its results.
fn promise(function: Elementwise) -> (f64, RangeInclusive<f32>) {
    match function {
        Elementwise::Exponential => (EXP_ULP, 0.0..=f32::INFINITY),
        Elementwise::Sigmoid => (SIGMOID_ULP, 0.0..=1.0),
        _ => (TANH_ULP, -1.0..=1.0),
    }
}

/// Returns the distance from `y` to `exact`, in units in the last place of the float nearest to `exact`.
fn ulps(y: f32, exact: f64) -> f64 {
    let nearest = (exact as f32).abs();
    let unit = f64::from(f32::from_bits(nearest.to_bits() + 1)) - f64::from(nearest);
    // Above the largest float, the next would be infinite; the unit is the same as below.
    let unit = if unit.is_finite() { unit } else { 2f64.powi(104) };
    (f64::from(y) - exact).abs() / unit
}

/// The largest error over some inputs, and where it occurs.
#[derive(Clone, Copy, Default)]
struct Worst {
    ulps: f64,
    x: f32,
    y: f32,
}

impl Worst {
    fn join(&mut self, other: Worst) {
        if other.ulps > self.ulps {
            *self = other;
        }
    }
}

/// Checks the results for some inputs against [`promise`], on every instruction set.
fn examine(function: Elementwise, inputs: &[f32]) -> Worst {
    let exact: Vec<f64> = inputs.iter().map(|&x| apply(function, x.into())).collect();
    let (bound, range) = promise(function);
    let mut worst = Worst::default();
    for isa in Isa::available() {
        if function == Elementwise::Tanh {
            let mirrored: Vec<f32> = inputs.iter().map(|x| -x).collect();
            for ((x, y), mirror) in
                inputs.iter().zip(map(isa, function, inputs)).zip(map(isa, function, &mirrored))
            {
                assert!(
                    x.is_nan() || mirror.to_bits() == (-y).to_bits(),
                    "tanh of {x:e} is not odd on {isa}"
                );
            }
        }
        for ((&x, &exact), y) in inputs.iter().zip(&exact).zip(map(isa, function, inputs)) {
            let what = || format!("{} of {x:e} ({:#010x}) is {y:e} on {isa}", function.name(), x.to_bits());
            if x.is_nan() {
                assert!(y.is_nan(), "{}", what());
                continue;
            }
            assert!(range.contains(&y), "{}", what());
            let nearest = exact as f32;
            if exact == 0.0 || nearest.is_infinite() {
                assert_eq!(y.to_bits(), nearest.to_bits(), "{}, expected {nearest:e}", what());
            } else if function != Elementwise::Sigmoid || y != 0.0 || exact > SIGMOID_FLUSHED {
                let ulps = ulps(y, exact);
                assert!(ulps <= bound, "{}, {ulps:.3} ULP from {exact:e}", what());
                worst.join(Worst { ulps, x, y });
            }
        }
    }
    worst
}

/// Calls [`examine`] in blocks.
fn sweep(function: Elementwise, mut inputs: impl Iterator<Item = f32>) -> Worst {
    let mut worst = Worst::default();
    loop {
        let block: Vec<f32> = inputs.by_ref().take(BLOCK).collect();
        if block.is_empty() {
            return worst;
        }
        worst.join(examine(function, &block));
    }
}

/// Returns the floats around `x`, of both signs.
fn neighbours(x: f32, reach: u32) -> impl Iterator<Item = f32> {
    let bits = x.abs().to_bits();
    let around = bits.saturating_sub(reach)..=(bits + reach).min(f32::INFINITY.to_bits());
    around.flat_map(|bits| [f32::from_bits(bits), -f32::from_bits(bits)])
}

/// Returns inputs where the behaviour changes: exponents, where exp rounds to whole powers of two, clamps and
/// saturations.
fn edges() -> impl Iterator<Item = f32> {
    let ln2 = std::f32::consts::LN_2;
    let exponents = (0..=255u32).map(|e| f32::from_bits(e << 23));
    let reductions = (-151..=129).map(move |n| (n as f32 + 0.5) * ln2);
    // Exp's clamps; where it overflows, becomes subnormal, and becomes zero; where sigmoid and tanh become 1; where
    // the sweep found the largest errors.
    let places = [TANH_SMALL, 0.5, 1.0, 89.0, 104.0, 88.722_84, 87.336_54, 103.972_08, 16.635_53, 9.010_913];
    let worst = [5.877_884_4, 70.403_1, 16.635_704, 0.628_309_55];
    let few = exponents.chain(reductions).flat_map(|x| neighbours(x, 4));
    few.chain(places.into_iter().chain(worst).flat_map(|x| neighbours(x, 300)))
}

#[test]
fn errors_are_within_the_documented_bounds_for_edge_cases_and_a_sample() {
    for function in BASIC {
        sweep(function, edges());
        // A prime step, so that every lane and every low bit occurs.
        sweep(function, (0..=u32::MAX).step_by(9_973).map(f32::from_bits));
    }
}

#[test]
#[ignore = "takes minutes: every float on every instruction set"]
fn errors_are_within_the_documented_bounds_for_every_float() {
    const PARTS: u32 = 256;
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    for function in BASIC {
        let worst = Mutex::new(Worst::default());
        std::thread::scope(|scope| {
            for first in 0..threads {
                let worst = &worst;
                scope.spawn(move || {
                    for part in (0..PARTS).skip(first).step_by(threads) {
                        let bits = part << 24..=part << 24 | 0xff_ffff;
                        let found = sweep(function, bits.map(f32::from_bits));
                        worst.lock().expect("no thread panicked").join(found);
                    }
                });
            }
        });
        let Worst { ulps, x, y } = worst.into_inner().expect("no thread panicked");
        println!("{}: at most {ulps:.3} ULP, of {x:e} is {y:e}", function.name());
    }
}

#[test]
fn limits_are_exact() {
    let (inf, tiny) = (f32::INFINITY, f32::from_bits(1));
    let cases = [
        (Elementwise::Exponential, [(-inf, 0.0), (inf, inf), (0.0, 1.0), (-0.0, 1.0), (tiny, 1.0)]),
        (Elementwise::Sigmoid, [(-inf, 0.0), (inf, 1.0), (0.0, 0.5), (-0.0, 0.5), (-tiny, 0.5)]),
        (Elementwise::Tanh, [(-inf, -1.0), (inf, 1.0), (0.0, 0.0), (-0.0, -0.0), (-tiny, -tiny)]),
    ];
    for (function, cases) in cases {
        for isa in Isa::available() {
            for (x, want) in cases {
                let y = map(isa, function, &[x])[0];
                assert_eq!(y.to_bits(), f32::to_bits(want), "{} of {x:e} is {y:e} on {isa}", function.name());
            }
        }
    }
}

/// Returns the error bound of the other activations, in f32 roundings (2⁻²⁴) relative to max(1, |y|): near zero, e^x
/// − 1 is as accurate as e^x near 1, not relative to its own size. A step of the formula costs half to one rounding.
fn other_bound(activation: Elementwise) -> f64 {
    match activation {
        Elementwise::Linear | Elementwise::Relu => 0.0,
        Elementwise::Elu => 1.0,
        Elementwise::HardSigmoid | Elementwise::Softsign => 1.5,
        Elementwise::Softplus => 2.0,
        _ => 3.0,
    }
}

#[test]
fn other_activations_are_within_their_bounds() {
    for activation in Elementwise::ALL.into_iter().filter(|a| !BASIC.contains(a)) {
        let inputs: Vec<f32> = edges().chain((0..=u32::MAX).step_by(9_973).map(f32::from_bits)).collect();
        for isa in Isa::available() {
            for (&x, y) in inputs.iter().zip(map(isa, activation, &inputs)) {
                let exact = apply(activation, f64::from(x));
                let what = || format!("{} of {x:e} is {y:e} on {isa}, expected {exact:e}", activation.name());
                // As in Keras, softsign of an infinity is ∞ / ∞.
                if x.is_nan() || activation == Elementwise::Softsign && x.is_infinite() {
                    assert!(y.is_nan(), "{}", what());
                    continue;
                }
                if (exact as f32).is_infinite() {
                    assert_eq!(y, exact as f32, "{}", what());
                    continue;
                }
                let error = (f64::from(y) - exact).abs() / exact.abs().max(1.0) * f64::from(1 << 24);
                assert!(error <= other_bound(activation), "{}: {error:.3} roundings", what());
            }
        }
    }
}

struct Slope<'a>(Elementwise, &'a mut [f32]);

impl Kernel for Slope<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for chunk in self.1.chunks_exact_mut(S::LANES) {
            // SAFETY: a chunk has LANES floats.
            unsafe {
                let y = activate(s, self.0, s.load(chunk.as_ptr()));
                s.store(chunk.as_mut_ptr(), derive(s, self.0, y, s.splat(1.0)));
            }
        }
    }
}

/// Every slope is computed from the output, so where the output is rounded to its limit, the slope is as far off as
/// that: 1e-7. Elsewhere, and everywhere for softplus and e^x, whose outputs keep their digits, it is off by at most 1e-5 of
/// itself.
#[test]
fn slopes_are_as_accurate_as_outputs_allow() {
    for activation in Elementwise::ALL {
        let keeps_digits = [Elementwise::Softplus, Elementwise::Exponential].contains(&activation);
        let limit = if keeps_digits { f64::from(f32::MIN_POSITIVE) } else { 1e-7 };
        let inputs: Vec<f32> = edges().chain((0..=u32::MAX).step_by(9_973).map(f32::from_bits)).collect();
        let inputs: Vec<f32> = inputs.into_iter().filter(|x| x.is_finite()).collect();
        for isa in Isa::available() {
            let mut slopes = inputs.clone();
            slopes.resize(inputs.len().next_multiple_of(SLOT), 0.0);
            isa.run(Slope(activation, &mut slopes));
            for (&x, slope) in inputs.iter().zip(slopes) {
                let exact = derivative_from_output(activation, apply(activation, f64::from(x)));
                if (exact as f32).is_infinite() {
                    continue;
                }
                let error = (f64::from(slope) - exact).abs();
                let name = activation.name();
                assert!(
                    error <= (1e-5 * exact.abs()).max(limit),
                    "the slope of {name} at {x:e} is {slope:e} on {isa}, expected {exact:e}"
                );
            }
        }
    }
}

//! Each optimiser as one pass over flat parameters, with Keras 3's formulas and order of rounding: clipping,
//! decoupled weight decay and the step together.
//!
//! In all functions `w` are the parameters, `g` their gradient, and the other slices the optimiser's slots, all of
//! the same length. `g` is read; `w` and the slots are updated in place. `t` is the number of the step, from 1. Slots
//! start at zero unless stated otherwise. Passing an optional slot enables its variant. The results are bit-identical
//! on every instruction set.
//!
//! Hyperparameters are `f64` and are rounded where Keras rounds them: `1 − β` is computed first and then rounded, but
//! in `1 − β^t` (and everywhere in Nadam) β is rounded first.

#![allow(clippy::too_many_arguments, reason = "a kernel takes each of its buffers as an argument")]

use crate::engine::{Engine, SharedMut};
use crate::isa::Kernel;
use crate::simd::Simd;
use std::ops::Range;

/// Parameters in a block: threads get whole blocks.
const BLOCK: usize = 4096;
/// Parameters that are copied to the stack together: there, the compiler knows that no two slices overlap.
const CHUNK: usize = 64;
/// Approximate cost of a parameter in floating-point operations, including the wait for memory.
const COST: usize = 10;

/// What is applied to every gradient and parameter before the optimiser's own formula, in this order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepScale {
    /// Multiplies the gradients: loss scale and clipping by norm. 1 leaves them unchanged.
    pub factor: f32,
    /// Clips the gradients to −c..c.
    pub clip_value: Option<f32>,
    /// Weight decay: `w −= w · decay · lr`. 0 disables it.
    pub decay: f32,
    /// The learning rate.
    pub lr: f32,
}

impl StepScale {
    /// Returns a learning rate without scaling, clipping or decay.
    pub fn rate(lr: f32) -> Self {
        Self { factor: 1.0, clip_value: None, decay: 0.0, lr }
    }
}

/// Hyperparameters of [`sgd`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// μ; used only if the slot is passed.
    pub momentum: f64,
    /// Used only if the slot is passed.
    pub nesterov: bool,
}

/// Hyperparameters of [`rmsprop`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsProp {
    /// ρ
    pub rho: f64,
    /// μ; used only if the slot is passed.
    pub momentum: f64,
    /// ε
    pub epsilon: f64,
}

/// Hyperparameters of [`adagrad`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adagrad {
    /// ε
    pub epsilon: f64,
}

/// Hyperparameters of [`adadelta`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adadelta {
    /// ρ
    pub rho: f64,
    /// ε
    pub epsilon: f64,
}

/// Hyperparameters of [`adam`], [`adamax`] and [`nadam`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// β₁
    pub beta_1: f64,
    /// β₂
    pub beta_2: f64,
    /// ε
    pub epsilon: f64,
}

impl Default for Sgd {
    /// Returns plain gradient descent, without momentum.
    fn default() -> Self {
        Self { momentum: 0.0, nesterov: false }
    }
}

impl Default for RmsProp {
    /// ρ = 0.9, μ = 0, ε = 1e-7.
    fn default() -> Self {
        Self { rho: 0.9, momentum: 0.0, epsilon: 1e-7 }
    }
}

impl Default for Adagrad {
    /// ε = 1e-7.
    fn default() -> Self {
        Self { epsilon: 1e-7 }
    }
}

impl Default for Adadelta {
    /// ρ = 0.95, ε = 1e-7.
    fn default() -> Self {
        Self { rho: 0.95, epsilon: 1e-7 }
    }
}

impl Default for Adam {
    /// β₁ = 0.9, β₂ = 0.999, ε = 1e-7.
    fn default() -> Self {
        Self { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }
}

/// Applies gradient descent: `w −= lr·g`; with momentum `m = μ·m − lr·g`, `w += m`, or `w += μ·m − lr·g` (Nesterov).
///
/// # Panics
/// When the lengths differ.
pub fn sgd(
    engine: &Engine,
    sgd: Sgd,
    scale: StepScale,
    w: &mut [f32],
    g: &[f32],
    momentum: Option<&mut [f32]>,
) {
    let rule = SgdRule {
        lr: scale.lr,
        mu: sgd.momentum as f32,
        momentum: momentum.is_some(),
        nesterov: sgd.nesterov,
    };
    update(engine, rule, scale, w, g, [momentum]);
}

/// Applies RMSprop: `v = ρ·v + (1 − ρ)·g²`, `w −= lr·g / √(v + ε)`; centred: `v − a²` instead of `v`, with
/// `a = ρ·a + (1 − ρ)·g`; with momentum `m = μ·m + lr·g / √(…)`, `w −= m` (Hinton 2012).
///
/// # Panics
/// When the lengths differ.
pub fn rmsprop(
    engine: &Engine,
    rmsprop: RmsProp,
    scale: StepScale,
    w: &mut [f32],
    g: &[f32],
    velocity: &mut [f32],
    momentum: Option<&mut [f32]>,
    average_gradient: Option<&mut [f32]>,
) {
    let rule = RmsPropRule {
        lr: scale.lr,
        rho: rmsprop.rho as f32,
        rest: (1.0 - rmsprop.rho) as f32,
        mu: rmsprop.momentum as f32,
        epsilon: rmsprop.epsilon as f32,
        momentum: momentum.is_some(),
        centered: average_gradient.is_some(),
    };
    update(engine, rule, scale, w, g, [Some(velocity), momentum, average_gradient]);
}

/// Applies Adagrad: `a += g²`, `w −= lr·g / √(a + ε)` (Duchi et al. 2011). In Keras the accumulator starts at 0.1.
///
/// # Panics
/// When the lengths differ.
pub fn adagrad(
    engine: &Engine,
    adagrad: Adagrad,
    scale: StepScale,
    w: &mut [f32],
    g: &[f32],
    accumulator: &mut [f32],
) {
    let rule = AdagradRule { lr: scale.lr, epsilon: adagrad.epsilon as f32 };
    update(engine, rule, scale, w, g, [Some(accumulator)]);
}

/// Applies Adadelta: `a = ρ·a + (1 − ρ)·g²`, `δ = −g·√(d + ε) / √(a + ε)`, `d = ρ·d + (1 − ρ)·δ²`, `w += lr·δ`
/// (Zeiler 2012).
///
/// # Panics
/// When the lengths differ.
pub fn adadelta(
    engine: &Engine,
    adadelta: Adadelta,
    scale: StepScale,
    w: &mut [f32],
    g: &[f32],
    accumulated_gradient: &mut [f32],
    accumulated_change: &mut [f32],
) {
    let rule = AdadeltaRule {
        lr: scale.lr,
        rho: adadelta.rho as f32,
        rest: (1.0 - adadelta.rho) as f32,
        epsilon: adadelta.epsilon as f32,
    };
    update(engine, rule, scale, w, g, [Some(accumulated_gradient), Some(accumulated_change)]);
}

/// Applies Adam (Kingma & Ba 2015): `m += (1 − β₁)(g − m)`, `v += (1 − β₂)(g² − v)`,
/// `w −= lr·√(1 − β₂^t) / (1 − β₁^t) · m / (√v + ε)`.
///
/// Passing the slot `largest` selects AMSGrad (Reddi et al. 2018), which uses the largest v so far instead of v.
///
/// # Panics
/// When the lengths differ, or `t` is 0.
pub fn adam(
    engine: &Engine,
    adam: Adam,
    scale: StepScale,
    t: u64,
    w: &mut [f32],
    g: &[f32],
    momentum: &mut [f32],
    velocity: &mut [f32],
    largest: Option<&mut [f32]>,
) {
    let rule = AdamRule {
        alpha: scale.lr * (1.0 - power(adam.beta_2, t)).sqrt() / (1.0 - power(adam.beta_1, t)),
        rest: [(1.0 - adam.beta_1) as f32, (1.0 - adam.beta_2) as f32],
        epsilon: adam.epsilon as f32,
        amsgrad: largest.is_some(),
    };
    update(engine, rule, scale, w, g, [Some(momentum), Some(velocity), largest]);
}

/// Applies Adamax (Kingma & Ba 2015): `m += (1 − β₁)(g − m)`, `u = max(β₂·u, |g|)`,
/// `w −= lr·m / ((1 − β₁^t)(u + ε))`.
///
/// # Panics
/// When the lengths differ, or `t` is 0.
pub fn adamax(
    engine: &Engine,
    adam: Adam,
    scale: StepScale,
    t: u64,
    w: &mut [f32],
    g: &[f32],
    momentum: &mut [f32],
    norm: &mut [f32],
) {
    let rule = AdamaxRule {
        lr: scale.lr,
        rest: (1.0 - adam.beta_1) as f32,
        beta_2: adam.beta_2 as f32,
        correction: 1.0 - power(adam.beta_1, t),
        epsilon: adam.epsilon as f32,
    };
    update(engine, rule, scale, w, g, [Some(momentum), Some(norm)]);
}

/// Applies Nadam (Dozat 2016): with `μ_t = β₁(1 − ½·0.96^t)` and `Π_t = μ_1…μ_t`, m and v as in Adam,
/// `w −= lr·(μ_{t+1}·m / (1 − Π_{t+1}) + (1 − μ_t)·g / (1 − Π_t)) / (√(v / (1 − β₂^t)) + ε)`.
///
/// `product` is `Π_t`, computed by [`Adam::nadam_product`] once per step.
///
/// # Panics
/// When the lengths differ, or `t` is 0.
pub fn nadam(
    engine: &Engine,
    adam: Adam,
    scale: StepScale,
    t: u64,
    product: f32,
    w: &mut [f32],
    g: &[f32],
    momentum: &mut [f32],
    velocity: &mut [f32],
) {
    let mu_next = adam.nadam_momentum(t + 1);
    let rule = NadamRule {
        lr: scale.lr,
        rest: [1.0 - adam.beta_1 as f32, 1.0 - adam.beta_2 as f32],
        mu_next,
        rest_next: 1.0 - product * mu_next,
        rest_mu: 1.0 - adam.nadam_momentum(t),
        rest_now: 1.0 - product,
        correction: 1.0 - power(adam.beta_2, t),
        epsilon: adam.epsilon as f32,
    };
    update(engine, rule, scale, w, g, [Some(momentum), Some(velocity)]);
}

/// Computes `a += rate·(w − a)`, which adds the parameters to their average. A rate of `1/n` at step n gives the mean
/// (Polyak & Juditsky 1992), a rate of `1 − m` an exponential moving average.
///
/// # Panics
/// When the lengths differ.
pub fn average(engine: &Engine, rate: f32, a: &mut [f32], w: &[f32]) {
    update(engine, AverageRule { rate }, StepScale::rate(0.0), a, w, []);
}

impl Adam {
    /// The decay of Nadam's momentum schedule, fixed in Keras.
    const NADAM_DECAY: f64 = 0.96;

    /// Returns `Π_t` of [`nadam`] from `Π_{t−1}`, which is 1 before the first step.
    pub fn nadam_product(self, before: f32, t: u64) -> f32 {
        before * self.nadam_momentum(t)
    }

    fn nadam_momentum(self, t: u64) -> f32 {
        self.beta_1 as f32 * (1.0 - 0.5 * power(Self::NADAM_DECAY, t))
    }
}

/// `β^t`
fn power(beta: f64, t: u64) -> f32 {
    assert!(t > 0, "steps are counted from 1");
    (beta as f32).powf(t as f32)
}

/// An optimiser's formula for one parameter.
trait Rule<const N: usize>: Copy + Sync {
    /// Returns the parameter and the slots after the step. Must be `#[inline(always)]`. An absent slot is 0, and its
    /// new value is discarded.
    fn step(self, w: f32, g: f32, slots: [f32; N]) -> (f32, [f32; N]);
}

#[derive(Clone, Copy)]
struct SgdRule {
    lr: f32,
    mu: f32,
    momentum: bool,
    nesterov: bool,
}

impl Rule<1> for SgdRule {
    #[inline(always)]
    fn step(self, w: f32, g: f32, [m]: [f32; 1]) -> (f32, [f32; 1]) {
        if !self.momentum {
            return (w - g * self.lr, [m]);
        }
        let m = m * self.mu - g * self.lr;
        (w + if self.nesterov { m * self.mu - g * self.lr } else { m }, [m])
    }
}

#[derive(Clone, Copy)]
struct RmsPropRule {
    lr: f32,
    rho: f32,
    rest: f32,
    mu: f32,
    epsilon: f32,
    momentum: bool,
    centered: bool,
}

impl Rule<3> for RmsPropRule {
    #[inline(always)]
    fn step(self, w: f32, g: f32, [v, m, a]: [f32; 3]) -> (f32, [f32; 3]) {
        let v = self.rho * v + self.rest * (g * g);
        let a = self.rho * a + self.rest * g;
        let variance = if self.centered { v - a * a } else { v };
        let change = self.lr * g / (variance + self.epsilon).sqrt();
        let m = self.mu * m + change;
        (w - if self.momentum { m } else { change }, [v, m, a])
    }
}

#[derive(Clone, Copy)]
struct AdagradRule {
    lr: f32,
    epsilon: f32,
}

impl Rule<1> for AdagradRule {
    #[inline(always)]
    fn step(self, w: f32, g: f32, [a]: [f32; 1]) -> (f32, [f32; 1]) {
        let a = a + g * g;
        (w - self.lr * g / (a + self.epsilon).sqrt(), [a])
    }
}

#[derive(Clone, Copy)]
struct AdadeltaRule {
    lr: f32,
    rho: f32,
    rest: f32,
    epsilon: f32,
}

impl Rule<2> for AdadeltaRule {
    #[inline(always)]
    fn step(self, w: f32, g: f32, [a, d]: [f32; 2]) -> (f32, [f32; 2]) {
        let a = self.rho * a + self.rest * (g * g);
        let change = -((d + self.epsilon).sqrt() * g / (a + self.epsilon).sqrt());
        let d = self.rho * d + self.rest * (change * change);
        (w + self.lr * change, [a, d])
    }
}

#[derive(Clone, Copy)]
struct AdamRule {
    alpha: f32,
    rest: [f32; 2],
    epsilon: f32,
    amsgrad: bool,
}

impl Rule<3> for AdamRule {
    #[inline(always)]
    fn step(self, w: f32, g: f32, [m, v, largest]: [f32; 3]) -> (f32, [f32; 3]) {
        let m = m + (g - m) * self.rest[0];
        let v = v + (g * g - v) * self.rest[1];
        // NaN replaces whatever came before it.
        let largest = if largest > v { largest } else { v };
        let size = if self.amsgrad { largest } else { v };
        (w - m * self.alpha / (size.sqrt() + self.epsilon), [m, v, largest])
    }
}

#[derive(Clone, Copy)]
struct AdamaxRule {
    lr: f32,
    rest: f32,
    beta_2: f32,
    correction: f32,
    epsilon: f32,
}

impl Rule<2> for AdamaxRule {
    #[inline(always)]
    fn step(self, w: f32, g: f32, [m, u]: [f32; 2]) -> (f32, [f32; 2]) {
        let m = m + (g - m) * self.rest;
        let (u, size) = (self.beta_2 * u, g.abs());
        let u = if u > size { u } else { size };
        (w - self.lr * m / (self.correction * (u + self.epsilon)), [m, u])
    }
}

#[derive(Clone, Copy)]
struct NadamRule {
    lr: f32,
    rest: [f32; 2],
    mu_next: f32,
    rest_next: f32,
    rest_mu: f32,
    rest_now: f32,
    correction: f32,
    epsilon: f32,
}

impl Rule<2> for NadamRule {
    #[inline(always)]
    fn step(self, w: f32, g: f32, [m, v]: [f32; 2]) -> (f32, [f32; 2]) {
        let m = m + (g - m) * self.rest[0];
        let v = v + (g * g - v) * self.rest[1];
        let m_hat = self.mu_next * m / self.rest_next + self.rest_mu * g / self.rest_now;
        let v_hat = v / self.correction;
        (w - m_hat * self.lr / (v_hat.sqrt() + self.epsilon), [m, v])
    }
}

/// The moving average, with the parameter in place of the gradient.
#[derive(Clone, Copy)]
struct AverageRule {
    rate: f32,
}

impl Rule<0> for AverageRule {
    #[inline(always)]
    fn step(self, a: f32, w: f32, []: [f32; 0]) -> (f32, [f32; 0]) {
        (a + (w - a) * self.rate, [])
    }
}

fn update<const N: usize, R: Rule<N>>(
    engine: &Engine,
    rule: R,
    scale: StepScale,
    w: &mut [f32],
    g: &[f32],
    slots: [Option<&mut [f32]>; N],
) {
    let len = w.len();
    assert_eq!(g.len(), len, "parameters and gradients");
    assert!(
        scale.clip_value.is_none_or(|c| c >= 0.0),
        "clip_value {:?}: expected at least 0",
        scale.clip_value
    );
    let slots = slots.map(|slot| {
        slot.map(|slot| {
            assert_eq!(slot.len(), len, "parameters and slots");
            SharedMut::new(slot)
        })
    });
    let w = SharedMut::new(w);
    engine.share(len.div_ceil(BLOCK), len * COST, |_, blocks| {
        let range = blocks.start * BLOCK..len.min(blocks.end * BLOCK);
        engine.isa().run(Update { rule, scale, w, g, slots, range });
    });
}

struct Update<'a, R, const N: usize> {
    rule: R,
    scale: StepScale,
    w: SharedMut<f32>,
    g: &'a [f32],
    slots: [Option<SharedMut<f32>>; N],
    range: Range<usize>,
}

impl<const N: usize, R: Rule<N>> Kernel for Update<'_, R, N> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let StepScale { factor, clip_value, decay, lr } = self.scale;
        let limit = clip_value.unwrap_or(f32::INFINITY);
        for first in self.range.clone().step_by(CHUNK) {
            let len = CHUNK.min(self.range.end - first);
            // SAFETY: `update` checked that all slices are as long as the parameters; each range of them belongs to
            // one share.
            let part = |slice: SharedMut<f32>| unsafe { slice.slice(first..first + len) };
            let (mut w, mut g, mut slots) = ([0.0; CHUNK], [0.0; CHUNK], [[0.0; CHUNK]; N]);
            w[..len].copy_from_slice(part(self.w));
            g[..len].copy_from_slice(&self.g[first..first + len]);
            for (slot, from) in slots.iter_mut().zip(self.slots) {
                if let Some(from) = from {
                    slot[..len].copy_from_slice(part(from));
                }
            }
            for k in 0..CHUNK {
                // Neither `clamp`, which may panic, nor `min` and `max`, which lose NaN.
                let g = g[k] * factor;
                let g = if g > limit { limit } else { g };
                let g = if g < -limit { -limit } else { g };
                let mut before = [0.0; N];
                for j in 0..N {
                    before[j] = slots[j][k];
                }
                let after;
                (w[k], after) = self.rule.step(w[k] - w[k] * decay * lr, g, before);
                for j in 0..N {
                    slots[j][k] = after[j];
                }
            }
            part(self.w).copy_from_slice(&w[..len]);
            for (slot, to) in slots.iter().zip(self.slots) {
                if let Some(to) = to {
                    part(to).copy_from_slice(&slot[..len]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

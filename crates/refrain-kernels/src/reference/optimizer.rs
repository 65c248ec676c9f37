//! One update step of each optimiser, with Keras 3's formulas (`keras/src/optimizers/`).
//!
//! `w` are the weights, `g` their gradient, and the other slices the optimiser's slots, all of the same length. `w`
//! and the slots are updated in place. `t` is the number of the step, from 1. Slots start at zero unless stated
//! otherwise. Passing an optional slot enables its variant.
//!
//! Hyperparameters are `f64` for any type of weights, and are rounded where Keras rounds them: `1 − β` is computed
//! first and then rounded, but in `1 − β^t` (and everywhere in Nadam) β is rounded first. In `f32` with β = 0.999,
//! the two differ by a relative 5e-5.

use super::Real;

/// # Panics
/// When the length of a slot differs from that of the weights.
fn check<T>(w: &[T], slots: &[&[T]]) {
    for slot in slots {
        assert_eq!(slot.len(), w.len(), "gradient and slots: expected the length of the weights");
    }
}

/// `β^t`
fn power<T: Real>(beta: f64, t: u64) -> T {
    T::from_f64(beta).powf(T::from_f64(t as f64))
}

/// `w −= w·decay·rate`: the decoupled weight decay of AdamW, applied before the step. Keras offers it with every
/// optimiser.
pub fn decoupled_decay<T: Real>(w: &mut [T], weight_decay: f64, learning_rate: f64) {
    for w in w {
        *w -= *w * T::from_f64(weight_decay) * T::from_f64(learning_rate);
    }
}

/// `a += rate·(w − a)`: adds the weights to their moving average.
pub fn average<T: Real>(a: &mut [T], w: &[T], rate: f64) {
    check(w, &[a]);
    for k in 0..w.len() {
        a[k] += (w[k] - a[k]) * T::from_f64(rate);
    }
}

/// Gradient descent: `w −= rate·g`; with momentum `m = μ·m − rate·g`, `w += m`, or `w += μ·m − rate·g` (Nesterov).
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    /// Keras's default is 0.01.
    pub learning_rate: f64,
    /// μ, 0 by default. Used only if the step has the slot.
    pub momentum: f64,
    /// Off by default.
    pub nesterov: bool,
}

impl Default for Sgd {
    fn default() -> Self {
        Self { learning_rate: 0.01, momentum: 0.0, nesterov: false }
    }
}

impl Sgd {
    /// Takes a step. Keras has the slot if μ is not 0.
    pub fn step<T: Real>(&self, w: &mut [T], g: &[T], momentum: Option<&mut [T]>) {
        check(w, &[g]);
        let [rate, mu] = [self.learning_rate, self.momentum].map(T::from_f64);
        let Some(m) = momentum else {
            return w.iter_mut().zip(g).for_each(|(w, &g)| *w -= g * rate);
        };
        check(w, &[m]);
        for k in 0..w.len() {
            m[k] = m[k] * mu - g[k] * rate;
            w[k] += if self.nesterov { m[k] * mu - g[k] * rate } else { m[k] };
        }
    }
}

/// `v = ρ·v + (1 − ρ)·g²`, `w −= rate·g / √(v + ε)`; centred: `v − a²` for `v`, with `a = ρ·a + (1 − ρ)·g`; with
/// momentum `m = μ·m + rate·g / √(…)`, `w −= m` (Hinton 2012).
#[derive(Clone, Copy, Debug)]
pub struct RmsProp {
    /// Keras's default is 0.001.
    pub learning_rate: f64,
    /// ρ, 0.9 by default.
    pub rho: f64,
    /// μ, 0 by default. Used only if the step has the slot.
    pub momentum: f64,
    /// ε, 1e-7 by default.
    pub epsilon: f64,
}

impl Default for RmsProp {
    fn default() -> Self {
        Self { learning_rate: 0.001, rho: 0.9, momentum: 0.0, epsilon: 1e-7 }
    }
}

impl RmsProp {
    /// Takes a step. Keras has the slot `momentum` if μ is above 0, and `average_gradient` if `centered`.
    pub fn step<T: Real>(
        &self,
        w: &mut [T],
        g: &[T],
        velocity: &mut [T],
        mut momentum: Option<&mut [T]>,
        mut average_gradient: Option<&mut [T]>,
    ) {
        check(w, &[g, velocity]);
        momentum.iter().chain(&average_gradient).for_each(|slot| check(w, &[slot]));
        let [rate, rho, rest, mu, epsilon] =
            [self.learning_rate, self.rho, 1.0 - self.rho, self.momentum, self.epsilon].map(T::from_f64);
        for k in 0..w.len() {
            velocity[k] = rho * velocity[k] + rest * (g[k] * g[k]);
            let mut variance = velocity[k];
            if let Some(average) = &mut average_gradient {
                average[k] = rho * average[k] + rest * g[k];
                variance -= average[k] * average[k];
            }
            let mut change = rate * g[k] / (variance + epsilon).sqrt();
            if let Some(m) = &mut momentum {
                m[k] = mu * m[k] + change;
                change = m[k];
            }
            w[k] -= change;
        }
    }
}

/// `a += g²`, `w −= rate·g / √(a + ε)` (Duchi et al. 2011).
#[derive(Clone, Copy, Debug)]
pub struct Adagrad {
    /// Keras's default is 0.001.
    pub learning_rate: f64,
    /// ε, 1e-7 by default.
    pub epsilon: f64,
}

impl Adagrad {
    /// The initial value of Keras's accumulator.
    pub const INITIAL_ACCUMULATOR: f64 = 0.1;
}

impl Default for Adagrad {
    fn default() -> Self {
        Self { learning_rate: 0.001, epsilon: 1e-7 }
    }
}

impl Adagrad {
    /// Takes a step. The accumulator starts at [`Adagrad::INITIAL_ACCUMULATOR`].
    pub fn step<T: Real>(&self, w: &mut [T], g: &[T], accumulator: &mut [T]) {
        check(w, &[g, accumulator]);
        let [rate, epsilon] = [self.learning_rate, self.epsilon].map(T::from_f64);
        for k in 0..w.len() {
            accumulator[k] += g[k] * g[k];
            w[k] -= rate * g[k] / (accumulator[k] + epsilon).sqrt();
        }
    }
}

/// `a = ρ·a + (1 − ρ)·g²`, `δ = −g·√(d + ε) / √(a + ε)`, `d = ρ·d + (1 − ρ)·δ²`, `w += rate·δ` (Zeiler 2012).
#[derive(Clone, Copy, Debug)]
pub struct Adadelta {
    /// Keras's default is 0.001; the paper's rate is 1.
    pub learning_rate: f64,
    /// ρ, 0.95 by default.
    pub rho: f64,
    /// ε, 1e-7 by default.
    pub epsilon: f64,
}

impl Default for Adadelta {
    fn default() -> Self {
        Self { learning_rate: 0.001, rho: 0.95, epsilon: 1e-7 }
    }
}

impl Adadelta {
    /// Takes a step. The slots are a, of gradients, and d, of changes.
    pub fn step<T: Real>(
        &self,
        w: &mut [T],
        g: &[T],
        accumulated_gradient: &mut [T],
        accumulated_change: &mut [T],
    ) {
        let (a, d) = (accumulated_gradient, accumulated_change);
        check(w, &[g, a, d]);
        let [rate, rho, rest, epsilon] =
            [self.learning_rate, self.rho, 1.0 - self.rho, self.epsilon].map(T::from_f64);
        for k in 0..w.len() {
            a[k] = rho * a[k] + rest * (g[k] * g[k]);
            let change = -((d[k] + epsilon).sqrt() * g[k] / (a[k] + epsilon).sqrt());
            d[k] = rho * d[k] + rest * (change * change);
            w[k] += rate * change;
        }
    }
}

/// The hyperparameters of the Adam family, which has the same defaults throughout in Keras.
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// 0.001 by default.
    pub learning_rate: f64,
    /// β₁, 0.9 by default.
    pub beta_1: f64,
    /// β₂, 0.999 by default.
    pub beta_2: f64,
    /// ε, 1e-7 by default.
    pub epsilon: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self { learning_rate: 0.001, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }
}

impl Adam {
    /// Takes a step of Adam (Kingma & Ba 2015): `m += (1 − β₁)(g − m)`, `v += (1 − β₂)(g² − v)`,
    /// `w −= rate·√(1 − β₂^t) / (1 − β₁^t) · m / (√v + ε)`.
    ///
    /// Passing the slot `largest` selects AMSGrad (Reddi et al. 2018), which uses the largest v so far instead of v.
    pub fn step<T: Real>(
        &self,
        t: u64,
        w: &mut [T],
        g: &[T],
        momentum: &mut [T],
        velocity: &mut [T],
        mut largest: Option<&mut [T]>,
    ) {
        let (m, v) = (momentum, velocity);
        check(w, &[g, m, v]);
        largest.iter().for_each(|slot| check(w, &[slot]));
        let [rate, rest_1, rest_2, epsilon] =
            [self.learning_rate, 1.0 - self.beta_1, 1.0 - self.beta_2, self.epsilon].map(T::from_f64);
        let [power_1, power_2]: [T; 2] = [self.beta_1, self.beta_2].map(|beta| power(beta, t));
        let alpha = rate * (T::ONE - power_2).sqrt() / (T::ONE - power_1);
        for k in 0..w.len() {
            m[k] += (g[k] - m[k]) * rest_1;
            v[k] += (g[k] * g[k] - v[k]) * rest_2;
            let v = match &mut largest {
                Some(largest) => {
                    largest[k] = largest[k].max(v[k]);
                    largest[k]
                }
                None => v[k],
            };
            w[k] -= m[k] * alpha / (v.sqrt() + epsilon);
        }
    }

    /// Takes a step of Adamax (Kingma & Ba 2015): `m += (1 − β₁)(g − m)`, `u = max(β₂·u, |g|)`,
    /// `w −= rate·m / ((1 − β₁^t)(u + ε))`.
    pub fn adamax_step<T: Real>(&self, t: u64, w: &mut [T], g: &[T], momentum: &mut [T], norm: &mut [T]) {
        let (m, u) = (momentum, norm);
        check(w, &[g, m, u]);
        let [rate, rest_1, beta_2, epsilon] =
            [self.learning_rate, 1.0 - self.beta_1, self.beta_2, self.epsilon].map(T::from_f64);
        let power_1: T = power(self.beta_1, t);
        for k in 0..w.len() {
            m[k] += (g[k] - m[k]) * rest_1;
            u[k] = (beta_2 * u[k]).max(g[k].abs());
            w[k] -= rate * m[k] / ((T::ONE - power_1) * (u[k] + epsilon));
        }
    }

    /// Takes a step of Nadam (Dozat 2016): with `μ_t = β₁(1 − ½·0.96^t)` and `Π_t = μ_1…μ_t`, m and v as in Adam,
    /// `w −= rate·(μ_{t+1}·m / (1 − Π_{t+1}) + (1 − μ_t)·g / (1 − Π_t)) / (√(v / (1 − β₂^t)) + ε)`.
    ///
    /// `product` is Π: one value for all weights, 1 before the first step. Pass each step's result to the next.
    pub fn nadam_step<T: Real>(
        &self,
        t: u64,
        product: T,
        w: &mut [T],
        g: &[T],
        momentum: &mut [T],
        velocity: &mut [T],
    ) -> T {
        let (m, v) = (momentum, velocity);
        check(w, &[g, m, v]);
        let [rate, beta_1, beta_2, epsilon] =
            [self.learning_rate, self.beta_1, self.beta_2, self.epsilon].map(T::from_f64);
        let mu = |t| beta_1 * (T::ONE - T::from_f64(0.5) * power(Self::NADAM_DECAY, t));
        let [mu_now, mu_next]: [T; 2] = [mu(t), mu(t + 1)];
        let product = product * mu_now;
        let power_2: T = power(self.beta_2, t);
        for k in 0..w.len() {
            m[k] += (g[k] - m[k]) * (T::ONE - beta_1);
            v[k] += (g[k] * g[k] - v[k]) * (T::ONE - beta_2);
            let m_hat =
                mu_next * m[k] / (T::ONE - product * mu_next) + (T::ONE - mu_now) * g[k] / (T::ONE - product);
            let v_hat = v[k] / (T::ONE - power_2);
            w[k] -= m_hat * rate / (v_hat.sqrt() + epsilon);
        }
        product
    }

    /// The decay of Nadam's momentum schedule, fixed in Keras.
    const NADAM_DECAY: f64 = 0.96;
}

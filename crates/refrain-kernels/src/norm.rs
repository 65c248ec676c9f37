//! Layer normalisation of rows (Ba et al. 2016).

use crate::elementwise::{RowKernel, Sum, each_row, load, map_rows, store};
use crate::engine::{Engine, SharedMut};
use crate::isa::Kernel;
use crate::rows::{Rows, RowsMut};
use crate::simd::Simd;
use std::ops::Range;

/// Columns whose gradients are summed together, on the stack.
const COLUMN_BLOCK: usize = 64;
/// Rows that are summed before they are added to the gradient: long sums lose fewer digits, and the order of the
/// blocks is fixed.
const ROW_BLOCK: usize = 64;

/// The parameters γ, β and ε of a layer normalisation.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm<'a> {
    /// γ `(D)`; `None` stands for ones.
    pub gamma: Option<&'a [f32]>,
    /// β `(D)`; `None` stands for zeros.
    pub beta: Option<&'a [f32]>,
    /// ε, added to the variance.
    pub epsilon: f32,
}

/// What the forward pass saves for the backward pass: one value per row each.
#[derive(Clone, Copy, Debug)]
pub struct Moments<'a> {
    /// `(R)`
    pub mean: &'a [f32],
    /// `1 / √(variance + ε)` `(R)`
    pub inverse: &'a [f32],
}

/// Computes `y = γ ⊙ (x − mean) / √(variance + ε) + β`: `x`, `y` `(R, D)`, mean and biased variance over each row.
/// Overwrites `mean` and `inverse` `(R)` with the values for [`Moments`].
///
/// # Panics
/// When the sizes do not match.
pub fn layer_norm(
    engine: &Engine,
    norm: LayerNorm<'_>,
    x: Rows<'_>,
    mean: &mut [f32],
    inverse: &mut [f32],
    y: RowsMut<'_>,
) {
    assert_eq!((x.count(), x.width()), (y.count(), y.width()), "rows of a layer normalisation");
    norm.check(x.width());
    each_row(engine, &Forward { norm, x }, x.width(), y, [mean, inverse]);
}

/// Computes the gradient of a layer normalisation's input, or `dx += …` with `add`: `x`, `dy`, `dx` `(R, D)`.
///
/// With `u = γ ⊙ dy` and the normalised row `n`: `dx = (u − mean(u) − n ⊙ mean(u ⊙ n)) · inverse`.
///
/// # Panics
/// When the sizes do not match.
pub fn layer_norm_gradient(
    engine: &Engine,
    gamma: Option<&[f32]>,
    x: Rows<'_>,
    moments: Moments<'_>,
    dy: Rows<'_>,
    add: bool,
    dx: RowsMut<'_>,
) {
    assert_eq!((x.count(), x.width()), (dx.count(), dx.width()), "input and its gradient");
    assert_eq!((dy.count(), dy.width()), (dx.count(), dx.width()), "gradients of a layer normalisation");
    LayerNorm { gamma, beta: None, epsilon: 0.0 }.check(x.width());
    moments.check(x.count());
    map_rows(engine, &Backward { gamma, x, moments, dy, add }, dx);
}

/// Adds the gradients of γ, `Σ_r dy ⊙ n`, and of β, `Σ_r dy`, to `gamma` and `beta` `(D)`, if given; `n` is the
/// normalised row.
///
/// # Panics
/// When the sizes do not match.
pub fn layer_norm_parameter_gradients(
    engine: &Engine,
    x: Rows<'_>,
    moments: Moments<'_>,
    dy: Rows<'_>,
    gamma: Option<&mut [f32]>,
    beta: Option<&mut [f32]>,
) {
    let (rows, width) = (x.count(), x.width());
    assert_eq!((dy.count(), dy.width()), (rows, width), "input and gradient of a layer normalisation");
    moments.check(rows);
    let [gamma, beta] = [gamma, beta].map(|parameter| {
        parameter.map(|p| {
            assert_eq!(p.len(), width, "a parameter has one float per column");
            SharedMut::new(p)
        })
    });
    engine.share(width.div_ceil(COLUMN_BLOCK), 4 * rows * width, |_, blocks| {
        engine.isa().run(Parameters { x, moments, dy, gamma, beta, blocks });
    });
}

impl LayerNorm<'_> {
    fn check(&self, width: usize) {
        for parameter in [self.gamma, self.beta].into_iter().flatten() {
            assert_eq!(parameter.len(), width, "a parameter has one float per column");
        }
    }
}

impl Moments<'_> {
    fn check(&self, rows: usize) {
        assert_eq!((self.mean.len(), self.inverse.len()), (rows, rows), "one mean and one deviation per row");
    }
}

struct Forward<'a> {
    norm: LayerNorm<'a>,
    x: Rows<'a>,
}

impl RowKernel<f32, 2> for Forward<'_> {
    const COST: usize = 8;
    #[inline(always)]
    fn row<S: Simd>(&self, s: S, i: usize, row: &mut [f32], [mean, inverse]: [&mut f32; 2]) {
        let x = self.x.row(i);
        let count = x.len().max(1) as f64;
        let (mut total, mut squares) = (Sum::new(s), Sum::new(s));
        for at in (0..x.len()).step_by(S::LANES) {
            total.add(load(s, x, at), x.len() - at);
        }
        *mean = (total.total() / count) as f32;
        for at in (0..x.len()).step_by(S::LANES) {
            let d = s.sub(load(s, x, at), s.splat(*mean));
            squares.add(s.mul(d, d), x.len() - at);
        }
        *inverse = (1.0 / (squares.total() / count + f64::from(self.norm.epsilon)).sqrt()) as f32;
        for (y, x) in row.iter_mut().zip(x) {
            *y = (x - *mean) * *inverse;
        }
        if let Some(gamma) = self.norm.gamma {
            row.iter_mut().zip(gamma).for_each(|(y, gamma)| *y *= gamma);
        }
        if let Some(beta) = self.norm.beta {
            row.iter_mut().zip(beta).for_each(|(y, beta)| *y += beta);
        }
    }
}

struct Backward<'a> {
    gamma: Option<&'a [f32]>,
    x: Rows<'a>,
    moments: Moments<'a>,
    dy: Rows<'a>,
    add: bool,
}

impl Backward<'_> {
    /// Returns the vectors of u and n.
    #[inline(always)]
    fn vectors<S: Simd>(&self, s: S, i: usize, at: usize) -> (S::F, S::F) {
        let dy = load(s, self.dy.row(i), at);
        let u = match self.gamma {
            Some(gamma) => s.mul(load(s, gamma, at), dy),
            None => dy,
        };
        let x = s.sub(load(s, self.x.row(i), at), s.splat(self.moments.mean[i]));
        (u, s.mul(x, s.splat(self.moments.inverse[i])))
    }
}

impl RowKernel for Backward<'_> {
    const COST: usize = 16;
    #[inline(always)]
    fn row<S: Simd>(&self, s: S, i: usize, row: &mut [f32], _: [&mut (); 0]) {
        let len = row.len();
        let (mut total_u, mut total_un) = (Sum::new(s), Sum::new(s));
        for at in (0..len).step_by(S::LANES) {
            let (u, n) = self.vectors(s, i, at);
            total_u.add(u, len - at);
            total_un.add(s.mul(u, n), len - at);
        }
        let count = len.max(1) as f64;
        let mean_u = s.splat((total_u.total() / count) as f32);
        let mean_un = s.splat((total_un.total() / count) as f32);
        let inverse = s.splat(self.moments.inverse[i]);
        for at in (0..len).step_by(S::LANES) {
            let (u, n) = self.vectors(s, i, at);
            let dx = s.mul(s.sub(s.sub(u, mean_u), s.mul(n, mean_un)), inverse);
            let dx = if self.add { s.add(load(s, row, at), dx) } else { dx };
            store(s, row, at, dx);
        }
    }
}

struct Parameters<'a> {
    x: Rows<'a>,
    moments: Moments<'a>,
    dy: Rows<'a>,
    gamma: Option<SharedMut<f32>>,
    beta: Option<SharedMut<f32>>,
    blocks: Range<usize>,
}

impl Kernel for Parameters<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (rows, width) = (self.x.count(), self.x.width());
        for block in self.blocks {
            let columns = block * COLUMN_BLOCK..width.min((block + 1) * COLUMN_BLOCK);
            for first in (0..rows).step_by(ROW_BLOCK) {
                let (mut gamma, mut beta) = ([0.0f32; COLUMN_BLOCK], [0.0f32; COLUMN_BLOCK]);
                for r in first..rows.min(first + ROW_BLOCK) {
                    let (mean, inverse) = (self.moments.mean[r], self.moments.inverse[r]);
                    let pairs = self.x.row(r)[columns.clone()].iter().zip(&self.dy.row(r)[columns.clone()]);
                    for ((gamma, beta), (x, dy)) in gamma.iter_mut().zip(&mut beta).zip(pairs) {
                        *gamma += dy * ((x - mean) * inverse);
                        *beta += dy;
                    }
                }
                for (grad, sums) in [(self.gamma, gamma), (self.beta, beta)] {
                    if let Some(grad) = grad {
                        // SAFETY: the parameters have a float for each column; each block of columns belongs to one
                        // share.
                        let grad = unsafe { grad.slice(columns.clone()) };
                        grad.iter_mut().zip(&sums).for_each(|(grad, sum)| *grad += sum);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elementwise::testing::*;
    use crate::reference::layer_norm as reference;

    /// The mean of values of 3 to 7 is off by up to two ULP of 7, 1e-6. It is multiplied by γ and the inverse
    /// deviation, at most 2.2 with several columns. Relative above 1.
    const TOLERANCE: f64 = 4e-6;
    /// Sums of 4099 rows: 64 blocks are added to a sum of up to 64, whose half ULP is 2e-6, and √64 · 2e-6 = 1.6e-5.
    const SUM_TOLERANCE: f64 = 2e-5;
    const EPSILON: f32 = 1e-3;

    struct Case {
        count: usize,
        width: usize,
        x: Vec<f32>,
        dy: Vec<f32>,
        before: Vec<f32>,
        gamma: Vec<f32>,
        beta: Vec<f32>,
    }

    impl Case {
        fn new((count, width): (usize, usize)) -> Self {
            let rows = |seed, size| floats(seed, count * width, size);
            // Not centred at zero: a variance computed from the mean of squares would fail here.
            let x = rows(1, 2.0).iter().map(|x| x + 5.0).collect();
            let (dy, before) = (rows(2, 1.0), rows(3, 1.0));
            let gamma = floats(4, width, 1.0).iter().map(|g| g + 1.5).collect();
            Self { count, width, x, dy, before, gamma, beta: floats(5, width, 1.0) }
        }
    }

    fn cases() -> impl Iterator<Item = Case> {
        sizes().filter(|&(_, width)| width > 0).map(Case::new)
    }

    #[test]
    fn forward_matches_the_reference() {
        for case in cases() {
            let Case { count, width, .. } = case;
            let x = padded(&case.x, count, width);
            for (gamma, beta) in
                [(None, None), (Some(&case.gamma), None), (Some(&case.gamma), Some(&case.beta))]
            {
                let (gamma, beta) = (gamma.map(|v| &v[..]), beta.map(|v| &v[..]));
                let (g, b) = (gamma.map(doubles), beta.map(doubles));
                let epsilon = f64::from(EPSILON);
                let weights = reference::Weights { width, gamma: g.as_deref(), beta: b.as_deref(), epsilon };
                let want = reference::forward(&weights, count, &doubles(&case.x));
                let want: Vec<f64> = want.y.into_iter().chain(want.inverse_deviation).collect();
                stamped(
                    |e| {
                        let mut y = padded(&[], count, width);
                        let (mut mean, mut inverse) = (vec![f32::NAN; count], vec![f32::NAN; count]);
                        let norm = LayerNorm { gamma, beta, epsilon: EPSILON };
                        let out = RowsMut::new(&mut y, count, width);
                        layer_norm(e, norm, Rows::new(&x, count, width), &mut mean, &mut inverse, out);
                        let mut y = dense(&y, count, width);
                        y.extend(inverse);
                        y
                    },
                    |y, isa| assert_close(y, &want, TOLERANCE, &format!("{count} × {width} on {isa}")),
                );
            }
        }
    }

    #[test]
    fn gradients_match_the_reference() {
        for case in cases() {
            let Case { count, width, .. } = case;
            let (x, dy) = (padded(&case.x, count, width), padded(&case.dy, count, width));
            let (x, dy) = (Rows::new(&x, count, width), Rows::new(&dy, count, width));
            let (g, b) = (doubles(&case.gamma), doubles(&case.beta));
            for with_gamma in [false, true] {
                let gamma = with_gamma.then_some(&case.gamma[..]);
                let (gamma_ref, beta_ref) = (with_gamma.then_some(&g[..]), Some(&b[..]));
                let epsilon = f64::from(EPSILON);
                let weights = reference::Weights { width, gamma: gamma_ref, beta: beta_ref, epsilon };
                let forward = reference::forward(&weights, count, &doubles(&case.x));
                let want = reference::backward(&weights, count, &forward, &doubles(&case.dy));
                let inverse: Vec<f32> = forward.inverse_deviation.iter().map(|&v| v as f32).collect();
                let mean: Vec<f32> = case
                    .x
                    .chunks_exact(width)
                    .map(|x| (doubles(x).iter().sum::<f64>() / width as f64) as f32)
                    .collect();
                let moments = Moments { mean: &mean, inverse: &inverse };
                for add in [false, true] {
                    let old = case.before.iter().map(|&b| if add { f64::from(b) } else { 0.0 });
                    let want: Vec<f64> = want.x.iter().zip(old).map(|(d, old)| d + old).collect();
                    stamped(
                        |e| {
                            let mut dx = padded(&case.before, count, width);
                            let out = RowsMut::new(&mut dx, count, width);
                            layer_norm_gradient(e, gamma, x, moments, dy, add, out);
                            dense(&dx, count, width)
                        },
                        |d, isa| assert_close(d, &want, TOLERANCE, &format!("{count} × {width} on {isa}")),
                    );
                }
                let [old_gamma, old_beta] = [6, 7].map(|seed| floats(seed, width, 1.0));
                let sums = want.gamma.unwrap_or_default().into_iter().chain(want.beta.unwrap_or_default());
                let old = doubles(&old_gamma).into_iter().filter(|_| with_gamma).chain(doubles(&old_beta));
                let want: Vec<f64> = sums.zip(old).map(|(sum, old)| sum + old).collect();
                stamped(
                    |e| {
                        let (mut gamma, mut beta) = (old_gamma.clone(), old_beta.clone());
                        let to = with_gamma.then_some(&mut gamma[..]);
                        layer_norm_parameter_gradients(e, x, moments, dy, to, Some(&mut beta));
                        if with_gamma { [gamma, beta].concat() } else { beta }
                    },
                    |d, isa| assert_close(d, &want, SUM_TOLERANCE, &format!("{count} × {width} on {isa}")),
                );
            }
        }
    }

    #[test]
    fn rows_without_floats_have_moments() {
        let engine = Engine::new(crate::Isa::detect(), 1);
        let norm = LayerNorm { gamma: None, beta: None, epsilon: 0.25 };
        let (mut mean, mut inverse) = ([f32::NAN; 2], [f32::NAN; 2]);
        let out = RowsMut::new(&mut [], 2, 0);
        layer_norm(&engine, norm, Rows::new(&[], 2, 0), &mut mean, &mut inverse, out);
        assert_eq!((mean, inverse), ([0.0; 2], [2.0; 2]));
    }
}

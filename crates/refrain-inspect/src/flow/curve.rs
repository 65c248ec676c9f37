//! Norms over steps, and how they change on the way back.

use crate::quantile::{median, quantile};
use serde::Serialize;

/// A gradient has vanished if less than this share of its norm at the last step reaches the first step, and
/// exploded if more than the inverse does.
pub const VANISHED: f64 = 0.01;

/// A gradient is kept if at least this share of its norm arrives, and at most the inverse …
pub const KEPT: f64 = 0.1;
/// … and its factor per step is at least this, and at most the inverse: over a few steps the share alone proves
/// nothing.
pub const KEPT_A_STEP: f64 = 0.9;

/// Below this, an f32 loses digits until none are left, so the size of a norm is meaningless.
const EXACT: f64 = f32::MIN_POSITIVE as f64;

/// The share of sequences below the lower edge and above the upper edge of a band.
pub const BAND: f64 = 0.1;

/// Norms of a gradient by the number of steps before the last, over sequences of any length.
///
/// A 0 is a gradient that is 0 or too small for an f32 (1.4e-45); infinity, `null` in JSON, is one that is too
/// large (3.4e38).
#[derive(Debug, Clone, Default, Serialize)]
pub struct Curve {
    /// The norms of each sequence with at least one step, from its last step back to its first.
    pub norms: Vec<Vec<f64>>,
    /// The median over the sequences that have this many steps.
    pub median: Vec<f64>,
    /// The lower edge of the band: the quantile [`BAND`].
    pub low: Vec<f64>,
    /// The upper edge: the quantile `1 − BAND`.
    pub high: Vec<f64>,
    /// How the gradient changes on the way back; `None` if no gradient arrives or all sequences have one step.
    pub trend: Option<Trend>,
}

/// How a gradient changes on its way back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Trend {
    /// The norm at a sequence's first step divided by that at its last step: the median over sequences.
    pub ratio: f64,
    /// The factor per step: the geometric mean, as far back as an f32 holds the gradient with full precision; the
    /// median over sequences.
    pub factor: f64,
    /// The number of steps in which the norm falls to a tenth or grows tenfold; `None` if it does neither.
    pub steps_per_ten: Option<f64>,
    /// The first step before the last at which the median is too small for an f32 with full precision (1.2e-38), if
    /// any.
    pub zero_from: Option<usize>,
    /// The verdict based on [`VANISHED`], [`KEPT`] and [`KEPT_A_STEP`].
    pub verdict: Verdict,
}

/// What happens to a gradient between the last step and the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Less than [`VANISHED`] of it arrives.
    Vanishes,
    /// More than the inverse of [`VANISHED`] arrives.
    Explodes,
    /// Less than [`KEPT`] arrives, or the factor per step is below [`KEPT_A_STEP`].
    Shrinks,
    /// More than the inverse of [`KEPT`] arrives, or the factor per step is above the inverse of [`KEPT_A_STEP`].
    Grows,
    /// Anything in between.
    IsKept,
}

impl Curve {
    /// Creates a curve from each sequence's norms, from its last step back. Sequences without steps are ignored.
    pub fn new(norms: Vec<Vec<f64>>) -> Self {
        // A NaN results from numbers that were too large.
        let norms = norms.into_iter().filter(|of| !of.is_empty());
        let norms: Vec<Vec<f64>> = norms
            .map(|of| of.into_iter().map(|norm| if norm.is_nan() { f64::INFINITY } else { norm }).collect())
            .collect();
        let mut curve = Self { norms, ..Self::default() };
        for back in 0..curve.steps() {
            let mut at: Vec<f64> = curve.norms.iter().filter_map(|of| of.get(back).copied()).collect();
            at.sort_by(f64::total_cmp);
            curve.low.push(quantile(&at, BAND));
            curve.median.push(quantile(&at, 0.5));
            curve.high.push(quantile(&at, 1.0 - BAND));
        }
        curve.trend = curve.trend();
        curve
    }

    /// Returns the steps of the longest sequence.
    pub fn steps(&self) -> usize {
        self.norms.iter().map(Vec::len).max().unwrap_or(0)
    }

    fn trend(&self) -> Option<Trend> {
        let arriving = self.norms.iter().filter(|of| of.len() > 1 && of[0] > 0.0);
        let (ratios, factors): (Vec<f64>, Vec<f64>) = arriving.map(|of| (ratio(of), factor(of))).unzip();
        if ratios.is_empty() {
            return None;
        }
        let (ratio, factor) = (median(ratios), median(factors));
        let decade = factor.log10().abs();
        Some(Trend {
            ratio,
            factor,
            steps_per_ten: (decade.is_finite() && decade > SMALLEST_DECADE).then(|| 1.0 / decade),
            zero_from: self.median.iter().position(|&norm| norm < EXACT),
            verdict: Verdict::of(ratio, factor),
        })
    }
}

/// The smallest decimal logarithm of a factor: below it, a hundred thousand steps do not make a factor of ten.
const SMALLEST_DECADE: f64 = 1e-5;

impl Verdict {
    fn of(ratio: f64, factor: f64) -> Self {
        if ratio < VANISHED {
            Self::Vanishes
        } else if ratio > 1.0 / VANISHED {
            Self::Explodes
        } else if ratio < KEPT || factor < KEPT_A_STEP {
            Self::Shrinks
        } else if ratio > 1.0 / KEPT || factor > 1.0 / KEPT_A_STEP {
            Self::Grows
        } else {
            Self::IsKept
        }
    }

    /// Returns the verdict in words, to follow "the gradient".
    pub fn words(self) -> &'static str {
        match self {
            Self::Vanishes => "vanishes",
            Self::Explodes => "explodes",
            Self::Shrinks => "shrinks, but arrives",
            Self::Grows => "grows",
            Self::IsKept => "is kept",
        }
    }
}

/// Returns the first step's norm divided by the last step's.
fn ratio(norms: &[f64]) -> f64 {
    let ratio = norms[norms.len() - 1] / norms[0];
    if ratio.is_nan() { f64::INFINITY } else { ratio }
}

/// Returns the geometric mean of the factors per step, as far back as the norms are neither too small nor infinite.
fn factor(norms: &[f64]) -> f64 {
    let far = norms.iter().rposition(|&norm| norm >= EXACT && norm.is_finite()).unwrap_or(0);
    if far == 0 {
        return if norms[1] > norms[0] { f64::INFINITY } else { 0.0 };
    }
    (norms[far] / norms[0]).powf(1.0 / far as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometric(first: f64, factor: f64, steps: i32) -> Vec<f64> {
        (0..steps).map(|k| first * factor.powi(k)).collect()
    }

    #[test]
    fn a_geometric_decay_is_found() {
        let curve = Curve::new(vec![geometric(3.0, 0.5, 11), geometric(1.0, 0.5, 11), Vec::new()]);
        let trend = curve.trend.unwrap();
        assert_eq!(curve.norms.len(), 2);
        assert!((trend.ratio - 0.5f64.powi(10)).abs() < 1e-15 && (trend.factor - 0.5).abs() < 1e-12);
        assert!((trend.steps_per_ten.unwrap() - std::f64::consts::LOG2_10).abs() < 1e-9);
        assert_eq!((trend.verdict, trend.zero_from), (Verdict::Vanishes, None));
        assert_eq!(Curve::new(vec![geometric(1.0, 2.0, 11)]).trend.unwrap().verdict, Verdict::Explodes);
        let kept = Curve::new(vec![geometric(1.0, 1.0, 11)]).trend.unwrap();
        assert_eq!((kept.verdict, kept.steps_per_ten), (Verdict::IsKept, None));
    }

    #[test]
    fn zeros_stay_zeros_and_do_not_hide_the_slope() {
        let mut norms = geometric(1.0, 1e-4, 6);
        norms.extend([0.0; 4]);
        let curve = Curve::new(vec![norms]);
        let trend = curve.trend.unwrap();
        assert_eq!((trend.ratio, trend.zero_from), (0.0, Some(6)));
        assert!((trend.factor - 1e-4).abs() < 1e-12);
        assert!(Curve::new(vec![vec![0.0; 5]]).trend.is_none(), "nothing arrives");
        assert!(Curve::new(vec![vec![1.0]]).trend.is_none(), "one step");
        assert!(Curve::new(Vec::new()).trend.is_none());
    }

    #[test]
    fn an_overflowing_norm_is_called_exploding() {
        let curve = Curve::new(vec![vec![1.0, 1e20, f64::INFINITY, f64::NAN]]);
        let trend = curve.trend.unwrap();
        assert_eq!((trend.verdict, trend.ratio, trend.factor), (Verdict::Explodes, f64::INFINITY, 1e20));
        assert_eq!(curve.median[3], f64::INFINITY);
    }

    #[test]
    fn sequences_are_aligned_at_their_ends() {
        let curve = Curve::new(vec![vec![1.0, 2.0, 3.0], vec![3.0]]);
        assert_eq!(curve.median, [2.0, 2.0, 3.0]);
        assert!((curve.low[0] - 1.2).abs() < 1e-12 && (curve.high[0] - 2.8).abs() < 1e-12);
    }
}

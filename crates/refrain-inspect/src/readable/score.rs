//! Scores all units against all features at once. AUC and rank correlation are sums of products of a unit's ranks
//! with the feature, so all of them, and the controls, are one matrix product.

use super::features::{Feature, FeatureKind};
use super::ranks::centred_ranks;
use super::states::States;
use ndarray::{Array2, ArrayView1};
use std::ops::Range;

/// Number of units that are ranked and multiplied together.
const GROUP: usize = 64;

/// The centred features of one half of the text, each with its shifted copies.
#[derive(Debug)]
pub(super) struct Half {
    range: Range<usize>,
    /// `(tokens, (1 + controls) · features)`, with the unshifted features first.
    columns: Array2<f32>,
    /// How each feature's sums become effects.
    scales: Vec<Scale>,
}

/// Converts a sum over a unit's ranks to an effect.
#[derive(Debug, Clone, Copy)]
enum Scale {
    /// 2 · AUC - 1 is the sum times this.
    Binary(f64),
    /// The correlation is the sum divided by the norms of the unit's ranks and of these.
    Numeric(f64),
}

impl Half {
    pub(super) fn new(features: &[&Feature], range: Range<usize>, controls: usize) -> Self {
        let n = range.len();
        let mut columns = Array2::zeros((n, features.len() * (1 + controls)));
        let mut scales = Vec::new();
        for (f, feature) in features.iter().enumerate() {
            let (column, scale) = centred(&feature.values[range.clone()], feature.kind);
            for shift in 0..=controls {
                // Evenly spread, and none close to the original text.
                let by = shift * n / (controls + 1);
                let mut to = columns.column_mut(shift * features.len() + f);
                to.iter_mut().enumerate().for_each(|(i, to)| *to = column[(i + by) % n]);
            }
            scales.push(scale);
        }
        Self { range, columns, scales }
    }

    /// Returns the effect of a unit with one of the columns, given the sum and the norm of the unit's ranks.
    fn effect(&self, column: usize, sum: f32, norm: f64) -> f64 {
        match self.scales[column % self.scales.len()] {
            Scale::Binary(scale) => f64::from(sum) * scale,
            Scale::Numeric(other) => f64::from(sum) / (norm * other),
        }
    }

    /// Returns the effects of a group of units, given as rows of their ranks.
    fn effects<'a>(
        &'a self,
        ranks: &Array2<f32>,
        norms: &'a [f64],
    ) -> impl Iterator<Item = Vec<f64>> + use<'a> {
        let sums = ranks.dot(&self.columns);
        norms.iter().enumerate().map(move |(unit, &norm)| {
            let row: ArrayView1<'_, f32> = sums.row(unit);
            row.iter().enumerate().map(|(column, &sum)| self.effect(column, sum, norm)).collect()
        })
    }
}

/// Returns a feature's centred values, or their centred ranks.
fn centred(values: &[f32], kind: FeatureKind) -> (Vec<f32>, Scale) {
    let n = values.len() as f64;
    match kind {
        FeatureKind::Binary => {
            let positives = values.iter().filter(|&&x| x > 0.5).count() as f64;
            let mean = (positives / n) as f32;
            let column = values.iter().map(|&x| f32::from(u8::from(x > 0.5)) - mean).collect();
            (column, Scale::Binary(2.0 * n / (positives * (n - positives))))
        }
        FeatureKind::Numeric => {
            let mut ranks = vec![0.0; values.len()];
            let norm = centred_ranks(values, &mut Vec::new(), &mut ranks).unwrap_or(0.0);
            (ranks, Scale::Numeric(norm))
        }
    }
}

/// The effect of every candidate on every feature, on both halves, and that of the controls. NaN for a unit that
/// does not vary or is not finite.
#[derive(Debug)]
pub(super) struct Scores {
    features: usize,
    /// `(candidates, features)`, on the first and the second half.
    halves: [Vec<f64>; 2],
    controls: Vec<f64>,
}

impl Scores {
    pub(super) fn of(states: &States, halves: &[Half; 2], threads: usize) -> Self {
        let features = halves[0].scales.len();
        let candidates = states.candidates();
        let groups: Vec<Range<usize>> =
            (0..candidates).step_by(GROUP).map(|from| from..candidates.min(from + GROUP)).collect();
        let share = groups.len().div_ceil(threads.max(1)).max(1);
        let of_groups = |groups: &[Range<usize>]| {
            groups.iter().map(|group| of_group(states, halves, group.clone())).collect::<Vec<_>>()
        };
        let parts: Vec<Self> = std::thread::scope(|scope| {
            let workers: Vec<_> =
                groups.chunks(share).map(|groups| scope.spawn(move || of_groups(groups))).collect();
            let joined = workers.into_iter().map(|worker| worker.join().expect("no panic in it"));
            joined.flatten().collect()
        });
        let mut all = Self { features, halves: [Vec::new(), Vec::new()], controls: vec![0.0; features] };
        for part in parts {
            for (all, part) in all.halves.iter_mut().zip(part.halves) {
                all.extend(part);
            }
            all.controls.iter_mut().zip(part.controls).for_each(|(all, part)| *all = all.max(part));
        }
        all
    }

    /// Returns the effect on the first half.
    pub(super) fn chosen_on(&self, candidate: usize, feature: usize) -> f64 {
        self.halves[0][candidate * self.features + feature]
    }

    /// Returns the effect on the second half.
    pub(super) fn held_out(&self, candidate: usize, feature: usize) -> f64 {
        self.halves[1][candidate * self.features + feature]
    }

    /// Returns the largest effect of any candidate when the feature is shifted along the second half.
    pub(super) fn control(&self, feature: usize) -> f64 {
        self.controls[feature]
    }
}

fn of_group(states: &States, halves: &[Half; 2], group: Range<usize>) -> Scores {
    let features = halves[0].scales.len();
    let values: Vec<Vec<f32>> = states.group(group);
    let mut controls = vec![0.0_f64; features];
    let effects = halves.each_ref().map(|half| {
        let n = half.range.len();
        let mut ranks = Array2::zeros((values.len(), n));
        let mut order = Vec::with_capacity(n);
        let norms: Vec<f64> = values
            .iter()
            .zip(ranks.rows_mut())
            .map(|(values, mut row)| {
                let row = row.as_slice_mut().expect("rows are contiguous");
                let norm = centred_ranks(&values[half.range.clone()], &mut order, row);
                norm.filter(|&norm| norm > 0.0).unwrap_or(f64::NAN)
            })
            .collect();
        let mut own = Vec::with_capacity(values.len() * features);
        for (effects, norm) in half.effects(&ranks, &norms).zip(&norms) {
            for (column, effect) in effects.into_iter().enumerate() {
                let effect = if norm.is_nan() { f64::NAN } else { effect };
                if column < features {
                    own.push(effect);
                } else if effect.abs() > controls[column % features] {
                    controls[column % features] = effect.abs();
                }
            }
        }
        own
    });
    Scores { features, halves: effects, controls }
}

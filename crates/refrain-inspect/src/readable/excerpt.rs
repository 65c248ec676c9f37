//! A part of the text with a unit's values.

use super::FeatureFound;
use super::features::Feature;
use super::states::States;
use crate::shown::written;
use serde::Serialize;

/// A part of the held-out text with a unit's value at each token.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Excerpt {
    /// The feature that the unit follows.
    pub feature: &'static str,
    /// Its layer.
    pub layer: String,
    /// `hidden state` or `cell state`.
    pub state: &'static str,
    /// Its index in the layer.
    pub unit: usize,
    /// The tokens read.
    pub tokens: Vec<String>,
    /// The unit's value after each token.
    pub values: Vec<f32>,
    /// The feature's value after each token.
    pub truth: Vec<f32>,
    /// The positions of the tokens in the sample, counted over all lanes.
    #[serde(skip)]
    at: Vec<usize>,
}

/// The distance between candidate windows.
const STRIDE: usize = 50;

impl Excerpt {
    /// Returns the excerpt for the best unit of a feature: the window of the held-out half in which the feature
    /// changes most.
    pub(super) fn of(states: &States, found: &FeatureFound, feature: &Feature, tokens: usize) -> Self {
        let unit = &found.units[0];
        let half = states.kept.len() / 2;
        let length = tokens.min(states.kept.len() - half);
        let starts = (half..=states.kept.len() - length).step_by(STRIDE);
        // Tokens of two lanes are not consecutive, so a window across lanes is used only if there is no other.
        let one_lane = |from: usize| states.kept[from + length - 1] - states.kept[from] == length - 1;
        let best = starts
            .map(|from| (one_lane(from), variation(&feature.values[from..from + length]), from))
            .fold((false, -1.0, half), |best, w| if (w.0, w.1) > (best.0, best.1) { w } else { best });
        let range = best.2..best.2 + length;
        let at = states.kept[range.clone()].to_vec();
        let block = states.blocks.iter().find(|b| b.layer == unit.layer && b.state == unit.state);
        let block = block.expect("it was found there");
        let column = unit.unit / states.every;
        Self {
            feature: found.name,
            layer: unit.layer.clone(),
            state: unit.state,
            unit: unit.unit,
            tokens: Vec::new(),
            values: at.iter().map(|&at| block.values[at * block.units + column]).collect(),
            truth: feature.values[range].to_vec(),
            at,
        }
    }

    /// Fills in the tokens of the sample, lane after lane.
    pub(super) fn fill(&mut self, tokens: &[&String]) {
        self.tokens = self.at.iter().map(|&at| tokens[at].clone()).collect();
    }

    /// Returns whether a line ends after a token.
    pub(super) fn ends_line(token: &str) -> bool {
        written(token).contains('\n')
    }
}

fn variation(values: &[f32]) -> f64 {
    let n = values.len().max(1) as f64;
    let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n
}

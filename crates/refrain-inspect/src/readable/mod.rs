//! Units whose value follows a feature of the text that a reader can name, after Karpathy, Johnson & Fei-Fei
//! (2015), "Visualizing and Understanding Recurrent Networks".
//!
//! Every unit's hidden and cell state is compared with every [`Feature`] of the text. The units, directions and
//! thresholds are chosen on the first half of the text, and their effect is measured on the second. Among many
//! units, some fit by chance. As a control, the same search is done with the features shifted along the text, which
//! keeps their rhythm but breaks their relation to the text: it shows how well the best of this many units does by
//! chance.

mod excerpt;
mod features;
mod ranks;
mod scan;
mod score;
mod states;
#[cfg(test)]
mod tests;
mod words;

pub use excerpt::Excerpt;
pub use features::{Feature, FeatureKind, features};
pub use ranks::{auc, pearson, spearman};

use crate::error::{Error, Result};
use crate::sample::Sample;
use ranks::Threshold;
use refrain_nn::Model;
use score::{Half, Scores};
use serde::Serialize;
use states::States;

/// The options of the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Search {
    /// Steps at the beginning of each sequence that are skipped, because the state is not warmed up yet.
    pub warm_up: usize,
    /// The number of shifted controls.
    pub controls: usize,
    /// The number of units reported for each feature.
    pub top: usize,
    /// The number of features for which a coloured excerpt is kept.
    pub excerpts: usize,
    /// Tokens per excerpt.
    pub excerpt_tokens: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self { warm_up: 50, controls: 10, top: 5, excerpts: 6, excerpt_tokens: 600 }
    }
}

/// The effect from which a unit is called readable: an AUC of 0.8, or a rank correlation of 0.6.
pub const READABLE: f64 = 0.6;
/// By how much the effect must exceed the best control.
pub const ABOVE_CONTROL: f64 = 0.15;
/// The minimum number of positions in each half that have a feature, and that lack it.
const MIN_POSITIONS: usize = 20;

/// The result of the search.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Readable {
    /// A description of the data.
    pub of: String,
    /// Number of tokens evaluated; the second half is held out.
    pub tokens: usize,
    /// Number of unit states examined: the hidden and the cell state of a unit count as two.
    pub candidates: usize,
    /// One in this many units of a layer was examined; 1: all.
    pub every: usize,
    /// The options of the search.
    pub search: Search,
    /// The features of this text, the best explained first.
    pub features: Vec<FeatureFound>,
    /// Features that do not occur in this text, or almost never.
    pub left_out: Vec<&'static str>,
    /// Coloured excerpts for the most readable units.
    pub excerpts: Vec<Excerpt>,
}

/// A feature and the units that follow it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureFound {
    /// Its name.
    pub name: &'static str,
    /// What it means at a token.
    pub explanation: &'static str,
    /// The kind of its values.
    pub kind: FeatureKind,
    /// Its mean over the tokens; for a binary feature, the share of tokens that have it.
    pub mean: f64,
    /// The largest effect of any unit when the feature is shifted along the held-out text.
    pub control: f64,
    /// The units that follow it best on the first half, the best first.
    pub units: Vec<UnitFound>,
}

/// A unit that follows a feature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnitFound {
    /// Its layer.
    pub layer: String,
    /// `hidden state` or `cell state`.
    pub state: &'static str,
    /// Its index in the layer.
    pub unit: usize,
    /// 1 if its value is larger where the feature is present, -1 if it is smaller.
    pub sign: i8,
    /// The effect on the held-out half, in the direction chosen on the first half: 2 · AUC - 1 for a binary
    /// feature, Spearman's correlation for a numeric one. 0 is no relation, 1 a perfect one.
    pub effect: f64,
    /// The effect on the first half.
    pub effect_chosen_on: f64,
    /// For binary features: the held-out area under the ROC curve.
    pub auc: Option<f64>,
    /// For binary features: the held-out mean recall of both classes, with the threshold chosen on the first half.
    pub balanced_accuracy: Option<f64>,
    /// For numeric features: the held-out share of the feature's variance explained by the best straight line.
    pub r_squared: Option<f64>,
    /// Whether the effect is at least [`READABLE`] and exceeds the control by [`ABOVE_CONTROL`].
    pub readable: bool,
}

impl Readable {
    /// Runs the model on a sample of text and searches for units that follow its features. Some ten thousand tokens
    /// are enough, in lanes of at least a thousand that start at the beginning of a line.
    ///
    /// # Errors
    /// If the sample has no tokens, is empty or does not fit the model, or no recurrent layer reads its tokens.
    pub fn of(model: &mut Model, sample: &Sample, search: &Search) -> Result<Self> {
        let Some(lanes) = &sample.tokens else {
            return Err(unsupported("the sample is not text: its steps have no tokens"));
        };
        if lanes.len() != sample.batch.lanes {
            let expected = format!("{}, one for each sequence", sample.batch.lanes);
            return Err(Error::Setting {
                setting: "lanes of tokens",
                got: lanes.len().to_string(),
                expected,
            });
        }
        let threads = model.engine().threads();
        let states = States::read(model, sample, lanes, search.warm_up)?;
        let mut all = features(lanes);
        for feature in &mut all {
            feature.values = states.kept.iter().map(|&at| feature.values[at]).collect();
        }
        Ok(search_in(&states, &all, search, threads).named(sample, lanes))
    }

    fn named(mut self, sample: &Sample, lanes: &[Vec<String>]) -> Self {
        self.of.clone_from(&sample.of);
        let tokens: Vec<&String> = lanes.iter().flatten().collect();
        self.excerpts.iter_mut().for_each(|excerpt| excerpt.fill(&tokens));
        self
    }
}

fn unsupported(reason: &str) -> Error {
    Error::Unsupported { what: "look for readable units".to_owned(), reason: reason.to_owned() }
}

/// Searches over states and features of the same tokens.
fn search_in(states: &States, all: &[Feature], search: &Search, threads: usize) -> Readable {
    let half = states.kept.len() / 2;
    let (there, left_out): (Vec<&Feature>, Vec<&Feature>) =
        all.iter().partition(|f| varies(&f.values[..half]) && varies(&f.values[half..]));
    let halves = [Half::new(&there, 0..half, 0), Half::new(&there, half..states.kept.len(), search.controls)];
    let scores = Scores::of(states, &halves, threads);
    let mut found: Vec<(FeatureFound, &Feature)> = there
        .iter()
        .enumerate()
        .map(|(f, feature)| (found(states, &scores, (f, feature), search), *feature))
        .collect();
    let above = |f: &FeatureFound| f.units.first().map_or(-1.0, |unit| unit.effect - f.control);
    found.sort_by(|(a, _), (b, _)| above(b).total_cmp(&above(a)));
    let excerpts = found
        .iter()
        .filter(|(found, _)| found.units.first().is_some_and(|unit| unit.readable))
        .take(search.excerpts)
        .map(|(found, feature)| Excerpt::of(states, found, feature, search.excerpt_tokens))
        .collect();
    Readable {
        of: String::new(),
        tokens: states.kept.len(),
        candidates: states.candidates(),
        every: states.every,
        search: *search,
        features: found.into_iter().map(|(found, _)| found).collect(),
        left_out: left_out.iter().map(|feature| feature.name).collect(),
        excerpts,
    }
}

/// Returns whether enough values differ from the most frequent one.
fn varies(values: &[f32]) -> bool {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let most = sorted.chunk_by(|a, b| a == b).map(<[f32]>::len).max().unwrap_or(0);
    values.len() - most >= MIN_POSITIONS
}

/// Returns the units that follow a feature.
fn found(states: &States, scores: &Scores, (f, feature): (usize, &Feature), search: &Search) -> FeatureFound {
    let mut order: Vec<usize> =
        (0..states.candidates()).filter(|&u| scores.chosen_on(u, f).is_finite()).collect();
    order.sort_by(|&a, &b| scores.chosen_on(b, f).abs().total_cmp(&scores.chosen_on(a, f).abs()));
    let control = scores.control(f);
    let units = order.into_iter().take(search.top).map(|candidate| {
        let first = scores.chosen_on(candidate, f);
        let sign = if first < 0.0 { -1.0 } else { 1.0 };
        let effect = sign * scores.held_out(candidate, f);
        let (block, unit) = states.place(candidate);
        let found = UnitFound {
            layer: block.layer.clone(),
            state: block.state,
            unit: unit * states.every,
            sign: sign as i8,
            effect,
            effect_chosen_on: first.abs(),
            auc: None,
            balanced_accuracy: None,
            r_squared: None,
            readable: effect >= READABLE && effect - control >= ABOVE_CONTROL,
        };
        found.measured(&states.values(candidate), feature, sign as f32)
    });
    let mean = feature.values.iter().map(|&x| f64::from(x)).sum::<f64>() / feature.values.len().max(1) as f64;
    FeatureFound {
        name: feature.name,
        explanation: feature.explanation,
        kind: feature.kind,
        mean,
        control,
        units: units.collect(),
    }
}

impl UnitFound {
    /// Adds the measures for the feature's kind.
    fn measured(mut self, values: &[f32], feature: &Feature, sign: f32) -> Self {
        let half = values.len() / 2;
        let ((first, second), (known, held)) = (values.split_at(half), feature.values.split_at(half));
        match feature.kind {
            FeatureKind::Binary => {
                let rule = Threshold::best(first, known, sign);
                self.auc = Some(f64::midpoint(self.effect, 1.0));
                self.balanced_accuracy = Some(rule.balanced_accuracy(second, held));
            }
            FeatureKind::Numeric => self.r_squared = pearson(second, held).map(|r| r * r),
        }
        self
    }
}

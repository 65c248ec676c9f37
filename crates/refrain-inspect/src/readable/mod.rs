//! Units whose value says something of the text that a reader can name, after Karpathy, Johnson & Fei-Fei (2015),
//! "Visualizing and Understanding Recurrent Networks".
//!
//! Every unit's hidden and cell state is held against every [`Feature`] of the text. Which units are taken, in which
//! direction and with which threshold, is decided on the first half of the text; what they are worth is measured on the
//! second. Among many units some fit by chance: the same search with the features shifted along the text, which keeps
//! their rhythm and breaks their bond to the text, says how well the best of this many does without knowing anything.

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

/// How units are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Search {
    /// Steps of each sequence that are left out: the memory is still cold.
    pub warm_up: usize,
    /// Shifts of the text that say what chance reaches.
    pub controls: usize,
    /// Units reported for each feature.
    pub top: usize,
    /// Features of which a coloured text is kept.
    pub excerpts: usize,
    /// Tokens of each.
    pub excerpt_tokens: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self { warm_up: 50, controls: 10, top: 5, excerpts: 6, excerpt_tokens: 600 }
    }
}

/// Effect from which a unit is called readable: an AUC of 0.8, a correlation of ranks of 0.6.
pub const READABLE: f64 = 0.6;
/// By how much it exceeds the best of the controls.
pub const ABOVE_CONTROL: f64 = 0.15;
/// In each half a feature has this many places, and lacks as many.
const LEAST: usize = 20;

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Readable {
    /// What was read.
    pub of: String,
    /// Tokens judged on, the second half of them held out.
    pub tokens: usize,
    /// States of units looked at: the hidden and the cell state of a unit are two.
    pub candidates: usize,
    /// Of so many units of a layer one was looked at; 1 is all.
    pub every: usize,
    /// How units were looked for.
    pub search: Search,
    /// The features of this text, the best explained first.
    pub features: Vec<FeatureFound>,
    /// Features that this text has nowhere, or nearly so.
    pub left_out: Vec<&'static str>,
    /// Coloured texts of the most readable units.
    pub excerpts: Vec<Excerpt>,
}

/// A feature and the units that follow it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureFound {
    /// Its name.
    pub name: &'static str,
    /// What it says of a token.
    pub explanation: &'static str,
    /// What values it has.
    pub kind: FeatureKind,
    /// Its mean over the tokens: of a binary one the share of tokens that have it.
    pub mean: f64,
    /// The largest effect of any unit with the feature shifted along the held-out text.
    pub control: f64,
    /// The units that followed it best on the first half, best first.
    pub units: Vec<UnitFound>,
}

/// A unit that follows a feature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnitFound {
    /// Its layer.
    pub layer: String,
    /// `hidden state` or `cell state`.
    pub state: &'static str,
    /// Its number in the layer.
    pub unit: usize,
    /// 1 when it is larger where the feature is, -1 when it is smaller.
    pub sign: i8,
    /// On the held-out half, in the direction that the first half says: 2 · AUC - 1 of a binary feature, Spearman's
    /// correlation of a numeric one. 0 says nothing, 1 all.
    pub effect: f64,
    /// The same on the first half.
    pub effect_chosen_on: f64,
    /// Of binary features: the area under the ROC curve, held out.
    pub auc: Option<f64>,
    /// Of binary features: the mean of the shares found among both classes, held out, with a threshold of the first half.
    pub balanced_accuracy: Option<f64>,
    /// Of numeric features: the share of the feature's variance that the best straight line explains, held out.
    pub r_squared: Option<f64>,
    /// Whether its effect is at least [`READABLE`] and exceeds the control's by [`ABOVE_CONTROL`].
    pub readable: bool,
}

impl Readable {
    /// Reads a sample of text and looks for units that follow its features. Some ten thousand tokens, in lanes of a
    /// thousand or more that begin where a line does, are enough.
    ///
    /// # Errors
    /// When the sample has no tokens, is empty or does not fit the model, or no recurrent layer reads its tokens.
    pub fn of(model: &mut Model, sample: &Sample, search: &Search) -> Result<Self> {
        let Some(lanes) = &sample.tokens else {
            return Err(unsupported("the sample is no text: its steps have no tokens"));
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

/// The search over states and features of the same tokens.
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

/// Whether enough values differ from the most frequent one.
fn varies(values: &[f32]) -> bool {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let most = sorted.chunk_by(|a, b| a == b).map(<[f32]>::len).max().unwrap_or(0);
    values.len() - most >= LEAST
}

/// The units that follow a feature.
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
    /// With the measures of the feature's kind.
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

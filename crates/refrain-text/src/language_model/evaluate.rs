//! How well a model predicts a text.

use super::LanguageModel;
use super::codec::{Codec, Level};
use super::train::split_text;
use crate::error::Result;
use crate::score::{ScoreBlock, ScoreLanes};
use refrain_nn::Model;
use refrain_nn::data::{Batch, Extent};
use serde::Serialize;

/// Lanes that are scored side by side.
const LANES: usize = 32;
/// Steps of a block; the state is carried from block to block.
const STEPS: usize = 128;

/// A model's score on a text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// Mean over the scored tokens, in nats.
    pub loss: f64,
    /// `e^loss`
    pub perplexity: f64,
    /// `loss / ln 2`
    pub bits_per_token: f64,
    /// The text's bits shared out among its characters.
    pub bits_per_character: f64,
    /// Share of the tokens that were the likeliest.
    pub accuracy: f64,
    /// Tokens scored: all but the first.
    pub tokens: usize,
}

/// The part of a text that [`LanguageModel::evaluate`] is asked for: its last `share`, or all of it.
pub fn score_split(text: &str, share: Option<f64>, level: Level) -> &str {
    share.map_or(text, |share| split_text(text, share, level).1)
}

impl LanguageModel {
    /// Scores a text in fixed lanes of 8,192 tokens, each warmed by the 512 tokens before it; with `stream`
    /// in one lane from beginning to end. The first token is not scored.
    ///
    /// # Errors
    /// When the text has fewer than two tokens.
    pub fn evaluate(&mut self, text: &str, stream: bool) -> Result<Score> {
        let tokens = self.codec.encode(text);
        if !self.model.is_compiled() {
            self.model.compile(refrain_nn::Compile {
                loss: refrain_nn::loss::Loss::SparseCategoricalCrossentropy,
                metrics: vec![refrain_nn::metrics::Metric::Accuracy],
                engine: Some(self.model.engine().clone()),
                ..Default::default()
            })?;
        }
        score(&mut self.model, &self.codec, &tokens, text, stream)
    }
}

/// Scores the tokens of a text with a compiled model.
pub(super) fn score(
    model: &mut Model,
    codec: &Codec,
    tokens: &[u32],
    text: &str,
    stream: bool,
) -> Result<Score> {
    let lanes =
        if stream { ScoreLanes::stream(tokens, STEPS)? } else { ScoreLanes::new(tokens, LANES, STEPS)? };
    let mut block = ScoreBlock::default();
    let mut batch = Batch::default();
    batch.inputs.resize_with(1, Default::default);
    batch.targets.resize_with(1, Default::default);
    model.reset_totals();
    for group in 0..lanes.groups() {
        let mut state = model.new_state();
        for i in 0..lanes.blocks(group) {
            lanes.fill(group, i, &mut block);
            let (input, target) = (&mut batch.inputs[0], &mut batch.targets[0]);
            (batch.lanes, input.steps, target.steps) = (block.n, block.t, block.t);
            input.extent = Extent::Lengths;
            input.ids.clone_from(&block.inputs);
            input.lengths.clone_from(&block.lengths);
            target.ids.clone_from(&block.targets);
            batch.weights.clone_from(&block.weights);
            model.test_step(&batch, Some(&mut state))?;
        }
    }
    let loss = model.weighted_loss();
    let accuracy = model.totals()[1].1;
    let scored = lanes.scored();
    let mut first = String::new();
    codec.decoder(None).push(tokens[0], &mut first)?;
    let characters = text.chars().count().saturating_sub(first.chars().count()).max(1);
    let bits = loss / std::f64::consts::LN_2;
    Ok(Score {
        loss,
        perplexity: loss.exp(),
        bits_per_token: bits,
        bits_per_character: bits * scored as f64 / characters as f64,
        accuracy,
        tokens: scored,
    })
}

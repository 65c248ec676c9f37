//! Scores of a language model on a text.

use super::LanguageModel;
use crate::codec::Codec;
use crate::error::Result;
use crate::score::{BatchDone, SCORE_LANE, ScoreBlock, ScoreLanes, compile_to_score};
use crate::tokens::{StoredTokens, Tokens};
use refrain_nn::Model;
use refrain_nn::checkpoint::exact;
use refrain_nn::data::{Batch, Extent};
use refrain_nn::metrics::Metric;
use serde::{Deserialize, Serialize};

/// Lanes that are scored in parallel.
const LANES: usize = 32;
/// Steps of a block; the state is carried from block to block.
const STEPS: usize = 128;

/// Returns the lanes and steps that are scored at once for a text of this many tokens.
pub(super) fn scored_at_once(tokens: usize, stream: bool) -> (usize, usize) {
    let lanes = if stream { 1 } else { tokens.div_ceil(SCORE_LANE).min(LANES) };
    (lanes, STEPS.min(tokens))
}

/// A model's score on a text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TextScore {
    /// Mean loss over the scored tokens, in nats.
    #[serde(with = "exact")]
    pub loss: f64,
    /// `e^loss`
    #[serde(with = "exact")]
    pub perplexity: f64,
    /// `loss / ln 2`
    #[serde(with = "exact")]
    pub bits_per_token: f64,
    /// Bits per character of the text.
    #[serde(with = "exact")]
    pub bits_per_character: f64,
    /// Share of the tokens that were the model's likeliest prediction.
    #[serde(with = "exact")]
    pub accuracy: f64,
    /// Number of tokens scored: all but the first.
    pub tokens: usize,
    /// Share of the text's tokens that the vocabulary does not have. They all count as one token.
    #[serde(default, with = "exact")]
    pub unknown: f64,
}

impl LanguageModel {
    /// Scores a text in fixed lanes of 8,192 tokens, each warmed up by the 512 tokens before it, or with `stream`
    /// in one lane from beginning to end. The first token is not scored.
    ///
    /// # Errors
    /// If the text has fewer than two tokens, or the vocabulary has none of them.
    pub fn evaluate(&mut self, text: &str, stream: bool) -> Result<TextScore> {
        let tokens = self.codec().encode(text);
        self.evaluate_tokens(&tokens, text.chars().count(), stream)
    }

    /// Scores the tokens of a text with this many characters. The result is bit for bit that of
    /// [`evaluate`](Self::evaluate), for texts that need not fit in memory.
    ///
    /// # Errors
    /// If there are fewer than two tokens, the vocabulary has none of them, or they cannot be read.
    pub fn evaluate_tokens(
        &mut self,
        tokens: &impl Tokens,
        characters: usize,
        stream: bool,
    ) -> Result<TextScore> {
        tokens.unknown()?.check()?;
        let (model, codec) = self.parts_mut();
        if !model.is_compiled() {
            compile_to_score(model, vec![Metric::Accuracy])?;
        }
        score(model, codec, tokens, characters, stream, &mut || Ok(()))
    }
}

/// The tokens of a text on which a run is scored.
#[derive(Debug)]
pub(super) struct ScoredText {
    pub(super) tokens: StoredTokens,
    pub(super) characters: usize,
}

impl ScoredText {
    /// Returns the score of a compiled model. `batch_done` is called after each batch.
    pub(super) fn score(
        &self,
        model: &mut Model,
        codec: &Codec,
        stream: bool,
        batch_done: BatchDone<'_>,
    ) -> Result<TextScore> {
        score(model, codec, &self.tokens, self.characters, stream, batch_done)
    }
}

/// Scores the tokens of a text of this many characters with a compiled model.
pub(super) fn score(
    model: &mut Model,
    codec: &Codec,
    tokens: &impl Tokens,
    characters: usize,
    stream: bool,
    batch_done: BatchDone<'_>,
) -> Result<TextScore> {
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
            lanes.fill(group, i, &mut block)?;
            let (input, target) = (&mut batch.inputs[0], &mut batch.targets[0]);
            (batch.lanes, input.steps, target.steps) = (block.n, block.t, block.t);
            input.extent = Extent::Lengths;
            input.ids.clone_from(&block.inputs);
            input.lengths.clone_from(&block.lengths);
            target.ids.clone_from(&block.targets);
            batch.weights.clone_from(&block.weights);
            model.test_step(&batch, Some(&mut state))?;
            batch_done()?;
        }
    }
    TextScore::of_totals(model, codec, tokens, characters)
}

impl TextScore {
    /// Computes the score from a model's totals on a text of this many characters, in which all tokens but the
    /// first were scored.
    pub(super) fn of_totals(
        model: &Model,
        codec: &Codec,
        tokens: &impl Tokens,
        characters: usize,
    ) -> Result<Self> {
        let loss = model.weighted_loss();
        let scored = tokens.len().saturating_sub(1);
        let (mut ids, mut first) = (Vec::new(), String::new());
        tokens.read(0..1, &mut ids)?;
        codec.decoder(None).push(ids[0], &mut first)?;
        let characters = characters.saturating_sub(first.chars().count()).max(1);
        let bits = loss / std::f64::consts::LN_2;
        Ok(TextScore {
            loss,
            perplexity: loss.exp(),
            bits_per_token: bits,
            bits_per_character: bits * scored as f64 / characters as f64,
            accuracy: model.totals()[1].1,
            tokens: scored,
            unknown: tokens.unknown()?.share(),
        })
    }
}

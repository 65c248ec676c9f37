//! Continuing a prompt.

use super::LanguageModel;
use super::stop::StopTexts;
use super::token::{Prompt, Writer};
use crate::error::Result;
use crate::sampling::{Sampler, Sampling};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use refrain_nn::Session;

/// The options for continuing a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Generate {
    /// The text to continue; a line break if empty.
    pub prompt: String,
    /// The number of tokens to write.
    pub length: usize,
    /// How each token is drawn. The repetition penalty also counts the prompt's tokens.
    pub sampling: Sampling,
    /// The seed of the random numbers.
    pub seed: u64,
    /// The text ends before the first of these texts; the prompt is not searched.
    pub stop: Vec<String>,
}

impl Default for Generate {
    fn default() -> Self {
        let sampling = Sampling { temperature: 0.6, ..Sampling::default() };
        Self { prompt: String::new(), length: 600, sampling, seed: 1, stop: Vec::new() }
    }
}

/// A text being generated: an iterator over its pieces, each including any space before it. A piece that may be the
/// beginning of a stop text is held back until it is known not to be one.
#[derive(Debug)]
pub struct Generation<'m> {
    session: Session<'m>,
    writer: Writer<'m>,
    sampler: Sampler,
    random: ChaCha8Rng,
    logits: Vec<f32>,
    /// The last tokens of the prompt and of the generated text.
    ids: Vec<u32>,
    stop: StopTexts,
    left: usize,
}

impl LanguageModel {
    /// Reads the prompt and starts generating. The unknown token is never written.
    ///
    /// # Errors
    /// If a sampling option is out of range, a stop text is empty, or the model cannot be run step by step.
    pub fn generate(&mut self, options: &Generate) -> Result<Generation<'_>> {
        let sampler = Sampler::new(options.sampling)?;
        let stop = StopTexts::new(&options.stop)?;
        let (model, codec) = self.parts_mut();
        let prompt = Prompt::new(codec, &options.prompt);
        let mut session = model.session(1)?.logits();
        let mut logits = Vec::new();
        for &id in &prompt.ids {
            let row = session.step_ids(&[id])?;
            logits.clear();
            logits.extend_from_slice(row.row(0));
        }
        prompt.rule_out(&mut logits, f32::NEG_INFINITY);
        let (writer, ids) = (prompt.writer(), prompt.ids);
        let random = ChaCha8Rng::seed_from_u64(options.seed);
        Ok(Generation { session, writer, sampler, random, logits, ids, stop, left: options.length })
    }

    /// Returns the whole continuation at once.
    ///
    /// # Errors
    /// As for [`LanguageModel::generate`].
    pub fn complete(&mut self, options: &Generate) -> Result<String> {
        self.generate(options)?.collect()
    }
}

impl Generation<'_> {
    fn next_piece(&mut self) -> Result<String> {
        let uniform = (self.random.next_u32() >> 8) as f32 / (1 << 24) as f32;
        let id = self.sampler.sample_after(&self.ids, &self.logits, uniform)?;
        self.remember(id);
        let mut piece = String::new();
        self.writer.push(id, &mut piece)?;
        let row = self.session.step_ids(&[id])?;
        self.logits.clear();
        self.logits.extend_from_slice(row.row(0));
        // The unknown token stands for any word; writing it would be meaningless.
        if self.logits.len() > 1 {
            self.logits[0] = f32::NEG_INFINITY;
        }
        Ok(self.stop.push(&piece))
    }

    /// Keeps only as many tokens as the penalty reads, so that the text may be of any length.
    fn remember(&mut self, id: u32) {
        let window = self.sampler.options().repetition_window;
        if self.ids.len() >= window.saturating_mul(2) {
            self.ids.drain(..self.ids.len() - window);
        }
        self.ids.push(id);
    }
}

impl Iterator for Generation<'_> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.left > 0 && !self.stop.found() {
            self.left -= 1;
            match self.next_piece() {
                // Held back, or an incomplete character.
                Ok(piece) if piece.is_empty() => {}
                piece => return Some(piece),
            }
        }
        Some(self.stop.finish()).filter(|rest| !rest.is_empty()).map(Ok)
    }
}

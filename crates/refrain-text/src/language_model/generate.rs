//! Writing on from a prompt.

use super::{Decoder, LanguageModel};
use crate::error::Result;
use crate::sampling::{Sampler, Sampling};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use refrain_nn::Session;

/// How a text is continued.
#[derive(Debug, Clone, PartialEq)]
pub struct Generate {
    /// What comes before; a line break where it is empty.
    pub prompt: String,
    /// Tokens to write.
    pub length: usize,
    /// How each is drawn.
    pub sampling: Sampling,
    /// Of the random numbers.
    pub seed: u64,
}

impl Default for Generate {
    fn default() -> Self {
        let sampling = Sampling { temperature: 0.6, ..Sampling::default() };
        Self { prompt: String::new(), length: 600, sampling, seed: 1 }
    }
}

/// A text being written: an iterator over its pieces, each with the space that belongs before it.
#[derive(Debug)]
pub struct Generation<'m> {
    session: Session<'m>,
    decoder: Decoder<'m>,
    sampler: Sampler,
    random: ChaCha8Rng,
    logits: Vec<f32>,
    left: usize,
}

impl LanguageModel {
    /// Reads the prompt and begins to write; the unknown token is never written.
    ///
    /// # Errors
    /// When a sampling option is out of range, or the model cannot be run step by step.
    pub fn generate(&mut self, options: &Generate) -> Result<Generation<'_>> {
        let sampler = Sampler::new(options.sampling)?;
        let Self { model, codec, .. } = self;
        let mut prompt = codec.encode(&options.prompt);
        if prompt.is_empty() {
            prompt = codec.encode("\n");
        }
        let mut session = model.session(1)?.logits();
        let mut logits = Vec::new();
        for &id in &prompt {
            let row = session.step_ids(&[id])?;
            logits.clear();
            logits.extend_from_slice(row.row(0));
        }
        let decoder = codec.decoder(prompt.last().copied());
        let random = ChaCha8Rng::seed_from_u64(options.seed);
        Ok(Generation { session, decoder, sampler, random, logits, left: options.length })
    }

    /// The whole continuation at once.
    ///
    /// # Errors
    /// As for [`LanguageModel::generate`].
    pub fn complete(&mut self, options: &Generate) -> Result<String> {
        self.generate(options)?.collect()
    }
}

impl Generation<'_> {
    fn next_piece(&mut self) -> Result<String> {
        // The unknown token stands for anything; writing it would mean nothing.
        if self.logits.len() > 1 {
            self.logits[0] = f32::NEG_INFINITY;
        }
        let uniform = (self.random.next_u32() >> 8) as f32 / (1 << 24) as f32;
        let id = self.sampler.sample(&self.logits, uniform)?;
        let mut piece = String::new();
        self.decoder.push(id, &mut piece)?;
        let row = self.session.step_ids(&[id])?;
        self.logits.clear();
        self.logits.extend_from_slice(row.row(0));
        Ok(piece)
    }
}

impl Iterator for Generation<'_> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some(self.next_piece())
    }
}

//! The likeliest continuation that a search of limited width finds.

use super::LanguageModel;
use crate::error::{Error, Result};
use crate::sampling::softmax_into;
use refrain_nn::State;

/// A continuation under way.
#[derive(Debug, Clone)]
struct Hypothesis {
    ids: Vec<u32>,
    /// Sum of the log-probabilities of `ids`.
    score: f64,
    /// The state before the last of `ids`, or of the prompt, is read.
    state: State,
}

impl LanguageModel {
    /// Writes `length` tokens behind `prompt` by beam search: of all continuations of the `width` best so far,
    /// the `width` best go on. All have the same length, so none is favoured for being short. The unknown token
    /// is never written; equal scores keep their order.
    ///
    /// # Errors
    /// When `width` is 0, or the model cannot be run step by step.
    pub fn beam_search(&mut self, prompt: &str, length: usize, width: usize) -> Result<String> {
        if width == 0 {
            return Err(Error::Option { option: "beam", got: "0".to_owned(), expected: "at least 1" });
        }
        let Self { model, codec, .. } = self;
        let mut prompt = codec.encode(prompt);
        if prompt.is_empty() {
            prompt = codec.encode("\n");
        }
        let last = prompt.pop().unwrap_or(0);
        let mut session = model.session(1)?.logits();
        for &id in &prompt {
            session.step_ids(&[id])?;
        }
        let mut beam = vec![Hypothesis { ids: Vec::new(), score: 0.0, state: session.state().clone() }];
        let mut probabilities = Vec::new();
        for _ in 0..length {
            let mut candidates: Vec<(f64, usize, u32)> = Vec::new();
            for (i, hypothesis) in beam.iter_mut().enumerate() {
                session.set_state(&hypothesis.state)?;
                let read = hypothesis.ids.last().copied().unwrap_or(last);
                softmax_into(session.step_ids(&[read])?.row(0), &mut probabilities)?;
                hypothesis.state.clone_from(session.state());
                let scored = probabilities.iter().enumerate().skip(1);
                candidates
                    .extend(scored.map(|(id, &p)| (hypothesis.score + f64::from(p).ln(), i, id as u32)));
            }
            candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
            let next = candidates.into_iter().take(width).map(|(score, i, id)| {
                let mut ids = beam[i].ids.clone();
                ids.push(id);
                Hypothesis { ids, score, state: beam[i].state.clone() }
            });
            let next: Vec<_> = next.collect();
            if next.is_empty() {
                break;
            }
            beam = next;
        }
        let mut text = String::new();
        let mut decoder = codec.decoder(Some(last));
        for &id in &beam[0].ids {
            decoder.push(id, &mut text)?;
        }
        Ok(text)
    }
}

//! What comes next, as a phone's keyboard offers it.

use super::LanguageModel;
use crate::error::Result;
use crate::sampling::softmax_into;
use serde::Serialize;

/// A token that may come next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Suggestion {
    /// The word or character.
    pub text: String,
    /// How likely the model holds it.
    pub probability: f64,
}

impl LanguageModel {
    /// The `count` likeliest next words (or characters) behind a text, likeliest first; the probabilities of
    /// all tokens together are 1, and entries that read the same are one suggestion.
    ///
    /// # Errors
    /// When the model cannot be run step by step.
    pub fn suggest(&mut self, text: &str, count: usize) -> Result<Vec<Suggestion>> {
        let Self { model, codec, .. } = self;
        let mut ids = codec.encode(text);
        if ids.is_empty() {
            ids = codec.encode("\n");
        }
        let mut session = model.session(1)?.logits();
        let mut probabilities = Vec::new();
        for &id in &ids {
            softmax_into(session.step_ids(&[id])?.row(0), &mut probabilities)?;
        }
        let mut suggestions: Vec<Suggestion> = Vec::new();
        let mut order: Vec<u32> = (1..probabilities.len() as u32).collect();
        order.sort_by(|&a, &b| probabilities[b as usize].total_cmp(&probabilities[a as usize]));
        for id in order {
            let Some(text) = codec.show(id) else { continue };
            let probability = f64::from(probabilities[id as usize]);
            match suggestions.iter().position(|s| s.text == text) {
                Some(known) => suggestions[known].probability += probability,
                // Twice as many as wanted, since a late twin may lift one over another.
                None if suggestions.len() < count.saturating_mul(2) => {
                    suggestions.push(Suggestion { text, probability });
                }
                None => {}
            }
        }
        suggestions.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        suggestions.truncate(count);
        Ok(suggestions)
    }
}

//! Word suggestions, as on a phone's keyboard: completions of the word being typed, or the next word.

mod search;
mod spelling;
#[cfg(test)]
mod tests;

use super::LanguageModel;
use super::token::space_leads;
use crate::codec::Codec;
use crate::error::Result;
use crate::sampling::softmax_into;
use crate::words::is_word;
use refrain_nn::{Session, State};
use search::{Root, Search};
use serde::Serialize;
use spelling::{Target, Token, is_shown, typed};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A suggested word or token.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Suggestion {
    /// The whole word; for a completion, including the part already typed.
    pub text: String,
    /// The model's probability of it; for a completion, given the typed part.
    pub probability: f64,
    /// Whether it completes the word being typed, rather than following it.
    #[serde(skip)]
    pub completion: bool,
}

/// The number of states kept along a text. Going back further means reading the text again.
const KEPT_STATES: usize = 1024;

/// Suggests what comes next in a text that grows and shrinks. It keeps the model's states along the text, and reads
/// only what is new.
///
/// After whitespace, punctuation or nothing, the next words are suggested. Otherwise the text ends in a word being
/// typed, and the suggestions are words that start with it, including the typed word itself if it is a word. Upper
/// and lower case are treated as the same only if nothing else matches. A word model divides the probability among
/// the matching words of its vocabulary. A model with smaller tokens is searched: the probability of a word is the
/// product of the probabilities of its tokens and of whitespace or punctuation, except an apostrophe, after them.
/// The search is limited by steps, never by time, so the same text always has the same suggestions.
///
/// ```
/// # use refrain_nn::Answer;
/// # use refrain_task::TrainingSettings;
/// # use refrain_text::language_model::TrainingData;
/// # let training = TrainingSettings { epochs: 1, batch: Some(2), ..Default::default() };
/// # let recipe = refrain_text::TextRecipe { units: 8, embedding: 8, layers: 1, steps: 8, training, ..Default::default() };
/// # let text = "the quick fox saw the queen and the queen saw the quick fox again, ".repeat(4);
/// # let corpus = refrain_text::Corpus::from_text(text);
/// # let data = TrainingData::new(&corpus);
/// # let mut model = recipe.train(data, refrain_nn::Engine::default(), &mut |_| Answer::Continue)?.model;
/// let mut suggester = model.suggester()?;
/// let words = suggester.suggest("the qu", 3)?;
/// assert!(words.iter().all(|word| word.completion && word.text.starts_with("qu")));
/// let next = suggester.suggest("the ", 3)?;
/// assert!(next.iter().all(|word| !word.completion));
/// # Ok::<(), refrain_text::Error>(())
/// ```
#[derive(Debug)]
pub struct Suggester<'m> {
    session: Session<'m>,
    codec: &'m Codec,
    /// The text that each token adds; empty for a word vocabulary, which needs no search.
    tokens: Vec<Token>,
    /// The tokens read.
    ids: Vec<u32>,
    /// The state after each of `ids`; only the last ones are kept.
    states: Vec<Option<Arc<State>>>,
    /// The model's prediction after the last of `ids`.
    probabilities: Vec<f32>,
}

impl LanguageModel {
    /// Creates a suggester for this model.
    ///
    /// # Errors
    /// If the model cannot be run step by step.
    pub fn suggester(&mut self) -> Result<Suggester<'_>> {
        let (model, codec) = self.parts_mut();
        let tokens = match codec {
            Codec::Word(_) => Vec::new(),
            _ => (0..codec.vocab_size() as u32).map(|id| Token::new(codec, id)).collect(),
        };
        let session = model.session(1)?.logits();
        let (ids, states, probabilities) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Suggester { session, codec, tokens, ids, states, probabilities })
    }

    /// Returns the `count` likeliest words for the end of a text; see [`Suggester::suggest`].
    ///
    /// # Errors
    /// If the model cannot be run step by step.
    pub fn suggest(&mut self, text: &str, count: usize) -> Result<Vec<Suggestion>> {
        self.suggester()?.suggest(text, count)
    }

    /// Returns the `count` likeliest next tokens after a text; see [`Suggester::next_tokens`].
    ///
    /// # Errors
    /// If the model cannot be run step by step.
    pub fn next_tokens(&mut self, text: &str, count: usize) -> Result<Vec<Suggestion>> {
        self.suggester()?.next_tokens(text, count)
    }
}

impl Suggester<'_> {
    /// Returns the part of a text that is the word being typed; empty if the next word is suggested.
    pub fn typed<'t>(&self, text: &'t str) -> &'t str {
        typed(self.codec, text)
    }

    /// Returns the `count` likeliest words for the end of a text, the likeliest first; ties in alphabetical order.
    ///
    /// # Errors
    /// If the network fails at a step.
    pub fn suggest(&mut self, text: &str, count: usize) -> Result<Vec<Suggestion>> {
        let word = self.typed(text);
        let before = &text[..text.len() - word.len()];
        let words = match self.codec {
            Codec::Word(_) => self.of_vocabulary(before, word)?,
            _ => self.searched(text, before, word, count)?,
        };
        let completion = !word.is_empty();
        let mut words: Vec<_> = words
            .into_iter()
            .map(|(text, probability)| Suggestion { text, probability, completion })
            .collect();
        words.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        words.truncate(count);
        Ok(words)
    }

    /// Returns the `count` likeliest next tokens, the likeliest first: words, punctuation and line breaks, or
    /// characters, depending on the vocabulary. The probabilities of all tokens, including the unknown one, add up
    /// to 1. Tokens with the same text are one suggestion.
    ///
    /// # Errors
    /// If the network fails at a step.
    pub fn next_tokens(&mut self, text: &str, count: usize) -> Result<Vec<Suggestion>> {
        self.read(&self.codec.encode_prompt(text))?;
        let probabilities = &self.probabilities;
        let mut suggestions: Vec<Suggestion> = Vec::new();
        let mut order: Vec<u32> = (1..probabilities.len() as u32).collect();
        order.sort_by(|&a, &b| probabilities[b as usize].total_cmp(&probabilities[a as usize]));
        for id in order {
            let Some(text) = self.codec.show(id) else { continue };
            let probability = f64::from(probabilities[id as usize]);
            match suggestions.iter().position(|s| s.text == text) {
                Some(known) => suggestions[known].probability += probability,
                // Twice as many as wanted, because a later token with the same text may change the order.
                None if suggestions.len() < count.saturating_mul(2) => {
                    suggestions.push(Suggestion { text, probability, completion: false });
                }
                None => {}
            }
        }
        suggestions.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        suggestions.truncate(count);
        Ok(suggestions)
    }

    /// Returns the vocabulary's words that start as typed, each with its share of their total probability.
    fn of_vocabulary(&mut self, before: &str, word: &str) -> Result<BTreeMap<String, f64>> {
        self.read(&self.codec.encode_prompt(before))?;
        for fold in [false, true] {
            let target = Target::new(word, fold);
            let mut words: BTreeMap<String, f64> = BTreeMap::new();
            for (id, &probability) in (0..).zip(&self.probabilities).skip(1) {
                let Some(text) = self.codec.show(id).filter(|text| is_shown(text)) else { continue };
                if target.is_begun_by(&text) && probability > 0.0 {
                    *words.entry(text).or_default() += f64::from(probability);
                }
            }
            if word.is_empty() {
                return Ok(words);
            }
            if !words.is_empty() {
                let together: f64 = words.values().sum();
                words.values_mut().for_each(|p| *p /= together);
                return Ok(words);
            }
        }
        Ok(BTreeMap::new())
    }

    /// Returns the words found by a search over tokens.
    fn searched(
        &mut self,
        text: &str,
        before: &str,
        word: &str,
        count: usize,
    ) -> Result<BTreeMap<String, f64>> {
        if !space_leads(self.codec) && !self.codec.encode(word).contains(&0) {
            // Every token is a character, so the typed word has only one spelling and is read as it is.
            return self.search(text, Target::new(word, false), word.to_owned(), count);
        }
        // The space before a word is part of its token.
        let blank = space_leads(self.codec) && before.ends_with(' ');
        let context = &before[..before.len() - usize::from(blank)];
        let spelt = if blank { format!(" {word}") } else { word.to_owned() };
        for fold in [false, true] {
            let words = self.search(context, Target::new(&spelt, fold), String::new(), count)?;
            if !words.is_empty() {
                return Ok(words);
            }
        }
        Ok(BTreeMap::new())
    }

    fn search(
        &mut self,
        context: &str,
        target: Target,
        written: String,
        count: usize,
    ) -> Result<BTreeMap<String, f64>> {
        let ids = self.codec.encode_prompt(context);
        self.read(&ids)?;
        let state = self.state(ids.len());
        let root = Root { written, probabilities: &self.probabilities, state };
        // After punctuation, a word may follow with or without a space.
        let marked = context.chars().next_back().is_some_and(|c| !c.is_whitespace() && !is_word(c));
        let blank = target.has_blank() || target.word_chars() == 0 && marked;
        Search::new(&self.tokens, target, blank, count).run(&mut self.session, root)
    }

    /// Reads the tokens of a text that are not read yet.
    fn read(&mut self, ids: &[u32]) -> Result<()> {
        if ids == self.ids && !self.probabilities.is_empty() {
            return Ok(());
        }
        // The last one is always read, to get the prediction after it.
        let same = self.ids.iter().zip(ids).take_while(|(a, b)| a == b).count().min(ids.len() - 1);
        let from = (1..=same).rev().find(|&at| self.states[at - 1].is_some()).unwrap_or(0);
        let state = self.state(from);
        self.ids.truncate(from);
        self.states.truncate(from);
        self.probabilities.clear();
        self.session.resume(State::gather(&[(&state, 0)]), 1)?;
        for (at, &id) in ids.iter().enumerate().skip(from) {
            let rows = self.session.step_ids(&[id])?;
            if at + 1 == ids.len() {
                softmax_into(rows.row(0), &mut self.probabilities)?;
            }
            self.ids.push(id);
            self.states.push(Some(Arc::new(self.session.state().clone())));
            if let Some(old) = at.checked_sub(KEPT_STATES) {
                self.states[old] = None;
            }
        }
        Ok(())
    }

    /// Returns the state after the first `at` tokens read.
    fn state(&self, at: usize) -> Arc<State> {
        let kept = at.checked_sub(1).and_then(|last| self.states[last].clone());
        kept.unwrap_or_else(|| {
            let mut fresh = self.session.state().clone();
            fresh.reset();
            Arc::new(fresh)
        })
    }
}

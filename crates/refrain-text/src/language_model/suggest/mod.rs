//! What comes next, as a phone's keyboard offers it: the word being typed completed, or the next one.

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

/// A word that may come next, or a token.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Suggestion {
    /// The whole word; of a completion also the part that is typed already.
    pub text: String,
    /// How likely the model holds it; of a completion, given what is typed.
    pub probability: f64,
    /// Whether it takes the place of the word being typed, rather than standing after it.
    #[serde(skip)]
    pub completion: bool,
}

/// So many states along a text are kept; who goes back further has the text read again.
const KEPT_STATES: usize = 1024;

/// Suggests what comes next in a text that grows and shrinks: it keeps the model's states along the text, and
/// reads only what is new.
///
/// After a blank, a mark or nothing, the next words are suggested. Otherwise the text ends in a word being typed,
/// and words that begin with it are, this word itself among them where it is one; upper and lower case are only taken
/// for the same where nothing fits. A model of words shares out the probability among the words of its vocabulary
/// that fit. A model of smaller tokens is searched: a word's probability is the product of those of its tokens and of
/// a blank or a mark other than an apostrophe after them. Such a search is bounded by steps, never by time, so the
/// same text has the same suggestions.
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
    /// What each token adds to a text; empty for a vocabulary of words, which needs no search.
    tokens: Vec<Token>,
    /// What was read.
    ids: Vec<u32>,
    /// The state after each of `ids`; only the last ones are kept.
    states: Vec<Option<Arc<State>>>,
    /// What the model expects after the last of `ids`.
    probabilities: Vec<f32>,
}

impl LanguageModel {
    /// Begins to suggest.
    ///
    /// # Errors
    /// When the model cannot be run step by step.
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

    /// The `count` likeliest words for the end of a text; see [`Suggester::suggest`].
    ///
    /// # Errors
    /// When the model cannot be run step by step.
    pub fn suggest(&mut self, text: &str, count: usize) -> Result<Vec<Suggestion>> {
        self.suggester()?.suggest(text, count)
    }

    /// The `count` likeliest next tokens after a text; see [`Suggester::next_tokens`].
    ///
    /// # Errors
    /// When the model cannot be run step by step.
    pub fn next_tokens(&mut self, text: &str, count: usize) -> Result<Vec<Suggestion>> {
        self.suggester()?.next_tokens(text, count)
    }
}

impl Suggester<'_> {
    /// The part of a text that is the word being typed; empty where the next word is wanted.
    pub fn typed<'t>(&self, text: &'t str) -> &'t str {
        typed(self.codec, text)
    }

    /// The `count` likeliest words for the end of a text, likeliest first, of equals in alphabetical order.
    ///
    /// # Errors
    /// When the network refuses a step.
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

    /// The `count` likeliest next tokens, likeliest first: words, marks and line breaks, or characters, as the
    /// vocabulary has them. The probabilities of all tokens together, the unknown one included, are 1; those that
    /// read the same are one suggestion.
    ///
    /// # Errors
    /// When the network refuses a step.
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
                // Twice as many as wanted, since a late twin may lift one over another.
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

    /// The words of the vocabulary that begin as typed, each with its share of their probability.
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

    /// The words that a search over tokens finds.
    fn searched(
        &mut self,
        text: &str,
        before: &str,
        word: &str,
        count: usize,
    ) -> Result<BTreeMap<String, f64>> {
        if !space_leads(self.codec) && !self.codec.encode(word).contains(&0) {
            // Every token is a character, so there is one way to have typed the word, and it is read as it stands.
            return self.search(text, Target::new(word, false), word.to_owned(), count);
        }
        // The blank before a word is the beginning of its token.
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
        // After a mark a word stands with a blank or without one.
        let marked = context.chars().next_back().is_some_and(|c| !c.is_whitespace() && !is_word(c));
        let blank = target.has_blank() || target.word_chars() == 0 && marked;
        Search::new(&self.tokens, target, blank, count).run(&mut self.session, root)
    }

    /// Reads a text's tokens, as far as they are not read already.
    fn read(&mut self, ids: &[u32]) -> Result<()> {
        if ids == self.ids && !self.probabilities.is_empty() {
            return Ok(());
        }
        // The last one is read in any case, for what the model expects after it.
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

    /// The state after the first `at` tokens read.
    fn state(&self, at: usize) -> Arc<State> {
        let kept = at.checked_sub(1).and_then(|last| self.states[last].clone());
        kept.unwrap_or_else(|| {
            let mut fresh = self.session.state().clone();
            fresh.reset();
            Arc::new(fresh)
        })
    }
}

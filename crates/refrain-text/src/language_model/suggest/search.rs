//! Search for the likeliest words with tokens smaller than words.

use super::spelling::{Fit, Target, Token, TokenRole, word_end};
use crate::error::Result;
use crate::sampling::softmax_into;
use crate::words::is_apostrophe;
use refrain_nn::{Session, State};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

/// Prefixes that are read in parallel. Sixteen rows keep a matrix product busy.
const LANES: usize = 16;
/// The number of rounds. Words of up to 24 tokens can be found, and most searches end after a third of that.
const ROUNDS: usize = 24;
/// Prefixes less likely than this share of the best word are not followed.
const SHARE: f64 = 1e-3;
/// The same limit while no word is known, as a share of the whole search.
const SHARE_OF_ALL: f64 = 1e-6;

/// The maximum bytes of a word after the target. A vocabulary may have tokens of any length, and each prefix is
/// stored with each token after it.
const LONGEST: usize = 128;

/// If a word has several spellings, each is followed down to this share of the last wanted word.
const SPELLINGS: f64 = 0.05;

/// The start of a search.
#[derive(Debug)]
pub(super) struct Root<'p> {
    /// The part of the target that is already read.
    pub(super) written: String,
    /// The model's prediction there.
    pub(super) probabilities: &'p [f32],
    /// The model's state there.
    pub(super) state: Arc<State>,
}

/// A prefix of a word whose last token is still to be read.
#[derive(Debug)]
struct OpenPrefix {
    text: String,
    probability: f64,
    /// The written length of the target, until it is complete.
    begun: Option<usize>,
    /// The order in which it was found, to break ties.
    number: usize,
    token: u32,
    /// The state before the token, and its lane.
    state: Arc<State>,
    lane: usize,
}

impl Ord for OpenPrefix {
    /// Orders incomplete targets first, because the total of what begins with the target must be known before words
    /// are compared; then the likelier first.
    fn cmp(&self, other: &Self) -> Ordering {
        let likelier = || self.probability.total_cmp(&other.probability);
        self.begun.cmp(&other.begun).then_with(likelier).then_with(|| other.number.cmp(&self.number))
    }
}

impl PartialOrd for OpenPrefix {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for OpenPrefix {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for OpenPrefix {}

/// A best-first search, several lanes at a time.
#[derive(Debug)]
pub(super) struct Search<'t> {
    tokens: &'t [Token],
    target: Target,
    /// Whether one space may precede the word.
    blank: bool,
    /// Whether a word can have several spellings, whose probabilities are added.
    spellings: bool,
    count: usize,
    open: BinaryHeap<OpenPrefix>,
    words: BTreeMap<String, f64>,
    /// The total probability of everything that begins with the target.
    all: f64,
    /// The probability below which prefixes are not followed.
    floor: f64,
    found: usize,
}

impl<'t> Search<'t> {
    pub(super) fn new(tokens: &'t [Token], target: Target, blank: bool, count: usize) -> Self {
        let (open, words) = (BinaryHeap::new(), BTreeMap::new());
        let spellings = blank || tokens.iter().any(|token| token.text.chars().nth(1).is_some());
        Self { tokens, target, blank, spellings, count, open, words, all: 0.0, floor: 0.0, found: 0 }
    }

    /// Returns the words found, each with its share of the probability of everything that begins with the target.
    pub(super) fn run(mut self, session: &mut Session<'_>, root: Root<'_>) -> Result<BTreeMap<String, f64>> {
        if self.target.is_begun_by(&root.written) {
            self.all = 1.0;
            self.floor = SHARE_OF_ALL;
        }
        self.expand(&root.written, 1.0, root.probabilities, &root.state, 0);
        let mut probabilities = Vec::new();
        for _ in 0..ROUNDS {
            self.raise_floor();
            let chosen = self.choose();
            if chosen.is_empty() {
                break;
            }
            let from: Vec<(&State, usize)> = chosen.iter().map(|o| (&*o.state, o.lane)).collect();
            session.resume(State::gather(&from), chosen.len())?;
            let ids: Vec<u32> = chosen.iter().map(|o| o.token).collect();
            let rows = session.step_ids(&ids)?;
            let mut expected = Vec::with_capacity(chosen.len());
            for lane in 0..chosen.len() {
                softmax_into(rows.row(lane), &mut probabilities)?;
                expected.push(std::mem::take(&mut probabilities));
            }
            let state = Arc::new(session.state().clone());
            for (lane, (open, probabilities)) in chosen.iter().zip(&expected).enumerate() {
                self.expand(&open.text, open.probability, probabilities, &state, lane);
            }
        }
        let all = self.all;
        self.words.values_mut().for_each(|p| *p /= all);
        Ok(self.words)
    }

    /// Returns the next prefixes to read.
    fn choose(&mut self) -> Vec<OpenPrefix> {
        let mut chosen = Vec::new();
        while chosen.len() < LANES {
            let Some(open) = self.open.pop() else { break };
            if open.probability >= self.floor {
                chosen.push(open);
            }
        }
        chosen
    }

    /// Raises the floor: a spelling is at most as likely as its prefix, so once enough words are known, less likely
    /// prefixes are useless.
    fn raise_floor(&mut self) {
        let mut known: Vec<f64> = self.words.values().copied().collect();
        known.sort_unstable_by(|a, b| b.total_cmp(a));
        let best = known.first().map_or(0.0, |best| best * SHARE);
        let last = self.count.checked_sub(1).and_then(|last| known.get(last)).copied().unwrap_or(0.0);
        let last = if self.spellings { last * SPELLINGS } else { last };
        self.floor = best.max(last).max(self.all * SHARE_OF_ALL);
    }

    /// Extends a prefix by every token.
    fn expand(&mut self, text: &str, reached: f64, expected: &[f32], state: &Arc<State>, lane: usize) {
        let covered = self.target.is_begun_by(text);
        let word = without_blank(text, self.blank);
        let plain = covered && word.chars().next_back().is_some_and(crate::words::is_word);
        let tokens = self.tokens;
        let mut ended = 0.0;
        for (token, (piece, &share)) in (0..).zip(tokens.iter().zip(expected)).skip(1) {
            let probability = reached * f64::from(share);
            match piece.role {
                _ if probability == 0.0 => {}
                TokenRole::None => {}
                TokenRole::End if plain => ended += probability,
                TokenRole::Inside if plain && probability < self.floor => {}
                _ if text.len() + piece.text.len() > self.target.len() + LONGEST => {}
                _ => {
                    let text = format!("{text}{}", piece.text);
                    let open = |begun, number| OpenPrefix {
                        text: text.clone(),
                        probability,
                        begun,
                        number,
                        token,
                        state: state.clone(),
                        lane,
                    };
                    match self.target.fit(&text) {
                        Fit::Not => {}
                        Fit::Begun => self.open.push(open(Some(text.len()), self.found)),
                        Fit::Whole => {
                            if !covered {
                                self.all += probability;
                            }
                            let word = without_blank(&text, self.blank);
                            match word_end(word) {
                                // The end of a quotation would be a second spelling of the word, which is not
                                // counted.
                                Some(end) if word[end..].starts_with(is_apostrophe) => {}
                                Some(end) => self.finish(&word[..end], probability),
                                None if probability >= self.floor => {
                                    self.open.push(open(None, self.found));
                                }
                                None => {}
                            }
                        }
                    }
                    self.found += 1;
                }
            }
        }
        if ended > 0.0 {
            self.finish(word, ended);
        }
    }

    fn finish(&mut self, word: &str, probability: f64) {
        // After `don'` the word may have ended before the apostrophe.
        if !word.is_empty() && word.chars().count() >= self.target.word_chars() {
            *self.words.entry(word.to_owned()).or_default() += probability;
        }
    }
}

/// Returns a text without the one space that may precede a word.
fn without_blank(text: &str, may: bool) -> &str {
    text.strip_prefix(' ').filter(|_| may).unwrap_or(text)
}

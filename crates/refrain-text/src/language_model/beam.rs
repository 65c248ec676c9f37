//! The likeliest continuation that a search of limited width finds.

use super::LanguageModel;
use super::stop::StopTexts;
use super::token::{Prompt, Writer};
use crate::error::{Error, Result};
use crate::sampling::softmax_into;
use refrain_nn::{Session, State};
use std::cmp::Ordering;

/// What is searched for.
#[derive(Debug, Clone, PartialEq)]
pub struct BeamSearch {
    /// What comes before; a line break where it is empty.
    pub prompt: String,
    /// Tokens to write at most.
    pub length: usize,
    /// Continuations followed side by side.
    pub width: usize,
    /// A continuation ends before the first of these that it would hold.
    pub stop: Vec<String>,
    /// How far long continuations are made up for being long: `a` in `log P / ((5 + tokens) / 6)^a` (Wu et al.
    /// 2016), by which those that have ended are compared. At 0 the likeliest wins, which is mostly a short one. The
    /// default is 1: translation uses 0.6, where the source says how long a text is to be, but lines of a song are
    /// cut short then, and from 1.3 on they do not end. Without stop texts all have the same length, and it
    /// changes nothing.
    pub length_penalty: f64,
}

impl Default for BeamSearch {
    fn default() -> Self {
        Self { prompt: String::new(), length: 600, width: 4, stop: Vec::new(), length_penalty: 1.0 }
    }
}

/// The best continuation that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// What it adds to the prompt, without the stop text.
    pub text: String,
    /// The logarithm of its probability, the tokens of the stop text included.
    pub log_probability: f64,
    /// Its tokens, those of the stop text included.
    pub tokens: usize,
    /// What it was compared by.
    pub score: f64,
}

/// A continuation under way.
#[derive(Debug, Clone)]
struct Hypothesis<'a> {
    /// Its last token, or the prompt's, which is still to be read.
    last: u32,
    log_probability: f64,
    text: String,
    writer: Writer<'a>,
    stop: StopTexts,
}

/// A hypothesis, one token longer.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    log_probability: f64,
    parent: usize,
    id: u32,
}

/// The likelier first, of equals the one whose parent ranks higher, then the lower id.
fn rank(a: &Candidate, b: &Candidate) -> Ordering {
    let equals = || (a.parent, a.id).cmp(&(b.parent, b.id));
    b.log_probability.total_cmp(&a.log_probability).then_with(equals)
}

impl BeamSearch {
    fn check(&self) -> Result<()> {
        if self.width == 0 {
            return Err(Error::option("beam", "0", "at least 1"));
        }
        if !(self.length_penalty.is_finite() && self.length_penalty >= 0.0) {
            let expected = "a finite number of at least 0 (0: no length is made up for)";
            let got = self.length_penalty.to_string();
            return Err(Error::option("length_penalty", got, expected));
        }
        Ok(())
    }

    fn score(&self, log_probability: f64, tokens: usize) -> f64 {
        log_probability / ((5.0 + tokens as f64) / 6.0).powf(self.length_penalty)
    }
}

impl LanguageModel {
    /// Searches for a likely continuation: of all continuations of the `width` best so far, the `width` best go on.
    /// One that reaches a stop text has ended; the search is over when none that goes on can still score higher than
    /// the best that has ended, or after `length` tokens. The unknown token is never written; of equals the one found
    /// first wins.
    ///
    /// # Errors
    /// When an option is out of range, or the model cannot be run step by step.
    pub fn beam_search(&mut self, options: &BeamSearch) -> Result<Found> {
        options.check()?;
        let stop = StopTexts::new(&options.stop)?;
        let (model, codec) = self.parts_mut();
        let prompt = Prompt::new(codec, &options.prompt);
        let (&last, before) = prompt.ids.split_last().expect("a prompt has a token");
        let mut session = model.session(1)?.logits();
        for &id in before {
            session.step_ids(&[id])?;
        }
        let root =
            Hypothesis { last, log_probability: 0.0, text: String::new(), writer: prompt.writer(), stop };
        let mut beam = vec![root];
        let mut best: Option<Found> = None;
        let mut tokens = 0;
        while tokens < options.length {
            let mut candidates = candidates(&mut session, &beam, (tokens == 0).then_some(&prompt))?;
            if candidates.is_empty() {
                break;
            }
            tokens += 1;
            let (next, parents) = choose(&mut candidates, &beam, options, tokens, &mut best)?;
            if next.is_empty() {
                beam.clear();
                break;
            }
            let from: Vec<(&State, usize)> = parents.iter().map(|&p| (session.state(), p)).collect();
            let state = State::gather(&from);
            session.resume(state, parents.len())?;
            beam = next;
            // A probability is at most 1, so the most that a hypothesis can score is what it has at full length.
            let most = options.score(beam[0].log_probability, options.length);
            if best.as_ref().is_some_and(|found| found.score >= most) {
                beam.clear();
                break;
            }
        }
        for mut hypothesis in beam {
            hypothesis.text += &hypothesis.stop.finish();
            end(hypothesis, options, tokens, &mut best);
        }
        Ok(best.expect("a search ends with what it found"))
    }
}

/// Reads the last token of every hypothesis, and lists what each may be continued by.
fn candidates(
    session: &mut Session<'_>,
    beam: &[Hypothesis<'_>],
    prompt: Option<&Prompt<'_>>,
) -> Result<Vec<Candidate>> {
    let last: Vec<u32> = beam.iter().map(|h| h.last).collect();
    let rows = session.step_ids(&last)?;
    let mut probabilities = Vec::new();
    let mut candidates = Vec::new();
    for (parent, hypothesis) in beam.iter().enumerate() {
        softmax_into(rows.row(parent), &mut probabilities)?;
        if let Some(prompt) = prompt {
            prompt.rule_out(&mut probabilities, 0.0);
        }
        let scored = (0..).zip(&probabilities).skip(1).filter(|(_, p)| **p > 0.0);
        candidates.extend(scored.map(|(id, &p)| {
            let log_probability = hypothesis.log_probability + f64::from(p).ln();
            Candidate { log_probability, parent, id }
        }));
    }
    Ok(candidates)
}

/// The best hypotheses of one token more that go on, and the parent of each; those that end on the way take no place.
fn choose<'a>(
    candidates: &mut [Candidate],
    beam: &[Hypothesis<'a>],
    options: &BeamSearch,
    tokens: usize,
    best: &mut Option<Found>,
) -> Result<(Vec<Hypothesis<'a>>, Vec<usize>)> {
    let (mut next, mut parents) = (Vec::new(), Vec::new());
    let mut from = 0;
    while from < candidates.len() && next.len() < options.width {
        // Only as much is sorted as is looked at.
        let rest = &mut candidates[from..];
        let part = rest.len().min(options.width.saturating_mul(2));
        if part < rest.len() {
            rest.select_nth_unstable_by(part, rank);
        }
        rest[..part].sort_unstable_by(rank);
        for &Candidate { log_probability, parent, id } in &rest[..part] {
            if next.len() == options.width {
                break;
            }
            let mut hypothesis = Hypothesis { last: id, log_probability, ..beam[parent].clone() };
            let mut piece = String::new();
            hypothesis.writer.push(id, &mut piece)?;
            hypothesis.text += &hypothesis.stop.push(&piece);
            if hypothesis.stop.found() {
                end(hypothesis, options, tokens, best);
            } else {
                next.push(hypothesis);
                parents.push(parent);
            }
        }
        from += part;
    }
    Ok((next, parents))
}

/// Compares a continuation that has ended with the best so far.
fn end(hypothesis: Hypothesis<'_>, options: &BeamSearch, tokens: usize, best: &mut Option<Found>) {
    let Hypothesis { text, log_probability, .. } = hypothesis;
    let score = options.score(log_probability, tokens);
    if best.as_ref().is_none_or(|found| score > found.score) {
        *best = Some(Found { text, log_probability, tokens, score });
    }
}

#[cfg(test)]
mod tests;

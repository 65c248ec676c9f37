//! Beam search: the likeliest continuation found by a search of limited width.

use super::LanguageModel;
use super::stop::StopTexts;
use super::token::{Prompt, Writer};
use crate::error::{Error, Result};
use crate::sampling::softmax_into;
use refrain_nn::{Session, State};
use std::cmp::Ordering;

/// The options of a beam search.
#[derive(Debug, Clone, PartialEq)]
pub struct BeamSearch {
    /// The text to continue; a line break if empty.
    pub prompt: String,
    /// The maximum number of tokens to write.
    pub length: usize,
    /// The number of continuations that are followed in parallel.
    pub width: usize,
    /// A continuation ends before the first of these texts.
    pub stop: Vec<String>,
    /// Length normalisation: the exponent `a` in `log P / ((5 + tokens) / 6)^a` (Wu et al. 2016), the score by
    /// which finished continuations are compared. At 0 the likeliest wins, which is usually a short one. The
    /// default is 1. Translation uses 0.6, where the source determines the length of the text; but that makes lines
    /// of a song too short, and from 1.3 on they do not end. Without stop texts all continuations have the same
    /// length, and it has no effect.
    pub length_penalty: f64,
}

impl Default for BeamSearch {
    fn default() -> Self {
        Self { prompt: String::new(), length: 600, width: 4, stop: Vec::new(), length_penalty: 1.0 }
    }
}

/// The best continuation found by a search.
#[derive(Debug, Clone, PartialEq)]
pub struct BeamResult {
    /// The text added to the prompt, without the stop text.
    pub text: String,
    /// The logarithm of its probability, including the tokens of the stop text.
    pub log_probability: f64,
    /// The number of its tokens, including those of the stop text.
    pub tokens: usize,
    /// The score by which it was compared.
    pub score: f64,
}

/// An unfinished continuation.
#[derive(Debug, Clone)]
struct Hypothesis<'a> {
    /// Its last token, or the prompt's, which is still to be read.
    last: u32,
    log_probability: f64,
    text: String,
    writer: Writer<'a>,
    stop: StopTexts,
}

/// A hypothesis extended by one token.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    log_probability: f64,
    parent: usize,
    id: u32,
}

/// Orders the likelier first; ties by the rank of the parent, then by lower id.
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
            let expected = "a finite number of at least 0 (0: no length normalisation)";
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
    /// Searches for a likely continuation. At each step the `width` best continuations are extended, and the
    /// `width` best of the results are kept. A continuation ends when it reaches a stop text. The search ends when
    /// no unfinished continuation can still score higher than the best finished one, or after `length` tokens. The
    /// unknown token is never written; ties go to the one found first.
    ///
    /// # Errors
    /// If an option is out of range, or the model cannot be run step by step.
    pub fn beam_search(&mut self, options: &BeamSearch) -> Result<BeamResult> {
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
        let mut best: Option<BeamResult> = None;
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
            // A probability is at most 1, so a hypothesis's upper bound is its current probability at full length.
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
        Ok(best.expect("a search always finds something"))
    }
}

/// Reads the last token of every hypothesis, and lists the candidates to extend each.
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

/// Returns the best unfinished hypotheses with one more token, each with its parent. Those that end do not take up
/// a place.
fn choose<'a>(
    candidates: &mut [Candidate],
    beam: &[Hypothesis<'a>],
    options: &BeamSearch,
    tokens: usize,
    best: &mut Option<BeamResult>,
) -> Result<(Vec<Hypothesis<'a>>, Vec<usize>)> {
    let (mut next, mut parents) = (Vec::new(), Vec::new());
    let mut from = 0;
    while from < candidates.len() && next.len() < options.width {
        // Sort only as much as is used.
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

/// Compares a finished continuation with the best one so far.
fn end(hypothesis: Hypothesis<'_>, options: &BeamSearch, tokens: usize, best: &mut Option<BeamResult>) {
    let Hypothesis { text, log_probability, .. } = hypothesis;
    let score = options.score(log_probability, tokens);
    if best.as_ref().is_none_or(|found| score > found.score) {
        *best = Some(BeamResult { text, log_probability, tokens, score });
    }
}

#[cfg(test)]
mod tests;

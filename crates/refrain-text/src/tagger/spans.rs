//! Spans marked by labels, such as names, and how many are found.

use refrain_task::score::ClassScore;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A span of words: its kind, its first word and its last word.
type Span<'a> = (&'a str, usize, usize);

/// How well spans of each kind are found, counted as seqeval and conlleval do: a span is correct if its kind, its
/// first word and its last word are correct.
///
/// Labels mark spans if each is `O` (outside) or one of the letters `B` (begin), `I` (inside), `E` (end) and `S` (single
/// word), followed by a dash and a kind: `B-PER`. Inconsistent labels are read as seqeval reads them without
/// `mode="strict"`: an `I` of another kind begins a span.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spans {
    kinds: BTreeMap<String, Counts>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counts {
    /// Number of true spans.
    truth: u32,
    /// Number of predicted spans.
    predicted: u32,
    /// Number of correctly predicted spans.
    right: u32,
}

impl Spans {
    /// Returns whether these labels mark spans: all have the form above, and not all are `O`.
    pub fn are_marked_by(labels: &[String]) -> bool {
        let is_mark = |label: &str| match label.split_once('-') {
            Some((mark, _)) => matches!(mark, "B" | "I" | "E" | "S"),
            None => matches!(label, "O" | "B" | "I" | "E" | "S"),
        };
        labels.iter().all(|label| is_mark(label)) && labels.iter().any(|label| label != "O")
    }

    /// Counts the spans of one sentence, given the true and the predicted labels of its words.
    pub fn add(&mut self, truth: &[&str], predicted: &[&str]) {
        let (truth, predicted) = (spans(truth), spans(predicted));
        let mut count = |spans: &BTreeSet<Span<'_>>, change: fn(&mut Counts)| {
            for (kind, ..) in spans {
                match self.kinds.get_mut(*kind) {
                    Some(counts) => change(counts),
                    None => change(self.kinds.entry((*kind).to_owned()).or_default()),
                }
            }
        };
        count(&truth, |counts| counts.truth += 1);
        count(&predicted, |counts| counts.predicted += 1);
        count(&truth.intersection(&predicted).copied().collect(), |counts| counts.right += 1);
    }

    /// Returns a score for each kind of span, sorted by name.
    pub fn kinds(&self) -> Vec<ClassScore> {
        self.kinds.iter().map(|(kind, counts)| score(kind, [counts])).collect()
    }

    /// Returns the score over all spans (seqeval's micro average).
    pub fn all(&self) -> ClassScore {
        score("all", self.kinds.values())
    }
}

fn score<'a>(kind: &str, counts: impl IntoIterator<Item = &'a Counts>) -> ClassScore {
    let (mut right, mut predicted, mut truth) = (0, 0, 0);
    for counts in counts {
        right += counts.right as usize;
        predicted += counts.predicted as usize;
        truth += counts.truth as usize;
    }
    ClassScore::new(kind, right, predicted, truth)
}

/// Returns the spans of a sentence. The rules are conlleval's (`endOfChunk`, `startOfChunk`), as implemented in
/// seqeval.
fn spans<'a>(labels: &[&'a str]) -> BTreeSet<Span<'a>> {
    let mut spans = BTreeSet::new();
    let mut begin = 0;
    let mut before = ('O', "");
    for (i, label) in labels.iter().chain(&["O"]).enumerate() {
        let here = parse(label);
        if ends(before, here) {
            spans.insert((before.1, begin, i - 1));
        }
        if begins(before, here) {
            begin = i;
        }
        before = here;
    }
    spans
}

/// Splits a label into its mark and its kind. A mark without a kind, such as `B`, has the kind `_`.
fn parse(label: &str) -> (char, &str) {
    let mark = label.chars().next().unwrap_or('O');
    let kind = label.split_once('-').map_or("", |(_, kind)| kind);
    (mark, if kind.is_empty() { "_" } else { kind })
}

fn ends((mark, kind): (char, &str), (next, next_kind): (char, &str)) -> bool {
    match (mark, next) {
        ('O', _) => false,
        ('E' | 'S', _) => true,
        (_, 'B' | 'S' | 'O') => true,
        _ => kind != next_kind,
    }
}

fn begins((before, before_kind): (char, &str), (mark, kind): (char, &str)) -> bool {
    match (before, mark) {
        (_, 'O') => false,
        (_, 'B' | 'S') => true,
        ('E' | 'S' | 'O', _) => true,
        _ => kind != before_kind,
    }
}

//! Spans are counted as by seqeval, whose results are in `fixtures/seqeval_spans.json`.

use refrain_task::score::ClassScore;
use refrain_text::tagger::Spans;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    truth: Vec<Vec<String>>,
    predicted: Vec<Vec<String>>,
    /// The true spans: kind, first word and last word.
    spans: Vec<Vec<(String, usize, usize)>>,
    all: Expected,
    kinds: BTreeMap<String, Expected>,
}

#[derive(Deserialize)]
struct Expected {
    precision: f64,
    recall: f64,
    f1: f64,
    support: usize,
}

impl Expected {
    fn check(&self, got: &ClassScore, of: &str) {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-15;
        let same = close(got.precision, self.precision) && close(got.recall, self.recall);
        assert!(same && close(got.f1, self.f1) && got.support == self.support, "{of}: {got:?}");
    }
}

fn cases() -> Vec<Case> {
    let golden = include_str!("../../../fixtures/seqeval_spans.json");
    let golden: Golden = serde_json::from_str(golden).expect("what seqeval_spans.py writes");
    golden.cases
}

fn words(labels: &[String]) -> Vec<&str> {
    labels.iter().map(String::as_str).collect()
}

#[test]
fn precision_recall_and_f1_match_seqeval_per_kind_and_overall() {
    for Case { name, truth, predicted, all, kinds, .. } in cases() {
        let mut spans = Spans::default();
        for (truth, predicted) in truth.iter().zip(&predicted) {
            spans.add(&words(truth), &words(predicted));
        }
        all.check(&spans.all(), &name);
        let got = spans.kinds();
        assert_eq!(got.len(), kinds.len(), "{name}");
        for got in got {
            kinds[&got.label].check(&got, &format!("{name}, {}", got.label));
        }
    }
}

#[test]
fn the_spans_of_a_sentence_match_seqeval() {
    for Case { name, truth, spans, .. } in cases() {
        for (labels, expected) in truth.iter().zip(spans) {
            // A sentence's spans compared with themselves are all correct; so is a single span, compared with a
            // sentence that has only that span, written consistently.
            let mut counted = Spans::default();
            counted.add(&words(labels), &words(labels));
            assert_eq!(
                (counted.all().support, counted.all().recall > 0.0),
                (expected.len(), !expected.is_empty())
            );
            for (kind, first, last) in expected {
                let label = |i: usize| match i {
                    i if i == first => format!("B-{kind}"),
                    i if (first..=last).contains(&i) => format!("I-{kind}"),
                    _ => "O".to_owned(),
                };
                let alone: Vec<String> = (0..labels.len()).map(label).collect();
                let mut spans = Spans::default();
                spans.add(&words(labels), &words(&alone));
                assert_eq!(spans.all().precision, 1.0, "{name}: {labels:?} has {kind} in {first}..={last}");
            }
        }
    }
}

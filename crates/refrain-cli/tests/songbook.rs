//! The first command: a minute of training gives a model that writes verses and does not copy.

mod common;

use common::TestDir;
use std::collections::HashSet;

const SONGBOOK: &str = include_str!("../data/songbook.txt");

/// A sequence of this many words that occurs in the songbook counts as copied.
const COPY: usize = 12;

fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let inside = |c: char| c.is_alphabetic() || c == '\'';
    lower.split(|c| !inside(c)).map(|w| w.trim_matches('\'').to_owned()).filter(|w| !w.is_empty()).collect()
}

fn runs(words: &[String]) -> impl Iterator<Item = &[String]> {
    words.windows(COPY)
}

#[test]
fn the_songbook_has_no_long_repetition() {
    assert!(SONGBOOK.len() >= 80 * 1024 && SONGBOOK.is_ascii());
    let words = words(SONGBOOK);
    let distinct: HashSet<_> = runs(&words).collect();
    assert_eq!(distinct.len(), words.len() + 1 - COPY);
}

#[test]
#[ignore = "a minute in a release build, half an hour in a debug build; .ci/weekly runs it"]
fn the_first_command_writes_words_of_the_songbook() {
    let dir = TestDir::new();
    let output = dir.ok(&["--json", "train", "text"]);
    let done = output.event("done");
    assert!(done["val_loss"].as_f64().is_some_and(|loss| loss < 1.3), "{done}");
    let text = output.event("result")["text"].as_str().unwrap_or_default().to_owned();

    let book = words(SONGBOOK);
    let known: HashSet<_> = book.iter().collect();
    let sung = words(&text);
    let familiar = sung.iter().filter(|w| known.contains(w)).count();
    assert!(sung.len() > 80 && familiar * 10 >= sung.len() * 9, "{familiar} of {} words: {text}", sung.len());

    let copies: HashSet<_> = runs(&book).collect();
    assert!(!runs(&sung).any(|run| copies.contains(run)), "copied: {text}");

    let lengths: Vec<usize> = text.lines().map(str::len).filter(|&l| l > 0).collect();
    let mean = lengths.iter().sum::<usize>() / lengths.len().max(1);
    assert!(lengths.len() >= 8 && (25..=50).contains(&mean), "lines of {mean} on average: {text}");
}

//! Ending a text before a stop text, without showing any part of the stop text.

use crate::error::{Error, Result};

/// Watches a text that is written piece by piece, and releases what cannot be the beginning of a stop text.
///
/// The first complete stop text ends the text, however the text is split into pieces. If several are complete at
/// the same place, the longest counts.
#[derive(Debug, Clone)]
pub(super) struct StopTexts {
    stops: Vec<Vec<char>>,
    /// Text that is written but not yet released.
    held: Vec<char>,
    found: bool,
}

impl StopTexts {
    /// # Errors
    /// An error about an option for an empty stop text, which would end every text before it begins.
    pub(super) fn new(stops: &[String]) -> Result<Self> {
        if stops.iter().any(String::is_empty) {
            let expected = "a text of at least one character";
            return Err(Error::option("stop", "empty", expected));
        }
        let stops = stops.iter().map(|stop| stop.chars().collect()).collect();
        Ok(Self { stops, held: Vec::new(), found: false })
    }

    /// Returns whether a stop text was found. Nothing is released after that.
    pub(super) fn found(&self) -> bool {
        self.found
    }

    /// Adds a piece and returns the text that can be released now.
    pub(super) fn push(&mut self, piece: &str) -> String {
        let mut shown = String::new();
        for c in piece.chars() {
            if self.found {
                break;
            }
            self.held.push(c);
            if let Some(len) = self.stops.iter().filter(|s| self.held.ends_with(s)).map(Vec::len).max() {
                self.held.truncate(self.held.len() - len);
                self.found = true;
                shown.extend(self.held.drain(..));
            } else {
                let kept = self.beginning();
                shown.extend(self.held.drain(..self.held.len() - kept));
            }
        }
        shown
    }

    /// Returns the text that is still held back, after the text has ended without a stop text.
    pub(super) fn finish(&mut self) -> String {
        self.held.drain(..).collect()
    }

    /// Returns how many of the last held characters may be the beginning of a stop text.
    fn beginning(&self) -> usize {
        let held = &self.held[..];
        let begun = |len: &usize| self.stops.iter().any(|s| s.starts_with(&held[held.len() - len..]));
        (0..=held.len()).rev().find(begun).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stops(texts: &[&str]) -> StopTexts {
        StopTexts::new(&texts.iter().map(|&t| t.to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn possible_beginnings_of_a_stop_text_are_held_back() {
        let mut watch = stops(&["\n\nEND", "stop"]);
        assert_eq!(watch.push("a\n"), "a");
        assert_eq!(watch.push("\n"), "");
        assert_eq!(watch.push("\nE"), "\n");
        assert_eq!(watch.push("Ns"), "\n\nEN");
        assert_eq!(watch.push("tost"), "sto");
        assert_eq!(watch.push("op, and on"), "");
        assert!(watch.found());
        assert_eq!((&watch.push("more")[..], &watch.finish()[..]), ("", ""));
    }

    #[test]
    fn a_text_that_ends_early_is_shown_completely() {
        let mut watch = stops(&["stop"]);
        assert_eq!(watch.push("do not sto"), "do not ");
        assert_eq!((&watch.finish()[..], watch.found()), ("sto", false));
    }

    #[test]
    fn an_empty_stop_text_is_rejected() {
        assert!(StopTexts::new(&[String::new()]).is_err_and(|e| e.option_at_fault() == Some("stop")));
        let mut none = stops(&[]);
        assert_eq!(none.push("all"), "all");
    }

    /// Returns the text before the stop text that ends first, computed from the whole text.
    fn expected(text: &str, stops: &[String]) -> Option<String> {
        let ends = (1..=text.len()).filter_map(|end| {
            let longest = stops.iter().filter(|s| text[..end].ends_with(&s[..])).map(String::len).max()?;
            Some(text[..end - longest].to_owned())
        });
        ends.take(1).next()
    }

    proptest! {
        #[test]
        fn splitting_a_text_changes_nothing(
            pieces in proptest::collection::vec("[ab]{0,3}", 0..12),
            texts in proptest::collection::vec("[ab]{1,4}", 0..3),
        ) {
            let mut watch = StopTexts::new(&texts).unwrap();
            let mut shown = String::new();
            for piece in &pieces {
                shown += &watch.push(piece);
            }
            let text = pieces.concat();
            let wanted = expected(&text, &texts);
            prop_assert_eq!(watch.found(), wanted.is_some());
            shown += &watch.finish();
            prop_assert_eq!(shown, wanted.unwrap_or(text));
        }
    }
}

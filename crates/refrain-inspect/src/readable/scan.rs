//! Scanning a text character by character: what a reader would know at each token.

use crate::shown::written;

/// What is known after a token's last character. Fields that look ahead say so.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub(super) c: char,
    /// The next character within the lane.
    pub(super) next: Option<char>,
    pub(super) quoted: bool,
    /// Number of open brackets.
    pub(super) depth: usize,
    /// Whether the position is inside `<…>`.
    pub(super) tagged: bool,
    /// Characters of the line up to and including this one; 0 for the line break before it.
    pub(super) column: usize,
    /// Characters of the whole line without its line break (looks ahead); 0 in a text without lines.
    pub(super) line_length: usize,
    pub(super) indentation: usize,
    /// Letters and digits of the word so far, and how many of them are capitals.
    pub(super) word: usize,
    pub(super) capitals: usize,
    pub(super) since_punctuation: usize,
    /// Consecutive line breaks.
    pub(super) line_breaks: usize,
    /// Whether the line is a name (looks ahead).
    pub(super) name_line: bool,
}

/// The share of single-character tokens from which the tokens are treated as characters.
const CHARACTERS: f64 = 0.9;
/// The share of tokens with their own space up to which a space is assumed between tokens.
const SPACED: f64 = 0.05;
/// The maximum characters of a line that ends in a colon and counts as a name.
const NAME: usize = 40;

/// Returns what is known at each token, lane after lane, and whether the tokens are characters.
pub(super) fn places(lanes: &[Vec<String>]) -> (Vec<Place>, bool) {
    let tokens = || lanes.iter().flatten();
    let share = |which: &dyn Fn(&String) -> bool| {
        tokens().filter(|token| which(token)).count() as f64 / tokens().count().max(1) as f64
    };
    let characters = share(&|token| token.chars().nth(1).is_none()) >= CHARACTERS;
    let apart = !characters && share(&|token| written(token).contains(' ')) <= SPACED;
    let places = lanes.iter().flat_map(|lane| of_lane(lane, apart)).collect();
    (places, characters)
}

fn of_lane(lane: &[String], apart: bool) -> Vec<Place> {
    let mut text: Vec<char> = Vec::new();
    // The position of each token's last character; an empty token has that of the previous one.
    let mut ends = Vec::with_capacity(lane.len());
    for token in lane {
        let token = written(token);
        if apart && text.last().is_some_and(|&c| c != '\n') && !token.starts_with('\n') {
            text.push(' ');
        }
        text.extend(token.chars());
        ends.push(text.len().saturating_sub(1));
    }
    let known = of_text(&text);
    ends.into_iter().map(|end| known.get(end).cloned().unwrap_or_default()).collect()
}

fn of_text(text: &[char]) -> Vec<Place> {
    let mut known = Vec::with_capacity(text.len());
    let mut at = Place::default();
    // A text without a line break has no lines.
    let lines = text.contains(&'\n');
    for line in text.split_inclusive(|&c| c == '\n') {
        let body = line.strip_suffix(&['\n']).unwrap_or(line);
        let (length, name) = (if lines { body.len() } else { 0 }, is_name(body));
        for &c in line {
            let next = text.get(known.len() + 1).copied();
            at = Place { c, next, line_length: length, name_line: name, ..at };
            at.read(c);
            known.push(at.clone());
        }
    }
    known
}

/// Returns whether a line is short and ends in a colon.
fn is_name(line: &[char]) -> bool {
    line.last() == Some(&':') && (2..=NAME).contains(&line.len())
}

impl Place {
    fn read(&mut self, c: char) {
        if c == '\n' {
            (self.column, self.indentation, self.tagged) = (0, 0, false);
            self.line_breaks += 1;
            if self.line_breaks >= 2 {
                self.quoted = false;
            }
        } else {
            if self.column == self.indentation && (c == ' ' || c == '\t') {
                self.indentation += 1;
            }
            self.column += 1;
            self.line_breaks = 0;
        }
        match c {
            '"' => self.quoted = !self.quoted,
            '“' | '«' => self.quoted = true,
            '”' | '»' => self.quoted = false,
            '(' | '[' | '{' => self.depth += 1,
            ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
            '<' => self.tagged = true,
            '>' => self.tagged = false,
            _ => {}
        }
        if c.is_alphanumeric() {
            self.word += 1;
            self.capitals += usize::from(c.is_uppercase());
        } else {
            (self.word, self.capitals) = (0, 0);
        }
        let stop = matches!(c, '.' | ',' | ';' | ':' | '!' | '?');
        self.since_punctuation = if stop { 0 } else { self.since_punctuation + 1 };
    }
}

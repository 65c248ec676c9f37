//! The features of a text at each position, computed from the text alone.

use super::scan::{Place, places};
use serde::Serialize;

/// The kind of values of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureKind {
    /// 0 or 1.
    Binary,
    /// A number; only the order of its values counts.
    Numeric,
}

/// A property of a text at each of its tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// What it means at a token.
    pub explanation: &'static str,
    /// The kind of its values.
    pub kind: FeatureKind,
    /// Its value at each token, lane after lane.
    pub values: Vec<f32>,
}

/// The limit for counts of characters in a line.
const LINE: usize = 80;
/// The limit for counts of letters in a word.
const WORD: usize = 20;

struct Rule {
    name: &'static str,
    explanation: &'static str,
    kind: FeatureKind,
    /// Whether it applies only to characters, not to words.
    characters: bool,
    value: fn(&Place) -> f32,
}

const fn binary(name: &'static str, explanation: &'static str, value: fn(&Place) -> f32) -> Rule {
    Rule { name, explanation, kind: FeatureKind::Binary, characters: false, value }
}

const fn numeric(name: &'static str, explanation: &'static str, value: fn(&Place) -> f32) -> Rule {
    Rule { name, explanation, kind: FeatureKind::Numeric, characters: false, value }
}

const fn of_characters(rule: Rule) -> Rule {
    Rule { characters: true, ..rule }
}

fn yes(is: bool) -> f32 {
    f32::from(u8::from(is))
}

fn count(n: usize, most: usize) -> f32 {
    n.min(most) as f32
}

/// All features, in the order in which they are reported.
const RULES: &[Rule] = &[
    binary("inside quotes", "between double quotation marks, until a blank line at the latest", |p| {
        yes(p.quoted)
    }),
    binary("inside brackets", "between round, square or curly brackets", |p| yes(p.depth > 0)),
    numeric("depth of brackets", "how many brackets are open", |p| count(p.depth, WORD)),
    binary("inside a tag", "between < and >, within a line", |p| yes(p.tagged)),
    numeric("characters since the line began", "how far into its line, up to 80", |p| count(p.column, LINE)),
    numeric(
        "characters until the line ends",
        "how far from the end of its line, which is not read yet, up to 80",
        |p| {
            if p.c == '\n' { 0.0 } else { count(p.line_length.saturating_sub(p.column), LINE) }
        },
    ),
    numeric("share of the line", "the position in the line, from 0 at the beginning to 1 at the end", |p| {
        if p.line_length == 0 { 0.0 } else { p.column as f32 / p.line_length as f32 }
    }),
    numeric("indentation", "spaces or tabs at the beginning of the line", |p| count(p.indentation, LINE)),
    binary("line break", "a line has just ended", |p| yes(p.c == '\n')),
    binary("blank line", "a blank line has just ended", |p| yes(p.line_breaks >= 2)),
    binary(
        "name before a colon",
        "in a short line that ends in a colon, such as a speaker or a heading",
        |p| yes(p.name_line),
    ),
    binary("all capitals", "in a word of two or more letters so far, all of them capitals", |p| {
        yes(p.word >= 2 && p.capitals == p.word)
    }),
    binary("sentence ends", "a full stop, a question mark or an exclamation mark", |p| {
        yes(matches!(p.c, '.' | '?' | '!'))
    }),
    numeric("length of the word", "letters and digits of the word so far, up to 20", |p| count(p.word, WORD)),
    of_characters(binary("between words", "neither letter nor digit", |p| yes(!p.c.is_alphanumeric()))),
    of_characters(binary("word ends next", "the last letter of a word", |p| {
        yes(p.c.is_alphabetic() && p.next.is_some_and(|next| !next.is_alphabetic()))
    })),
    of_characters(binary("upper case", "a capital", |p| yes(p.c.is_uppercase()))),
    of_characters(binary("vowel", "a, e, i, o or u", |p| {
        yes(matches!(p.c.to_ascii_lowercase(), 'a' | 'e' | 'i' | 'o' | 'u'))
    })),
    binary("digit", "a digit, or a token that ends in one", |p| yes(p.c.is_numeric())),
    numeric("characters since punctuation", "since the last . , ; : ! or ?, up to 80", |p| {
        count(p.since_punctuation, LINE)
    }),
];

/// Returns the features of some lanes of tokens; each lane is a separate text. The tokens determine whether the
/// text is read as characters or as words.
pub fn features(lanes: &[Vec<String>]) -> Vec<Feature> {
    let (places, characters) = places(lanes);
    let feature = |rule: &Rule| Feature {
        name: rule.name,
        explanation: rule.explanation,
        kind: rule.kind,
        values: places.iter().map(rule.value).collect(),
    };
    RULES.iter().filter(|rule| characters || !rule.characters).map(feature).collect()
}

//! What a text is like at each of its places, from the text alone.

use super::scan::{Place, places};
use serde::Serialize;

/// What values a feature has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureKind {
    /// 0 or 1.
    Binary,
    /// A number, whose order counts.
    Numeric,
}

/// Something that a text has or is at each of its tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// What it says of a token.
    pub explanation: &'static str,
    /// What values it has.
    pub kind: FeatureKind,
    /// Its value at each token, lane after lane.
    pub values: Vec<f32>,
}

/// Where counts of characters stop: nobody reads farther back in a line.
const LINE: usize = 80;
/// Where the letters of a word stop being counted.
const WORD: usize = 20;

struct Rule {
    name: &'static str,
    explanation: &'static str,
    kind: FeatureKind,
    /// Whether it says something of characters only, not of words.
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
        "how far from its line's end, which is not read yet, up to 80",
        |p| {
            if p.c == '\n' { 0.0 } else { count(p.line_length.saturating_sub(p.column), LINE) }
        },
    ),
    numeric("share of the line", "the place in the line, 0 where it begins, 1 where it ends", |p| {
        if p.line_length == 0 { 0.0 } else { p.column as f32 / p.line_length as f32 }
    }),
    numeric("indentation", "spaces or tabs with which the line begins", |p| count(p.indentation, LINE)),
    binary("line break", "a line has just ended", |p| yes(p.c == '\n')),
    binary("blank line", "a blank line has just ended", |p| yes(p.line_breaks >= 2)),
    binary("name before a colon", "in a short line that ends in a colon: who speaks, a heading", |p| {
        yes(p.name_line)
    }),
    binary("all capitals", "in a word of two or more letters so far, all of them capitals", |p| {
        yes(p.word >= 2 && p.capitals == p.word)
    }),
    binary("sentence ends", "a full stop, a question mark or an exclamation mark", |p| {
        yes(matches!(p.c, '.' | '?' | '!'))
    }),
    numeric("length of the word", "letters and digits of the word so far, up to 20", |p| count(p.word, WORD)),
    of_characters(binary("between words", "neither letter nor digit", |p| yes(!p.c.is_alphanumeric()))),
    of_characters(binary("word ends next", "the last letter of a word: what comes next is none", |p| {
        yes(p.c.is_alphabetic() && p.next.is_some_and(|next| !next.is_alphabetic()))
    })),
    of_characters(binary("upper case", "a capital", |p| yes(p.c.is_uppercase()))),
    of_characters(binary("vowel", "a, e, i, o or u", |p| {
        yes(matches!(p.c.to_ascii_lowercase(), 'a' | 'e' | 'i' | 'o' | 'u'))
    })),
    binary("digit", "a digit, or ends in one", |p| yes(p.c.is_numeric())),
    numeric("characters since punctuation", "since the last . , ; : ! or ?, up to 80", |p| {
        count(p.since_punctuation, LINE)
    }),
];

/// The features of some lanes of tokens, each lane a text of its own. Characters are told from words by what the tokens
/// are.
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

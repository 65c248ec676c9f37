//! Text formatted for people: counted nouns, text from outside, columns of a terminal.

use crate::numbers::thousands;
use unicode_width::UnicodeWidthStr;

/// Formats a count with its noun, in the singular or the plural: `1 epoch`, `20 epochs`, `1,000 batches`.
///
/// ```
/// assert_eq!([1, 2].map(|n| refrain_nn::shown::counted(n, "batch")), ["1 batch", "2 batches"]);
/// ```
pub fn counted(n: usize, noun: &str) -> String {
    format!("{} {}", thousands(n), if n == 1 { noun.to_owned() } else { plural(noun) })
}

fn plural(noun: &str) -> String {
    if let Some(stem) = noun.strip_suffix("axis") {
        return format!("{stem}axes");
    }
    let is_vowel = |c: char| "aeiou".contains(c);
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(is_vowel) => format!("{stem}ies"),
        // The `ch` of an epoch is a k.
        _ if ["s", "x", "tch", "nch", "sh"].iter().any(|end| noun.ends_with(end)) => format!("{noun}es"),
        _ => format!("{noun}s"),
    }
}

/// Escapes text from a file or a command line for one line of a terminal: control characters, which a terminal
/// interprets, and characters that change the direction of the text after them.
///
/// ```
/// assert_eq!(refrain_nn::shown::escaped("a\u{1b}[2J\n"), "a\\u{1b}[2J\\n");
/// ```
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) { shown.extend(c.escape_debug()) } else { shown.push(c) }
    }
    shown
}

fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
}

/// Formats a setting with the digits that it was given with, also if it was an `f32`: `0.1`, `1e-30`.
///
/// ```
/// assert_eq!(refrain_nn::shown::number(f64::from(0.1_f32)), "0.1");
/// ```
pub fn number(value: f64) -> String {
    let single = value as f32;
    let is_plain = value == 0.0 || !value.is_finite() || (1e-5..1e10).contains(&value.abs());
    match (f64::from(single) == value, is_plain) {
        (true, true) => single.to_string(),
        (true, false) => format!("{single:e}"),
        (false, true) => value.to_string(),
        (false, false) => format!("{value:e}"),
    }
}

/// Returns the columns that a text takes in most terminals: two for a Chinese or Japanese character or an emoji, none
/// for a combining mark.
pub fn columns(text: &str) -> usize {
    text.width()
}

/// Adds spaces after a text, up to this many columns.
pub fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// Returns the beginning of a text that fits this many columns.
pub fn fitted(text: &str, width: usize) -> &str {
    let end = |(at, c): (usize, char)| at + c.len_utf8();
    let ends = std::iter::once(0).chain(text.char_indices().map(end));
    let end = ends.take_while(|&end| columns(&text[..end]) <= width).last().unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        let nouns = ["epoch", "batch", "entry", "key", "axis", "class", "excerpt"];
        let one = nouns.map(|noun| counted(1, noun));
        assert_eq!(one, ["1 epoch", "1 batch", "1 entry", "1 key", "1 axis", "1 class", "1 excerpt"]);
        let none = nouns.map(|noun| counted(0, noun));
        assert_eq!(
            none,
            ["0 epochs", "0 batches", "0 entries", "0 keys", "0 axes", "0 classes", "0 excerpts"]
        );
        assert_eq!(counted(1234, "token"), "1,234 tokens");
    }

    #[test]
    fn settings_are_short() {
        let numbers =
            [0.0, 0.002, f64::from(0.2_f32), 7.0, 1e-30, f64::from(1e-30_f32), 1e300, -1.5, f64::NAN];
        let shown = numbers.map(number);
        assert_eq!(shown, ["0", "0.002", "0.2", "7", "1e-30", "1e-30", "1e300", "-1.5", "NaN"]);
    }

    #[test]
    fn text_that_steers_a_terminal_is_escaped() {
        assert_eq!(escaped("\u{1b}[2J\u{9b}é\r\n\u{202e}x"), "\\u{1b}[2J\\u{9b}é\\r\\n\\u{202e}x");
        assert_eq!(escaped("好 ü e\u{301}"), "好 ü e\u{301}");
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(["ham", "好的", "e\u{301}", ""].map(columns), [3, 4, 1, 0]);
        assert_eq!(padded("好", 4), "好  ");
        assert_eq!((fitted("好的", 3), fitted("好的", 4), fitted("abc", 2)), ("好", "好的", "ab"));
        assert_eq!((fitted("e\u{301}a", 1), fitted("", 0)), ("e\u{301}", ""));
    }
}

//! Splitting a text into words, as Keras does.

use std::borrow::Cow;

/// The characters that Keras filters out by default: ASCII punctuation without the apostrophe, tab and line feed.
pub const DEFAULT_FILTERS: &str = "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n";

/// Returns the words of a text: lower-cases it if `lower`, replaces every character of `filters` with `split`,
/// splits at `split` and drops empty words.
///
/// An empty `split`, which Python rejects, does not split the filtered text.
///
/// ```
/// use refrain_text::{text_to_word_sequence, tokenizer::DEFAULT_FILTERS};
///
/// let words = text_to_word_sequence("Don't -- STOP\nthe_dance!", DEFAULT_FILTERS, true, " ");
/// assert_eq!(words, ["don't", "stop", "the", "dance"]);
/// ```
pub fn text_to_word_sequence(text: &str, filters: &str, lower: bool, split: &str) -> Vec<String> {
    let mut words = Vec::new();
    for_each_word(text, filters, lower, split, |word| words.push(word.to_owned()));
    words
}

pub(super) fn for_each_word(text: &str, filters: &str, lower: bool, split: &str, mut each: impl FnMut(&str)) {
    let text = translate(lowered(text, lower), filters, split);
    if split.is_empty() {
        if !text.is_empty() {
            each(&text);
        }
        return;
    }
    text.split(split).filter(|word| !word.is_empty()).for_each(each);
}

pub(super) fn lowered(text: &str, lower: bool) -> Cow<'_, str> {
    if lower { Cow::Owned(text.to_lowercase()) } else { Cow::Borrowed(text) }
}

/// Replaces all characters in one pass: filtered characters inside `split` are not filtered again.
fn translate<'a>(text: Cow<'a, str>, filters: &str, split: &str) -> Cow<'a, str> {
    let mut ascii = [false; 128];
    for c in filters.chars().filter(char::is_ascii) {
        ascii[c as usize] = true;
    }
    let beyond_ascii: Vec<char> = filters.chars().filter(|c| !c.is_ascii()).collect();
    let filtered = |c: char| if c.is_ascii() { ascii[c as usize] } else { beyond_ascii.contains(&c) };
    if !text.contains(filtered) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if filtered(c) {
            out.push_str(split);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

//! Makes labels from any text: how a word is capitalised, and the mark that follows it.

use refrain::tagger::{TaggedSentence, TaggedWord};

/// The marks that are restored.
const MARKS: &str = ".,;:!?";
/// Words per line. Lines end in the middle of sentences, so the end of a line reveals nothing.
const WORDS: usize = 60;

/// Returns the words of a text in lower case and without marks, each with a label that shows how it was written:
/// `word`, `Word,` or `WORD!`.
pub(crate) fn labelled(text: &str) -> Vec<TaggedSentence> {
    let text = text.replace("--", " ");
    let words: Vec<TaggedWord> = text.split_whitespace().filter_map(label).collect();
    words.chunks(WORDS).map(|words| TaggedSentence { words: words.to_vec() }).collect()
}

fn label(token: &str) -> Option<TaggedWord> {
    let is_inside = |c: char| c.is_alphanumeric();
    let (first, last) = (token.find(is_inside)?, token.rfind(is_inside)?);
    let end = last + token[last..].chars().next().map_or(0, char::len_utf8);
    let (word, tail) = (&token[first..end], &token[end..]);
    let letters = || word.chars().filter(|c| c.is_alphabetic());
    let form = match word.chars().next() {
        Some(_) if letters().count() > 1 && letters().all(char::is_uppercase) => "WORD",
        Some(c) if c.is_uppercase() => "Word",
        _ => "word",
    };
    let mark = tail.chars().find(|&c| MARKS.contains(c)).map_or(String::new(), String::from);
    Some(TaggedWord { word: word.to_lowercase(), label: format!("{form}{mark}") })
}

/// Returns a word with the capitals and the mark of its label.
pub(crate) fn restored(word: &str, label: &str) -> String {
    let (form, mark) = label.split_at(label.find(|c| MARKS.contains(c)).unwrap_or(label.len()));
    let mut letters = word.chars();
    let written = match (form, letters.next()) {
        ("WORD", _) => word.to_uppercase(),
        ("Word", Some(first)) => first.to_uppercase().chain(letters).collect(),
        _ => word.to_owned(),
    };
    written + mark
}

/// A test of whether a label is of a certain kind.
type IsOne = fn(&str) -> bool;

/// The kinds of label that are scored separately.
pub(crate) const KINDS: [(&str, IsOne); 4] = [
    ("capitals", |label| label.starts_with('W')),
    ("full stops", |label| label.ends_with('.')),
    ("ends of sentences", |label| label.ends_with(['.', '!', '?'])),
    ("commas", |label| label.ends_with(',')),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_s_label_says_how_it_was_written() {
        let text = "'Oh, I've had SUCH a curious dream!' said Alice--(really) -- in 1865.";
        let words = labelled(text).remove(0).words;
        let told: Vec<_> = words.iter().map(|word| format!("{}/{}", word.word, word.label)).collect();
        let expected = "oh/Word, i've/Word had/word such/WORD a/word curious/word dream/word! said/word alice/Word \
            really/word in/word 1865/word.";
        assert_eq!(told.join(" "), expected);
        let again: Vec<_> = words.iter().map(|word| restored(&word.word, &word.label)).collect();
        assert_eq!(again.join(" "), "Oh, I've had SUCH a curious dream! said Alice really in 1865.");
    }

    #[test]
    fn lines_have_the_number_of_words_that_are_read() {
        let lengths: Vec<_> =
            labelled(&"Two words. ".repeat(70)).iter().map(|line| line.words.len()).collect();
        assert_eq!(lengths, [60, 60, 20]);
    }
}

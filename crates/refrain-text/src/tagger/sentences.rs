//! Sentences with labelled words: parsing, checking and splitting.

use crate::error::{Error, Result, shorten};
use crate::reader::{LabelLines, note_line, refuse_control_characters};
use refrain_nn::shown::counted;
use refrain_task::Fingerprint;
use refrain_task::score::MAX_LABELS;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The first column of the line that starts a document in CoNLL files.
const DOCUMENT: &str = "-DOCSTART-";

/// A word and its label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TaggedWord {
    /// The word.
    pub word: String,
    /// The label.
    pub label: String,
}

/// The words of a line or a sentence, in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct TaggedSentence {
    /// Its words.
    pub words: Vec<TaggedWord>,
}

impl TaggedSentence {
    /// Joins the words with spaces.
    pub fn line(&self) -> String {
        let words: Vec<&str> = self.words.iter().map(|word| &*word.word).collect();
        words.join(" ")
    }
}

/// Parses sentences in one of two formats. The first non-blank line decides which.
///
/// - Columns, as in CoNLL files: one line per word, with the word in the first column and its label in the last, and
///   a blank line between sentences. Columns are separated by tabs, or by spaces if the line has no tab, and every
///   line has the same number of them. A line that starts with `-DOCSTART-` is not a word and ends a sentence.
/// - `word/LABEL`, one sentence per line, words separated by spaces. The label follows the last slash.
///
/// # Errors
/// [`Error::Labelled`] with `name` and the line number if a word or a label is missing, or if there are no sentences.
pub fn parse_tagged(text: &str, name: &str) -> Result<Vec<TaggedSentence>> {
    Ok(parse_tagged_with_lines(text, name)?.0)
}

/// Parses sentences as [`parse_tagged`] does. Also returns the line on which each label first occurs.
///
/// # Errors
/// As for [`parse_tagged`].
pub fn parse_tagged_with_lines(text: &str, name: &str) -> Result<(Vec<TaggedSentence>, LabelLines)> {
    let mut lines = LabelLines::new();
    let first = text.lines().find(|line| !line.trim().is_empty());
    let has_slashes = first.is_some_and(|line| {
        !line.contains('\t') && line.split_whitespace().all(|word| split_at_slash(word).is_some())
    });
    let sentences =
        if has_slashes { slashes(text, name, &mut lines) } else { columns(text, name, &mut lines) }?;
    if sentences.is_empty() {
        let got = "no labelled words found".to_owned();
        return Err(Error::Labelled { place: name.to_owned(), got, expected: "at least one" });
    }
    Ok((sentences, lines))
}

fn columns(text: &str, name: &str, lines: &mut LabelLines) -> Result<Vec<TaggedSentence>> {
    const EXPECTED: &str = "a word and its label, separated by a tab or spaces";
    let mut sentences = Vec::new();
    let mut words = Vec::new();
    let mut width = None;
    for (number, line) in (1_usize..).zip(text.lines()) {
        if line.trim().is_empty() {
            sentences.push(TaggedSentence { words: std::mem::take(&mut words) });
            continue;
        }
        let wrong = |got: String| wrong(name, number, got, EXPECTED);
        let columns: Vec<&str> = match line.contains('\t') {
            true => line.split('\t').map(str::trim).collect(),
            false => line.split_whitespace().collect(),
        };
        if columns[0] == DOCUMENT {
            sentences.push(TaggedSentence { words: std::mem::take(&mut words) });
            continue;
        }
        let &[word, .., label] = &columns[..] else {
            return Err(wrong(format!("`{}` has no label", shorten(line.trim()))));
        };
        let (here, first) = (columns.len(), *width.get_or_insert(columns.len()));
        if here != first {
            return Err(wrong(format!("{}, but {first} in the previous lines", counted(here, "column"))));
        }
        words.push(tagged(word, label).map_err(wrong)?);
        note_line(lines, label, number);
    }
    sentences.push(TaggedSentence { words });
    sentences.retain(|sentence| !sentence.words.is_empty());
    Ok(sentences)
}

fn slashes(text: &str, name: &str, lines: &mut LabelLines) -> Result<Vec<TaggedSentence>> {
    let mut sentences = Vec::new();
    for (number, line) in (1_usize..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |got: String| wrong(name, number, got, "`word/LABEL`, as in the first line");
        let words = line.split_whitespace().map(|token| {
            let Some((word, label)) = split_at_slash(token) else {
                return Err(wrong(format!("`{}` has no label", shorten(token))));
            };
            note_line(lines, label, number);
            tagged(word, label).map_err(wrong)
        });
        sentences.push(TaggedSentence { words: words.collect::<Result<_>>()? });
    }
    Ok(sentences)
}

fn split_at_slash(token: &str) -> Option<(&str, &str)> {
    token.rsplit_once('/').filter(|(word, label)| !word.is_empty() && !label.is_empty())
}

fn tagged(word: &str, label: &str) -> std::result::Result<TaggedWord, String> {
    if word.is_empty() || label.is_empty() {
        return Err(format!("the {} is empty", if word.is_empty() { "word" } else { "label" }));
    }
    refuse_control_characters(label)?;
    Ok(TaggedWord { word: word.to_owned(), label: label.to_owned() })
}

fn wrong(name: &str, number: usize, got: String, expected: &'static str) -> Error {
    Error::Labelled { place: format!("{name}, line {number}"), got, expected }
}

/// Splits off the last `share` of the sentences. Returns the training and validation parts.
///
/// Neighbouring sentences are about the same topic, so randomly drawn sentences would be easier than new ones.
pub fn split_tagged(sentences: &[TaggedSentence], share: f64) -> (&[TaggedSentence], &[TaggedSentence]) {
    let held_out = (sentences.len() as f64 * share).round() as usize;
    sentences.split_at(sentences.len() - held_out.min(sentences.len().saturating_sub(1)))
}

/// Hashes all words and labels, to tell whether two runs had the same data.
pub(super) fn fingerprint(sentences: &[TaggedSentence]) -> String {
    let words = sentences.iter().flat_map(|sentence| {
        let words = sentence.words.iter().flat_map(|word| [&*word.word, "\t", &*word.label, "\n"]);
        words.chain(["\n"])
    });
    Fingerprint::of(words).to_string()
}

/// Collects the labels of the training sentences, sorted.
///
/// # Errors
/// If there are fewer than two labels, or more than a model can have.
pub(super) fn labels_of(sentences: &[TaggedSentence]) -> Result<Vec<String>> {
    let words = sentences.iter().flat_map(|sentence| &sentence.words);
    let labels: BTreeSet<&str> = words.map(|word| &*word.label).collect();
    let labels: Vec<String> = labels.into_iter().map(str::to_owned).collect();
    match labels.len() {
        0..2 => Err(Error::Labels { got: labels }),
        2..=MAX_LABELS => Ok(labels),
        many => Err(Error::Labelled {
            place: "the sentences".to_owned(),
            got: counted(many, "label"),
            expected: "at most 4096; check that the label is in the last column",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<Vec<(String, String)>> {
        let sentences = parse_tagged(text, "t").unwrap();
        let words =
            |sentence: TaggedSentence| sentence.words.into_iter().map(|w| (w.word, w.label)).collect();
        sentences.into_iter().map(words).collect()
    }

    fn words(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(word, label)| (word.to_owned(), label.to_owned())).collect()
    }

    #[test]
    fn the_first_line_determines_the_format() {
        let expected = [words(&[("EU", "B-ORG"), ("1/2", "O")]), words(&[("w/", "X")])];
        assert_eq!(read("EU/B-ORG  1/2/O\n\nw//X\r\n"), expected);
        assert_eq!(read("\nEU B-ORG\r\n1/2 O\n \n\nw/ X"), expected);
        let columns = "-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\n1/2 CD B-NP O\n\nw/ IN B-PP X\n";
        assert_eq!(read(columns), expected);
        assert_eq!(read("EU B-ORG\n1/2 O\n-DOCSTART-\nw/ X\n"), expected);
        // With tabs, a word may contain spaces.
        assert_eq!(read("New York\tB-LOC\nor\tO\n"), [words(&[("New York", "B-LOC"), ("or", "O")])]);
        assert_eq!(read("a/X\tb/Y\n"), [words(&[("a/X", "b/Y")])]);
    }

    #[test]
    fn each_label_has_the_line_where_it_first_occurs() {
        let lines = |text| parse_tagged_with_lines(text, "t").unwrap().1.into_iter().collect::<Vec<_>>();
        let expected = |x, y| vec![("X".to_owned(), x), ("Y".to_owned(), y)];
        assert_eq!(lines("\na Y\nb X\n\nc X\nd Y\n"), expected(3, 2));
        assert_eq!(lines("a/X b/X\n\nc/Y\n"), expected(1, 3));
    }

    #[test]
    fn wrong_lines_are_named() {
        for (text, phrases) in [
            ("a X\nb\n", &["t, line 2", "`b` has no label", "a word and its label"][..]),
            ("a X\n\nb Y Z\n", &["line 3", "3 columns, but 2 in the previous lines"]),
            ("a\t\n", &["line 1", "the label is empty"]),
            ("\tX\nb\tY", &["line 1", "the word is empty"]),
            ("a/X\n\nb/Y c d/Z\n", &["line 3", "`c` has no label", "as in the first line"]),
            ("a\tX\u{7}\n", &["line 1", "control character"]),
            ("-DOCSTART- O\n\n", &["t: no labelled words found"]),
            ("", &["no labelled words found"]),
        ] {
            let error = parse_tagged(text, "t").map_or_else(|e| e.to_string(), |read| format!("{read:?}"));
            assert!(phrases.iter().all(|p| error.contains(p)), "{text:?}: {error}");
        }
    }

    #[test]
    fn the_last_fraction_is_held_out_and_one_sentence_is_kept() {
        let sentences = parse_tagged(&"a/X b/Y\n".repeat(10), "t").unwrap();
        let lengths = |share| {
            let (training, held_out) = split_tagged(&sentences, share);
            (training.len(), held_out.len())
        };
        assert_eq!([0.0, 0.1, 0.26, 0.99].map(lengths), [(10, 0), (9, 1), (7, 3), (1, 9)]);
        assert_eq!(split_tagged(&[], 0.5), (&[][..], &[][..]));
    }

    proptest! {
        #[test]
        fn both_formats_round_trip(
            sentences in prop::collection::vec(prop::collection::vec(("[a/é-]{1,4}", "[A-Z.,-]{1,3}"), 1..5), 1..5),
        ) {
            let join = |form: fn(&(String, String)) -> String, words: &str, end: &str| {
                let line = |s: &Vec<(String, String)>| s.iter().map(form).collect::<Vec<_>>().join(words) + end;
                sentences.iter().map(line).collect::<String>()
            };
            prop_assert_eq!(&read(&join(|(word, label)| format!("{word}\t{label}"), "\n", "\n\n")), &sentences);
            prop_assert_eq!(&read(&join(|(word, label)| format!("{word}/{label}"), " ", "\n")), &sentences);
        }

        #[test]
        fn arbitrary_text_does_not_panic(text in "[a/X\\t \\n\\u{85}-]{0,30}") {
            let _ = parse_tagged(&text, "t");
        }
    }
}

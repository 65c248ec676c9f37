//! Labelled texts: parsing, checking and splitting.

use crate::error::{Error, Result, shorten};
use crate::reader::{LabelLines, note_line, refuse_control_characters};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use refrain_nn::shown::counted;
use refrain_task::Fingerprint;
use refrain_task::score::MAX_LABELS;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Separates the random choice of the held-out texts from other uses of the same seed.
const PURPOSE: &[u8; 12] = b"hold out set";
/// The smallest number of training texts per label.
pub(super) const MIN_TEXTS: usize = 2;

/// What a line of a table has.
const COLUMNS: &str = "a label, a tab and a text";
/// The same, for lines that may be of a CSV file.
const COLUMNS_WITHOUT_COMMA: &str = "a label, a tab and a text; convert a CSV file first, so that each line has its label, \
    a tab instead of the comma, and its text without quotes";

/// A text and its label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LabelledText {
    /// The label.
    pub label: String,
    /// The text.
    pub text: String,
}

/// Parses a table without a header: on each line a label, a tab and a text. Whitespace around both is removed, and
/// blank lines are skipped.
///
/// # Errors
/// [`Error::Labelled`] with `name` and the line number if a line does not have exactly one tab, if a label or a
/// text is empty, or if there are no lines.
pub fn parse_table(table: &str, name: &str) -> Result<Vec<LabelledText>> {
    Ok(parse_table_with_lines(table, name)?.0)
}

/// Parses a table as [`parse_table`] does. Also returns the line on which each label first occurs.
///
/// # Errors
/// As for [`parse_table`].
pub fn parse_table_with_lines(table: &str, name: &str) -> Result<(Vec<LabelledText>, LabelLines)> {
    let mut examples = Vec::new();
    let mut lines = LabelLines::new();
    for (number, line) in (1_usize..).zip(table.lines()).filter(|(_, line)| !is_blank(line)) {
        let wrong = |got: String, expected| Error::Labelled {
            place: format!("{name}, line {number}"),
            got,
            expected,
        };
        let mut columns = line.split('\t').map(str::trim);
        let (label, text) = match (columns.next(), columns.next(), columns.count()) {
            (Some(label), Some(text), 0) => (label, text),
            (_, None, _) => {
                let expected = if line.contains([',', ';']) { COLUMNS_WITHOUT_COMMA } else { COLUMNS };
                return Err(wrong(format!("`{}` has no tab", shorten(line)), expected));
            }
            (_, _, more) => return Err(wrong(format!("`{}` has {} tabs", shorten(line), more + 1), COLUMNS)),
        };
        if label.is_empty() || text.is_empty() {
            let what = if label.is_empty() { "label" } else { "text" };
            return Err(wrong(format!("the {what} is empty"), COLUMNS));
        }
        refuse_control_characters(label).map_err(|got| wrong(got, COLUMNS))?;
        note_line(&mut lines, label, number);
        examples.push(LabelledText { label: label.to_owned(), text: text.to_owned() });
    }
    Ok((some(examples, name)?, lines))
}

/// Parses the lines of a text, all with the same label. Whitespace around a line is removed, and blank lines are
/// skipped.
///
/// # Errors
/// [`Error::Labelled`] if there are no lines or the label is blank.
pub fn parse_lines(text: &str, label: &str, name: &str) -> Result<Vec<LabelledText>> {
    let label = label_in_name(label, name, "a name like `<label>.txt`")?;
    let lines = text.lines().filter(|line| !is_blank(line));
    let example = |line: &str| LabelledText { label: label.to_owned(), text: line.trim().to_owned() };
    some(lines.map(example).collect(), name)
}

/// Parses a whole text as one example. Whitespace around it is removed.
///
/// # Errors
/// [`Error::Labelled`] if the text or the label is blank.
pub fn parse_whole(text: &str, label: &str, name: &str) -> Result<Vec<LabelledText>> {
    let label = label_in_name(label, name, "a folder named after the label of its texts")?;
    let text = text.trim();
    let example = (!text.is_empty()).then(|| LabelledText { label: label.to_owned(), text: text.to_owned() });
    some(example.into_iter().collect(), name)
}

/// Returns the label in the name of a file or a folder.
fn label_in_name<'a>(label: &'a str, name: &str, expected: &'static str) -> Result<&'a str> {
    let label = label.trim();
    let wrong = |got| Error::Labelled { place: name.to_owned(), got, expected };
    if label.is_empty() {
        return Err(wrong("the name has no label".to_owned()));
    }
    refuse_control_characters(label).map_err(wrong)?;
    Ok(label)
}

/// Returns whether a line is blank. A line of only tabs is not: it has empty columns.
fn is_blank(line: &str) -> bool {
    line.chars().all(|c| c.is_whitespace() && c != '\t')
}

fn some(examples: Vec<LabelledText>, name: &str) -> Result<Vec<LabelledText>> {
    if examples.is_empty() {
        let got = "no labelled texts found".to_owned();
        return Err(Error::Labelled { place: name.to_owned(), got, expected: "at least one" });
    }
    Ok(examples)
}

/// What happens to identical texts with the same label when part of the data is held out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identical {
    /// They stay in one part, so that no validation text is also a training text.
    Together,
    /// Each is drawn separately, as in most published results. With repeated lines, the scores are too optimistic.
    Apart,
}

/// Holds out `share` of each label's texts, drawn with `seed`. Returns the training and validation parts, each in
/// the original order.
///
/// Each label keeps at least two training texts, if it has them. The number held out is the share rounded to whole
/// texts, or less if groups of identical texts that stay together do not add up to it.
pub fn split_labelled(
    examples: Vec<LabelledText>,
    share: f64,
    identical: Identical,
    seed: u64,
) -> (Vec<LabelledText>, Vec<LabelledText>) {
    let mut held_out = vec![false; examples.len()];
    for (label, groups) in groups(&examples, identical) {
        let texts: usize = groups.iter().map(Vec::len).sum();
        let wanted = ((texts as f64 * share).round() as usize).min(texts.saturating_sub(MIN_TEXTS));
        let mut held = 0;
        for at in shuffled(groups.len(), seed, label) {
            let group = &groups[at];
            if held + group.len() <= wanted {
                held += group.len();
                group.iter().for_each(|&i| held_out[i] = true);
            }
        }
    }
    let mut parts = (Vec::new(), Vec::new());
    for (example, held_out) in examples.into_iter().zip(held_out) {
        if held_out { parts.1.push(example) } else { parts.0.push(example) }
    }
    parts
}

/// Returns for each label the indices of its texts, in order of appearance, grouped by what stays together.
fn groups(examples: &[LabelledText], identical: Identical) -> BTreeMap<&str, Vec<Vec<usize>>> {
    let mut groups: BTreeMap<&str, Vec<Vec<usize>>> = BTreeMap::new();
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    for (i, LabelledText { label, text }) in examples.iter().enumerate() {
        let of_label = groups.entry(label).or_default();
        let at = match identical {
            Identical::Together => *known.entry((label, text)).or_insert(of_label.len()),
            Identical::Apart => of_label.len(),
        };
        match of_label.get_mut(at) {
            Some(group) => group.push(i),
            None => of_label.push(vec![i]),
        }
    }
    groups
}

/// Returns a Fisher–Yates shuffle from the end, different for each label. Each draw is scaled by a 128-bit
/// multiplication, which gives the same result on every machine and with every version of the random number crates.
fn shuffled(n: usize, seed: u64, label: &str) -> Vec<usize> {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..20].copy_from_slice(PURPOSE);
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(Fingerprint::of([label]).value());
    let mut order: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        let drawn = (u128::from(rng.next_u64()) * (last as u128 + 1)) >> 64;
        order.swap(last, drawn as usize);
    }
    order
}

/// Hashes all texts and labels, to tell whether two runs had the same data.
pub(super) fn fingerprint(examples: &[LabelledText]) -> String {
    let parts = examples.iter().flat_map(|e| [&*e.label, "\t", &*e.text, "\n"]);
    Fingerprint::of(parts).to_string()
}

/// Returns the labels of the training texts, sorted.
///
/// # Errors
/// If there are fewer than two labels, or fewer than [`MIN_TEXTS`] texts of one of them.
pub(super) fn labels_of(examples: &[LabelledText]) -> Result<Vec<String>> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    examples.iter().for_each(|e| *counts.entry(&e.label).or_default() += 1);
    if counts.len() < 2 {
        return Err(Error::Labels { got: counts.keys().map(|&l| l.to_owned()).collect() });
    }
    if counts.len() > MAX_LABELS {
        return Err(Error::Labelled {
            place: "the texts".to_owned(),
            got: counted(counts.len(), "label"),
            expected: "at most 4096; check that the label is in the first column",
        });
    }
    if let Some((label, &texts)) = counts.iter().find(|(_, texts)| **texts < MIN_TEXTS) {
        return Err(Error::RareLabel { label: (*label).to_owned(), texts, needed: MIN_TEXTS });
    }
    Ok(counts.into_keys().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(pairs: &[(&str, &str)]) -> Vec<LabelledText> {
        pairs.iter().map(|&(l, t)| LabelledText { label: l.to_owned(), text: t.to_owned() }).collect()
    }

    #[test]
    fn a_table_is_read_line_by_line() {
        let table = "ham\tsee you soon\r\n\r\n spam \t win  now \n   \nham\tok";
        let expected = texts(&[("ham", "see you soon"), ("spam", "win  now"), ("ham", "ok")]);
        assert_eq!(parse_table(table, "t").unwrap(), expected);
        let lines = parse_lines("Abe\r\n\n Kato \n", "Japanese", "t").unwrap();
        assert_eq!(lines, texts(&[("Japanese", "Abe"), ("Japanese", "Kato")]));
    }

    #[test]
    fn each_label_has_the_line_where_it_first_occurs() {
        let (_, lines) = parse_table_with_lines("\nb\tx\na\tx\nb\ty\n", "t").unwrap();
        assert_eq!(lines.into_iter().collect::<Vec<_>>(), [("a".to_owned(), 3), ("b".to_owned(), 2)]);
    }

    #[test]
    fn a_whole_text_is_one_example() {
        assert_eq!(
            parse_whole("\n A film.\nGood. \n", " pos ", "t").unwrap(),
            texts(&[("pos", "A film.\nGood.")])
        );
        for (text, label, phrase) in [
            (" \n", "pos", "no labelled texts"),
            ("x", " ", "no label"),
            ("x", "a\u{7}b", "control character"),
        ] {
            let error = parse_whole(text, label, "pos/1.txt").unwrap_err().to_string();
            assert!(error.starts_with("pos/1.txt: ") && error.contains(phrase), "{error}");
        }
        assert!(parse_lines("x", "a\u{7}b", "t").unwrap_err().to_string().contains("control character"));
    }

    #[test]
    fn wrong_lines_are_named() {
        let long = "x".repeat(100);
        for (table, phrases) in [
            (
                "a\tb\nno tab here\n",
                &["t.tsv, line 2", "`no tab here` has no tab", "a label, a tab and a text"][..],
            ),
            ("a\tb\n\n\tb\n", &["line 3", "the label is empty"]),
            ("a\t \n", &["line 1", "the text is empty"]),
            ("\t\n", &["line 1", "the label is empty"]),
            ("ham,see you\n", &["line 1", "has no tab", "convert a CSV file first"]),
            ("a\tb\tc\n", &["line 1", "2 tabs"]),
            (&long, &["`xxxx", "x…` has no tab"]),
            (" \n\n", &["t.tsv: no labelled texts found"]),
        ] {
            let error = parse_table(table, "t.tsv").unwrap_err().to_string();
            assert!(phrases.iter().all(|p| error.contains(p)) && error.len() < 240, "{error}");
        }
        assert!(parse_lines("\n", "a", "a.txt").is_err() && parse_lines("x", " ", " .txt").is_err());
    }

    #[test]
    fn each_label_is_split_by_its_fraction_and_the_seed() {
        let all: Vec<_> = (0..300)
            .map(|i| LabelledText { label: ["a", "b", "b"][i % 3].to_owned(), text: format!("text {i}") })
            .collect();
        let (training, held_out) = split_labelled(all.clone(), 0.1, Identical::Together, 1);
        let of = |part: &[LabelledText], label: &str| part.iter().filter(|e| e.label == label).count();
        assert_eq!((of(&held_out, "a"), of(&held_out, "b"), training.len()), (10, 20, 270));
        assert_eq!(split_labelled(all.clone(), 0.1, Identical::Together, 1).1, held_out);
        assert_ne!(split_labelled(all.clone(), 0.1, Identical::Together, 2).1, held_out);
        // Neither the last texts nor the same positions for every label.
        let places = |label: &str| {
            let of_label = all.iter().filter(|e| e.label == label).take(100);
            of_label.enumerate().filter(|(_, e)| held_out.contains(e)).map(|(i, _)| i).collect::<Vec<_>>()
        };
        assert_ne!(places("a"), places("b"));
        assert!(places("a")[0] < 50);
    }

    #[test]
    fn identical_texts_stay_together_and_a_label_keeps_two() {
        let few = [("a", "same"), ("a", "same"), ("b", "x"), ("b", "y"), ("b", "z"), ("c", "alone")];
        let mut all = texts(&few);
        all.extend((0..40).map(|i| LabelledText { label: "a".to_owned(), text: format!("{}", i % 20) }));
        for seed in 0..20 {
            let (training, held_out) = split_labelled(all.clone(), 0.5, Identical::Together, seed);
            assert!(held_out.iter().all(|e| !training.contains(e)), "seed {seed}");
            let left = |label: &str| training.iter().filter(|e| e.label == label).count();
            assert!(left("a") >= 2, "seed {seed}");
            assert_eq!((left("b"), left("c")), (2, 1), "seed {seed}");
            let (training, held_out) = split_labelled(all.clone(), 0.5, Identical::Apart, seed);
            assert!(held_out.iter().any(|e| training.contains(e)), "seed {seed}");
            assert_eq!(held_out.iter().filter(|e| e.label == "a").count(), 21);
        }
    }

    #[test]
    fn labels_are_sorted_and_rare_ones_are_rejected() {
        let two = texts(&[("b", "x"), ("a", "x"), ("b", "y"), ("a", "y")]);
        assert_eq!(labels_of(&two).unwrap(), ["a", "b"]);
        let error = |pairs| labels_of(&texts(pairs)).unwrap_err().to_string();
        assert!(error(&[("a", "x"), ("a", "y")]).contains("only `a`"));
        assert!(error(&[]).contains("no label"));
        assert!(error(&[("a", "x"), ("a", "y"), ("label", "text")]).contains("`label` has 1 text"));
    }

    proptest! {
        #[test]
        fn parts_are_whole_and_disjoint(
            labels in proptest::collection::vec(("[a-c]", "[x-z]{1,2}"), 1..60),
            share in 0.0..1.0_f64,
            seed: u64,
        ) {
            let all: Vec<_> = labels.into_iter().map(|(label, text)| LabelledText { label, text }).collect();
            let (training, held_out) = split_labelled(all.clone(), share, Identical::Together, seed);
            prop_assert!(held_out.iter().all(|e| !training.contains(e)));
            let mut parts: Vec<_> = training.iter().chain(&held_out).cloned().collect();
            let mut all_sorted = all;
            let key = |e: &LabelledText| (e.label.clone(), e.text.clone());
            parts.sort_by_key(key);
            all_sorted.sort_by_key(key);
            prop_assert_eq!(&parts, &all_sorted);
            prop_assert!(held_out.iter().all(|e| training.iter().any(|t| t.label == e.label)));
        }
    }
}

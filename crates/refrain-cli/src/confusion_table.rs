//! Confusion tables for a terminal.

use refrain::shown::{columns as columns_of, escaped, fitted, padded};
use refrain::task::score::{ClassScore, Confusion};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Columns assumed for a terminal of unknown width.
const WIDTH: usize = 80;
/// Minimum letters of a shortened label.
const MIN_LETTERS: usize = 3;
/// Minimum letters shown of a row's label.
const SHORT_SIDE: usize = 8;
/// Maximum mistakes listed if the matrix does not fit.
const MISTAKES: usize = 15;

/// Formats the scores of each label, most frequent first, and the confusion matrix if it fits the terminal.
pub(crate) fn show(confusion: &Confusion) -> String {
    // Some shells export the terminal width.
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let columns = columns.filter(|&columns| columns > 0);
    let classes = confusion.classes();
    let mut order: Vec<usize> = (0..classes.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(classes[i].support));
    let second = matrix(confusion, &order, columns.unwrap_or(WIDTH)).unwrap_or_else(|| mistakes(confusion));
    format!("{}\n{second}", scores("label", order.iter().map(|&i| &classes[i])))
}

/// Formats a line per class under a heading; `what` is the heading of the labels.
pub(crate) fn scores<'a>(what: &str, classes: impl Iterator<Item = &'a ClassScore> + Clone) -> String {
    let labels: Vec<_> = classes.clone().map(|class| escaped(&class.label)).collect();
    let width = longest(&labels).max(what.len());
    let mut out = format!("{what:width$}  precision  recall      F1  support\n");
    for (label, ClassScore { precision, recall, f1, support, .. }) in labels.iter().zip(classes) {
        let label = padded(label, width);
        let _ = writeln!(out, "{label}  {precision:9.3}  {recall:6.3}  {f1:6.3}  {support:7}");
    }
    out
}

/// Formats the matrix with labels in `order` and zeros as dots; `None` if it is wider than the terminal.
fn matrix(confusion: &Confusion, order: &[usize], columns: usize) -> Option<String> {
    let labels: Vec<String> = order.iter().map(|&i| escaped(&confusion.labels()[i])).collect();
    let largest = order.iter().flat_map(|&i| confusion.row(i)).max().copied().unwrap_or(0);
    let digits = largest.to_string().len();
    // A row is its label and one cell per label, each after a space.
    let full = longest(&labels);
    let room = columns.checked_sub(full.min(SHORT_SIDE))?.checked_div(labels.len())?.checked_sub(1)?;
    let letters = room.min(full).max(digits);
    let mut heads: Vec<String> = labels.iter().map(|label| fitted(label, letters).to_owned()).collect();
    let mut sides: Vec<String> = labels.clone();
    let distinct = heads.iter().collect::<BTreeSet<_>>().len() == heads.len();
    if !distinct || (letters < MIN_LETTERS && letters < full) {
        // Number the labels if their beginnings do not tell them apart.
        heads = (1..=labels.len()).map(|n| n.to_string()).collect();
        let number = labels.len().to_string().len();
        sides = (1..).zip(&labels).map(|(n, label)| format!("{n:number$} {label}")).collect();
    }
    let cell = digits.max(longest(&heads));
    let whole = longest(&sides);
    let side = columns.checked_sub(labels.len() * (cell + 1))?.min(whole);
    if side < whole.min(SHORT_SIDE) {
        return None;
    }
    let mut out = "rows: true label; columns: predicted label\n".to_owned();
    let _ = write!(out, "{:side$}", "");
    heads.iter().for_each(|head| {
        let _ = write!(out, " {}{head}", " ".repeat(cell - columns_of(head)));
    });
    out.push('\n');
    for (name, &truth) in sides.iter().zip(order) {
        out.push_str(&padded(fitted(name, side), side));
        for &predicted in order {
            let _ = match confusion.row(truth)[predicted] {
                0 => write!(out, " {:>cell$}", "·"),
                n => write!(out, " {n:cell$}"),
            };
        }
        out.push('\n');
    }
    Some(out)
}

/// Lists the most frequent mistakes.
fn mistakes(confusion: &Confusion) -> String {
    let labels = confusion.labels();
    let n = labels.len();
    let all = (0..n).flat_map(|truth| (0..n).map(move |predicted| (truth, predicted)));
    let mut wrong: Vec<(usize, usize, usize)> = all
        .filter(|(truth, predicted)| truth != predicted)
        .map(|(truth, predicted)| (confusion.row(truth)[predicted], truth, predicted))
        .filter(|(times, ..)| *times > 0)
        .collect();
    wrong.sort_by_key(|&(times, truth, predicted)| (std::cmp::Reverse(times), truth, predicted));
    let mut out = "most frequent mistakes (the matrix is too wide to show)\n".to_owned();
    for (times, truth, predicted) in wrong.into_iter().take(MISTAKES) {
        let (truth, predicted) = (escaped(&labels[truth]), escaped(&labels[predicted]));
        let _ = writeln!(out, "{times:7}  {truth} predicted as {predicted}");
    }
    out
}

/// Returns the columns of the widest text.
fn longest(texts: &[String]) -> usize {
    texts.iter().map(|text| columns_of(text)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(labels: &[&str], pairs: &[(usize, usize, usize)]) -> Confusion {
        let mut confusion = Confusion::new(labels.iter().map(|&l| l.to_owned()).collect());
        for &(truth, predicted, times) in pairs {
            (0..times).for_each(|_| confusion.add(truth, predicted));
        }
        confusion
    }

    #[test]
    fn labels_with_most_texts_come_first_and_zeros_are_dots() {
        let confusion = counted(&["ham", "spam"], &[(0, 0, 1), (1, 0, 2), (1, 1, 10)]);
        let shown = show(&confusion);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1], "spam       1.000   0.833   0.909       12");
        assert_eq!(lines[2], "ham        0.333   1.000   0.500        1");
        assert_eq!(lines[5..], ["     spam  ham", "spam   10    2", "ham     ·    1"]);
    }

    #[test]
    fn twenty_labels_fit_a_terminal() {
        let names: Vec<String> = (0..20).map(|i| format!("{}abel", char::from(b'a' + i))).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let confusion = counted(&names, &[(3, 4, 99)]);
        let order: Vec<usize> = (0..20).collect();
        let shown = matrix(&confusion, &order, 80).unwrap();
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        assert!(shown.contains("  1  2") && shown.contains("\n 4 dabel  ·"), "{shown}");
        assert!(matrix(&confusion, &order, 40).is_none());
    }

    #[test]
    fn long_labels_are_cut_if_the_matrix_then_fits() {
        let names: Vec<String> = (0..18).map(|i| format!("{}-language", char::from(b'a' + i))).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let order: Vec<usize> = (0..18).collect();
        let shown = matrix(&counted(&names, &[(0, 1, 938)]), &order, 80).unwrap();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(
            lines[1].starts_with("         a-l b-l c-l") && lines[2].starts_with("a-langua   · 938   ·"),
            "{shown}"
        );
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{shown}");
    }

    #[test]
    fn labels_with_equal_beginnings_are_numbered() {
        let names = ["category one", "category two", "category three", "category four", "category five"];
        let confusion = counted(&names, &[(0, 1, 7)]);
        let shown = matrix(&confusion, &[0, 1, 2, 3, 4], 40).unwrap();
        assert!(shown.contains("1 category one"), "{shown}");
        assert!(shown.lines().skip(1).all(|line| line.chars().count() <= 40), "{shown}");
    }

    #[test]
    fn labels_that_do_not_fit_are_listed_by_their_mistakes() {
        let names: Vec<String> = (0..60).map(|i| format!("label {i}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let shown = show(&counted(&names, &[(5, 5, 9), (3, 4, 2), (1, 2, 3)]));
        let wrong = shown.split("mistakes").nth(1).unwrap();
        let lines: Vec<&str> = wrong.lines().skip(1).collect();
        assert_eq!(lines, ["      3  label 1 predicted as label 2", "      2  label 3 predicted as label 4"]);
    }

    #[test]
    fn wide_labels_keep_the_columns_straight() {
        let confusion = counted(
            &["好评", "差評です", "so-so", "\u{202e}x"],
            &[(0, 0, 3), (1, 0, 12), (2, 2, 1), (3, 1, 4)],
        );
        let shown = show(&confusion);
        let widths: Vec<_> = shown.lines().map(columns_of).collect();
        assert!(widths[..5].iter().all(|&width| width == widths[0]), "{shown}");
        assert!(widths[7..].iter().all(|&width| width == widths[7]) && widths.len() == 12, "{shown}");
        assert!(!shown.contains('\u{202e}'), "{shown}");
    }
}

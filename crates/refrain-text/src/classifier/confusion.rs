//! How often each label was taken for each, and what follows from it.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// How often texts of each label were given each label.
///
/// Written as `labels`, `classes` (a [`ClassScore`] for each label) and `confusion`, the matrix: a row for each true
/// label, a column for each predicted one.
///
/// ```
/// use refrain_text::classifier::Confusion;
///
/// let mut confusion = Confusion::new(vec!["ham".to_owned(), "spam".to_owned()]);
/// for (truth, predicted) in [(0, 0), (0, 0), (0, 1), (1, 1)] {
///     confusion.add(truth, predicted);
/// }
/// assert_eq!(confusion.accuracy(), 0.75);
/// assert_eq!(confusion.classes()[1].precision, 0.5);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    labels: Vec<String>,
    /// A row for each true label.
    counts: Vec<usize>,
}

/// How well one label is found. A share of nothing is 0, as in scikit-learn with `zero_division=0`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassScore {
    /// The label.
    pub label: String,
    /// Share of the texts given this label that have it.
    pub precision: f64,
    /// Share of the texts that have this label that were given it.
    pub recall: f64,
    /// The harmonic mean of the two.
    pub f1: f64,
    /// Texts that have this label.
    pub support: usize,
}

impl Confusion {
    /// Nothing counted yet.
    pub fn new(labels: Vec<String>) -> Self {
        let counts = vec![0; labels.len() * labels.len()];
        Self { labels, counts }
    }

    /// The places of the matrix that hold a count, and the counts.
    pub(super) fn counted(&self) -> Vec<(usize, usize)> {
        self.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect()
    }

    /// Of so many texts, from what [`Confusion::counted`] gave; none where that cannot be.
    pub(super) fn from_counted(
        labels: Vec<String>,
        counted: &[(usize, usize)],
        texts: usize,
    ) -> Option<Self> {
        let mut confusion = Self::new(labels);
        let mut left = texts;
        for &(at, count) in counted {
            left = left.checked_sub(count)?;
            *confusion.counts.get_mut(at)? += count;
        }
        (left == 0).then_some(confusion)
    }

    /// Counts one text; labels by their place.
    ///
    /// # Panics
    /// When there are fewer labels.
    pub fn add(&mut self, truth: usize, predicted: usize) {
        let n = self.labels.len();
        assert!(truth < n && predicted < n, "labels {truth} and {predicted} of {n}");
        self.counts[truth * n + predicted] += 1;
    }

    /// The labels.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// How often texts of one label were given each label.
    ///
    /// # Panics
    /// When there are fewer labels.
    pub fn row(&self, truth: usize) -> &[usize] {
        let n = self.labels.len();
        &self.counts[truth * n..][..n]
    }

    /// Texts counted.
    pub fn total(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Share of the texts that were given their own label; 0 of none.
    pub fn accuracy(&self) -> f64 {
        share((0..self.labels.len()).map(|i| self.row(i)[i]).sum(), self.total())
    }

    /// How well each label is found, in the labels' order.
    pub fn classes(&self) -> Vec<ClassScore> {
        let score = |(i, label): (usize, &String)| {
            let (right, support, predicted) = (self.row(i)[i], self.row(i).iter().sum(), self.predicted(i));
            ClassScore {
                label: label.clone(),
                precision: share(right, predicted),
                recall: share(right, support),
                f1: share(2 * right, support + predicted),
                support,
            }
        };
        self.labels.iter().enumerate().map(score).collect()
    }

    /// The mean F1 of the labels that any text has or was given, as scikit-learn's `f1_score(…, average="macro")`; 0
    /// of none.
    pub fn macro_f1(&self) -> f64 {
        let classes = self.classes();
        let seen = classes.iter().enumerate().filter(|(i, class)| class.support + self.predicted(*i) > 0);
        let (sum, n) = seen.fold((0.0, 0_usize), |(sum, n), (_, class)| (sum + class.f1, n + 1));
        if n == 0 { 0.0 } else { sum / n as f64 }
    }

    /// Texts that were given a label.
    fn predicted(&self, label: usize) -> usize {
        (0..self.labels.len()).map(|truth| self.row(truth)[label]).sum()
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Serialize for Confusion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let matrix: Vec<&[usize]> = (0..self.labels.len()).map(|truth| self.row(truth)).collect();
        let mut out = serializer.serialize_struct("Confusion", 3)?;
        out.serialize_field("labels", &self.labels)?;
        out.serialize_field("classes", &self.classes())?;
        out.serialize_field("confusion", &matrix)?;
        out.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of sums and quotients of a few small whole numbers: some units in the last place of 1.
    const ROUNDING: f64 = 1e-15;

    fn counted(labels: &[&str], pairs: &[(usize, usize, usize)]) -> Confusion {
        let mut confusion = Confusion::new(labels.iter().map(|&l| l.to_owned()).collect());
        for &(truth, predicted, times) in pairs {
            (0..times).for_each(|_| confusion.add(truth, predicted));
        }
        confusion
    }

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() <= ROUNDING, "{got}, not {expected}");
    }

    /// ```text
    ///        a  b  c  d
    ///     a  5  2  0  0
    ///     b  1  3  0  0
    ///     c  1  0  0  0     never given: precision and F1 are 0
    ///     d  0  0  0  0     neither had nor given: not in the mean
    /// ```
    #[test]
    fn scores_worked_by_hand() {
        let confusion =
            counted(&["a", "b", "c", "d"], &[(0, 0, 5), (0, 1, 2), (1, 0, 1), (1, 1, 3), (2, 0, 1)]);
        assert_eq!(
            (confusion.total(), confusion.row(0), confusion.row(2)),
            (12, &[5, 2, 0, 0][..], &[1, 0, 0, 0][..])
        );
        close(confusion.accuracy(), 8.0 / 12.0);
        let expected = [
            (5.0 / 7.0, 5.0 / 7.0, 5.0 / 7.0, 7),
            (3.0 / 5.0, 3.0 / 4.0, 2.0 / 3.0, 4),
            (0.0, 0.0, 0.0, 1),
            (0.0, 0.0, 0.0, 0),
        ];
        for (class, (precision, recall, f1, support)) in confusion.classes().iter().zip(expected) {
            close(class.precision, precision);
            close(class.recall, recall);
            close(class.f1, f1);
            assert_eq!(class.support, support);
        }
        close(confusion.macro_f1(), (5.0 / 7.0 + 2.0 / 3.0) / 3.0);
    }

    #[test]
    fn a_label_that_is_given_but_had_by_no_text_counts_with_0() {
        let confusion = counted(&["a", "b"], &[(0, 0, 3), (0, 1, 1)]);
        close(confusion.macro_f1(), (6.0 / 7.0) / 2.0);
        close(confusion.classes()[1].recall, 0.0);
    }

    #[test]
    fn nothing_counted_is_0_everywhere() {
        let confusion = counted(&["a", "b"], &[]);
        assert_eq!((confusion.accuracy(), confusion.macro_f1(), confusion.total()), (0.0, 0.0, 0));
    }

    #[test]
    fn json_has_the_matrix_with_a_row_for_each_true_label() {
        let json = serde_json::to_value(counted(&["a", "b"], &[(0, 1, 2), (1, 1, 1)])).unwrap();
        assert_eq!(json["confusion"], serde_json::json!([[0, 2], [0, 1]]));
        assert_eq!(json["labels"], serde_json::json!(["a", "b"]));
        assert_eq!(json["classes"][1]["support"], 1);
    }
}

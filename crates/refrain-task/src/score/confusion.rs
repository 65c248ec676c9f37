//! Confusion matrices, and the scores computed from them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Counts how often examples of each true label were given each label.
///
/// ```
/// use refrain_task::score::Confusion;
///
/// let mut confusion = Confusion::new(vec!["ham".to_owned(), "spam".to_owned()]);
/// for (truth, predicted) in [(0, 0), (0, 0), (0, 1), (1, 1)] {
///     confusion.add(truth, predicted);
/// }
/// assert_eq!(confusion.accuracy(), 0.75);
/// assert_eq!(confusion.classes()[1].precision, 0.5);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Sparse", into = "Sparse")]
pub struct Confusion {
    labels: Vec<String>,
    /// A row for each true label.
    counts: Vec<usize>,
}

/// The serialized form of a [`Confusion`]: thousands of labels have millions of pairs, most of which never occur.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sparse {
    labels: Vec<String>,
    /// Positions in the matrix and their counts.
    counts: Vec<(usize, usize)>,
}

impl From<Confusion> for Sparse {
    fn from(confusion: Confusion) -> Self {
        let counts = confusion.counts.into_iter().enumerate().filter(|(_, count)| *count > 0).collect();
        Self { labels: confusion.labels, counts }
    }
}

impl TryFrom<Sparse> for Confusion {
    type Error = String;

    fn try_from(sparse: Sparse) -> Result<Self, String> {
        let Sparse { labels, counts } = sparse;
        if labels.len() > MAX_LABELS {
            return Err(format!("{} labels are more than {MAX_LABELS}", labels.len()));
        }
        let mut confusion = Self::new(labels);
        for (at, count) in counts {
            let pairs = confusion.counts.len();
            let counted = confusion.counts.get_mut(at);
            *counted.ok_or_else(|| format!("the pair {at} of {pairs}"))? = count;
        }
        let total = confusion.counts.iter().try_fold(0_usize, |sum, &count| sum.checked_add(count));
        let total = total.filter(|&total| total <= MAX_EXAMPLES);
        total.map(|_| confusion).ok_or_else(|| format!("more than {MAX_EXAMPLES} examples"))
    }
}

/// The largest number of labels of a model: their confusion matrix takes 128 MB.
pub const MAX_LABELS: usize = 4096;
/// More examples than anyone will score.
const MAX_EXAMPLES: usize = 1 << 53;

/// The scores of one label. A ratio with denominator 0 is 0, as in scikit-learn with `zero_division=0`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassScore {
    /// The label.
    pub label: String,
    /// Share of the examples given this label that really have it.
    pub precision: f64,
    /// Share of the examples with this label that were given it.
    pub recall: f64,
    /// The harmonic mean of precision and recall.
    pub f1: f64,
    /// Examples with this label.
    pub support: usize,
}

impl ClassScore {
    /// Computes the scores from `right` examples that have the label and were given it, out of `predicted` that
    /// were given it and `support` that have it.
    pub fn new(label: impl Into<String>, right: usize, predicted: usize, support: usize) -> Self {
        Self {
            label: label.into(),
            precision: share(right, predicted),
            recall: share(right, support),
            f1: share(2 * right, support + predicted),
            support,
        }
    }
}

impl Confusion {
    /// Creates a matrix with nothing counted.
    pub fn new(labels: Vec<String>) -> Self {
        let counts = vec![0; labels.len() * labels.len()];
        Self { labels, counts }
    }

    /// Counts one example. Labels are given by index.
    ///
    /// # Panics
    /// If an index is not below the number of labels.
    pub fn add(&mut self, truth: usize, predicted: usize) {
        let n = self.labels.len();
        assert!(truth < n && predicted < n, "labels {truth} and {predicted} of {n}");
        self.counts[truth * n + predicted] += 1;
    }

    /// Returns the labels.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Returns how often examples of one label were given each label.
    ///
    /// # Panics
    /// If `truth` is not below the number of labels.
    pub fn row(&self, truth: usize) -> &[usize] {
        let n = self.labels.len();
        &self.counts[truth * n..][..n]
    }

    /// Returns the number of examples counted.
    pub fn total(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Returns the share of the examples that were given their own label; 0 if there are no examples.
    pub fn accuracy(&self) -> f64 {
        share((0..self.labels.len()).map(|i| self.row(i)[i]).sum(), self.total())
    }

    /// Returns the scores of each label, in the labels' order.
    pub fn classes(&self) -> Vec<ClassScore> {
        let score = |(i, label): (usize, &String)| {
            let row = self.row(i);
            ClassScore::new(label, row[i], self.predicted(i), row.iter().sum())
        };
        self.labels.iter().enumerate().map(score).collect()
    }

    /// Returns the mean F1 of the labels that occur in the data or were predicted, as scikit-learn's
    /// `f1_score(…, average="macro")`; 0 without examples.
    pub fn macro_f1(&self) -> f64 {
        let classes = self.classes();
        let seen = classes.iter().enumerate().filter(|(i, class)| class.support + self.predicted(*i) > 0);
        let (sum, n) = seen.fold((0.0, 0_usize), |(sum, n), (_, class)| (sum + class.f1, n + 1));
        if n == 0 { 0.0 } else { sum / n as f64 }
    }

    /// Returns how many examples were given a label.
    fn predicted(&self, label: usize) -> usize {
        (0..self.labels.len()).map(|truth| self.row(truth)[label]).sum()
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Confusion {
    /// Returns the fields that `--json` prints: `labels`, `classes` (a [`ClassScore`] for each label) and
    /// `confusion`, the matrix with a row for each true label and a column for each predicted one.
    pub fn details(&self) -> Map<String, Value> {
        let matrix: Vec<&[usize]> = (0..self.labels.len()).map(|truth| self.row(truth)).collect();
        let fields = serde_json::json!({
            "labels": self.labels,
            "classes": self.classes(),
            "confusion": matrix,
        });
        match fields {
            Value::Object(fields) => fields,
            _ => unreachable!("it was written as an object"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rounding error of sums and quotients of a few small integers: a few ulps of 1.
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
    ///     c  1  0  0  0     never predicted: precision and F1 are 0
    ///     d  0  0  0  0     neither true nor predicted: not in the mean
    /// ```
    #[test]
    fn scores_match_a_manual_calculation() {
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
    fn a_predicted_label_that_no_text_has_counts_as_0() {
        let confusion = counted(&["a", "b"], &[(0, 0, 3), (0, 1, 1)]);
        close(confusion.macro_f1(), (6.0 / 7.0) / 2.0);
        close(confusion.classes()[1].recall, 0.0);
    }

    #[test]
    fn an_empty_confusion_has_scores_of_0() {
        let confusion = counted(&["a", "b"], &[]);
        assert_eq!((confusion.accuracy(), confusion.macro_f1(), confusion.total()), (0.0, 0.0, 0));
    }

    #[test]
    fn details_have_the_matrix_with_a_row_for_each_true_label() {
        let json = counted(&["a", "b"], &[(0, 1, 2), (1, 1, 1)]).details();
        assert_eq!(json["confusion"], serde_json::json!([[0, 2], [0, 1]]));
        assert_eq!(json["labels"], serde_json::json!(["a", "b"]));
        assert_eq!(json["classes"][1]["support"], 1);
    }

    #[test]
    fn a_confusion_survives_a_checkpoint_and_invalid_ones_are_rejected() {
        let confusion = counted(&["a", "b"], &[(0, 1, 2), (1, 1, 1)]);
        let json = serde_json::to_value(&confusion).unwrap();
        assert_eq!(json, serde_json::json!({ "labels": ["a", "b"], "counts": [[1, 2], [3, 1]] }));
        assert_eq!(serde_json::from_value::<Confusion>(json.clone()).unwrap(), confusion);
        for counts in [serde_json::json!([[4, 1]]), serde_json::json!([[0, u64::MAX], [1, 1]])] {
            let mut damaged = json.clone();
            damaged["counts"] = counts;
            assert!(serde_json::from_value::<Confusion>(damaged).is_err());
        }
        let many: Vec<_> = (0..=MAX_LABELS).map(|i| i.to_string()).collect();
        let damaged = serde_json::json!({ "labels": many, "counts": [] });
        assert!(serde_json::from_value::<Confusion>(damaged).is_err());
    }
}

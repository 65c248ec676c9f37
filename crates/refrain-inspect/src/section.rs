//! The parts of a report.

use refrain_plot::Sheet;
use serde_json::Value;

/// One topic of a report: findings in sentences and numbers, and the figures that show them.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// Its short name in file names, anchors and JSON: lower-case letters and hyphens, such as `gradient-flow`.
    pub name: &'static str,
    /// Its heading.
    pub title: String,
    /// What is examined, in about two sentences.
    pub intro: String,
    /// The findings: sentences with numbers that a reader can check.
    pub findings: Vec<String>,
    /// Tables of numbers.
    pub tables: Vec<Table>,
    /// The figures, in reading order.
    pub figures: Vec<Figure>,
    /// All numbers, for programs.
    pub data: Value,
}

/// A figure of a [`Section`].
#[derive(Debug, Clone)]
pub struct Figure {
    /// The name of its file without the extension, unique in the report.
    pub name: String,
    /// How to read it, in one or two sentences.
    pub reading: String,
    /// The drawing.
    pub sheet: Sheet,
}

/// A table of a [`Section`]. Each row is as long as the head.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// Its title.
    pub title: String,
    /// The column names.
    pub head: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

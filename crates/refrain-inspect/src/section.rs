//! What a report is made of.

use refrain_plot::Sheet;
use serde_json::Value;

/// One topic of a report: what was found, in sentences and numbers, and the pictures that show it.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// Its short name, of small letters and hyphens, such as `gradient-flow`: in names of files, anchors and JSON.
    pub name: &'static str,
    /// Its heading.
    pub title: String,
    /// What is looked at, in about two sentences.
    pub intro: String,
    /// What was found: sentences with numbers that a reader can check.
    pub findings: Vec<String>,
    /// Numbers that are read side by side.
    pub tables: Vec<Table>,
    /// The pictures, in the order they are read.
    pub figures: Vec<Figure>,
    /// All numbers, for programs.
    pub data: Value,
}

/// A picture of a [`Section`].
#[derive(Debug, Clone)]
pub struct Figure {
    /// The name of its file without the ending, unlike that of any other figure of the report.
    pub name: String,
    /// How it is read, in one or two sentences.
    pub reading: String,
    /// The picture.
    pub sheet: Sheet,
}

/// A table of a [`Section`]. A row is as long as the head.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// The names of the columns.
    pub head: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

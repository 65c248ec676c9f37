//! The report as text for a terminal.

use super::{Report, is_numeric};
use crate::section::{Section, Table};
use refrain_nn::shown::{columns, counted, escaped, fitted, padded};

/// The width of a line, the same as that of the program's help.
const COLUMNS: usize = 100;
/// The findings shown per section, unless all are requested.
const FINDINGS: usize = 8;
/// The table rows shown.
const ROWS: usize = 10;
/// The columns of a terminal shown per cell.
const CELL: usize = 40;

impl Report {
    /// Returns the subject and findings in lines of at most 100 characters: the first eight findings of each
    /// section or, with `whole`, all of them and up to ten rows of each table.
    pub fn text(&self, whole: bool) -> String {
        let mut out = String::new();
        let wide = self.subject.iter().map(|(name, _)| columns(name)).max().unwrap_or(0);
        for (name, value) in &self.subject {
            let name = padded(&escaped(name), wide + 2);
            wrap(&escaped(value), &name, &" ".repeat(wide + 2), &mut out);
        }
        for section in &self.sections {
            if !out.is_empty() {
                out.push('\n');
            }
            show(section, whole, &mut out);
        }
        out
    }
}

fn show(section: &Section, whole: bool, out: &mut String) {
    wrap(&escaped(&section.title), "", "", out);
    let shown = if whole { section.findings.len() } else { FINDINGS };
    for finding in section.findings.iter().take(shown) {
        wrap(&escaped(finding), "  ", "    ", out);
    }
    if section.findings.len() > shown {
        out.push_str(&format!("  … {} more (-v shows all)\n", section.findings.len() - shown));
    }
    for table in section.tables.iter().filter(|_| whole) {
        out.push('\n');
        show_table(table, out);
    }
}

/// Wraps a sentence between words, with a prefix for its first line and one for the others.
fn wrap(sentence: &str, first: &str, others: &str, out: &mut String) {
    let mut line = first.to_owned();
    let mut empty = true;
    for word in sentence.split_whitespace() {
        if !empty && columns(&line) + 1 + columns(word) > COLUMNS {
            out.push_str(line.trim_end());
            out.push('\n');
            line = others.to_owned();
        } else if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

fn show_table(table: &Table, out: &mut String) {
    wrap(&escaped(&table.title), "  ", "    ", out);
    let shown: Vec<Vec<String>> = std::iter::once(&table.head)
        .chain(table.rows.iter().take(ROWS))
        .map(|row| row.iter().map(|cell| cut(&escaped(cell))).collect())
        .collect();
    let count = table.head.len();
    let cells = |column: usize| shown.iter().map(move |row| row.get(column).map_or("", String::as_str));
    let widths: Vec<usize> = (0..count).map(|c| cells(c).map(columns).max().unwrap_or(0)).collect();
    let numeric: Vec<bool> = (0..count).map(|c| is_numeric(cells(c).skip(1))).collect();
    for row in 0..shown.len() {
        let mut line = String::from("  ");
        for column in 0..count {
            let cell = cells(column).nth(row).unwrap_or("");
            let pad = " ".repeat(widths[column] - columns(cell));
            line.push_str("  ");
            let (before, after) = if numeric[column] { (&*pad, "") } else { ("", &*pad) };
            line.extend([before, cell, after]);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    if table.rows.len() > ROWS {
        out.push_str(&format!("    … {}\n", counted(table.rows.len() - ROWS, "more row")));
    }
}

fn cut(cell: &str) -> String {
    if columns(cell) <= CELL { cell.to_owned() } else { format!("{}…", fitted(cell, CELL - 1)) }
}

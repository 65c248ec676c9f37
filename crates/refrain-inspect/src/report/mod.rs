//! The report: as an HTML page, as text, as JSON, and as figure files.

mod escape;
mod files;
mod html;
#[cfg(test)]
mod tests;
mod text;

pub use files::PictureFormat;

use crate::section::Section;
use serde_json::{Map, Value, json};

/// The findings of an inspection, by topic.
///
/// ```
/// use refrain_inspect::{Report, Section};
/// use refrain_plot::Theme;
///
/// let memory = Section {
///     name: "memory",
///     title: "Memory".to_owned(),
///     intro: "How far back an input moves the output.".to_owned(),
///     findings: vec!["The output moves with the last 31 of 200 steps.".to_owned()],
///     data: serde_json::json!({ "steps": 31 }),
///     ..Section::default()
/// };
/// let subject = vec![("Model".to_owned(), "m.safetensors".to_owned())];
/// let report = Report { title: "m".to_owned(), subject, sections: vec![memory] };
/// assert!(report.html(Theme::Auto).contains("31 of 200 steps"));
/// assert_eq!(report.json()["memory"]["steps"], 31);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// A short title of what was inspected.
    pub title: String,
    /// What was inspected, as names and values.
    pub subject: Vec<(String, String)>,
    /// The topics, each with a different name.
    pub sections: Vec<Section>,
}

impl Report {
    /// Returns all numbers and findings as JSON. A section's data is under its name, such as `gradient_flow` for
    /// `gradient-flow`; the sentences of all sections are in `findings`, and what was inspected is in `subject`.
    /// Non-finite numbers are null.
    pub fn json(&self) -> Map<String, Value> {
        let key = |section: &Section| section.name.replace('-', "_");
        let text = |(name, value): &(String, String)| (name.clone(), json!(value));
        let mut fields = Map::new();
        fields.insert("title".to_owned(), json!(self.title));
        fields.insert("subject".to_owned(), Value::Object(self.subject.iter().map(text).collect()));
        let findings = self.sections.iter().map(|s| (key(s), json!(s.findings))).collect();
        fields.insert("findings".to_owned(), Value::Object(findings));
        fields.extend(self.sections.iter().map(|s| (key(s), s.data.clone())));
        fields
    }
}

/// Returns whether a table column has numbers, which are right-aligned.
fn is_numeric<'a>(mut cells: impl Iterator<Item = &'a str>) -> bool {
    let sign = |c: char| matches!(c, '-' | '+' | '−' | '±' | '≥' | '≤' | '<' | '>' | '≈' | ' ');
    cells.all(|cell| {
        let number = cell.trim_start_matches(sign);
        number.starts_with(|c: char| c.is_ascii_digit()) || matches!(number, "" | "–" | "—")
    })
}

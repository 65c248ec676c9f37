//! The report as one page, which needs nothing but itself: no script, no font, no picture and no request.

use super::escape::{html as escape, prose};
use super::{Report, is_numeric};
use crate::section::{Figure, Section, Table};
use refrain_plot::{Theme, stylesheet};
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");
/// The grounds and inks of the pictures.
pub(super) const LIGHT: &str =
    "color-scheme:light;--ground:#ffffff;--ink:#222222;--soft:#5f6368;--rule:#dedede;--link:#2f5294";
pub(super) const DARK: &str =
    "color-scheme:dark;--ground:#16181c;--ink:#e8e8e8;--soft:#a4a9b0;--rule:#34383e;--link:#76d5fd";
/// What the page may do: show itself. Whatever a name in a model file should bring into it could neither run nor load.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

impl Report {
    /// The report as an HTML page that is also well-formed XML. It is read on wide and on narrow screens, in light and
    /// in dark, and on paper.
    pub fn html(&self, theme: Theme) -> String {
        let mut page = String::new();
        let title = escape(&self.title);
        let _ = write!(
            page,
            r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta http-equiv="Content-Security-Policy" content="{POLICY}"/>
<title>{title}</title>
<style>
{}{STYLE}{}</style>
</head>
<body>
<header>
<h1>{title}</h1>
"#,
            colours(theme),
            stylesheet(theme)
        );
        self.subject(&mut page);
        page.push_str("</header>\n");
        self.contents(&mut page);
        page.push_str("<main>\n");
        let mut number = 0;
        for section in &self.sections {
            write_section(section, &mut number, &mut page);
        }
        let version = env!("CARGO_PKG_VERSION");
        let _ = write!(
            page,
            "</main>\n<footer><p>Made by Refrain {version}. This page is one file and loads nothing.</p></footer>\n\
             </body>\n</html>\n"
        );
        page
    }

    fn subject(&self, page: &mut String) {
        if self.subject.is_empty() {
            return;
        }
        page.push_str("<dl>\n");
        for (name, value) in &self.subject {
            let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
        }
        page.push_str("</dl>\n");
    }

    /// Each section with the first thing it found: who reads only this has read the most of it.
    fn contents(&self, page: &mut String) {
        page.push_str("<nav aria-labelledby=\"contents\">\n<h2 id=\"contents\">In short</h2>\n<ol>\n");
        for section in &self.sections {
            let first = section.findings.first().map_or("", String::as_str);
            let (name, title) = (escape(section.name), escape(&section.title));
            let _ = writeln!(page, "<li><a href=\"#{name}\">{title}</a> <span>{}</span></li>", prose(first));
        }
        page.push_str("</ol>\n</nav>\n");
    }
}

/// The colours of a page as variables.
fn colours(theme: Theme) -> String {
    match theme {
        Theme::Light => format!(":root{{{LIGHT}}}\n"),
        Theme::Dark => format!(":root{{{DARK}}}\n"),
        _ => format!(":root{{{LIGHT}}}\n@media (prefers-color-scheme:dark){{:root{{{DARK}}}}}\n"),
    }
}

fn write_section(section: &Section, number: &mut usize, page: &mut String) {
    let _ = writeln!(page, "<section id=\"{}\">\n<h2>{}</h2>", escape(section.name), escape(&section.title));
    if !section.intro.is_empty() {
        let _ = writeln!(page, "<p class=\"intro\">{}</p>", prose(&section.intro));
    }
    if !section.findings.is_empty() {
        page.push_str("<ul class=\"findings\">\n");
        for finding in &section.findings {
            let _ = writeln!(page, "<li>{}</li>", prose(finding));
        }
        page.push_str("</ul>\n");
    }
    for figure in &section.figures {
        *number += 1;
        write_figure(figure, *number, page);
    }
    for table in &section.tables {
        write_table(table, page);
    }
    page.push_str("</section>\n");
}

fn write_figure(figure: &Figure, number: usize, page: &mut String) {
    // What scrolls is reached by the keyboard too.
    let _ = write!(
        page,
        "<figure>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Figure {number}\">\n{}</div>\n\
         <figcaption><b>Figure {number}.</b> {}</figcaption>\n</figure>\n",
        figure.sheet.inline(),
        prose(&figure.reading)
    );
}

fn write_table(table: &Table, page: &mut String) {
    let columns = table.head.len();
    let cell = |row: &'_ [String], column: usize| row.get(column).map_or(String::new(), |text| prose(text));
    let class: Vec<&str> = (0..columns)
        .map(|c| is_numeric(table.rows.iter().map(|row| row.get(c).map_or("", String::as_str))))
        .map(|numeric| if numeric { " class=\"num\"" } else { "" })
        .collect();
    let title = escape(&table.title);
    let _ = write!(
        page,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\">\n<table>\n\
         <caption>{title}</caption>\n<thead><tr>"
    );
    for (column, class) in class.iter().enumerate() {
        let _ = write!(page, "<th scope=\"col\"{class}>{}</th>", cell(&table.head, column));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        page.push_str("<tr>");
        for (column, class) in class.iter().enumerate() {
            let (open, close) = if column == 0 { ("th scope=\"row\"", "th") } else { ("td", "td") };
            let _ = write!(page, "<{open}{class}>{}</{close}>", cell(row, column));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n</div>\n");
}

//! The little of SVG that charts need.

use std::fmt::Write;

/// Where a text stands relative to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// A text as it may stand between tags: the three signs of markup escaped, and what XML 1.0 forbids, control
/// characters, replaced.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A length in pixels: a tenth is as fine as anybody sees.
pub(crate) fn px(length: f64) -> String {
    let text = format!("{length:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Adds a text of `size` pixels; `more` is further attributes, each with a space before it.
pub(crate) fn text(svg: &mut String, (x, y): (f64, f64), anchor: Anchor, size: f64, more: &str, text: &str) {
    let (x, y, anchor, size, text) = (px(x), px(y), anchor.name(), px(size), escape(text));
    let _ = writeln!(
        svg,
        r#"<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}"{more}>{text}</text>"#
    );
}

/// Adds a straight line; `style` is its attributes.
pub(crate) fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), style: &str) {
    let (x1, y1, x2, y2) = (px(from.0), px(from.1), px(to.0), px(to.1));
    let _ = writeln!(svg, r#"<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" {style}/>"#);
}

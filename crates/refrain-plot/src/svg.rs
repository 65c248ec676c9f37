//! The subset of SVG that the pictures need. All lengths are pixels; colours come from the stylesheet.

use crate::text;
use std::fmt::Write;

/// A position: to the right, and down.
pub(crate) type Point = (f64, f64);

/// Font sizes.
pub(crate) const HEADING: f64 = 16.0;
pub(crate) const TITLE: f64 = 13.0;
pub(crate) const TEXT: f64 = 11.0;
pub(crate) const SMALL: f64 = 9.5;

/// Alignment of a text relative to its position.
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

    /// Returns the fraction of the text that lies before its position.
    fn before(self) -> f64 {
        match self {
            Self::Start => 0.0,
            Self::Middle => 0.5,
            Self::End => 1.0,
        }
    }
}

/// The style of a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextStyle {
    anchor: Anchor,
    size: f64,
    class: &'static str,
    turned: bool,
    room: f64,
}

impl TextStyle {
    pub(crate) const fn new(anchor: Anchor, size: f64) -> Self {
        Self { anchor, size, class: "rf-text", turned: false, room: f64::INFINITY }
    }

    pub(crate) const fn bold(self) -> Self {
        Self { class: "rf-text rf-bold", ..self }
    }

    pub(crate) const fn soft(self) -> Self {
        Self { class: "rf-text rf-soft", ..self }
    }

    /// Outlines the letters in the background colour, so that lines behind them do not hide them.
    pub(crate) const fn halo(self) -> Self {
        Self { class: "rf-text rf-soft rf-halo", ..self }
    }

    /// Rotates the text to read from bottom to top.
    pub(crate) const fn turned(self) -> Self {
        Self { turned: true, ..self }
    }

    /// Cuts the text to this many pixels.
    pub(crate) const fn within(self, room: f64) -> Self {
        Self { room, ..self }
    }

    pub(crate) fn width(&self, text: &str) -> f64 {
        match self.class {
            "rf-text rf-bold" => text::bold(text, self.size),
            _ => text::width(text, self.size),
        }
    }
}

/// The drawn elements and their bounding box.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    svg: String,
    pub(crate) low: Point,
    pub(crate) high: Point,
}

impl Body {
    pub(crate) fn new() -> Self {
        let (low, high) = ((f64::INFINITY, f64::INFINITY), (f64::NEG_INFINITY, f64::NEG_INFINITY));
        Self { svg: String::new(), low, high }
    }

    pub(crate) fn into_svg(self) -> String {
        self.svg
    }

    fn reach(&mut self, points: impl IntoIterator<Item = Point>) {
        for (x, y) in points {
            self.low = (self.low.0.min(x), self.low.1.min(y));
            self.high = (self.high.0.max(x), self.high.1.max(y));
        }
    }

    /// Draws a text vertically centred at `at`. If it is cut, the tooltip has all of it.
    pub(crate) fn text(&mut self, at: Point, style: TextStyle, text: &str) {
        let cut = text::cut(text, style.room, |text| style.width(text));
        let shown = cut.as_deref().unwrap_or(text);
        let (width, size) = (style.width(shown), style.size);
        let (from, to) = (-width * style.anchor.before(), width * (1.0 - style.anchor.before()));
        let (above, below) = (-size * 0.95, size * text::DESCENT);
        if style.turned {
            self.reach([(at.0 + above, at.1 - to), (at.0 + below, at.1 - from)]);
        } else {
            self.reach([(at.0 + from, at.1 + above), (at.0 + to, at.1 + below)]);
        }
        let (x, y, class, anchor, size) =
            (px(at.0), px(at.1), style.class, style.anchor.name(), px(style.size));
        let turn = if style.turned { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
        let whole = cut.as_ref().map(|_| format!("<title>{}</title>", escape(text))).unwrap_or_default();
        let _ = writeln!(
            self.svg,
            r#"<text class="{class}" x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}"{turn}>{whole}{}</text>"#,
            escape(shown)
        );
    }

    /// Draws a letter or a word in a fixed-width font over its own background.
    pub(crate) fn over(&mut self, at: Point, size: f64, class: &str, text: &str) {
        let half = text::columns(text) as f64 * text::MONO * size / 2.0;
        self.reach([(at.0 - half, at.1 - size * 0.95), (at.0 + half, at.1 + size * text::DESCENT)]);
        let (x, y, size, text) = (px(at.0), px(at.1), px(size), escape(text));
        let _ = writeln!(
            self.svg,
            r#"<text class="rf-text rf-mono{class}" x="{x}" y="{y}" text-anchor="middle" font-size="{size}">{text}</text>"#
        );
    }

    pub(crate) fn line(&mut self, from: Point, to: Point, class: &str) {
        self.reach([from, to]);
        let (x1, y1, x2, y2) = (px(from.0), px(from.1), px(to.0), px(to.1));
        let _ = writeln!(self.svg, r#"<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" class="{class}"/>"#);
    }

    pub(crate) fn polyline(&mut self, points: &[Point], class: &str) {
        self.reach(points.iter().copied());
        let _ = writeln!(self.svg, r#"<polyline points="{}" class="{class}"/>"#, list(points));
    }

    pub(crate) fn polygon(&mut self, points: &[Point], class: &str) {
        self.reach(points.iter().copied());
        let _ = writeln!(self.svg, r#"<polygon points="{}" class="{class}"/>"#, list(points));
    }

    pub(crate) fn circle(&mut self, at: Point, radius: f64, class: &str) {
        self.reach([(at.0 - radius, at.1 - radius), (at.0 + radius, at.1 + radius)]);
        let (x, y, r) = (px(at.0), px(at.1), px(radius));
        let _ = writeln!(self.svg, r#"<circle cx="{x}" cy="{y}" r="{r}" class="{class}"/>"#);
    }

    /// Draws a rectangle with this corner radius.
    pub(crate) fn rect(&mut self, corner: Point, size: (f64, f64), radius: f64, class: &str) {
        self.reach([corner, (corner.0 + size.0, corner.1 + size.1)]);
        let (x, y, w, h) = (px(corner.0), px(corner.1), px(size.0), px(size.1));
        let round = if radius > 0.0 { format!(" rx=\"{}\"", px(radius)) } else { String::new() };
        let _ =
            writeln!(self.svg, r#"<rect x="{x}" y="{y}" width="{w}" height="{h}"{round} class="{class}"/>"#);
    }

    /// Draws many rectangles of one class, each given as `(corner, size)`.
    pub(crate) fn rects(&mut self, rects: &[(Point, (f64, f64))], class: &str) {
        if rects.is_empty() {
            return;
        }
        let mut path = String::new();
        for &((x, y), (w, h)) in rects {
            self.reach([(x, y), (x + w, y + h)]);
            let (w, h) = (px(w), px(h));
            let _ = write!(path, "M{} {}h{w}v{h}h-{w}z", px(x), px(y));
        }
        let _ = writeln!(self.svg, r#"<path d="{path}" class="{class}"/>"#);
    }

    /// Draws many lines of one class.
    pub(crate) fn strokes(&mut self, strokes: &[(Point, Point)], class: &str) {
        if strokes.is_empty() {
            return;
        }
        let mut path = String::new();
        for &(from, to) in strokes {
            self.reach([from, to]);
            let _ = write!(path, "M{} {}L{} {}", px(from.0), px(from.1), px(to.0), px(to.1));
        }
        let _ = writeln!(self.svg, r#"<path d="{path}" class="{class}"/>"#);
    }
}

fn list(points: &[Point]) -> String {
    let points: Vec<String> = points.iter().map(|(x, y)| format!("{},{}", px(*x), px(*y))).collect();
    points.join(" ")
}

/// Escapes a text for use between tags: markup characters are escaped, and characters that XML 1.0 forbids, such as
/// control characters, replaced.
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

/// Formats a length in pixels, to a tenth: finer differences are invisible.
pub(crate) fn px(length: f64) -> String {
    let text = format!("{length:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

//! What all kinds of pictures have in common.

use crate::error::Result;
use crate::png;
use crate::svg::{Anchor, Body, Face, HEADING, Point, escape, px};
use crate::text;
use crate::theme::{Theme, stylesheet};

/// Something that can be drawn: a chart, a figure of charts, a heat map, a text, bars, boxes and arrows.
pub trait Picture {
    /// The picture with all its places, still without colours. The other methods write it.
    ///
    /// # Errors
    /// When there is nothing to draw, or a number cannot be drawn.
    fn draw(&self) -> Result<Sheet>;

    /// The picture as an SVG file.
    ///
    /// # Errors
    /// As for [`draw`](Self::draw).
    fn svg(&self, theme: Theme) -> Result<String> {
        Ok(self.draw()?.svg(theme))
    }

    /// The picture as an element of an HTML page that has the [`stylesheet`].
    ///
    /// # Errors
    /// As for [`draw`](Self::draw).
    fn inline(&self) -> Result<String> {
        Ok(self.draw()?.inline())
    }

    /// The picture as a PNG file, `scale` pixels for each of the SVG.
    ///
    /// # Errors
    /// As for [`draw`](Self::draw); when it has too many pixels; without the feature `png`.
    fn png(&self, theme: Theme, scale: f64) -> Result<Vec<u8>> {
        self.draw()?.png(theme, scale)
    }
}

/// A drawn picture.
#[derive(Debug, Clone)]
pub struct Sheet {
    title: String,
    description: String,
    width: f64,
    height: f64,
    body: String,
}

impl Sheet {
    pub(crate) fn new(title: &str, description: &str, size: (f64, f64), body: Body) -> Self {
        // Whole pixels, so that the last row of a PNG is a full one.
        let (width, height) = (size.0.ceil(), size.1.ceil());
        Self {
            title: title.to_owned(),
            description: description.to_owned(),
            width,
            height,
            body: body.into_svg(),
        }
    }

    /// Its width and height in pixels of the screen.
    pub fn size(&self) -> (f64, f64) {
        (self.width, self.height)
    }

    /// Its title, which is also its name for those who do not see it.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// It as an SVG file.
    pub fn svg(&self, theme: Theme) -> String {
        self.with_style(&stylesheet(theme))
    }

    /// It as an element of an HTML page that has the [`stylesheet`].
    pub fn inline(&self) -> String {
        self.element("")
    }

    /// It as a PNG file, `scale` pixels for each of the SVG.
    ///
    /// # Errors
    /// When `scale` is not above 0, or there were too many pixels; without the feature `png`.
    pub fn png(&self, theme: Theme, scale: f64) -> Result<Vec<u8>> {
        // A PNG cannot ask which ground it is seen on.
        let theme = if theme == Theme::Auto { Theme::Light } else { theme };
        png::render(&self.title, self.size(), &self.with_style(&png::style(theme)), scale)
    }

    pub(crate) fn with_style(&self, style: &str) -> String {
        self.element(&format!("<style>\n{style}</style>\n"))
    }

    fn element(&self, style: &str) -> String {
        let (w, h) = (px(self.width), px(self.height));
        let title = escape(&self.title);
        let description = match self.description.as_str() {
            "" => String::new(),
            text => format!("<desc>{}</desc>\n", escape(text)),
        };
        let body = &self.body;
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" role="img">
<title>{title}</title>
{description}{style}<rect width="{w}" height="{h}" class="rf-ground"/>
{body}</svg>
"#
        )
    }
}

/// Room around a picture.
pub(crate) const MARGIN: f64 = 14.0;
/// Height of a picture's title.
const TITLE_ROW: f64 = 30.0;

/// The most that a title widens its picture.
const WIDEST: f64 = 700.0;

/// The width that a picture's title needs, if it is not to be cut.
pub(crate) fn heading_width(title: &str) -> f64 {
    text::bold(title, HEADING).min(WIDEST)
}

/// The room that a picture's title takes.
pub(crate) fn heading_height(title: &str) -> f64 {
    if title.is_empty() { 0.0 } else { TITLE_ROW }
}

/// A picture's title, over a width that begins at the margin.
pub(crate) fn heading(body: &mut Body, title: &str, width: f64) {
    if !title.is_empty() {
        let at: Point = (MARGIN + width / 2.0, MARGIN + HEADING);
        body.text(at, Face::new(Anchor::Middle, HEADING).bold().within(width), title);
    }
}

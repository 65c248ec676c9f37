//! The trait that all kinds of pictures share.

use crate::error::Result;
use crate::png;
use crate::svg::{Anchor, Body, HEADING, Point, TextStyle, escape, px};
use crate::text;
use crate::theme::{Theme, stylesheet};

/// Something that can be drawn: a chart, a figure of charts, a heat map, a text, bars, boxes and arrows.
pub trait Picture {
    /// Lays out the picture, without colours. The other methods write the result.
    ///
    /// # Errors
    /// When there is nothing to draw, or a number cannot be drawn.
    fn draw(&self) -> Result<Sheet>;

    /// Returns the picture as an SVG file.
    ///
    /// # Errors
    /// As for [`draw`](Self::draw).
    fn svg(&self, theme: Theme) -> Result<String> {
        Ok(self.draw()?.svg(theme))
    }

    /// Returns the picture as an element for an HTML page that includes the [`stylesheet`].
    ///
    /// # Errors
    /// As for [`draw`](Self::draw).
    fn inline(&self) -> Result<String> {
        Ok(self.draw()?.inline())
    }

    /// Returns the picture as a PNG file with `scale` PNG pixels per SVG pixel.
    ///
    /// # Errors
    /// As for [`draw`](Self::draw); when `scale` is not above 0; when the PNG would have too many pixels; without
    /// the feature `png`.
    fn png(&self, theme: Theme, scale: f64) -> Result<Vec<u8>> {
        self.draw()?.png(theme, scale)
    }
}

/// A picture that has been laid out.
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
        // Whole pixels, so that the last row of a PNG is not a partial one.
        let (width, height) = (size.0.ceil(), size.1.ceil());
        Self {
            title: title.to_owned(),
            description: description.to_owned(),
            width,
            height,
            body: body.into_svg(),
        }
    }

    /// Returns its width and height in CSS pixels.
    pub fn size(&self) -> (f64, f64) {
        (self.width, self.height)
    }

    /// Returns its title, which is also its accessible name.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Returns the sheet as an SVG file.
    pub fn svg(&self, theme: Theme) -> String {
        self.with_style(&stylesheet(theme))
    }

    /// Returns the sheet as an element for an HTML page that includes the [`stylesheet`].
    pub fn inline(&self) -> String {
        self.element("")
    }

    /// Returns the sheet as a PNG file with `scale` PNG pixels per SVG pixel.
    ///
    /// # Errors
    /// When `scale` is not above 0; when the PNG would have too many pixels; without the feature `png`.
    pub fn png(&self, theme: Theme, scale: f64) -> Result<Vec<u8>> {
        // A PNG cannot adapt to the viewer's preference.
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

/// Margin around a picture.
pub(crate) const MARGIN: f64 = 14.0;
/// Height of a picture's title.
const TITLE_ROW: f64 = 30.0;

/// Maximum width that a title can give its picture.
const WIDEST: f64 = 700.0;

/// Returns the width that a picture's title needs to be shown in full, up to a maximum.
pub(crate) fn heading_width(title: &str) -> f64 {
    text::bold(title, HEADING).min(WIDEST)
}

/// Returns the height of a picture's title.
pub(crate) fn heading_height(title: &str) -> f64 {
    if title.is_empty() { 0.0 } else { TITLE_ROW }
}

/// Draws a picture's title, centred over a width that begins at the margin.
pub(crate) fn heading(body: &mut Body, title: &str, width: f64) {
    if !title.is_empty() {
        let at: Point = (MARGIN + width / 2.0, MARGIN + HEADING);
        body.text(at, TextStyle::new(Anchor::Middle, HEADING).bold().within(width), title);
    }
}

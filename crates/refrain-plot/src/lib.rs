//! SVG figures from plain numbers, readable in light and dark mode.
//!
//! Each kind of picture is a builder that takes plain numbers, independent of any model, and implements
//! [`Picture`]: [`svg`](Picture::svg) returns an SVG file, [`inline`](Picture::inline) an element for an HTML page,
//! [`png`](Picture::png) a PNG file.
//!
//! | kind | shows |
//! |---|---|
//! | [`Chart`], [`Figure`] | lines, bands and reference lines over a pair of axes; several charts with one legend |
//! | [`Heatmap`] | numbers in rows and columns: units over the characters of a text |
//! | [`TextMap`] | a text whose background colours show a number for each character or word |
//! | [`Bars`] | horizontal bars: ranked units, shares |
//! | [`Drawing`] | boxes and arrows: a network, unrolled through time |
//!
//! # Charts
//!
//! A [`Chart`] has named lines, bands and reference lines over a pair of axes; each [`Axis`] is linear or
//! logarithmic. A [`Figure`] is a grid of charts with one legend: a name has the same colour and dashes in every
//! chart.
//!
//! ```
//! use refrain_plot::{Axis, Chart, Figure};
//!
//! let norm = |rate: f64| (0..=100).map(move |step| (f64::from(step), (-rate * f64::from(step)).exp()));
//! let spread = norm(0.05).map(|(step, norm)| (step, norm / 2.0, norm * 2.0));
//! let chart = |title: &str| {
//!     Chart::new(title)
//!         .x(Axis::new("steps back").unit("characters").reversed())
//!         .y(Axis::new("gradient norm").log())
//!         .line("SimpleRNN", norm(0.2))
//!         .line("LSTM", norm(0.05))
//!         .band("LSTM", spread.clone())
//!         .reference("rounding of f32", 1.2e-7)
//!         .vertical("truncated", 64.0)
//! };
//! let figure = Figure::new("Before and after").columns(2).add(chart("before")).add(chart("after"));
//! let svg = figure.to_svg()?;
//! assert!(svg.starts_with("<svg "));
//! # Ok::<(), refrain_plot::Error>(())
//! ```
//!
//! # Heat maps and texts
//!
//! A [`Scale`] maps numbers to colours: a sequential scale starts near the background colour and moves away from it
//! in even steps; a diverging scale has the background colour at 0. NaN is a missing value.
//!
//! ```
//! use refrain_plot::{Heatmap, Picture, Scale, TextMap, Theme};
//!
//! let text = "to be";
//! let scale = Scale::diverging(1.0).label("hidden state h");
//! let map = Heatmap::new("Two units")
//!     .columns(text.chars())
//!     .row("unit 0", [0.1, 0.9, f64::NAN, -0.3, -1.0])
//!     .row("unit 1", [-0.8, 0.2, 0.0, 0.5, 0.7])
//!     .scale(scale.clone());
//! assert!(map.svg(Theme::Dark)?.contains("no value"));
//!
//! let text = TextMap::new("Unit 1").scale(scale).cells(text.chars().zip([-0.8, 0.2, 0.0, 0.5, 0.7])).end_line();
//! assert!(text.svg(Theme::Auto)?.contains("hidden state h"));
//! # Ok::<(), refrain_plot::Error>(())
//! ```
//!
//! # Bars
//!
//! ```
//! use refrain_plot::{Axis, Bars, Picture, Theme};
//!
//! let bars = Bars::new("Open gates").axis(Axis::new("share").unit("%"));
//! let bars = bars.named("layer 1", "forget", 83.0).named("layer 1", "input", 12.5).named("layer 2", "forget", 64.0);
//! assert!(bars.svg(Theme::Auto)?.contains(">12.5<"));
//! # Ok::<(), refrain_plot::Error>(())
//! ```
//!
//! # Drawings
//!
//! Blocks are placed on a grid, to the right and up; their sizes follow from their text.
//!
//! ```
//! use refrain_plot::{Arrow, Block, Drawing, Picture, Role, Theme};
//!
//! let drawing = Drawing::new("Two steps")
//!     .block("x1", Block::new(Role::Input, "x 1", 0.0, 0.0))
//!     .block("x2", Block::new(Role::Input, "x 2", 1.0, 0.0))
//!     .block("h1", Block::new(Role::Recurrent, "LSTM", 0.0, 1.0).line("64 units"))
//!     .block("h2", Block::new(Role::Recurrent, "LSTM", 1.0, 1.0).line("64 units"))
//!     .arrow(Arrow::new("x1", "h1"))
//!     .arrow(Arrow::new("x2", "h2"))
//!     .arrow(Arrow::new("h1", "h2").label("h").shared());
//! assert!(drawing.svg(Theme::Auto)?.contains(">64 units<"));
//! # Ok::<(), refrain_plot::Error>(())
//! ```
//!
//! # Light, dark and colour-blind
//!
//! SVG elements carry classes, and the [`stylesheet`] gives the classes colours: for a light background and, in
//! [`Theme::Auto`], for a dark one if the viewer prefers it. A page with many pictures includes the stylesheet
//! once. Lines have a contrast of at least 3 with the background, text at least 4.5. The colours of names differ
//! for all kinds of dichromats, and dash patterns distinguish them in grey print. The colours of numbers get
//! lighter or darker in even steps. Tests check all of this.
//!
//! # PNG
//!
//! With the feature `png`, resvg renders the SVG with a bundled font, DejaVu, so the same numbers give the same
//! pixels on every machine. System fonts are used only for scripts that DejaVu lacks. Without the feature,
//! [`Picture::png`] returns [`Error::NoPng`].
//!
//! # Limits
//!
//! No font is read for SVG: text widths are estimated, generously, and the viewer chooses its own sans-serif font.
//! Text that does not fit is cut with an ellipsis and is complete in its tooltip. The same input gives the same
//! bytes.
//!
//! `cargo run -p refrain-plot --example gallery -- FOLDER` writes a picture of each kind.
#![forbid(unsafe_code)]

mod axis;
mod bars;
mod chart;
mod colour;
mod drawing;
mod error;
mod heatmap;
mod legend;
mod picture;
mod png;
mod ruler;
mod scale;
mod svg;
#[cfg(test)]
mod tests;
mod text;
mod textmap;
mod theme;

pub use axis::Axis;
pub use bars::Bars;
pub use chart::{Chart, Figure};
pub use drawing::{Arrow, Bend, Block, Drawing, Role};
pub use error::{Error, Result};
pub use heatmap::Heatmap;
pub use picture::{Picture, Sheet};
pub use scale::Scale;
pub use textmap::TextMap;
pub use theme::{Theme, stylesheet};

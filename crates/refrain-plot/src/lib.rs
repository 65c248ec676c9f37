//! Figures from plain numbers as SVG that is readable in light and in dark.
//!
//! Each kind of picture is a builder that knows no model, and a [`Picture`]: [`svg`](Picture::svg) writes a file,
//! [`inline`](Picture::inline) an element for an HTML page, [`png`](Picture::png) pixels.
//!
//! | kind | shows |
//! |---|---|
//! | [`Chart`], [`Figure`] | lines, bands and reference lines over a pair of axes; several charts with one legend |
//! | [`Heatmap`] | numbers in rows and columns: units over the characters of a text |
//! | [`TextMap`] | a text on grounds that say what a number was at each place |
//! | [`Bars`] | horizontal bars: ranked units, shares |
//! | [`Drawing`] | boxes and arrows: a network, unrolled through time |
//!
//! # Charts
//!
//! A [`Chart`] has named lines, a linear or logarithmic [`Axis`] each way, bands, and reference lines. A [`Figure`] is a
//! grid of charts with one legend: a name has the same colour and dashes in all of them.
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
//! A [`Scale`] says what colours mean: a sequential one leaves the colour of the ground step by step, a diverging one
//! has the ground at 0. NaN is a cell without a value.
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
//! The caller gives places on a grid, to the right and up; sizes follow from the texts.
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
//! What is drawn carries classes, and the [`stylesheet`] gives them colours: for light, and in [`Theme::Auto`] for dark
//! where the viewer prefers it. A page with many pictures carries the stylesheet once. Lines stand out from their
//! ground by a contrast of 3, texts by 4.5; colours of names differ for all kinds of dichromats, and have dashes for
//! those who print in grey; the colours of numbers get lighter or darker in even steps. Tests hold all of this.
//!
//! # PNG
//!
//! With the feature `png`, resvg draws the SVG with a font that this crate brings, DejaVu, so that the same numbers are
//! the same pixels on each machine; the machine's fonts serve only the scripts that it has not. Without the feature,
//! [`Picture::png`] is an error that says so.
//!
//! # Limits
//!
//! No font is read for SVG: widths of texts are estimated, generously, and the viewer chooses its own sans-serif. A
//! text without room is cut with an ellipsis, and whole in its tooltip. The same input gives the same bytes.
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

//! Line charts as SVG from plain numbers.
//!
//! A [`Chart`] has named lines, a linear or logarithmic [`Axis`] each way, and horizontal reference lines. A
//! [`Figure`] is a grid of charts with one legend: a name has the same colour and dashes in all of them.
//!
//! ```
//! use refrain_plot::{Axis, Chart, Figure};
//!
//! let error = |rate: f64| (1..=20).map(move |step| (100.0 * f64::from(step), (-rate * f64::from(step)).exp()));
//! let chart = |title: &str, slow| {
//!     Chart::new(title)
//!         .x(Axis::new("training steps"))
//!         .y(Axis::new("test error").log())
//!         .line("LSTM", error(slow))
//!         .line("GRU", error(2.0 * slow))
//!         .reference("without memory", 0.167)
//! };
//! let figure = Figure::new("Two lengths").columns(2).add(chart("T = 100", 0.2)).add(chart("T = 200", 0.1));
//! let svg = figure.to_svg()?;
//! assert!(svg.starts_with("<svg "));
//! # Ok::<(), refrain_plot::Error>(())
//! ```
//!
//! The file is text that any browser shows: white behind it, the colours of Okabe & Ito (2008), which people with
//! colour-blindness tell apart, dashes for those who print in grey. No font is read: widths of texts are
//! estimated, and the viewer chooses its own sans-serif. The same input gives the same bytes.
#![forbid(unsafe_code)]

mod axis;
mod draw;
mod error;
mod svg;
#[cfg(test)]
mod tests;

pub use axis::Axis;
pub use error::{Error, Result};

/// Lines over a pair of axes.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    title: String,
    x: Axis,
    y: Axis,
    lines: Vec<Line>,
    references: Vec<Reference>,
}

#[derive(Debug, Clone)]
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

#[derive(Debug, Clone)]
struct Reference {
    label: String,
    y: f64,
}

impl Chart {
    /// A chart without lines.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Sets the horizontal axis.
    #[must_use]
    pub fn x(mut self, axis: Axis) -> Self {
        self.x = axis;
        self
    }

    /// Sets the vertical axis.
    #[must_use]
    pub fn y(mut self, axis: Axis) -> Self {
        self.y = axis;
        self
    }

    /// Adds a line through points `(x, y)` in their order. Lines of one name share colour and legend: several
    /// runs of the same thing. A line of few points shows them as dots.
    #[must_use]
    pub fn line(mut self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.lines.push(Line { name: name.into(), points: points.into_iter().collect() });
        self
    }

    /// Adds a horizontal line at `y` with a label on it.
    #[must_use]
    pub fn reference(mut self, label: impl Into<String>, y: f64) -> Self {
        self.references.push(Reference { label: label.into(), y });
        self
    }

    /// The chart alone as SVG.
    ///
    /// # Errors
    /// As for [`Figure::to_svg`].
    pub fn to_svg(&self) -> Result<String> {
        draw::figure("", 1, std::slice::from_ref(self))
    }
}

/// Charts in a grid, row by row.
#[derive(Debug, Clone)]
pub struct Figure {
    title: String,
    columns: usize,
    charts: Vec<Chart>,
}

impl Figure {
    /// A figure without charts, in one column. An empty title takes no room.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), columns: 1, charts: Vec::new() }
    }

    /// Sets the charts in a row, at least 1.
    #[must_use]
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = columns;
        self
    }

    /// Adds a chart.
    #[allow(clippy::should_implement_trait, reason = "the word of the other builders of this workspace")]
    #[must_use]
    pub fn add(mut self, chart: Chart) -> Self {
        self.charts.push(chart);
        self
    }

    /// The figure as SVG.
    ///
    /// # Errors
    /// When there is nothing to draw, or a number has no place on its axis: NaN, infinite, beyond ±1e300, or on a
    /// logarithmic axis below 1e-300.
    pub fn to_svg(&self) -> Result<String> {
        draw::figure(&self.title, self.columns, &self.charts)
    }
}

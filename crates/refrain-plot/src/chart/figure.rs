//! A grid of charts with a shared legend.

use super::panel::Panel;
use super::{Chart, PLOT};
use crate::error::{Error, Result};
use crate::legend::{Entry, Legend, Sample, distinct};
use crate::picture::{MARGIN, Picture, Sheet, heading, heading_height, heading_width};
use crate::svg::{Body, TEXT};
use crate::text::width;
use crate::theme::Theme;

/// Room for a chart's title, for the text below its plot, and to the right of the plot.
const ABOVE: f64 = 30.0;
const ABOVE_ALONE: f64 = 10.0;
const BELOW: f64 = 46.0;
pub(super) const RIGHT: f64 = 20.0;
/// Gap between the plot and its tick labels.
pub(super) const GAP: f64 = 7.0;
/// Allowed sizes of a plot.
const PLOT_SIZES: std::ops::RangeInclusive<f64> = 60.0..=4000.0;

/// A grid of charts, filled row by row.
#[derive(Debug, Clone)]
pub struct Figure {
    title: String,
    description: String,
    columns: usize,
    charts: Vec<Chart>,
}

impl Figure {
    /// Creates a figure without charts, with one column. An empty title takes no room.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), description: String::new(), columns: 1, charts: Vec::new() }
    }

    /// Sets the text description for screen readers.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Sets the number of charts per row, at least 1.
    #[must_use]
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = columns;
        self
    }

    /// Adds a chart.
    #[allow(clippy::should_implement_trait, reason = "the name used by the other builders in this workspace")]
    #[must_use]
    pub fn add(mut self, chart: Chart) -> Self {
        self.charts.push(chart);
        self
    }

    /// Returns the figure as SVG, for [`Theme::Auto`].
    ///
    /// # Errors
    /// When there is nothing to draw, or a number does not fit on its axis: NaN, infinite, beyond ±1e300, or below
    /// 1e-300 on a logarithmic axis.
    pub fn to_svg(&self) -> Result<String> {
        self.svg(Theme::Auto)
    }
}

impl Picture for Figure {
    fn draw(&self) -> Result<Sheet> {
        draw(&self.title, &self.description, self.columns, &self.charts)
    }
}

/// Draws a figure with a legend above its charts.
pub(super) fn draw(title: &str, description: &str, columns: usize, charts: &[Chart]) -> Result<Sheet> {
    if charts.is_empty() {
        return Err(Error::NoChart);
    }
    if columns == 0 {
        return Err(Error::NoColumn);
    }
    let panels = charts.iter().map(Panel::new).collect::<Result<Vec<_>>>()?;
    let plot = plot_size(charts)?;
    let columns = columns.min(charts.len());
    let labels = panels.iter().flat_map(|panel| panel.y.labels()).map(|(_, label)| width(label, TEXT));
    let left = labels.fold(0.0, f64::max) + GAP + 2.0 * TEXT;
    // A single chart has its title above the legend.
    let alone = title.is_empty() && charts.len() == 1;
    let name = if title.is_empty() { charts[0].title.as_str() } else { title };
    let title = if alone { name } else { title };
    let above = if alone { ABOVE_ALONE } else { ABOVE };
    let cell = (left + plot.0 + RIGHT, above + plot.1 + BELOW);
    let across = (cell.0 * columns as f64).max(heading_width(title));
    let names = distinct(charts.iter().flat_map(Chart::names));
    let legend = Legend::new(names.iter().map(|name| entry(name, charts)), across);
    let top = MARGIN + heading_height(title) + legend.height();
    let size = (across + 2.0 * MARGIN, top + cell.1 * charts.len().div_ceil(columns) as f64 + MARGIN);

    let mut body = Body::new();
    heading(&mut body, title, across);
    legend.draw(&mut body, (MARGIN, MARGIN + heading_height(title)));
    for (i, panel) in panels.iter().enumerate() {
        let corner =
            (MARGIN + (i % columns) as f64 * cell.0 + left, top + (i / columns) as f64 * cell.1 + above);
        panel.draw(&mut body, (corner, plot), left, &names);
        if !alone {
            panel.title(&mut body, (corner, plot));
        }
    }
    Ok(Sheet::new(name, description, size, body))
}

/// Returns the largest size that a chart asks for.
fn plot_size(charts: &[Chart]) -> Result<(f64, f64)> {
    let mut largest = None;
    for chart in charts {
        let Some((width, height)) = chart.plot else { continue };
        if !(PLOT_SIZES.contains(&width) && PLOT_SIZES.contains(&height)) {
            return Err(Error::Setting {
                picture: chart.title.clone(),
                setting: "plot_size",
                got: format!("{width} × {height}"),
                expected: "60 to 4000 pixels each way",
            });
        }
        let (w, h) = largest.unwrap_or((0.0, 0.0));
        largest = Some((width.max(w), height.max(h)));
    }
    Ok(largest.unwrap_or(PLOT))
}

fn entry<'a>(name: &'a str, charts: &[Chart]) -> Entry<'a> {
    let lines = charts.iter().any(|chart| chart.lines.iter().any(|line| line.name == name));
    let bands = charts.iter().any(|chart| chart.bands.iter().any(|band| band.name == name));
    let sample = match (lines, bands) {
        (true, false) => Sample::Line,
        (true, true) => Sample::LineInBand,
        (false, _) => Sample::Area,
    };
    Entry { name, sample }
}

//! Line charts: the builder. `panel` draws one chart, `figure` a grid of them.

mod figure;
mod panel;

pub use figure::Figure;

use crate::axis::Axis;
use crate::error::Result;
use crate::picture::{Picture, Sheet};
use crate::svg::Point;
use crate::theme::Theme;

/// Default size of the area between the axes.
pub(crate) const PLOT: (f64, f64) = (340.0, 210.0);
/// Plot size of a chart that has a row to itself.
const WIDE: (f64, f64) = (720.0, 250.0);

/// A line chart.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    title: String,
    description: String,
    x: Axis,
    y: Axis,
    plot: Option<(f64, f64)>,
    lines: Vec<Line>,
    bands: Vec<Band>,
    references: Vec<Reference>,
    verticals: Vec<Reference>,
}

/// A line of one or more segments.
#[derive(Debug, Clone)]
struct Line {
    name: String,
    runs: Vec<Vec<Point>>,
}

#[derive(Debug, Clone)]
struct Band {
    name: String,
    points: Vec<(f64, f64, f64)>,
}

/// A straight line across the plot.
#[derive(Debug, Clone)]
struct Reference {
    label: String,
    at: f64,
}

impl Chart {
    /// Creates a chart without lines.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Sets the text description for screen readers.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
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

    /// Sets the width and height of the area between the axes in pixels, each 60 to 4000. The default is 340 × 210.
    /// All charts in a figure have the same size, the largest that any of them sets.
    #[must_use]
    pub fn plot_size(mut self, width: f64, height: f64) -> Self {
        self.plot = Some((width, height));
        self
    }

    /// Makes the plot 720 × 250 pixels, for a chart that has a row to itself.
    #[must_use]
    pub fn wide(self) -> Self {
        self.plot_size(WIDE.0, WIDE.1)
    }

    /// Adds a line through the points `(x, y)` in order. Lines with the same name share a colour and a legend
    /// entry, for several runs of the same thing. A line with at most 12 points also shows each as a dot.
    #[must_use]
    pub fn line(self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.segments(name, [points])
    }

    /// Adds a line with gaps, given as segments that are not joined to each other. Empty segments are skipped.
    #[must_use]
    pub fn segments<Run>(mut self, name: impl Into<String>, runs: impl IntoIterator<Item = Run>) -> Self
    where
        Run: IntoIterator<Item = (f64, f64)>,
    {
        let runs = runs.into_iter().map(|run| run.into_iter().collect());
        let runs = runs.filter(|run: &Vec<Point>| !run.is_empty()).collect();
        self.lines.push(Line { name: name.into(), runs });
        self
    }

    /// Adds a translucent area through the points `(x, low, high)`, drawn under the lines and in the colour of the
    /// line with this name: a spread, a range.
    #[must_use]
    pub fn band(
        mut self,
        name: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64, f64)>,
    ) -> Self {
        self.bands.push(Band { name: name.into(), points: points.into_iter().collect() });
        self
    }

    /// Adds a labelled horizontal line at `y`.
    #[must_use]
    pub fn reference(mut self, label: impl Into<String>, y: f64) -> Self {
        self.references.push(Reference { label: label.into(), at: y });
        self
    }

    /// Adds a vertical line at `x` with a label next to its upper or lower end.
    #[must_use]
    pub fn vertical(mut self, label: impl Into<String>, x: f64) -> Self {
        self.verticals.push(Reference { label: label.into(), at: x });
        self
    }

    /// Returns the chart alone as SVG, for [`Theme::Auto`].
    ///
    /// # Errors
    /// As for [`Figure::to_svg`].
    pub fn to_svg(&self) -> Result<String> {
        self.svg(Theme::Auto)
    }

    /// Returns the names of its lines and bands, in the order they were added.
    fn names(&self) -> impl Iterator<Item = &str> {
        let bands = self.bands.iter().map(|band| band.name.as_str());
        self.lines.iter().map(|line| line.name.as_str()).chain(bands)
    }
}

impl Picture for Chart {
    fn draw(&self) -> Result<Sheet> {
        figure::draw("", &self.description, 1, std::slice::from_ref(self))
    }
}

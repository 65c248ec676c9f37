//! Line charts: what the caller says. `panel` draws one, `figure` a grid of them.

mod figure;
mod panel;

pub use figure::Figure;

use crate::axis::Axis;
use crate::error::Result;
use crate::picture::{Picture, Sheet};
use crate::svg::Point;
use crate::theme::Theme;

/// The area between the axes, unless the caller says.
pub(crate) const PLOT: (f64, f64) = (340.0, 210.0);
/// The plot of a chart that has a row of its own.
const WIDE: (f64, f64) = (720.0, 250.0);

/// Lines over a pair of axes.
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

/// A line of one or several runs of points.
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
    /// A chart without lines.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Says in words what it shows, for those who do not see it.
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

    /// Sets the width and height of the area between the axes in pixels, each 60 to 4000. The charts of a figure all
    /// have the largest of theirs; 340 × 210 where none says.
    #[must_use]
    pub fn plot_size(mut self, width: f64, height: f64) -> Self {
        self.plot = Some((width, height));
        self
    }

    /// Makes the plot 720 × 250 pixels: for a chart that has a row of its own.
    #[must_use]
    pub fn wide(self) -> Self {
        self.plot_size(WIDE.0, WIDE.1)
    }

    /// Adds a line through points `(x, y)` in their order. Lines of one name share colour and legend: several
    /// runs of the same thing. A line of few points shows them as dots.
    #[must_use]
    pub fn line(self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.segments(name, [points])
    }

    /// Adds a line with gaps: runs of points, not joined with each other. Runs without points are left out.
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

    /// Adds a translucent area between points `(x, low, high)`, under the lines and in the colour of the line of
    /// this name: a spread, a range.
    #[must_use]
    pub fn band(
        mut self,
        name: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64, f64)>,
    ) -> Self {
        self.bands.push(Band { name: name.into(), points: points.into_iter().collect() });
        self
    }

    /// Adds a horizontal line at `y` with a label on it.
    #[must_use]
    pub fn reference(mut self, label: impl Into<String>, y: f64) -> Self {
        self.references.push(Reference { label: label.into(), at: y });
        self
    }

    /// Adds a vertical line at `x` with a label beside its upper end.
    #[must_use]
    pub fn vertical(mut self, label: impl Into<String>, x: f64) -> Self {
        self.verticals.push(Reference { label: label.into(), at: x });
        self
    }

    /// The chart alone as SVG, for [`Theme::Auto`].
    ///
    /// # Errors
    /// As for [`Figure::to_svg`].
    pub fn to_svg(&self) -> Result<String> {
        self.svg(Theme::Auto)
    }

    /// The names of its lines and bands, in the order in which they are given.
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

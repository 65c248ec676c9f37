//! Why a figure cannot be drawn.

/// This crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of `refrain-plot`: what was got, what was expected, and where.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A figure without charts.
    #[error("the figure has no chart; add at least one")]
    NoChart,

    /// A grid without columns.
    #[error("the figure has 0 columns; expected at least 1")]
    NoColumn,

    /// A chart without lines.
    #[error("the chart {chart:?} has no line; add at least one")]
    NoLine {
        /// The chart's title.
        chart: String,
    },

    /// A line without points.
    #[error("the line {line:?} of the chart {chart:?} has no point; expected at least one")]
    NoPoint {
        /// The chart's title.
        chart: String,
        /// The line's name.
        line: String,
    },

    /// A number without a place on its axis.
    #[error("{axis} of point {point} of {line:?} in the chart {chart:?} is {value}; expected {expected}")]
    Value {
        /// The chart's title.
        chart: String,
        /// The line's name, or the label of a reference line.
        line: String,
        /// The point, from 0; a reference line has one.
        point: usize,
        /// `x` or `y`.
        axis: char,
        /// The number.
        value: f64,
        /// What the axis takes.
        expected: &'static str,
    },
}

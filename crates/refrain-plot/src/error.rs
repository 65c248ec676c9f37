//! Errors of drawing a picture.

/// A `Result` with this crate's [`Error`].
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

    /// A chart without lines or bands.
    #[error("the chart {chart:?} has no lines; add at least one")]
    NoLine {
        /// The chart's title.
        chart: String,
    },

    /// A line or a band without points.
    #[error("the line {line:?} of the chart {chart:?} has no points; add at least one")]
    NoPoint {
        /// The chart's title.
        chart: String,
        /// The line's name.
        line: String,
    },

    /// A number that does not fit on its axis.
    #[error("{axis} of point {point} of {line:?} in the chart {chart:?} is {value}; expected {expected}")]
    Value {
        /// The chart's title.
        chart: String,
        /// The line's name, or the label of a reference line.
        line: String,
        /// Index of the point, from 0, over all segments of the line; a reference line has one point.
        point: usize,
        /// `x` or `y`.
        axis: char,
        /// The number.
        value: f64,
        /// What the axis accepts.
        expected: &'static str,
    },

    /// A band with its lower and upper number swapped.
    #[error(
        "point {point} of the band {band:?} in the chart {chart:?} reaches from {low} to {high}; \
         expected the lower number first"
    )]
    Band {
        /// The chart's title.
        chart: String,
        /// The band's name.
        band: String,
        /// The point, from 0.
        point: usize,
        /// The lower number as given.
        low: f64,
        /// The upper number as given.
        high: f64,
    },

    /// A picture without content.
    #[error("the picture {picture:?} has no {what}; add at least one")]
    Empty {
        /// The picture's title.
        picture: String,
        /// What is missing.
        what: &'static str,
    },

    /// A number that cannot be drawn.
    #[error("{place} of the picture {picture:?} is {value}; expected {expected}")]
    Number {
        /// The picture's title.
        picture: String,
        /// Which number.
        place: String,
        /// The number.
        value: f64,
        /// What is allowed.
        expected: &'static str,
    },

    /// A wrong number of parts.
    #[error("{place} of the picture {picture:?} has {got} {what}; expected {expected}")]
    Count {
        /// The picture's title.
        picture: String,
        /// The part with too many or too few.
        place: String,
        /// What was counted.
        what: &'static str,
        /// The actual count.
        got: usize,
        /// The expected count.
        expected: usize,
    },

    /// A setting out of range.
    #[error("{setting} of the picture {picture:?} is {got}; expected {expected}")]
    Setting {
        /// The picture's title.
        picture: String,
        /// The name of the setting.
        setting: &'static str,
        /// The value that was set.
        got: String,
        /// What is allowed.
        expected: &'static str,
    },

    /// Two blocks of a drawing with the same key.
    #[error("the drawing {drawing:?} has two blocks with the key {key:?}; give each block its own key")]
    RepeatedBlock {
        /// The drawing's title.
        drawing: String,
        /// The key.
        key: String,
    },

    /// An arrow to or from an unknown block.
    #[error("an arrow in the drawing {drawing:?} refers to an unknown block {key:?}; add the block")]
    UnknownBlock {
        /// The drawing's title.
        drawing: String,
        /// The key.
        key: String,
    },

    /// A picture with too many pixels.
    #[error(
        "the PNG would have {width} × {height} pixels; expected at most {limit} each way: choose a smaller scale"
    )]
    TooLarge {
        /// Width in pixels, rounded up.
        width: f64,
        /// Height in pixels, rounded up.
        height: f64,
        /// Maximum width and height in pixels.
        limit: u32,
    },

    /// PNG support is not compiled in.
    #[error("this build cannot write PNG; enable the feature `png` of refrain-plot, or write SVG")]
    NoPng,

    /// The renderer rejected this crate's SVG.
    #[error("cannot render {picture:?} as PNG: {reason}")]
    Render {
        /// The picture's title.
        picture: String,
        /// The renderer's message.
        reason: String,
    },
}

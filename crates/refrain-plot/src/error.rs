//! Why a picture cannot be drawn.

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

    /// A chart without lines and bands.
    #[error("the chart {chart:?} has no line; add at least one")]
    NoLine {
        /// The chart's title.
        chart: String,
    },

    /// A line or a band without points.
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
        /// The point, from 0 over all runs of the line; a reference line has one.
        point: usize,
        /// `x` or `y`.
        axis: char,
        /// The number.
        value: f64,
        /// What the axis takes.
        expected: &'static str,
    },

    /// A band that ends below its beginning.
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
        /// The number given as the lower one.
        low: f64,
        /// The number given as the upper one.
        high: f64,
    },

    /// A picture of nothing.
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
        /// What is possible there.
        expected: &'static str,
    },

    /// Parts that do not fit together.
    #[error("{place} of the picture {picture:?} has {got} {what}; expected {expected}")]
    Count {
        /// The picture's title.
        picture: String,
        /// What has too many or too few.
        place: String,
        /// Of what.
        what: &'static str,
        /// How many there are.
        got: usize,
        /// How many there have to be.
        expected: usize,
    },

    /// A setting out of its range.
    #[error("{setting} of the picture {picture:?} is {got}; expected {expected}")]
    Setting {
        /// The picture's title.
        picture: String,
        /// Its name.
        setting: &'static str,
        /// What was got.
        got: String,
        /// What is allowed.
        expected: &'static str,
    },

    /// Two blocks of a drawing with one key.
    #[error("the drawing {drawing:?} has two blocks {key:?}; give each block a key of its own")]
    RepeatedBlock {
        /// The drawing's title.
        drawing: String,
        /// The key.
        key: String,
    },

    /// An arrow to or from nothing.
    #[error("an arrow of the drawing {drawing:?} ends at {key:?}, which is no block of it; add the block")]
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
        /// Its width in pixels, rounded up.
        width: f64,
        /// Its height in pixels, rounded up.
        height: f64,
        /// The most pixels each way.
        limit: u32,
    },

    /// This build cannot draw pixels.
    #[error("this build writes no PNG; build with the feature `png` of refrain-plot, or write SVG")]
    NoPng,

    /// The renderer refused this crate's SVG.
    #[error("cannot draw {picture:?} as pixels: {reason}")]
    Render {
        /// The picture's title.
        picture: String,
        /// The renderer's words.
        reason: String,
    },
}

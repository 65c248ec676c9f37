//! Maps numbers to cell colours, and draws the colour bar.

use crate::axis::{LARGEST, SMALLEST};
use crate::colour::{DIVERGING, SEQUENTIAL};
use crate::error::{Error, Result};
use crate::picture::MARGIN;
use crate::ruler::Ruler;
use crate::svg::{Anchor, Body, Point, TEXT, TextStyle};
use crate::text::width;

/// A colour scale: numbers between two ends, divided into classes of one colour each. Numbers beyond an end get the
/// end's colour, and the colour bar gets a pointed tip at that end.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    kind: Kind,
    label: String,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Sequential { min: f64, max: f64 },
    Diverging { limit: f64 },
}

impl Scale {
    /// Creates a scale from `min` to `max`, in colours that move away from the background step by step: 32 classes.
    pub fn sequential(min: f64, max: f64) -> Self {
        Self { kind: Kind::Sequential { min, max }, label: String::new() }
    }

    /// Creates a scale from `-limit` through 0, which has the background colour, to `limit`: 33 classes.
    pub fn diverging(limit: f64) -> Self {
        Self { kind: Kind::Diverging { limit }, label: String::new() }
    }

    /// Sets the label of the colour bar: what the numbers are, with their unit.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Returns the scale after checking it, or one that spans the values without NaN.
    pub(crate) fn checked(
        scale: Option<&Self>,
        picture: &str,
        values: impl Iterator<Item = f64>,
    ) -> Result<Self> {
        let Some(scale) = scale else {
            let (low, high) = values
                .filter(|value| !value.is_nan())
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
            return Ok(Self::around(low, high));
        };
        let (setting, got, fits) = match scale.kind {
            Kind::Sequential { min, max } => {
                let fits = min.abs() <= LARGEST && max.abs() <= LARGEST && min < max;
                ("the sequential scale", format!("{min} to {max}"), fits)
            }
            Kind::Diverging { limit } => {
                ("the limit of the diverging scale", limit.to_string(), limit > 0.0 && limit <= LARGEST)
            }
        };
        if fits {
            return Ok(scale.clone());
        }
        let expected = match scale.kind {
            Kind::Sequential { .. } => "-1e300 to 1e300, the lower number first",
            Kind::Diverging { .. } => "a number above 0, up to 1e300",
        };
        Err(Error::Setting { picture: picture.to_owned(), setting, got, expected })
    }

    fn around(low: f64, high: f64) -> Self {
        if low < high {
            Self::sequential(low, high)
        } else if low.is_finite() && low.abs() > SMALLEST {
            Self::sequential(low - low.abs() / 10.0, low + low.abs() / 10.0)
        } else {
            Self::sequential(0.0, 1.0)
        }
    }

    fn ends(&self) -> (f64, f64) {
        match self.kind {
            Kind::Sequential { min, max } => (min, max),
            Kind::Diverging { limit } => (-limit, limit),
        }
    }

    pub(crate) fn classes(&self) -> usize {
        match self.kind {
            Kind::Sequential { .. } => SEQUENTIAL,
            Kind::Diverging { .. } => DIVERGING,
        }
    }

    /// Returns the class of a number, or `None` for NaN.
    pub(crate) fn class(&self, value: f64) -> Option<usize> {
        let (low, high) = self.ends();
        // Halved so that the span of the largest numbers stays finite.
        let place = ((value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0)).clamp(0.0, 1.0);
        let class = match self.kind {
            Kind::Sequential { .. } => ((place * SEQUENTIAL as f64) as usize).min(SEQUENTIAL - 1),
            Kind::Diverging { .. } => (place * (DIVERGING - 1) as f64).round() as usize,
        };
        (!place.is_nan()).then_some(class)
    }

    /// Returns the stylesheet's name for a class.
    pub(crate) fn name(&self, class: usize) -> String {
        match self.kind {
            Kind::Sequential { .. } => format!("q{class}"),
            Kind::Diverging { .. } => format!("d{class}"),
        }
    }

    /// Returns the range of a class on the colour bar, 0 to 1.
    fn span(&self, class: usize) -> (f64, f64) {
        let classes = self.classes() as f64;
        match self.kind {
            Kind::Sequential { .. } => (class as f64 / classes, (class + 1) as f64 / classes),
            Kind::Diverging { .. } => {
                let edge = |at: f64| (at / (classes - 1.0)).clamp(0.0, 1.0);
                (edge(class as f64 - 0.5), edge(class as f64 + 0.5))
            }
        }
    }
}

/// Which special cases the cells contain, so that the colour bar can explain them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SpecialCells {
    below: bool,
    above: bool,
    none: bool,
}

impl SpecialCells {
    pub(crate) fn new(scale: &Scale, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = scale.ends();
        values.fold(Self::default(), |cells, value| Self {
            below: cells.below || value < low,
            above: cells.above || value > high,
            none: cells.none || value.is_nan(),
        })
    }
}

/// Size of the colour bar (its classes are whole pixels wide), of the tip at its end, and of the missing-value
/// sample.
const BAR: (f64, f64) = (256.0, 11.0);
const TIP: f64 = 9.0;
const SAMPLE: f64 = 14.0;
/// Gaps between the bar and what surrounds it.
const GAP: f64 = 6.0;
const SAMPLE_GAP: f64 = 24.0;
/// Label of the missing-value sample.
const NONE: &str = "no value";

/// Height of a colour bar including the text around it.
pub(crate) const BAR_HEIGHT: f64 = TEXT + GAP + BAR.1 + GAP + TEXT + 4.0;
/// Maximum width of a colour bar.
pub(crate) const BAR_WIDTH: f64 = 2.0 * TIP + BAR.0 + SAMPLE_GAP + SAMPLE + GAP + 60.0;

/// Returns the ends of the stroke through a cell without a value.
pub(crate) fn without_value((x, y): Point, (width, height): (f64, f64)) -> (Point, Point) {
    ((x, y + height), (x + width, y))
}

/// Draws the colour bar with its upper left corner at `corner`.
pub(crate) fn bar(body: &mut Body, corner: Point, scale: &Scale, cells: SpecialCells) {
    let (low, high) = scale.ends();
    let ruler = Ruler::between(low, high);
    let first = ruler.labels().next().map_or(0.0, |(_, text)| width(text, TEXT) / 2.0);
    let tip = if cells.below { TIP } else { 0.0 };
    let left = (corner.0 + tip.max(first - MARGIN)).ceil();
    let label = TextStyle::new(Anchor::Start, TEXT).within(BAR_WIDTH - TIP);
    let mut top = corner.1;
    if !scale.label.is_empty() {
        body.text((left, corner.1 + TEXT), label, &scale.label);
        top += TEXT + GAP;
    }
    let (bottom, middle) = (top + BAR.1, top + BAR.1 / 2.0);
    for class in 0..scale.classes() {
        let (from, to) = scale.span(class);
        let size = ((to - from) * BAR.0, BAR.1);
        body.rects(&[((left + from * BAR.0, top), size)], &format!("rf-cells rf-{}", scale.name(class)));
    }
    let right = left + BAR.0;
    let mut outline = vec![(left, bottom), (left, top), (right, top), (right, bottom), (left, bottom)];
    if cells.above {
        let tip = [(right, top), (right + TIP, middle), (right, bottom)];
        body.polygon(&tip, &format!("rf-{}", scale.name(scale.classes() - 1)));
        outline.insert(3, tip[1]);
    }
    if cells.below {
        let tip = [(left, bottom), (left - TIP, middle), (left, top)];
        body.polygon(&tip, &format!("rf-{}", scale.name(0)));
        outline.insert(1, tip[1]);
    }
    body.polyline(&outline, "rf-frame");
    let mut free = f64::NEG_INFINITY;
    for (value, text) in ruler.labels() {
        let (x, half) = (left + ruler.place(value) * BAR.0, width(text, TEXT) / 2.0);
        if x - half > free {
            body.line((x, bottom), (x, bottom + 3.0), "rf-frame");
            body.text((x, bottom + GAP + TEXT), TextStyle::new(Anchor::Middle, TEXT), text);
            free = x + half + GAP;
        }
    }
    if cells.none {
        let sample = (right + SAMPLE_GAP, middle - SAMPLE / 2.0);
        body.rect(sample, (SAMPLE, SAMPLE), 0.0, "rf-none");
        body.strokes(&[without_value(sample, (SAMPLE, SAMPLE))], "rf-none");
        body.text((sample.0 + SAMPLE + GAP, bottom - 1.0), TextStyle::new(Anchor::Start, TEXT), NONE);
    }
}

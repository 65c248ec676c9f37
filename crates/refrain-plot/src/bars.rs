//! Horizontal bars.

use crate::axis::Axis;
use crate::error::{Error, Result};
use crate::legend::{Entry, Legend, Sample, distinct, fill};
use crate::picture::{MARGIN, Picture, Sheet, heading, heading_height, heading_width};
use crate::ruler::Ruler;
use crate::svg::{Anchor, Body, TEXT, TextStyle};
use crate::text::{CAPITAL, width};

/// Horizontal bars that start at 0, in the order they are added: ranked units, shares.
#[derive(Debug, Clone, Default)]
pub struct Bars {
    title: String,
    description: String,
    axis: Axis,
    rows: Vec<Row>,
}

#[derive(Debug, Clone)]
struct Row {
    label: String,
    /// A name and value for each bar. The name is empty if the label has a single bar.
    bars: Vec<(String, f64)>,
}

impl Bars {
    /// Creates a picture without bars. An empty title takes no room.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Sets the text description for screen readers.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Sets the axis of the values. It must be linear, because bars start at 0.
    #[must_use]
    pub fn axis(mut self, axis: Axis) -> Self {
        self.axis = axis;
        self
    }

    /// Adds a bar with a label.
    #[must_use]
    pub fn bar(self, label: impl Into<String>, value: f64) -> Self {
        self.named(label, "", value)
    }

    /// Adds a named bar under a label. Bars with the same label are drawn below each other; each name has a colour
    /// and a legend entry.
    #[must_use]
    pub fn named(mut self, label: impl Into<String>, name: impl Into<String>, value: f64) -> Self {
        let (label, bar) = (label.into(), (name.into(), value));
        match self.rows.last_mut() {
            Some(row) if row.label == label && !bar.0.is_empty() => row.bars.push(bar),
            _ => self.rows.push(Row { label, bars: vec![bar] }),
        }
        self
    }

    fn bars(&self) -> impl Iterator<Item = &(String, f64)> {
        self.rows.iter().flat_map(|row| &row.bars)
    }

    fn check(&self) -> Result<()> {
        let picture = || self.title.clone();
        if self.rows.is_empty() {
            return Err(Error::Empty { picture: picture(), what: "bar" });
        }
        if self.axis.log || self.axis.reversed {
            let got = if self.axis.log { "logarithmic" } else { "reversed" }.to_owned();
            let expected = "linear, because bars start at 0 on the left";
            return Err(Error::Setting { picture: picture(), setting: "the axis", got, expected });
        }
        for row in &self.rows {
            for (name, value) in &row.bars {
                if let Some(expected) = self.axis.refuses(*value) {
                    let name = if name.is_empty() { String::new() } else { format!(" {name:?}") };
                    let place = format!("the bar {:?}{name}", row.label);
                    return Err(Error::Number { picture: picture(), place, value: *value, expected });
                }
            }
        }
        Ok(())
    }
}

/// Width of the area that the bars share.
const WIDTH: f64 = 420.0;
/// Thickness of a bar: alone, and with others under the same label.
const ALONE: f64 = 14.0;
const TOGETHER: f64 = 11.0;
/// Gap between rows.
const ROW_GAP: f64 = 6.0;
/// Gap between bars and text.
const GAP: f64 = 6.0;
/// Maximum width of a label.
const LABEL: f64 = 220.0;
/// Significant digits of the number next to a bar.
const DIGITS: i32 = 3;

impl Picture for Bars {
    fn draw(&self) -> Result<Sheet> {
        self.check()?;
        let ruler = Ruler::new(&self.axis, self.bars().map(|bar| bar.1).chain([0.0]));
        let mut names = distinct(self.bars().map(|bar| bar.0.as_str()));
        names.retain(|name| !name.is_empty());
        let room = self.rows.iter().map(|row| width(&row.label, TEXT)).fold(0.0, f64::max).min(LABEL);
        let numbers = self.bars().map(|bar| width(&number(bar.1), TEXT)).fold(0.0, f64::max) + 2.0 * GAP;
        // A bar to the left of 0 has its number on its left, on the label side.
        let negative = if self.bars().any(|bar| bar.1 < 0.0) { numbers } else { 0.0 };
        let left = (MARGIN + room + GAP + negative).ceil();
        let across = (left - MARGIN + WIDTH + numbers).max(heading_width(&self.title));
        let legend = Legend::new(names.iter().map(|&name| Entry { name, sample: Sample::Bar }), across);
        let top = MARGIN + heading_height(&self.title) + legend.height() + GAP;
        let thick = if names.is_empty() { ALONE } else { TOGETHER };
        let height: f64 = self.rows.iter().map(|row| row.bars.len() as f64 * thick + ROW_GAP).sum();
        let bottom = top + height;

        let mut body = Body::new();
        heading(&mut body, &self.title, across);
        legend.draw(&mut body, (MARGIN, MARGIN + heading_height(&self.title)));
        let place = Place { ruler, left, top, bottom, thick };
        place.axis(&mut body, &self.axis.name());
        let mut y = top + ROW_GAP / 2.0;
        for row in &self.rows {
            let middle = y + row.bars.len() as f64 * thick / 2.0 + TEXT * CAPITAL / 2.0;
            let label = TextStyle::new(Anchor::End, TEXT).within(room);
            body.text((left - negative - GAP, middle), label, &row.label);
            for (name, value) in &row.bars {
                let colour = names.iter().position(|n| n == name).unwrap_or(0);
                place.bar(&mut body, y, colour, *value);
                y += thick;
            }
            y += ROW_GAP;
        }
        body.line((place.x(0.0), top), (place.x(0.0), bottom), "rf-frame");
        let size = (across + 2.0 * MARGIN, bottom + 4.0 * GAP + 2.0 * TEXT + MARGIN);
        Ok(Sheet::new(&self.title, &self.description, size, body))
    }
}

/// Where the bars are drawn.
struct Place {
    ruler: Ruler,
    left: f64,
    top: f64,
    bottom: f64,
    thick: f64,
}

impl Place {
    fn x(&self, value: f64) -> f64 {
        self.left + self.ruler.place(value) * WIDTH
    }

    fn axis(&self, body: &mut Body, name: &str) {
        let line = |x: f64| ((x, self.top), (x, self.bottom));
        let grid: Vec<_> = self.ruler.ticks.iter().map(|tick| line(self.x(tick.value))).collect();
        body.strokes(&grid, "rf-grid");
        let centred = TextStyle::new(Anchor::Middle, TEXT);
        let mut free = f64::NEG_INFINITY;
        for (value, text) in self.ruler.labels() {
            let (x, half) = (self.x(value), width(text, TEXT) / 2.0);
            if x - half > free {
                body.text((x, self.bottom + GAP + TEXT), centred, text);
                free = x + half + GAP;
            }
        }
        let below = (self.left + WIDTH / 2.0, self.bottom + 3.0 * GAP + 2.0 * TEXT);
        body.text(below, centred.within(WIDTH), name);
    }

    /// Draws a bar below `y` with its number.
    fn bar(&self, body: &mut Body, y: f64, colour: usize, value: f64) {
        let (from, to) = (self.x(value.min(0.0)), self.x(value.max(0.0)));
        body.rect((from, y + 1.0), (to - from, self.thick - 2.0), 0.0, &fill(colour));
        let (anchor, at) = if value < 0.0 { (Anchor::End, from - GAP) } else { (Anchor::Start, to + GAP) };
        let baseline = y + self.thick / 2.0 + TEXT * CAPITAL / 2.0;
        body.text((at, baseline), TextStyle::new(anchor, TEXT).halo(), &number(value));
    }
}

/// Formats a number with three significant digits.
fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let exponent = value.abs().log10().floor() as i32;
    if (-4..=6).contains(&exponent) {
        format!("{value:.*}", (DIGITS - 1 - exponent).max(0) as usize)
    } else {
        format!("{value:.*e}", (DIGITS - 1) as usize)
    }
}

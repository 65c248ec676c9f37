//! One chart of a figure.

use super::figure::{GAP, RIGHT};
use super::{Band, Chart, Line, Reference};
use crate::axis::Axis;
use crate::error::{Error, Result};
use crate::legend::{fill, stroke};
use crate::ruler::Ruler;
use crate::svg::{Anchor, Body, Point, TEXT, TITLE, TextStyle};
use crate::text::{CAPITAL, width};

/// Gap between a reference line, the plot's edge and the label; and the height of the label.
const INSET: f64 = 5.0;
const LABEL: f64 = 16.0;
/// Minimum gap between two numbers below the axis.
const NUMBER_GAP: f64 = 8.0;
/// A line with at most this many points shows each as a dot.
const DOTS: usize = 12;
/// Radius of a dot.
const DOT: f64 = 2.8;

/// A chart with its axes laid out.
pub(super) struct Panel<'a> {
    chart: &'a Chart,
    x: Ruler,
    pub(super) y: Ruler,
}

impl<'a> Panel<'a> {
    pub(super) fn new(chart: &'a Chart) -> Result<Self> {
        check(chart)?;
        let points = || chart.lines.iter().flat_map(|line| line.runs.iter().flatten());
        let bands = || chart.bands.iter().flat_map(|band| &band.points);
        let at = |references: &'a [Reference]| references.iter().map(|reference| reference.at);
        let x = points().map(|point| point.0).chain(bands().map(|band| band.0)).chain(at(&chart.verticals));
        let y = points().map(|point| point.1).chain(bands().flat_map(|band| [band.1, band.2]));
        Ok(Self {
            chart,
            x: Ruler::new(&chart.x, x),
            y: Ruler::new(&chart.y, y.chain(at(&chart.references))),
        })
    }

    /// Draws the title above the plot.
    pub(super) fn title(&self, body: &mut Body, (corner, size): (Point, Point)) {
        let style = TextStyle::new(Anchor::Middle, TITLE).bold().within(size.0 + 2.0 * RIGHT);
        body.text((corner.0 + size.0 / 2.0, corner.1 - 9.0), style, &self.chart.title);
    }

    /// Draws the chart with the plot at this upper left corner and size; `left` is the room to the left of it.
    pub(super) fn draw(&self, body: &mut Body, (corner, size): (Point, Point), left: f64, names: &[&str]) {
        let plot = Plot { panel: self, corner, size };
        plot.grid(body);
        plot.texts(body, left);
        let class = |name: &str| names.iter().position(|n| *n == name).expect("every name is in the legend");
        for band in &self.chart.bands {
            plot.band(body, band, class(&band.name));
        }
        for reference in &self.chart.references {
            let y = plot.y(reference.at);
            body.line((corner.0, y), (corner.0 + size.0, y), "rf-reference");
        }
        for reference in &self.chart.verticals {
            let x = plot.x(reference.at);
            body.line((x, corner.1), (x, corner.1 + size.1), "rf-reference");
        }
        for line in &self.chart.lines {
            plot.line(body, line, class(&line.name));
        }
        for reference in &self.chart.references {
            plot.label(body, reference);
        }
        plot.vertical_labels(body);
    }
}

/// Checks that the chart can be drawn.
fn check(chart: &Chart) -> Result<()> {
    let title = || chart.title.clone();
    if chart.lines.is_empty() && chart.bands.is_empty() {
        return Err(Error::NoLine { chart: title() });
    }
    let number = |name: char, axis: &Axis, value: f64, line: &str, point: usize| match axis.refuses(value) {
        None => Ok(()),
        Some(expected) => {
            Err(Error::Value { chart: title(), line: line.to_owned(), point, axis: name, value, expected })
        }
    };
    let empty = |line: &str| Error::NoPoint { chart: title(), line: line.to_owned() };
    for line in &chart.lines {
        if line.runs.is_empty() {
            return Err(empty(&line.name));
        }
        for (i, &(x, y)) in line.runs.iter().flatten().enumerate() {
            number('x', &chart.x, x, &line.name, i)?;
            number('y', &chart.y, y, &line.name, i)?;
        }
    }
    for band in &chart.bands {
        if band.points.is_empty() {
            return Err(empty(&band.name));
        }
        for (point, &(x, low, high)) in band.points.iter().enumerate() {
            number('x', &chart.x, x, &band.name, point)?;
            number('y', &chart.y, low, &band.name, point)?;
            number('y', &chart.y, high, &band.name, point)?;
            if low > high {
                return Err(Error::Band { chart: title(), band: band.name.clone(), point, low, high });
            }
        }
    }
    for reference in &chart.references {
        number('y', &chart.y, reference.at, &reference.label, 0)?;
    }
    for reference in &chart.verticals {
        number('x', &chart.x, reference.at, &reference.label, 0)?;
    }
    Ok(())
}

/// A panel with its position and size.
struct Plot<'a> {
    panel: &'a Panel<'a>,
    corner: Point,
    size: Point,
}

impl Plot<'_> {
    fn x(&self, value: f64) -> f64 {
        self.corner.0 + self.panel.x.place(value) * self.size.0
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom() - self.panel.y.place(value) * self.size.1
    }

    fn right(&self) -> f64 {
        self.corner.0 + self.size.0
    }

    fn bottom(&self) -> f64 {
        self.corner.1 + self.size.1
    }

    fn grid(&self, body: &mut Body) {
        let (corner, right, bottom) = (self.corner, self.right(), self.bottom());
        let lines = |labelled: bool| {
            let (x, y) = (&self.panel.x.ticks, &self.panel.y.ticks);
            let of = move |tick: &&crate::ruler::Tick| tick.label.is_some() == labelled;
            let upright = x.iter().filter(of).map(|tick| self.x(tick.value));
            let level = y.iter().filter(of).map(|tick| self.y(tick.value));
            let upright = upright.map(|x| ((x, corner.1), (x, bottom)));
            upright.chain(level.map(|y| ((corner.0, y), (right, y)))).collect::<Vec<_>>()
        };
        body.strokes(&lines(false), "rf-faint");
        body.strokes(&lines(true), "rf-grid");
        body.strokes(&[(corner, (corner.0, bottom)), ((corner.0, bottom), (right, bottom))], "rf-frame");
    }

    fn texts(&self, body: &mut Body, left: f64) {
        let chart = self.panel.chart;
        let middle = (self.corner.0 + self.size.0 / 2.0, self.corner.1 + self.size.1 / 2.0);
        let centred = TextStyle::new(Anchor::Middle, TEXT);
        let all: Vec<(f64, &str)> =
            self.panel.x.labels().map(|(value, label)| (self.x(value), label)).collect();
        let widest = all.iter().map(|(_, label)| width(label, TEXT)).fold(0.0, f64::max);
        let step = match all.as_slice() {
            [first, .., last] => (last.0 - first.0).abs() / (all.len() - 1) as f64,
            _ => f64::INFINITY,
        };
        let stride = ((widest + NUMBER_GAP) / step).ceil().max(1.0) as usize;
        for &(x, label) in all.iter().step_by(stride) {
            body.text((x, self.bottom() + GAP + TEXT), centred, label);
        }
        let numbers = TextStyle::new(Anchor::End, TEXT);
        for (value, label) in self.panel.y.labels() {
            body.text((self.corner.0 - GAP, self.y(value) + TEXT * CAPITAL / 2.0), numbers, label);
        }
        let below = (middle.0, self.bottom() + 2.0 * GAP + 2.2 * TEXT);
        body.text(below, centred.within(self.size.0), &chart.x.name());
        let before = (self.corner.0 - left + TEXT, middle.1);
        body.text(before, centred.turned().within(self.size.1 + 2.0 * TEXT), &chart.y.name());
    }

    fn band(&self, body: &mut Body, band: &Band, name: usize) {
        let low = band.points.iter().map(|&(x, low, _)| (self.x(x), self.y(low)));
        let high = band.points.iter().rev().map(|&(x, _, high)| (self.x(x), self.y(high)));
        let outline: Vec<Point> = low.chain(high).collect();
        body.polygon(&outline, &format!("rf-band {}", fill(name)));
    }

    fn line(&self, body: &mut Body, line: &Line, name: usize) {
        let dots = line.runs.iter().map(Vec::len).sum::<usize>() <= DOTS;
        for run in &line.runs {
            let places: Vec<Point> = run.iter().map(|&(x, y)| (self.x(x), self.y(y))).collect();
            body.polyline(&places, &stroke(name));
            // A point without neighbours would not show as a line.
            if dots || places.len() == 1 {
                for &place in &places {
                    body.circle(place, DOT, &fill(name));
                }
            }
        }
    }

    /// Draws the label of a horizontal line, above or below it: on the side that has fewer points, if the plot has
    /// room there.
    fn label(&self, body: &mut Body, reference: &Reference) {
        let line = self.y(reference.at);
        let room = self.size.0 - 2.0 * INSET;
        let start = self.right() - INSET - width(&reference.label, TEXT).min(room);
        let crowd = |from: f64, to: f64| {
            let points = self.panel.chart.lines.iter().flat_map(|line| line.runs.iter().flatten());
            points.filter(|point| self.x(point.0) >= start && (from..to).contains(&self.y(point.1))).count()
        };
        let (above, below) = (line - LABEL, line + LABEL);
        let fits_above = above >= self.corner.1;
        let fits_below = below <= self.bottom();
        let baseline = if fits_above && (!fits_below || crowd(above, line) <= crowd(line, below)) {
            line - INSET
        } else {
            line + INSET + TEXT * CAPITAL
        };
        let style = TextStyle::new(Anchor::End, TEXT).halo().within(room);
        body.text((self.right() - INSET, baseline), style, &reference.label);
    }

    /// Draws the labels of vertical lines: to the right or left of the line, at the upper or lower end of the plot,
    /// where there are fewer points, each in the first row with room for it.
    fn vertical_labels(&self, body: &mut Body) {
        // If no row has room, a label goes in the last one.
        let last = (self.size.1 / 2.0 / LABEL).floor() - 1.0;
        let mut ends: [Vec<Vec<(f64, f64)>>; 2] = Default::default();
        for reference in &self.panel.chart.verticals {
            let line = self.x(reference.at);
            let room = (line - self.corner.0).max(self.right() - line) - 2.0 * INSET;
            let width = width(&reference.label, TEXT).min(room);
            let (anchor, at, from) = if line + INSET + width <= self.right() {
                (Anchor::Start, line + INSET, line)
            } else {
                (Anchor::End, line - INSET, line - INSET - width)
            };
            let to = from + width + INSET;
            let crowd = |top: f64, bottom: f64| {
                let points = self.panel.chart.lines.iter().flat_map(|line| line.runs.iter().flatten());
                let near = |point: &&Point| {
                    (from..to).contains(&self.x(point.0)) && (top..=bottom).contains(&self.y(point.1))
                };
                points.filter(near).count()
            };
            let (top, bottom) = (self.corner.1, self.bottom());
            let lower = crowd(top, top + 1.5 * LABEL) > crowd(bottom - 1.5 * LABEL, bottom);
            let rows = &mut ends[usize::from(lower)];
            let free = |row: &Vec<(f64, f64)>| row.iter().all(|taken| to <= taken.0 || from >= taken.1);
            let row = rows.iter().position(free).unwrap_or(rows.len());
            if row == rows.len() {
                rows.push(Vec::new());
            }
            rows[row].push((from, to));
            let inset = LABEL * (row as f64).min(last) + INSET;
            let y = if lower { bottom - inset } else { top + inset + TEXT * CAPITAL };
            body.text((at, y), TextStyle::new(anchor, TEXT).halo().within(room), &reference.label);
        }
    }
}

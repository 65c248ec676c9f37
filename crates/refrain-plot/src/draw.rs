//! From charts to SVG. All lengths are pixels.

use crate::axis::{Axis, Scale};
use crate::error::{Error, Result};
use crate::svg::{self, Anchor, px};
use crate::{Chart, Line};
use std::fmt::Write;

/// Colours of lines: Okabe & Ito (2008), "Color Universal Design", without the yellow that white swallows.
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
/// Dashes of lines: 4 and the 7 colours have no common divisor, so 28 names differ.
const DASHES: [&str; 4] = ["", "7 3", "2 2.5", "9 3 2 3"];

/// The area between the axes.
pub(crate) const PLOT: (f64, f64) = (340.0, 210.0);
/// Room around the figure.
const MARGIN: f64 = 14.0;
/// Room for a chart's title, for what stands below its plot, and right of it.
const ABOVE: f64 = 30.0;
const BELOW: f64 = 46.0;
const RIGHT: f64 = 16.0;
/// Between the plot and the numbers of its ticks.
const GAP: f64 = 7.0;
/// Font sizes.
const FIGURE_TITLE: f64 = 16.0;
const TITLE: f64 = 13.0;
const TEXT: f64 = 11.0;
/// Height of the figure's title and of a row of the legend.
const TITLE_ROW: f64 = 28.0;
const LEGEND_ROW: f64 = 20.0;
/// Length of a line in the legend, and the room around its name.
const SAMPLE: f64 = 28.0;
const BEFORE_NAME: f64 = 7.0;
const AFTER_NAME: f64 = 20.0;
/// A sans-serif's mean width of a character, of its size; generous, as no font is measured.
const CHARACTER: f64 = 0.58;
/// Height of a capital letter, of its size; half of it centres a text on a line.
const CAPITAL: f64 = 0.7;
/// Between a reference line, the plot's edge and the label; and the height that the label takes.
const INSET: f64 = 5.0;
const LABEL: f64 = 16.0;
/// A line of at most so many points shows each.
const DOTS: usize = 12;

const INK: &str = "#222222";
const FRAME: &str = "stroke=\"#444444\" stroke-width=\"1\"";
const GRID: &str = "stroke=\"#d8d8d8\" stroke-width=\"0.8\"";
const FAINT_GRID: &str = "stroke=\"#f0f0f0\" stroke-width=\"0.8\"";
const REFERENCE: &str = "stroke=\"#555555\" stroke-width=\"1.2\" stroke-dasharray=\"1.5 3\"";
/// White around the letters, so that lines behind them do not hide them.
const HALO: &str = " fill=\"#444444\" stroke=\"#ffffff\" stroke-width=\"3\" stroke-linejoin=\"round\" paint-order=\"stroke\"";

/// A figure with a legend above its charts.
pub(crate) fn figure(title: &str, columns: usize, charts: &[Chart]) -> Result<String> {
    if charts.is_empty() {
        return Err(Error::NoChart);
    }
    if columns == 0 {
        return Err(Error::NoColumn);
    }
    let panels = charts.iter().map(Panel::new).collect::<Result<Vec<_>>>()?;
    let names = names(charts);
    let columns = columns.min(charts.len());
    let labels = panels.iter().flat_map(|panel| &panel.y.ticks).filter_map(|tick| tick.label.as_deref());
    let left = labels.map(|label| width(label, TEXT)).fold(0.0, f64::max) + GAP + 2.0 * TEXT;
    let cell = (left + PLOT.0 + RIGHT, ABOVE + PLOT.1 + BELOW);
    let across = cell.0 * columns as f64;
    let (legend, rows) = legend(&names, across);
    let top = MARGIN + if title.is_empty() { 0.0 } else { TITLE_ROW } + rows as f64 * LEGEND_ROW;
    let size = (across + 2.0 * MARGIN, top + cell.1 * charts.len().div_ceil(columns) as f64 + MARGIN);

    let mut out = String::new();
    let (w, h) = (px(size.0), px(size.1));
    let _ = writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" role="img" font-family="Helvetica, Arial, sans-serif" fill="{INK}">"#
    );
    let heading = if title.is_empty() { &charts[0].title } else { title };
    let _ = writeln!(out, "<title>{}</title>", svg::escape(heading));
    let _ = writeln!(out, r##"<rect width="{w}" height="{h}" fill="#ffffff"/>"##);
    if !title.is_empty() {
        let at = (MARGIN + across / 2.0, MARGIN + FIGURE_TITLE);
        svg::text(&mut out, at, Anchor::Middle, FIGURE_TITLE, " font-weight=\"bold\"", title);
    }
    for (i, (name, x, row)) in legend.into_iter().enumerate() {
        let y = top - (rows - row) as f64 * LEGEND_ROW + LEGEND_ROW / 2.0;
        let x = MARGIN + x;
        svg::line(&mut out, (x, y), (x + SAMPLE, y), &stroke(i));
        svg::text(
            &mut out,
            (x + SAMPLE + BEFORE_NAME, y + TEXT * CAPITAL / 2.0),
            Anchor::Start,
            TEXT,
            "",
            name,
        );
    }
    for (i, panel) in panels.iter().enumerate() {
        let corner =
            (MARGIN + (i % columns) as f64 * cell.0 + left, top + (i / columns) as f64 * cell.1 + ABOVE);
        panel.draw(&mut out, corner, left, &names);
    }
    out.push_str("</svg>\n");
    Ok(out)
}

/// The names of lines, each once, in the order in which they come.
fn names(charts: &[Chart]) -> Vec<&str> {
    let mut names = Vec::new();
    for line in charts.iter().flat_map(|chart| &chart.lines) {
        if !names.contains(&line.name.as_str()) {
            names.push(line.name.as_str());
        }
    }
    names
}

/// Where each name stands, from the left, and its row; then the number of rows. Each row is centred.
fn legend<'a>(names: &[&'a str], across: f64) -> (Vec<(&'a str, f64, usize)>, usize) {
    let mut placed: Vec<(&str, f64, usize)> = Vec::new();
    let (mut x, mut row, mut ends) = (0.0, 0, Vec::new());
    for name in names {
        let entry = SAMPLE + BEFORE_NAME + width(name, TEXT);
        if x > 0.0 && x + entry > across {
            ends.push(x - AFTER_NAME);
            (x, row) = (0.0, row + 1);
        }
        placed.push((name, x, row));
        x += entry + AFTER_NAME;
    }
    ends.push(x - AFTER_NAME);
    for (_, x, row) in &mut placed {
        *x += ((across - ends[*row]) / 2.0).max(0.0);
    }
    (placed, row + 1)
}

/// About how wide a text is.
fn width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * CHARACTER * size
}

/// How the line of the `i`-th name is drawn.
fn stroke(i: usize) -> String {
    let (colour, dash) = (COLOURS[i % COLOURS.len()], DASHES[i % DASHES.len()]);
    let dash = if dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dash}\"") };
    format!("stroke=\"{colour}\" stroke-width=\"1.8\"{dash}")
}

/// A chart whose numbers have places.
struct Panel<'a> {
    chart: &'a Chart,
    x: Scale,
    y: Scale,
}

impl<'a> Panel<'a> {
    fn new(chart: &'a Chart) -> Result<Self> {
        let title = || chart.title.clone();
        if chart.lines.is_empty() {
            return Err(Error::NoLine { chart: title() });
        }
        let check = |name: char, axis: &Axis, value: f64, line: &str, point: usize| match axis.refuses(value)
        {
            None => Ok(()),
            Some(expected) => Err(Error::Value {
                chart: title(),
                line: line.to_owned(),
                point,
                axis: name,
                value,
                expected,
            }),
        };
        for line in &chart.lines {
            if line.points.is_empty() {
                return Err(Error::NoPoint { chart: title(), line: line.name.clone() });
            }
            for (i, &(x, y)) in line.points.iter().enumerate() {
                check('x', &chart.x, x, &line.name, i)?;
                check('y', &chart.y, y, &line.name, i)?;
            }
        }
        for reference in &chart.references {
            check('y', &chart.y, reference.y, &reference.label, 0)?;
        }
        let points = || chart.lines.iter().flat_map(|line| &line.points);
        let references = chart.references.iter().map(|reference| reference.y);
        Ok(Self {
            chart,
            x: Scale::new(&chart.x, points().map(|point| point.0)),
            y: Scale::new(&chart.y, points().map(|point| point.1).chain(references)),
        })
    }

    /// Draws it with the plot's upper left corner there; `left` is the room before it.
    fn draw(&self, out: &mut String, corner: (f64, f64), left: f64, names: &[&str]) {
        let chart = self.chart;
        let (right, bottom) = (corner.0 + PLOT.0, corner.1 + PLOT.1);
        let x = |value: f64| corner.0 + self.x.place(value) * PLOT.0;
        let y = |value: f64| bottom - self.y.place(value) * PLOT.1;
        let middle = (corner.0 + PLOT.0 / 2.0, corner.1 + PLOT.1 / 2.0);
        svg::text(
            out,
            (middle.0, corner.1 - 9.0),
            Anchor::Middle,
            TITLE,
            " font-weight=\"bold\"",
            &chart.title,
        );
        for tick in &self.x.ticks {
            let style = if tick.label.is_some() { GRID } else { FAINT_GRID };
            svg::line(out, (x(tick.value), corner.1), (x(tick.value), bottom), style);
        }
        for tick in &self.y.ticks {
            let style = if tick.label.is_some() { GRID } else { FAINT_GRID };
            svg::line(out, (corner.0, y(tick.value)), (right, y(tick.value)), style);
        }
        for (value, label) in labels(&self.x) {
            svg::text(out, (x(value), bottom + GAP + TEXT), Anchor::Middle, TEXT, "", label);
        }
        for (value, label) in labels(&self.y) {
            svg::text(out, (corner.0 - GAP, y(value) + TEXT * CAPITAL / 2.0), Anchor::End, TEXT, "", label);
        }
        svg::text(out, (middle.0, bottom + 2.0 * GAP + 2.2 * TEXT), Anchor::Middle, TEXT, "", &chart.x.label);
        let place = (corner.0 - left + TEXT, middle.1);
        let turned = format!(" transform=\"rotate(-90 {} {})\"", px(place.0), px(place.1));
        svg::text(out, place, Anchor::Middle, TEXT, &turned, &chart.y.label);
        svg::line(out, (corner.0, corner.1), (corner.0, bottom), FRAME);
        svg::line(out, (corner.0, bottom), (right, bottom), FRAME);

        for reference in &chart.references {
            let y = y(reference.y);
            svg::line(out, (corner.0, y), (right, y), REFERENCE);
        }
        for line in &chart.lines {
            let name = names.iter().position(|name| *name == line.name).expect("every line's name is there");
            draw_line(out, line, name, |(px, py)| (x(px), y(py)));
        }
        for reference in &chart.references {
            let line = y(reference.y);
            // Above its line or below, where fewer points are and the plot has room.
            let start = right - INSET - width(&reference.label, TEXT);
            let crowd = |from: f64, to: f64| {
                let points = chart.lines.iter().flat_map(|line| &line.points);
                points.filter(|point| x(point.0) >= start && (from..to).contains(&y(point.1))).count()
            };
            let (above, below) = (line - LABEL, line + LABEL);
            let fits_above = above >= corner.1;
            let fits_below = below <= bottom;
            let baseline = if fits_above && (!fits_below || crowd(above, line) <= crowd(line, below)) {
                line - INSET
            } else {
                line + INSET + TEXT * CAPITAL
            };
            svg::text(out, (right - INSET, baseline), Anchor::End, TEXT, HALO, &reference.label);
        }
    }
}

fn labels(scale: &Scale) -> impl Iterator<Item = (f64, &str)> {
    scale.ticks.iter().filter_map(|tick| Some((tick.value, tick.label.as_deref()?)))
}

fn draw_line(out: &mut String, line: &Line, name: usize, place: impl Fn((f64, f64)) -> (f64, f64)) {
    let places: Vec<(String, String)> =
        line.points.iter().map(|&point| place(point)).map(|(x, y)| (px(x), px(y))).collect();
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{x},{y}")).collect();
    let _ = writeln!(
        out,
        r#"<polyline points="{}" fill="none" stroke-linejoin="round" {}/>"#,
        path.join(" "),
        stroke(name)
    );
    if places.len() <= DOTS {
        let colour = COLOURS[name % COLOURS.len()];
        for (x, y) in &places {
            let _ = writeln!(out, r#"<circle cx="{x}" cy="{y}" r="2.8" fill="{colour}"/>"#);
        }
    }
}

//! Legends: which colour belongs to which name.

use crate::colour::SERIES;
use crate::svg::{Anchor, Body, Point, TEXT, TextStyle};
use crate::text::{CAPITAL, width};

/// Number of dash patterns. It has no common divisor with the 7 colours, so 28 names differ.
const DASHES: usize = 4;
/// Height of a row.
const ROW: f64 = 20.0;
/// Length of a line sample, height of an area sample, and the gaps around the name.
const SAMPLE: f64 = 28.0;
const AREA: f64 = 11.0;
const BEFORE_NAME: f64 = 7.0;
const AFTER_NAME: f64 = 20.0;

/// How the sample of a name is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sample {
    Line,
    LineInBand,
    /// A band without a line.
    Area,
    /// A solid area.
    Bar,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    pub(crate) sample: Sample,
}

/// Returns the classes of the line of the `i`-th name.
pub(crate) fn stroke(i: usize) -> String {
    format!("rf-line rf-s{} rf-k{}", i % SERIES, i % DASHES)
}

/// Returns the class of areas of the `i`-th name.
pub(crate) fn fill(i: usize) -> String {
    format!("rf-f{}", i % SERIES)
}

/// Returns the names without repetitions, in order of first appearance.
pub(crate) fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

/// Legend entries in centred rows.
#[derive(Debug)]
pub(crate) struct Legend<'a> {
    across: f64,
    /// Each entry with its offset from the left and its row.
    placed: Vec<(Entry<'a>, f64, usize)>,
    rows: usize,
}

impl<'a> Legend<'a> {
    pub(crate) fn new(entries: impl Iterator<Item = Entry<'a>>, across: f64) -> Self {
        let mut placed: Vec<(Entry, f64, usize)> = Vec::new();
        let (mut x, mut row, mut ends) = (0.0, 0, Vec::new());
        for entry in entries {
            let room = (SAMPLE + BEFORE_NAME + width(entry.name, TEXT)).min(across);
            if x > 0.0 && x + room > across {
                ends.push(x - AFTER_NAME);
                (x, row) = (0.0, row + 1);
            }
            placed.push((entry, x, row));
            x += room + AFTER_NAME;
        }
        ends.push(x - AFTER_NAME);
        for (_, x, row) in &mut placed {
            *x += ((across - ends[*row]) / 2.0).max(0.0);
        }
        let rows = if placed.is_empty() { 0 } else { row + 1 };
        Self { across, placed, rows }
    }

    pub(crate) fn height(&self) -> f64 {
        self.rows as f64 * ROW
    }

    pub(crate) fn draw(&self, body: &mut Body, corner: Point) {
        let style = TextStyle::new(Anchor::Start, TEXT).within(self.across - SAMPLE - BEFORE_NAME);
        for (i, (entry, x, row)) in self.placed.iter().enumerate() {
            let (x, y) = (corner.0 + x, corner.1 + (*row as f64 + 0.5) * ROW);
            let area = ((x, y - AREA / 2.0), (SAMPLE, AREA));
            match entry.sample {
                Sample::Line => {}
                Sample::LineInBand | Sample::Area => {
                    body.rect(area.0, area.1, 0.0, &format!("rf-band {}", fill(i)));
                }
                Sample::Bar => body.rect(area.0, area.1, 0.0, &fill(i)),
            }
            if matches!(entry.sample, Sample::Line | Sample::LineInBand) {
                body.line((x, y), (x + SAMPLE, y), &stroke(i));
            }
            body.text((x + SAMPLE + BEFORE_NAME, y + TEXT * CAPITAL / 2.0), style, entry.name);
        }
    }
}

//! Heat maps.

use crate::axis::{FINITE, LARGEST};
use crate::error::{Error, Result};
use crate::picture::{MARGIN, Picture, Sheet, heading, heading_height, heading_width};
use crate::scale::{BAR_HEIGHT, BAR_WIDTH, Scale, SpecialCells, bar, without_value};
use crate::svg::{Anchor, Body, Point, SMALL, TEXT, TextStyle};
use crate::text::{CAPITAL, MONO, columns, cut, width};

/// Numbers in rows and columns, each as a coloured cell: units over steps, gates over a text. NaN means a missing
/// value: the cell has no colour and is crossed out.
#[derive(Debug, Clone, Default)]
pub struct Heatmap {
    title: String,
    description: String,
    x_label: String,
    y_label: String,
    scale: Option<Scale>,
    cell: Option<(f64, f64)>,
    rows: Vec<(String, Vec<f64>)>,
    columns: Vec<String>,
}

impl Heatmap {
    /// Creates a heat map without rows. An empty title takes no room.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Sets the text description for screen readers.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Sets the label of the columns.
    #[must_use]
    pub fn x_label(mut self, label: impl Into<String>) -> Self {
        self.x_label = label.into();
        self
    }

    /// Sets the label of the rows.
    #[must_use]
    pub fn y_label(mut self, label: impl Into<String>) -> Self {
        self.y_label = label.into();
        self
    }

    /// Sets the colour scale. By default it spans the smallest to the largest number.
    #[must_use]
    pub fn scale(mut self, scale: Scale) -> Self {
        self.scale = Some(scale);
        self
    }

    /// Sets a cell's width and height in pixels, each 1 to 200. By default they follow from the number of cells.
    #[must_use]
    pub fn cell_size(mut self, width: f64, height: f64) -> Self {
        self.cell = Some((width, height));
        self
    }

    /// Adds a row below the others. All rows must have the same number of cells.
    #[must_use]
    pub fn row(mut self, label: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        self.rows.push((label.into(), values.into_iter().collect()));
        self
    }

    /// Sets the label of every column. Single characters, such as those of a text, are printed upright; pass a
    /// space or a line break as it should look. Longer labels are rotated. Without labels, columns are numbered
    /// from 0.
    #[must_use]
    pub fn columns(mut self, labels: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.columns = labels.into_iter().map(Into::into).collect();
        self
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.rows.iter().flat_map(|(_, values)| values.iter().copied())
    }

    /// Checks that everything fits together and returns the number of columns.
    fn check(&self) -> Result<usize> {
        let picture = || self.title.clone();
        let Some((_, first)) = self.rows.first() else {
            return Err(Error::Empty { picture: picture(), what: "row" });
        };
        if first.is_empty() {
            return Err(Error::Empty { picture: picture(), what: "column" });
        }
        let count = |place: String, what, got| {
            let fits = got == first.len();
            let error = || Error::Count { picture: picture(), place, what, got, expected: first.len() };
            if fits { Ok(()) } else { Err(error()) }
        };
        if !self.columns.is_empty() {
            count("the list of columns".to_owned(), "labels", self.columns.len())?;
        }
        for (i, (label, values)) in self.rows.iter().enumerate() {
            count(format!("row {i} ({label:?})"), "cells", values.len())?;
            let bad = values.iter().position(|value| value.abs() > LARGEST);
            if let Some(column) = bad {
                let place = format!("the cell in row {i} ({label:?}), column {column},");
                return Err(Error::Number {
                    picture: picture(),
                    place,
                    value: values[column],
                    expected: FINITE,
                });
            }
        }
        Ok(first.len())
    }

    /// Returns a cell's width and height.
    fn cell(&self, columns: usize, upright: bool) -> Result<(f64, f64)> {
        if let Some((width, height)) = self.cell {
            if (1.0..=200.0).contains(&width) && (1.0..=200.0).contains(&height) {
                return Ok((width, height));
            }
            return Err(Error::Setting {
                picture: self.title.clone(),
                setting: "cell_size",
                got: format!("{width} × {height}"),
                expected: "1 to 200 pixels each way",
            });
        }
        let fill =
            |room: f64, count: usize, least: f64, most: f64| (room / count as f64).floor().clamp(least, most);
        let least = if upright { LETTER } else { 2.0 };
        Ok((fill(WIDTH, columns, least, 28.0), fill(HEIGHT, self.rows.len(), 2.0, 22.0)))
    }
}

/// The size that all cells share, unless that makes each too small.
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 480.0;
/// Minimum width of a cell with a letter below it.
const LETTER: f64 = 7.0;
/// Gap between the cells and their labels.
const GAP: f64 = 6.0;
/// Maximum room for a row's label, and for a rotated column label.
const ROW_LABEL: f64 = 150.0;
const COLUMN_LABEL: f64 = 90.0;
/// Minimum gap between two numbers below the columns.
const NUMBER_SPACING: f64 = 34.0;
/// Room that a line of text takes across its direction.
const LINE: f64 = TEXT + 2.0;

/// The labels below the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Below {
    Numbers,
    Letters,
    OnEnd,
}

impl Picture for Heatmap {
    fn draw(&self) -> Result<Sheet> {
        let count = self.check()?;
        let scale = Scale::checked(self.scale.as_ref(), &self.title, self.values())?;
        let below = match self.columns.iter().map(|label| columns(label)).max() {
            None => Below::Numbers,
            Some(0..=1) => Below::Letters,
            Some(_) => Below::OnEnd,
        };
        let cell = self.cell(count, below == Below::Letters)?;
        let labels = self.rows.iter().map(|(label, _)| width(label, TEXT));
        let label_room = labels.fold(0.0, f64::max).min(ROW_LABEL);
        let beside = if self.y_label.is_empty() { 0.0 } else { LINE + GAP };
        let left = MARGIN + beside + label_room + GAP;
        let top = MARGIN + heading_height(&self.title);
        let map = (cell.0 * count as f64, cell.1 * self.rows.len() as f64);
        let mut body = Body::new();
        let place = Map { corner: (left.ceil(), top), cell, size: map };
        self.cells(&mut body, &scale, &place);
        self.row_labels(&mut body, &place, label_room);
        let mut bottom = top + map.1 + self.column_labels(&mut body, &place, below);
        let middle = (place.corner.0 + map.0 / 2.0, top + map.1 / 2.0);
        let own = place.corner.0 - MARGIN + map.0.max(BAR_WIDTH);
        let across = own.max(heading_width(&self.title));
        if !self.x_label.is_empty() {
            let style = TextStyle::new(Anchor::Middle, TEXT);
            let room = 2.0 * (middle.0 - MARGIN).min(MARGIN + across - middle.0);
            body.text((middle.0, bottom + TEXT), style.within(room), &self.x_label);
            bottom += LINE;
        }
        if !self.y_label.is_empty() {
            let style = TextStyle::new(Anchor::Middle, TEXT).turned();
            body.text((MARGIN + TEXT, middle.1), style.within(map.1.max(60.0)), &self.y_label);
        }
        bottom += LINE;
        bar(&mut body, (place.corner.0, bottom), &scale, SpecialCells::new(&scale, self.values()));
        heading(&mut body, &self.title, across);
        let size = (across + 2.0 * MARGIN, bottom + BAR_HEIGHT + MARGIN);
        Ok(Sheet::new(&self.title, &self.description, size, body))
    }
}

/// Where the cells are drawn.
struct Map {
    corner: Point,
    cell: (f64, f64),
    size: (f64, f64),
}

impl Heatmap {
    /// Draws the cells: neighbours of one class as one rectangle, each class as one element.
    fn cells(&self, body: &mut Body, scale: &Scale, map: &Map) {
        let mut classes = vec![Vec::new(); scale.classes()];
        let mut none = Vec::new();
        for (row, (_, values)) in self.rows.iter().enumerate() {
            let y = map.corner.1 + map.cell.1 * row as f64;
            let mut column = 0;
            for run in values.chunk_by(|a, b| scale.class(*a) == scale.class(*b)) {
                let x = |column: usize| map.corner.0 + map.cell.0 * column as f64;
                match scale.class(run[0]) {
                    Some(class) => {
                        classes[class].push(((x(column), y), (map.cell.0 * run.len() as f64, map.cell.1)))
                    }
                    None => {
                        none.extend((column..column + run.len()).map(|c| without_value((x(c), y), map.cell)))
                    }
                }
                column += run.len();
            }
        }
        for (class, rects) in classes.iter().enumerate() {
            body.rects(rects, &format!("rf-cells rf-{}", scale.name(class)));
        }
        body.strokes(&none, "rf-none");
        body.rect(map.corner, map.size, 0.0, "rf-frame");
    }

    fn row_labels(&self, body: &mut Body, map: &Map, room: f64) {
        let stride = (LINE / map.cell.1).ceil() as usize;
        let style = TextStyle::new(Anchor::End, TEXT).within(room);
        for (row, (label, _)) in self.rows.iter().enumerate().step_by(stride) {
            let y = map.corner.1 + map.cell.1 * (row as f64 + 0.5) + TEXT * CAPITAL / 2.0;
            body.text((map.corner.0 - GAP, y), style, label);
        }
    }

    /// Draws the column labels and returns the height they take.
    fn column_labels(&self, body: &mut Body, map: &Map, below: Below) -> f64 {
        let count = (map.size.0 / map.cell.0).round() as usize;
        let bottom = map.corner.1 + map.size.1;
        let middle = |column: usize| map.corner.0 + map.cell.0 * (column as f64 + 0.5);
        match below {
            Below::Numbers => {
                let stride = round_stride(NUMBER_SPACING / map.cell.0);
                for column in (0..count).step_by(stride) {
                    let style = TextStyle::new(Anchor::Middle, TEXT);
                    body.text((middle(column), bottom + GAP + TEXT), style, &column.to_string());
                }
                2.0 * GAP + TEXT
            }
            Below::Letters => {
                let size = (map.cell.0 / MONO).min(TEXT + 1.0);
                // Text below 5 pixels is unreadable.
                let stride = if size < 5.0 { (5.0 / size).ceil() as usize } else { 1 };
                let size = size.max(5.0);
                for (column, label) in self.columns.iter().enumerate().step_by(stride) {
                    if !label.trim().is_empty() {
                        body.over((middle(column), bottom + GAP + size * 0.8), size, "", label);
                    }
                }
                2.0 * GAP + size
            }
            Below::OnEnd => {
                let style = TextStyle::new(Anchor::End, SMALL).turned().within(COLUMN_LABEL);
                let stride = ((SMALL + 1.5) / map.cell.0).ceil() as usize;
                let mut longest: f64 = 0.0;
                for (column, label) in self.columns.iter().enumerate().step_by(stride) {
                    let shown = cut(label, COLUMN_LABEL, |text| style.width(text));
                    longest = longest.max(style.width(shown.as_deref().unwrap_or(label)));
                    body.text((middle(column) + SMALL * CAPITAL / 2.0, bottom + GAP), style, label);
                }
                2.0 * GAP + longest
            }
        }
    }
}

/// Returns the first of 1, 2, 5, 10, 20, … that is at least `least`.
fn round_stride(least: f64) -> usize {
    let mut power = 1;
    loop {
        if let Some(stride) = [1, 2, 5].into_iter().map(|m| m * power).find(|stride| *stride as f64 >= least)
        {
            return stride;
        }
        power *= 10;
    }
}

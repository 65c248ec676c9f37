//! Text with background colours that show a number for each character or word.

use crate::axis::{FINITE, LARGEST};
use crate::error::{Error, Result};
use crate::picture::{MARGIN, Picture, Sheet, heading, heading_height, heading_width};
use crate::scale::{BAR_HEIGHT, BAR_WIDTH, Scale, SpecialCells, bar, without_value};
use crate::svg::{Body, Point};
use crate::text::{MONO, columns};

/// A text whose characters or words have coloured backgrounds, after Karpathy, Johnson & Fei-Fei (2015),
/// "Visualizing and Understanding Recurrent Networks". NaN means a missing value: the cell has no background and is
/// crossed out.
#[derive(Debug, Clone)]
pub struct TextMap {
    title: String,
    description: String,
    scale: Option<Scale>,
    width: usize,
    items: Vec<Item>,
}

#[derive(Debug, Clone)]
enum Item {
    Cell(String, f64),
    EndLine,
}

/// A cell with its position, counted in characters and lines.
struct Placed<'a> {
    text: &'a str,
    value: f64,
    column: usize,
    line: usize,
    wide: usize,
}

/// Default characters per line.
const COLUMNS: usize = 90;
/// Allowed characters per line.
const WIDTHS: std::ops::RangeInclusive<usize> = 1..=1000;

impl TextMap {
    /// Creates a text map without cells. An empty title takes no room.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            description: String::new(),
            scale: None,
            width: COLUMNS,
            items: Vec::new(),
        }
    }

    /// Sets the text description for screen readers.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Sets the colour scale. By default it spans the smallest to the largest number.
    #[must_use]
    pub fn scale(mut self, scale: Scale) -> Self {
        self.scale = Some(scale);
        self
    }

    /// Sets the characters per line, 1 to 1000, 90 by default. A cell that does not fit begins the next line. A cell
    /// longer than a line makes the picture wider.
    #[must_use]
    pub fn width(mut self, characters: usize) -> Self {
        self.width = characters;
        self
    }

    /// Adds a character or a word with its number. Pass unprintable characters, such as a line break, as they
    /// should look.
    #[must_use]
    pub fn cell(mut self, text: impl Into<String>, value: f64) -> Self {
        self.items.push(Item::Cell(text.into(), value));
        self
    }

    /// Adds several cells.
    #[must_use]
    pub fn cells<T: Into<String>>(self, cells: impl IntoIterator<Item = (T, f64)>) -> Self {
        cells.into_iter().fold(self, |map, (text, value)| map.cell(text, value))
    }

    /// Ends the line, where the text itself has a line break. Calling it twice leaves an empty line.
    #[must_use]
    pub fn end_line(mut self) -> Self {
        self.items.push(Item::EndLine);
        self
    }

    fn given(&self) -> impl Iterator<Item = (&str, f64)> {
        self.items.iter().filter_map(|item| match item {
            Item::Cell(text, value) => Some((text.as_str(), *value)),
            Item::EndLine => None,
        })
    }

    fn check(&self) -> Result<()> {
        let picture = || self.title.clone();
        if self.given().next().is_none() {
            return Err(Error::Empty { picture: picture(), what: "cell" });
        }
        if !WIDTHS.contains(&self.width) {
            let (got, expected) = (self.width.to_string(), "1 to 1000 characters");
            return Err(Error::Setting { picture: picture(), setting: "width", got, expected });
        }
        match self.given().enumerate().find(|(_, (_, value))| value.abs() > LARGEST) {
            None => Ok(()),
            Some((i, (text, value))) => {
                let place = format!("cell {i} ({text:?})");
                Err(Error::Number { picture: picture(), place, value, expected: FINITE })
            }
        }
    }

    /// Returns the cells with their positions.
    fn placed(&self) -> Vec<Placed<'_>> {
        let mut placed = Vec::new();
        let (mut column, mut line) = (0, 0);
        for item in &self.items {
            match item {
                Item::EndLine => (column, line) = (0, line + 1),
                Item::Cell(text, value) => {
                    let wide = columns(text).max(1);
                    if column > 0 && column + wide > self.width {
                        (column, line) = (0, line + 1);
                    }
                    placed.push(Placed { text, value: *value, column, line, wide });
                    column += wide;
                }
            }
        }
        placed
    }
}

/// Font size, height of the backgrounds, and line height.
const SIZE: f64 = 13.0;
const GROUND: f64 = 18.0;
const LINE: f64 = 21.0;
/// Width of a character: whole pixels, so that backgrounds meet.
const COLUMN: f64 = 8.0;
const _: () = assert!(COLUMN >= MONO * SIZE, "letters have room");
/// Baseline of the letters, from the top of their background.
const BASELINE: f64 = 13.5;
/// Gap between the text and the colour bar.
const GAP: f64 = 12.0;

impl Picture for TextMap {
    fn draw(&self) -> Result<Sheet> {
        self.check()?;
        let values = || self.given().map(|cell| cell.1);
        let scale = Scale::checked(self.scale.as_ref(), &self.title, values())?;
        let cells = self.placed();
        let longest = cells.iter().map(|cell| cell.column + cell.wide).max().expect("there is a cell");
        let lines = cells.last().expect("there is a cell").line + 1;
        let across = (COLUMN * longest as f64).max(BAR_WIDTH).max(heading_width(&self.title));
        let top = MARGIN + heading_height(&self.title);
        let bottom = top + LINE * lines as f64 + GAP;
        let mut body = Body::new();
        heading(&mut body, &self.title, across);
        draw_cells(&mut body, &cells, &scale, top);
        bar(&mut body, (MARGIN, bottom), &scale, SpecialCells::new(&scale, values()));
        let size = (across + 2.0 * MARGIN, bottom + BAR_HEIGHT + MARGIN);
        Ok(Sheet::new(&self.title, &self.description, size, body))
    }
}

/// Draws the backgrounds, each class as one element, and the letters over them.
fn draw_cells(body: &mut Body, cells: &[Placed<'_>], scale: &Scale, top: f64) {
    let corner = |cell: &Placed<'_>| -> Point {
        (MARGIN + COLUMN * cell.column as f64, top + LINE * cell.line as f64)
    };
    let mut classes = vec![Vec::new(); scale.classes()];
    let mut none = Vec::new();
    for cell in cells {
        let (at, size) = (corner(cell), (COLUMN * cell.wide as f64, GROUND));
        match scale.class(cell.value) {
            Some(class) => classes[class].push((at, size)),
            None => none.push(without_value(at, size)),
        }
    }
    for (class, rects) in classes.iter().enumerate() {
        body.rects(rects, &format!("rf-cells rf-{}", scale.name(class)));
    }
    body.strokes(&none, "rf-none");
    for cell in cells.iter().filter(|cell| !cell.text.trim().is_empty()) {
        let (x, y) = corner(cell);
        let class = scale.class(cell.value).map(|class| format!(" rf-over rf-o{}", scale.name(class)));
        let at = (x + COLUMN * cell.wide as f64 / 2.0, y + BASELINE);
        body.over(at, SIZE, &class.unwrap_or_default(), cell.text);
    }
}

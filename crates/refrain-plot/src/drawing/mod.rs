//! Boxes and arrows: the builder. `layout` draws them.

mod layout;

use crate::error::Result;
use crate::picture::{Picture, Sheet};

/// Boxes on a grid with arrows between them: a network, folded or unrolled through time.
#[derive(Debug, Clone, Default)]
pub struct Drawing {
    title: String,
    description: String,
    blocks: Vec<(String, Block)>,
    arrows: Vec<Arrow>,
    notes: Vec<(f64, f64, String)>,
}

impl Drawing {
    /// Creates a drawing without blocks. An empty title takes no room.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Sets the text description for screen readers.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Adds a block. Arrows refer to it by its key.
    #[must_use]
    pub fn block(mut self, key: impl Into<String>, block: Block) -> Self {
        self.blocks.push((key.into(), block));
        self
    }

    /// Adds an arrow. Straight arrows between the same two blocks run side by side, in the order they are added.
    #[must_use]
    pub fn arrow(mut self, arrow: Arrow) -> Self {
        self.arrows.push(arrow);
        self
    }

    /// Adds a text of one or more lines, centred at a grid position.
    #[must_use]
    pub fn note(mut self, x: f64, y: f64, text: impl Into<String>) -> Self {
        self.notes.push((x, y, text.into()));
        self
    }
}

impl Picture for Drawing {
    fn draw(&self) -> Result<Sheet> {
        layout::draw(self)
    }
}

/// A box with lines of text. Its position is in grid steps, to the right and **up**, as in a chart. The step length
/// follows from the largest box.
#[derive(Debug, Clone)]
pub struct Block {
    role: Role,
    lines: Vec<String>,
    x: f64,
    y: f64,
}

impl Block {
    /// Creates a block with a name, printed in bold.
    pub fn new(role: Role, name: impl Into<String>, x: f64, y: f64) -> Self {
        Self { role, lines: vec![name.into()], x, y }
    }

    /// Adds a line of text below the others.
    #[must_use]
    pub fn line(mut self, text: impl Into<String>) -> Self {
        self.lines.push(text.into());
        self
    }
}

/// What a block represents. Each role has a colour, and a shape that distinguishes it without the colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// An input: round ends.
    Input,
    /// A recurrent layer: a thick border.
    Recurrent,
    /// A dense layer: square corners.
    Dense,
    /// A state: a dashed border.
    State,
    /// A loss: a hexagon.
    Loss,
    /// Anything else: a thin border.
    Other,
    /// Text without a border, such as "…" for omitted steps.
    Text,
}

/// An arrow from a block to another block or to itself.
#[derive(Debug, Clone)]
pub struct Arrow {
    from: String,
    to: String,
    label: String,
    dashed: bool,
    shared: bool,
    bend: Bend,
}

impl Arrow {
    /// Creates a straight arrow between the blocks with these keys.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self {
            from: from.into(),
            to: to.into(),
            label: String::new(),
            dashed: false,
            shared: false,
            bend: Bend::None,
        }
    }

    /// Sets the text next to the arrow.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Makes the arrow dashed.
    #[must_use]
    pub fn dashed(mut self) -> Self {
        self.dashed = true;
        self
    }

    /// Marks the arrow as one of several with the same weights: a thick dotted line, explained below the drawing.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// Makes the arrow turn once.
    #[must_use]
    pub fn bend(mut self, bend: Bend) -> Self {
        self.bend = bend;
        self
    }
}

/// How an arrow bends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Bend {
    /// Straight.
    #[default]
    None,
    /// First left or right, then up or down.
    HorizontalFirst,
    /// First up or down, then left or right.
    VerticalFirst,
}

//! Boxes and arrows: what the caller says. `layout` draws it.

mod layout;

use crate::error::Result;
use crate::picture::{Picture, Sheet};

/// Boxes on a grid with arrows between them: a network, unrolled through time or not.
#[derive(Debug, Clone, Default)]
pub struct Drawing {
    title: String,
    description: String,
    blocks: Vec<(String, Block)>,
    arrows: Vec<Arrow>,
    notes: Vec<(f64, f64, String)>,
}

impl Drawing {
    /// A drawing without blocks. An empty title takes no room.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Says in words what it shows, for those who do not see it.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Adds a block; arrows know it by its key.
    #[must_use]
    pub fn block(mut self, key: impl Into<String>, block: Block) -> Self {
        self.blocks.push((key.into(), block));
        self
    }

    /// Adds an arrow. Straight arrows between the same two blocks run side by side, in the order in which they come.
    #[must_use]
    pub fn arrow(mut self, arrow: Arrow) -> Self {
        self.arrows.push(arrow);
        self
    }

    /// Adds a text of one or several lines, centred at a place of the grid.
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

/// A box with lines of text. Its place is in steps of the grid, to the right and **up**, as in a chart; the steps are
/// as long as the largest box needs.
#[derive(Debug, Clone)]
pub struct Block {
    role: Role,
    lines: Vec<String>,
    x: f64,
    y: f64,
}

impl Block {
    /// A block with a name, which is bold.
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

/// What a block is. Each role has a colour, and a shape that is told apart without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// What comes in: round ends.
    Input,
    /// A recurrent layer: a thick border.
    Recurrent,
    /// A dense layer: square corners.
    Dense,
    /// A state: a dashed border.
    State,
    /// What is minimised: a hexagon.
    Loss,
    /// Anything else: a thin border.
    Other,
    /// Text without a border, such as "…" for steps that are left out.
    Bare,
}

/// An arrow from a block to another one, or to itself.
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
    /// A straight arrow between the blocks of two keys.
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

    /// Sets the text beside it.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Makes it dashed.
    #[must_use]
    pub fn dashed(mut self) -> Self {
        self.dashed = true;
        self
    }

    /// Marks it as one of several with the same weights: thick dots, which the drawing explains.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// Lets it turn once.
    #[must_use]
    pub fn bend(mut self, bend: Bend) -> Self {
        self.bend = bend;
        self
    }
}

/// How an arrow turns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Bend {
    /// Not at all.
    #[default]
    None,
    /// First to the left or right, then up or down.
    AcrossFirst,
    /// First up or down, then to the left or right.
    UprightFirst,
}

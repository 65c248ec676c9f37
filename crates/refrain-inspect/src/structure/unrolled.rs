//! Drawing a chain of layers at each of its steps.

use super::graph::role;
use super::{LayerBox, Structure};
use refrain_plot::{Arrow, Block, Drawing, Role};

/// The steps drawn, with their horizontal positions; the steps between the third and the last are left out.
const STEPS: [(&str, f64); 4] = [("1", 0.0), ("2", 1.0), ("3", 2.0), ("T", 4.0)];
const SMALL: [&str; 4] = ["₁", "₂", "₃", "_T"];
const BETWEEN: f64 = 3.0;
const LAST: usize = STEPS.len() - 1;
/// The position of the weights' shapes.
const NOTES: f64 = 5.6;
/// The maximum number of layers drawn; of more, those in the middle are left out.
const MAX_LAYERS: usize = 6;
const FIRST: usize = 3;

/// Why a model cannot be drawn unrolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotUnrolled {
    NoMemory,
    NotAChain,
}

impl Structure {
    /// Draws the network over the steps 1, 2, 3, … T: each layer at each step, the states between them, and the
    /// loss on top. `None` if the model has no recurrent layer or is not a chain of layers. Layers that only act in
    /// training, such as dropout, are left out.
    pub fn unrolled(&self) -> Option<Drawing> {
        let chain = self.chain().ok()?;
        let mut canvas = Canvas::new();
        canvas.inputs(self.inputs[0].steps, &self.inputs[0].shape);
        let cut = chain.len() > MAX_LAYERS;
        let last = chain.len().saturating_sub(MAX_LAYERS - FIRST);
        for (i, layer) in chain.iter().enumerate() {
            if cut && (FIRST..last).contains(&i) {
                if i == FIRST {
                    canvas.left_out(last - FIRST);
                }
                // Its boxes are not drawn, but its output steps determine what the next layer reads.
                canvas.from = ends(layer);
                canvas.shape.clone_from(&layer.shape);
                continue;
            }
            canvas.layer(layer);
        }
        canvas.loss();
        Some(canvas.drawing)
    }

    /// Returns the layers that transform their input, if each layer reads the one before it.
    pub(super) fn chain(&self) -> Result<Vec<&LayerBox>, NotUnrolled> {
        if self.layers.iter().all(|layer| layer.memory.is_none()) {
            return Err(NotUnrolled::NoMemory);
        }
        let follows = |(i, layer): (usize, &LayerBox)| {
            layer.reads.len() == 1 && layer.reads[0] == self.inputs.len() + i - 1
        };
        let one = self.inputs.len() == 1 && self.outputs == [self.layers.len()];
        if !one || !self.layers.iter().enumerate().all(follows) {
            return Err(NotUnrolled::NotAChain);
        }
        Ok(self.layers.iter().filter(|layer| !passes_on(layer)).collect())
    }
}

/// Returns whether a layer passes its input through unchanged, except in training.
pub(super) fn passes_on(layer: &LayerBox) -> bool {
    matches!(layer.class_name.as_str(), "Dropout" | "SpatialDropout1D" | "ActivityPenalty" | "Masking")
}

/// Returns the steps at which a layer has an output.
fn ends(layer: &LayerBox) -> Vec<usize> {
    match layer.memory {
        _ if layer.steps => (0..STEPS.len()).collect(),
        Some(memory) => {
            let backwards = memory.backwards.then_some(0);
            backwards.into_iter().chain(memory.forwards.then_some(LAST)).collect()
        }
        None => vec![LAST],
    }
}

struct Canvas {
    drawing: Drawing,
    /// The row drawn last, from 0.
    row: usize,
    /// The steps at which it has an output, and the output's shape.
    from: Vec<usize>,
    shape: String,
}

fn key(row: usize, step: usize) -> String {
    format!("{row}/{step}")
}

impl Canvas {
    fn new() -> Self {
        let drawing = Drawing::new("The network, unrolled through time").description(
            "Each layer is drawn once per step, always with the same weights; states pass from step to step.",
        );
        Self { drawing, row: 0, from: Vec::new(), shape: String::new() }
    }

    fn block(&mut self, key: String, block: Block) {
        self.drawing = std::mem::take(&mut self.drawing).block(key, block);
    }

    fn arrow(&mut self, arrow: Arrow) {
        self.drawing = std::mem::take(&mut self.drawing).arrow(arrow);
    }

    fn note(&mut self, y: f64, text: String) {
        self.drawing = std::mem::take(&mut self.drawing).note(NOTES, y, text);
    }

    fn inputs(&mut self, steps: bool, shape: &str) {
        let shown = if steps { 0..STEPS.len() } else { LAST..LAST + 1 };
        for step in shown.clone() {
            let name = if steps { format!("x{}", SMALL[step]) } else { "x".to_owned() };
            self.block(key(0, step), Block::new(Role::Input, name, STEPS[step].1, 0.0));
        }
        if steps {
            self.block(key(0, 99), Block::new(Role::Text, "…", BETWEEN, 0.0));
        }
        self.note(0.0, format!("input {shape}"));
        self.shape = shape.to_owned();
        self.from = shown.collect();
    }

    fn layer(&mut self, layer: &LayerBox) {
        let below = self.row;
        self.row += 1;
        let y = self.row as f64;
        let reads = std::mem::take(&mut self.from);
        let here: Vec<usize> =
            if layer.steps || layer.memory.is_some() { (0..STEPS.len()).collect() } else { vec![LAST] };
        for &step in &here {
            let block = Block::new(role(layer), &layer.name, STEPS[step].1, y).line(&layer.class_name);
            self.block(key(self.row, step), block);
            let same = reads.len() == STEPS.len() && here.len() == STEPS.len();
            for &from in reads.iter().filter(|&&from| !same || from == step) {
                let arrow = Arrow::new(key(below, from), key(self.row, step));
                self.arrow(if layer.weights.is_empty() { arrow } else { arrow.shared() });
            }
        }
        if here.len() > 1 {
            self.block(key(self.row, 99), Block::new(Role::Text, "…", BETWEEN, y));
        }
        self.states(layer, y);
        self.note(y, format!("{} → {}", self.shape, in_words(layer)));
        self.shape.clone_from(&layer.shape);
        self.from = ends(layer);
    }

    /// Draws the states that a layer carries, from the initial one to the last step.
    fn states(&mut self, layer: &LayerBox, y: f64) {
        let Some(memory) = layer.memory else { return };
        let names: &[&str] = if memory.cell_state { &["h", "c"] } else { &["h"] };
        let row = self.row;
        let way = [0, 1, 2, 99, LAST];
        let mut carry = |from: String, to: String, label: bool| {
            for (i, name) in names.iter().enumerate() {
                let arrow = Arrow::new(&from, &to);
                let arrow = if label { arrow.label(*name) } else { arrow };
                // The recurrent weights apply to h; c is only gated.
                self.arrow(if i == 0 { arrow.shared() } else { arrow });
            }
        };
        for pair in way.windows(2) {
            let label = pair[0] < 2;
            if memory.forwards {
                carry(key(row, pair[0]), key(row, pair[1]), label);
            }
            if memory.backwards {
                carry(key(row, pair[1]), key(row, pair[0]), label);
            }
        }
        let start = names.iter().map(|name| format!("{name}₀")).collect::<Vec<_>>().join(", ");
        if memory.forwards {
            self.block(key(row, 100), Block::new(Role::State, &start, -1.0, y));
            self.arrow(Arrow::new(key(row, 100), key(row, 0)).shared());
        } else {
            self.block(key(row, 100), Block::new(Role::State, &start, BETWEEN + 1.0, y + 0.5));
            self.arrow(Arrow::new(key(row, 100), key(row, LAST)).shared());
        }
    }

    fn left_out(&mut self, count: usize) {
        let below = self.row;
        self.row += 1;
        let text = format!("… {count} more layers");
        for (step, (_, x)) in STEPS.into_iter().enumerate() {
            let block = Block::new(Role::Text, if step == 1 { &text } else { "⋮" }, x, self.row as f64);
            self.block(key(self.row, step), block);
        }
        for from in std::mem::take(&mut self.from) {
            self.arrow(Arrow::new(key(below, from), key(self.row, from)).dashed());
        }
    }

    /// Draws the loss on top of every output.
    fn loss(&mut self) {
        let below = self.row;
        self.row += 1;
        let steps = self.from.clone();
        // Both ends of a bidirectional layer make one output.
        let at: Vec<usize> = if steps.len() < STEPS.len() { vec![LAST] } else { steps.clone() };
        for &step in &at {
            let name = if at.len() == 1 { "loss".to_owned() } else { format!("L{}", SMALL[step]) };
            self.block(key(self.row, step), Block::new(Role::Loss, name, STEPS[step].1, self.row as f64));
            for &from in steps.iter().filter(|&&from| at.len() == 1 || from == step) {
                self.arrow(Arrow::new(key(below, from), key(self.row, step)));
            }
        }
        if at.len() > 1 {
            self.note(self.row as f64, "the loss is the mean\nover steps and sequences".to_owned());
        }
    }
}

/// Returns a layer's output shape and the shapes of its weights.
fn in_words(layer: &LayerBox) -> String {
    let mut lines = vec![layer.shape.clone()];
    let both = layer.memory.is_some_and(|memory| memory.forwards && memory.backwards);
    for (name, shape) in &layer.weights {
        if both && name.starts_with("backward_") {
            continue;
        }
        let name = name.rsplit('/').next().unwrap_or(name);
        let shape: Vec<_> = shape.iter().map(ToString::to_string).collect();
        lines.push(format!("{name} ({})", shape.join(", ")));
    }
    if both {
        lines.push("each direction".to_owned());
    }
    lines.join("\n")
}

//! One step of a recurrent cell, gate by gate.

use refrain_plot::{Arrow, Block, Drawing, Role};
use serde::Serialize;
use serde_json::Value;

/// The cell of a recurrent layer, as the layer's settings describe it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// Its kind: `SimpleRNN`, `LSTM` or `GRU`.
    pub kind: String,
    /// The activation of its candidate, such as `tanh`.
    pub activation: String,
    /// The activation of its gates; a SimpleRNN has none.
    pub recurrent_activation: Option<String>,
    /// Whether a GRU applies its reset gate after the matrix product.
    pub reset_after: bool,
}

impl Cell {
    /// Returns the cell of a layer, or of the layer inside a bidirectional one.
    pub(super) fn of(class_name: &str, config: &Value) -> Option<Self> {
        if class_name == "Bidirectional" {
            let inner = config.pointer("/layer")?;
            let class_name = inner.get("class_name")?.as_str()?;
            return Self::of(class_name, inner.get("config")?);
        }
        if !matches!(class_name, "SimpleRNN" | "LSTM" | "GRU") {
            return None;
        }
        let setting = |name: &str| config.get("cell")?.get(name);
        let text = |name: &str| setting(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            kind: class_name.to_owned(),
            activation: text("activation")?,
            recurrent_activation: text("recurrent_activation"),
            reset_after: setting("reset_after").and_then(Value::as_bool).unwrap_or(false),
        })
    }

    /// Draws one step: what a cell computes from its input and the state of the step before.
    pub fn drawing(&self) -> Drawing {
        match self.kind.as_str() {
            "LSTM" => self.lstm(),
            "GRU" => self.gru(),
            _ => self.simple_rnn(),
        }
    }

    /// How to read the drawing.
    pub(super) fn reading(&self) -> &'static str {
        match self.kind.as_str() {
            "LSTM" => {
                "The cell state c runs along the top and meets only a product and a sum, with no weights on its way. \
                 Each gate is a number from 0 (closed) to 1 (open) per unit."
            }
            "GRU" => {
                "The hidden state h runs along the top. The update gate z mixes it with the candidate: at 1 the unit \
                 keeps its state, at 0 it takes the candidate."
            }
            _ => {
                "The new state is one function of the input and of the state before; the same weights at each step."
            }
        }
    }

    fn simple_rnn(&self) -> Drawing {
        let function = Block::new(Role::Recurrent, "hidden state", 1.0, 0.0)
            .line(format!("{}(xₜ·W + hₜ₋₁·U + b)", self.activation));
        Drawing::new("A SimpleRNN cell")
            .description("The input and the state before enter one function, whose value is the new state.")
            .block("h", Block::new(Role::State, "hₜ₋₁", 0.0, 0.0))
            .block("x", Block::new(Role::Input, "xₜ", 1.0, -1.0))
            .block("f", function)
            .block("out", Block::new(Role::State, "hₜ", 2.0, 0.0))
            .arrow(Arrow::new("h", "f").shared())
            .arrow(Arrow::new("x", "f").shared())
            .arrow(Arrow::new("f", "out"))
    }

    /// A gate or candidate, which reads the input and the state before.
    fn gate(&self, name: &str, letter: &str, x: f64) -> Block {
        let function = self.recurrent_activation.as_deref().unwrap_or("sigmoid");
        Block::new(Role::Recurrent, name, x, 1.0).line(format!("{letter} = {function}(…)"))
    }

    fn candidate(&self, letter: &str, of: &str, x: f64) -> Block {
        let function = format!("{letter} = {}({of})", self.activation);
        Block::new(Role::Recurrent, "candidate", x, 1.0).line(function)
    }

    fn lstm(&self) -> Drawing {
        let gates = ["f", "i", "g", "o"];
        let drawing = Drawing::new("An LSTM cell")
            .description(
                "Four functions of the input and the hidden state before: forget gate, input gate, candidate and \
                 output gate. The cell state is multiplied by the forget gate, the candidate times the input gate is \
                 added, and the output gate decides what of it becomes the hidden state.",
            )
            .block("c", Block::new(Role::State, "cₜ₋₁", 0.0, 3.0))
            .block("keep", Block::new(Role::Other, "× f", 1.0, 3.0))
            .block("sum", Block::new(Role::Other, "+", 2.5, 3.0))
            .block("c_out", Block::new(Role::State, "cₜ", 4.0, 3.0))
            .block("write", Block::new(Role::Other, "i × g", 2.5, 2.0))
            .block("read", Block::new(Role::Other, format!("o × {}(cₜ)", self.activation), 4.0, 2.0))
            .block("h_out", Block::new(Role::State, "hₜ", 5.0, 2.0))
            .block("f", self.gate("forget gate", "f", 1.0))
            .block("i", self.gate("input gate", "i", 2.0))
            .block("g", self.candidate("g", "…", 3.0))
            .block("o", self.gate("output gate", "o", 4.0));
        let drawing = [
            ("c", "keep"),
            ("f", "keep"),
            ("keep", "sum"),
            ("i", "write"),
            ("g", "write"),
            ("write", "sum"),
            ("sum", "c_out"),
            ("c_out", "read"),
            ("o", "read"),
            ("read", "h_out"),
        ]
        .into_iter()
        .fold(drawing, |drawing, (from, to)| drawing.arrow(Arrow::new(from, to)));
        inputs(drawing, 2.5, &gates)
    }

    fn gru(&self) -> Drawing {
        let of = if self.reset_after {
            "xₜ·W + r × (hₜ₋₁·U)"
        } else {
            "xₜ·W + (r × hₜ₋₁)·U"
        };
        let drawing = Drawing::new("A GRU cell")
            .description(
                "Three functions of the input and the hidden state before: update gate, reset gate and candidate. The \
                 new state is the state before times the update gate, plus the candidate times one minus the update \
                 gate. The reset gate decides how much of the state before enters the candidate.",
            )
            .block("h", Block::new(Role::State, "hₜ₋₁", 0.0, 3.0))
            .block("keep", Block::new(Role::Other, "× z", 1.0, 3.0))
            .block("sum", Block::new(Role::Other, "+", 3.0, 3.0))
            .block("h_out", Block::new(Role::State, "hₜ", 4.0, 3.0))
            .block("write", Block::new(Role::Other, "× (1 − z)", 3.0, 2.0))
            .block("z", self.gate("update gate", "z", 1.0))
            .block("r", self.gate("reset gate", "r", 2.0))
            .block("hh", self.candidate("hh", of, 3.0));
        let drawing = [
            ("h", "keep"),
            ("z", "keep"),
            ("z", "write"),
            ("keep", "sum"),
            ("r", "hh"),
            ("hh", "write"),
            ("write", "sum"),
            ("sum", "h_out"),
        ]
        .into_iter()
        .fold(drawing, |drawing, (from, to)| drawing.arrow(Arrow::new(from, to)));
        inputs(drawing, 2.0, &["z", "r", "hh"])
    }
}

/// Adds what every gate reads, below the gates.
fn inputs(drawing: Drawing, x: f64, gates: &[&str]) -> Drawing {
    let drawing = drawing.block("in", Block::new(Role::Input, "xₜ and hₜ₋₁", x, 0.0));
    gates.iter().fold(drawing, |drawing, &gate| drawing.arrow(Arrow::new("in", gate).shared()))
}

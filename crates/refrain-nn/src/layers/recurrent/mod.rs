//! Recurrent layers. SimpleRNN, LSTM and GRU are one layer with three different cells.

mod cell;
mod op;
mod probe_buffers;
mod table;
#[cfg(test)]
mod tests;
mod weight_drop;

pub use cell::{CellConfig, GruCell, LstmCell, SimpleRnnCell};

use super::Layer;
use super::bidirectional::RecurrentLayer;
use super::dense::{check_units, glorot, yes, zeros};
use super::dropout::{InputDropout, check_rate, is_zero};
use super::embedding::looked_up;
use super::reverse::Reverse;
use crate::activation::Activation;
use crate::error::Error;
use crate::graph::{Axis, EdgeId, EdgeSpec, Kind, Plan};
use crate::init::Initializer;
use crate::params::ParamSpec;
use crate::regularizer::Regularizer;
use op::{RecurrentOp, Settings};
use refrain_kernels::row_step;
use serde::{Deserialize, Serialize};
use table::Table;

/// The fully connected RNN of Elman (1990): `h = act(x · kernel + bias + h · recurrent_kernel)`.
pub type SimpleRnn = Recurrent<SimpleRnnCell>;
/// Long short-term memory of Hochreiter & Schmidhuber (1997) with the forget gate of Gers et al. (2000).
/// Gates i, f, c, o.
pub type Lstm = Recurrent<LstmCell>;
/// The gated recurrent unit of Cho et al. (2014). Gates z, r, h.
pub type Gru = Recurrent<GruCell>;

/// How many masks `recurrent_dropout` draws per sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecurrentMask {
    /// One for each gate, as in Keras.
    #[default]
    PerGate,
    /// One shared by all gates (Gal & Ghahramani 2016, tied), which keeps the product fused.
    Shared,
}

/// A recurrent layer over whole sequences.
///
/// The input is `(N, T, I)` with sequences of any length. The output is `(N, units)`, the last hidden state,
/// or `(N, T, units)` with `return_sequences`. For a sequence of length 0 the last hidden state is zero. With
/// `return_state`, the final hidden state (and cell state) are additional outputs. Additional inputs are the
/// initial hidden state (and cell state).
///
/// Parameters: `kernel` `(I, G·units)`, `recurrent_kernel` `(units, G·units)`, `bias` `(G·units)`, or `(2,
/// G·units)` for a GRU with `reset_after`. Gates are in Keras's order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "C: CellConfig")]
pub struct Recurrent<C> {
    /// The number of hidden units `H`.
    pub units: usize,
    /// The activations and variant of the recurrence.
    #[serde(default)]
    pub cell: C,
    /// Whether to add a bias.
    #[serde(default = "yes")]
    pub use_bias: bool,
    /// The kernel's initialiser; Glorot uniform by default.
    #[serde(default = "glorot")]
    pub kernel_initializer: Initializer,
    /// The recurrent kernel's initialiser; orthogonal by default.
    #[serde(default = "orthogonal")]
    pub recurrent_initializer: Initializer,
    /// The bias's initialiser; zeros by default.
    #[serde(default = "zeros")]
    pub bias_initializer: Initializer,
    /// The penalty on the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_regularizer: Option<Regularizer>,
    /// The penalty on the recurrent kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrent_regularizer: Option<Regularizer>,
    /// The penalty on the bias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bias_regularizer: Option<Regularizer>,
    /// Whether to return the hidden state of every step instead of only the last.
    #[serde(default)]
    pub return_sequences: bool,
    /// Whether to return the final state after the output.
    #[serde(default)]
    pub return_state: bool,
    /// Whether to read sequences backwards. Outputs are in processing order.
    #[serde(default)]
    pub go_backwards: bool,
    /// Whether to carry the state from one batch to the next.
    #[serde(default)]
    pub stateful: bool,
    /// The fraction of the inputs to drop, the same ones at every step of a sequence.
    #[serde(default)]
    pub dropout: f32,
    /// The fraction of the hidden state to drop on its way into the gates, the same units at every step.
    #[serde(default)]
    pub recurrent_dropout: f32,
    /// How many masks `recurrent_dropout` draws.
    #[serde(default)]
    pub recurrent_mask: RecurrentMask,
    /// The fraction of the recurrent kernel's entries to set to 0 in a training batch, the same ones at every
    /// step of all sequences; the others are scaled by `1 / (1 − rate)` (Wan et al. 2013; Merity et al.
    /// 2017).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub recurrent_weight_dropout: f32,
    /// Whether training changes the layer's parameters.
    #[serde(default = "yes")]
    pub trainable: bool,
    /// The name, if the user gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

fn orthogonal() -> Initializer {
    Initializer::Orthogonal { gain: 1.0 }
}

impl<C: CellConfig> Recurrent<C> {
    /// Creates a layer with `units` hidden units and Keras's defaults.
    pub fn new(units: usize) -> Self {
        Self {
            units,
            cell: C::default(),
            use_bias: true,
            kernel_initializer: glorot(),
            recurrent_initializer: orthogonal(),
            bias_initializer: zeros(),
            kernel_regularizer: None,
            recurrent_regularizer: None,
            bias_regularizer: None,
            return_sequences: false,
            return_state: false,
            go_backwards: false,
            stateful: false,
            dropout: 0.0,
            recurrent_dropout: 0.0,
            recurrent_mask: RecurrentMask::PerGate,
            recurrent_weight_dropout: 0.0,
            trainable: true,
            name: None,
        }
    }

    setters! {
        /// Sets whether to add a bias.
        use_bias: bool,
        /// Sets the kernel's initialiser.
        kernel_initializer: Initializer,
        /// Sets the recurrent kernel's initialiser.
        recurrent_initializer: Initializer,
        /// Sets the bias's initialiser.
        bias_initializer: Initializer,
        /// Sets whether to return the hidden state of every step.
        return_sequences: bool,
        /// Sets whether to return the final state after the output.
        return_state: bool,
        /// Sets whether to read sequences backwards.
        go_backwards: bool,
        /// Sets whether to carry the state from batch to batch.
        stateful: bool,
        /// Sets the fraction of the inputs to drop.
        dropout: f32,
        /// Sets the fraction of the hidden state to drop.
        recurrent_dropout: f32,
        /// Sets how many masks `recurrent_dropout` draws.
        recurrent_mask: RecurrentMask,
        /// Sets the fraction of the recurrent kernel's entries to drop.
        recurrent_weight_dropout: f32,
        /// Sets whether training changes the layer's parameters.
        trainable: bool,
        name,
        /// Sets the kernel's penalty.
        kernel_regularizer: Some(Regularizer),
        /// Sets the recurrent kernel's penalty.
        recurrent_regularizer: Some(Regularizer),
        /// Sets the bias's penalty.
        bias_regularizer: Some(Regularizer),
    }

    /// Sets the activation of the hidden state (for gated cells, of the candidate and the output).
    pub fn activation(mut self, activation: Activation) -> Self {
        *self.cell.activation_mut() = activation;
        self
    }

    fn noiseless(&self) -> Self {
        Self { dropout: 0.0, recurrent_dropout: 0.0, recurrent_weight_dropout: 0.0, ..self.clone() }
    }

    fn check(&self, name: &str) -> Result<(), Error> {
        check_units(name, self.units)?;
        check_rate(name, "dropout", self.dropout)?;
        check_rate(name, "recurrent_dropout", self.recurrent_dropout)?;
        check_rate(name, "recurrent_weight_dropout", self.recurrent_weight_dropout)
    }

    fn params(
        &self,
        plan: &mut Plan<'_>,
        inputs: usize,
        cell: refrain_kernels::recurrent::Cell,
    ) -> Result<op::Spans, Error> {
        let columns = cell.gates() * self.units;
        let kernel = plan.param(ParamSpec {
            name: "kernel",
            shape: vec![inputs, columns],
            initializer: self.kernel_initializer.clone(),
            regularizer: self.kernel_regularizer,
            decay: true,
        })?;
        let recurrent = plan.param(ParamSpec {
            name: "recurrent_kernel",
            shape: vec![self.units, columns],
            initializer: self.recurrent_initializer.clone(),
            regularizer: self.recurrent_regularizer,
            decay: true,
        })?;
        let bias = if self.use_bias {
            let rows = cell.bias_len(self.units) / columns;
            Some(plan.param(ParamSpec {
                name: "bias",
                shape: if rows == 1 { vec![columns] } else { vec![rows, columns] },
                initializer: self.cell.bias(self.bias_initializer.clone()),
                regularizer: self.bias_regularizer,
                decay: true,
            })?)
        } else {
            None
        };
        Ok(op::Spans { kernel, recurrent, bias })
    }
}

impl Lstm {
    /// Sets the activation of the gates.
    pub fn recurrent_activation(mut self, activation: Activation) -> Self {
        self.cell.recurrent_activation = activation;
        self
    }

    /// Sets whether the forget gate's bias starts at 1 (Gers et al. 2000; Jozefowicz et al. 2015).
    pub fn unit_forget_bias(mut self, unit_forget_bias: bool) -> Self {
        self.cell.unit_forget_bias = unit_forget_bias;
        self
    }
}

impl Gru {
    /// Sets the activation of the gates.
    pub fn recurrent_activation(mut self, activation: Activation) -> Self {
        self.cell.recurrent_activation = activation;
        self
    }

    /// Sets whether the reset gate is applied after the recurrent product (as in cuDNN) or before it.
    pub fn reset_after(mut self, reset_after: bool) -> Self {
        self.cell.reset_after = reset_after;
        self
    }
}

impl<C: CellConfig> Layer for Recurrent<C> {
    named_layer!(C::CLASS_NAME, trainable);

    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        self.check(plan.name())?;
        let cell = self.cell.kernel(plan.name())?;
        let states = 1 + usize::from(cell.has_cell_state());
        let Some((&x, initial)) = inputs.split_first() else {
            return Err(Error::connection(plan.name(), "missing", "a sequence"));
        };
        let width = plan.features(x)?;
        let layout = plan.steps(x)?;
        if !initial.is_empty() && initial.len() != states {
            let expected = format!("a sequence, optionally followed by {states} initial states");
            return Err(plan.wrong_inputs(inputs, expected));
        }
        for &edge in initial {
            let (got, expected) = (plan.spec(edge), EdgeSpec::lanes(self.units));
            if got != expected {
                return Err(Error::connection(plan.name(), got, format!("an initial state of {expected}")));
            }
        }
        if self.stateful && !initial.is_empty() {
            let expected = "false, because the initial state comes from another layer";
            return Err(Error::setting(plan.name(), "stateful", true, expected));
        }
        let spans = self.params(plan, width, cell)?;
        let arrangement = cell.arrangement(self.units);
        plan.charge_matrix(arrangement, width);
        plan.charge_matrix(arrangement, self.units);
        // The gates, and the states if they are not the output.
        plan.charge_rows(x, cell.gates_len(self.units, 1) + 3 * row_step(self.units));
        let x = if self.go_backwards { Reverse::lower(plan, x) } else { x };
        let per_gate = self.recurrent_dropout > 0.0 && self.recurrent_mask == RecurrentMask::PerGate;
        let groups = if per_gate { cell.gates() } else { 1 };
        let mut edges =
            if self.dropout > 0.0 { InputDropout::lower(plan, x, self.dropout, groups) } else { vec![x] };
        let table = looked_up(plan, x).filter(|_| edges == [x]);
        let settings = Settings {
            cell,
            inputs: width,
            units: self.units,
            return_sequences: self.return_sequences,
            stateful: self.stateful,
            products: edges.len(),
            initial: !initial.is_empty(),
            recurrent_dropout: self.recurrent_dropout,
            mask_groups: groups,
            recurrent_weight_dropout: self.recurrent_weight_dropout,
            purpose: plan.purpose(),
        };
        edges.extend(initial);
        let table = table.map(|looked_up| {
            edges.push(looked_up.ids);
            Table::new(looked_up, edges.len() - 1)
        });
        let axis = if self.return_sequences { Axis::Steps(layout) } else { Axis::Lanes };
        let mut specs = vec![EdgeSpec { axis, kind: Kind::Features(self.units) }];
        specs.resize(1 + states, EdgeSpec::lanes(self.units));
        let mut outputs = plan.op(Box::new(RecurrentOp::new(settings, spans, table)), &edges, &specs);
        if !self.return_state {
            outputs.truncate(1);
        }
        Ok(outputs)
    }

    fn without_dropout(&self) -> Box<dyn Layer> {
        Box::new(self.noiseless())
    }
}

impl<C: CellConfig> RecurrentLayer for Recurrent<C> {
    fn with_direction(&self, backwards: bool) -> Box<dyn RecurrentLayer> {
        Box::new(Self { go_backwards: backwards, ..self.clone() })
    }

    fn recurrent_without_noise(&self) -> Box<dyn RecurrentLayer> {
        Box::new(self.noiseless())
    }

    fn returns_sequences(&self) -> bool {
        self.return_sequences
    }

    fn returns_state(&self) -> bool {
        self.return_state
    }
}

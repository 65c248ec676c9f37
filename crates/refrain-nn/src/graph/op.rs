//! What an operation is given when it runs.

use super::edge::{Axis, EdgeId, EdgeSpec, LayoutId, Value};
use super::memory::{OpMemory, PassSize};
use super::recurrence::{Recurrence, Surroundings};
use crate::activation::Activation;
use crate::error::Error;
use crate::params::{Params, SpanId};
use crate::sequence::SeqLayout;
use crate::state::{StateShape, StateSlot};
use refrain_kernels::{AlignedVec, Engine};
use std::any::Any;
use std::fmt;

/// Whether dropout is active and backward follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Dropout is active; operations keep what backward needs.
    Train,
    /// Neither.
    Infer,
}

/// Where this batch's random numbers come from: a pure function of these and of the element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandomKey {
    /// The model's seed.
    pub seed: u64,
    /// The number of the batch since training began.
    pub counter: u64,
}

/// Whether an operation can run one step at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Causality {
    /// The output of a step depends on this and earlier steps through the state alone.
    Causal,
    /// It does not, for this reason.
    NotCausal(&'static str),
}

/// One forward/backward pair over edges, with its packed weights and what it keeps in between.
///
/// `forward` overwrites its outputs; `backward` follows a forward pass in [`Mode::Train`] over the same batch,
/// once, and adds to (or overwrites, see [`GradientSlot`]) its inputs' gradients and adds to its parameters'.
pub trait Op: fmt::Debug + Send + Any {
    /// Computes the outputs from the inputs.
    ///
    /// # Errors
    /// Of data that cannot be what the operation needs, such as an id beyond a table.
    fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error>;

    /// Computes the gradients of inputs and parameters from those of the outputs.
    ///
    /// # Errors
    /// As for `forward`.
    fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error>;

    /// Packs the parameters for forward passes to come, which find them so where [`Forward::packed`] says it.
    fn pack(&mut self, _engine: &Engine, _params: &Params) {}

    /// Whether a session may run it step by step.
    fn causality(&self) -> Causality {
        Causality::Causal
    }

    /// The size of the state it carries from one batch to the next, if it carries any.
    fn state(&self) -> Option<StateShape> {
        None
    }

    /// The activation that it applies and nothing else: a loss that works on what stands before a final
    /// softmax or sigmoid skips the operation.
    fn activation(&self) -> Option<Activation> {
        None
    }

    /// What its last forward pass adds to the loss: of a penalty in [`Mode::Train`], else 0. Where it is not 0,
    /// backward runs even if no output has a gradient.
    fn penalty(&self) -> f64 {
        0.0
    }

    /// Whether [`Op::penalty`] may be other than 0 in training.
    fn always_differentiates(&self) -> bool {
        false
    }

    /// What it will take for a pass, beside its inputs and outputs; nothing, unless it says so.
    fn memory(&self, _pass: &PassSize<'_>) -> OpMemory {
        OpMemory::default()
    }

    /// Sets whether backward keeps what [`Op::recurrence`] tells of gates and gradients; a recurrence does so.
    fn set_probe(&mut self, _on: bool) {}

    /// What it did with the last batch, where it is a recurrence and has seen one.
    fn recurrence<'a>(&'a self, _around: &Surroundings<'a>) -> Option<Recurrence<'a>> {
        None
    }

    /// Its copy, for a model's copy.
    fn boxed_clone(&self) -> Box<dyn Op>;
}

/// What `forward` is given.
#[derive(Debug)]
pub struct Forward<'a> {
    /// Instructions and threads.
    pub engine: &'a Engine,
    /// All parameters.
    pub params: &'a Params,
    /// Training or not.
    pub mode: Mode,
    /// The batch's random numbers.
    pub random: RandomKey,
    /// The state carried into and out of this batch, if it is carried.
    pub state: Option<&'a mut StateSlot>,
    /// Whether [`Op::pack`] has seen these parameters. Where it has not, the parameters may be other ones in the
    /// next batch, and what is packed for this one goes into the workspace.
    pub packed: bool,
    /// Memory for as long as this pass of this operation; it holds anything.
    pub workspace: &'a mut AlignedVec,
    pub(super) inputs: &'a [EdgeId],
    pub(super) specs: &'a [EdgeSpec],
    pub(super) values: &'a [Value],
    pub(super) outputs: &'a mut [Value],
    pub(super) output_specs: &'a [EdgeSpec],
    pub(super) layouts: &'a mut [SeqLayout],
    pub(super) lanes: usize,
}

impl<'a> Forward<'a> {
    /// The `i`-th input.
    pub fn input(&self, i: usize) -> &'a Value {
        &self.values[self.inputs[i].0]
    }

    /// Inputs it is connected to.
    pub fn inputs(&self) -> usize {
        self.inputs.len()
    }

    /// Sequences of the batch.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// The layout of the `i`-th input.
    ///
    /// # Panics
    /// When the input has no time axis: a layer checks that when it is planned.
    pub fn input_layout(&self, i: usize) -> &SeqLayout {
        match self.specs[self.inputs[i].0].axis {
            Axis::Steps(LayoutId(id)) => &self.layouts[id],
            Axis::Lanes => panic!("input {i} has no time axis"),
        }
    }

    /// A layout, to be read.
    pub fn layout(&self, id: LayoutId) -> &SeqLayout {
        &self.layouts[id.0]
    }

    /// The layout that this operation makes for its outputs beside the one of its first input.
    pub fn make_layout(&mut self, id: LayoutId, make: impl FnOnce(&mut SeqLayout, Option<&SeqLayout>)) {
        let mut made = std::mem::take(&mut self.layouts[id.0]);
        let source = match self.specs[self.inputs[0].0].axis {
            Axis::Steps(LayoutId(from)) => Some(&self.layouts[from]),
            Axis::Lanes => None,
        };
        make(&mut made, source);
        self.layouts[id.0] = made;
    }

    /// The `i`-th output, sized for this batch.
    pub fn output(&mut self, i: usize) -> &mut Value {
        let spec = self.output_specs[i];
        let rows = match spec.axis {
            Axis::Steps(LayoutId(id)) => self.layouts[id].rows(),
            Axis::Lanes => self.lanes,
        };
        let value = &mut self.outputs[i];
        value.shape(rows, spec.kind);
        value
    }
}

impl Forward<'_> {
    /// Gives back the `i`-th output after it was taken out of its place.
    pub fn put_output(&mut self, i: usize, value: Value) {
        self.outputs[i] = value;
    }
}

/// Where the gradient of an input goes.
#[derive(Debug)]
pub struct GradientSlot<'a> {
    /// The gradient's buffer, sized as the input.
    pub value: &'a mut Value,
    /// Whether to add to what it holds (another reader came first) or to overwrite it.
    pub add: bool,
}

/// What `backward` is given.
#[derive(Debug)]
pub struct Backward<'a> {
    /// Instructions and threads.
    pub engine: &'a Engine,
    /// All parameters and their gradients.
    pub params: &'a mut Params,
    /// The batch's random numbers, as in `forward`.
    pub random: RandomKey,
    /// Memory for as long as this pass of this operation; it holds anything.
    pub workspace: &'a mut AlignedVec,
    pub(super) inputs: &'a [EdgeId],
    pub(super) outputs: &'a [EdgeId],
    pub(super) specs: &'a [EdgeSpec],
    pub(super) values: &'a [Value],
    pub(super) gradients: &'a [Value],
    pub(super) written: &'a [bool],
    pub(super) targets: &'a mut [Option<Value>],
    pub(super) target_written: &'a [bool],
    /// Which of the targets the operation asked for.
    pub(super) asked: &'a mut [bool],
    pub(super) layouts: &'a [SeqLayout],
    pub(super) lanes: usize,
}

impl<'a> Backward<'a> {
    /// The `i`-th input.
    pub fn input(&self, i: usize) -> &'a Value {
        &self.values[self.inputs[i].0]
    }

    /// Inputs it is connected to.
    pub fn inputs(&self) -> usize {
        self.inputs.len()
    }

    /// The `i`-th output, as forward left it.
    pub fn output(&self, i: usize) -> &'a Value {
        &self.values[self.outputs[i].0]
    }

    /// The gradient of the `i`-th output; none where nothing depends on it.
    pub fn d_output(&self, i: usize) -> Option<&'a Value> {
        let id = self.outputs[i].0;
        self.written[id].then(|| &self.gradients[id])
    }

    /// Where the gradient of the `i`-th input goes; none where nobody wants it. Who asks for it writes it.
    pub fn d_input(&mut self, i: usize) -> Option<GradientSlot<'_>> {
        self.d_input_and_parameters(i).0
    }

    /// The same beside the parameters and the workspace, for those who write all three together.
    pub fn d_input_and_parameters(
        &mut self,
        i: usize,
    ) -> (Option<GradientSlot<'_>>, &mut Params, &mut AlignedVec) {
        let spec = self.specs[self.inputs[i].0];
        let rows = match spec.axis {
            Axis::Steps(LayoutId(id)) => self.layouts[id].rows(),
            Axis::Lanes => self.lanes,
        };
        let add = self.target_written[i];
        self.asked[i] = true;
        let slot = self.targets[i].as_mut().map(|value| {
            if !add {
                value.shape(rows, spec.kind);
            }
            GradientSlot { value, add }
        });
        (slot, self.params, self.workspace)
    }

    /// Whether training changes a parameter, so that its gradient is needed.
    pub fn trains(&self, id: SpanId) -> bool {
        self.params.spans()[id.0].trainable
    }

    /// The layout of the `i`-th input.
    ///
    /// # Panics
    /// When the input has no time axis: a layer checks that when it is planned.
    pub fn input_layout(&self, i: usize) -> &'a SeqLayout {
        match self.specs[self.inputs[i].0].axis {
            Axis::Steps(LayoutId(id)) => &self.layouts[id],
            Axis::Lanes => panic!("input {i} has no time axis"),
        }
    }

    /// A layout, to be read.
    pub fn layout(&self, id: LayoutId) -> &'a SeqLayout {
        &self.layouts[id.0]
    }

    /// Sequences of the batch.
    pub fn lanes(&self) -> usize {
        self.lanes
    }
}

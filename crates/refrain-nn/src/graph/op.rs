//! Operations, and the context in which they run.

use super::edge::{Axis, EdgeId, EdgeSpec, LayoutId, Value};
use super::memory::{OpMemory, PassSize};
use super::recurrence::{Recurrence, RecurrenceContext};
use crate::activation::Activation;
use crate::error::Error;
use crate::params::{Params, SpanId};
use crate::sequence::SeqLayout;
use crate::state::{StateShape, StateSlot};
use refrain_kernels::{AlignedVec, Engine};
use std::any::Any;
use std::fmt;

/// Whether dropout is active and a backward pass follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Dropout is active, and operations keep what the backward pass needs.
    Train,
    /// Dropout is inactive, and no backward pass follows.
    Infer,
}

/// The key of a batch's random numbers, which are a pure function of this and of the element.
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
    /// The output of a step depends only on this step and, through the state, on earlier ones.
    Causal,
    /// It cannot, for this reason.
    NotCausal(&'static str),
}

/// A forward/backward pair over edges, with its packed weights and the data kept between the two passes.
///
/// `forward` overwrites its outputs. `backward` is called once after a forward pass in [`Mode::Train`] over
/// the same batch. It adds to the gradients of its parameters, and adds to or overwrites those of its inputs
/// (see [`GradientSlot`]).
pub trait Op: fmt::Debug + Send + Any {
    /// Computes the outputs from the inputs.
    ///
    /// # Errors
    /// Returns an error for invalid data, such as an id outside a table.
    fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error>;

    /// Computes the gradients of inputs and parameters from those of the outputs.
    ///
    /// # Errors
    /// Returns an error in the same cases as `forward`.
    fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error>;

    /// Packs the parameters for future forward passes. [`Forward::packed`] says whether that has been done.
    fn pack(&mut self, _engine: &Engine, _params: &Params) {}

    /// Returns whether a session may run the operation step by step.
    fn causality(&self) -> Causality {
        Causality::Causal
    }

    /// Returns the size of the state that the operation carries from one batch to the next, if any.
    fn state(&self) -> Option<StateShape> {
        None
    }

    /// Returns the activation, if the operation does nothing else. A loss that reads the input of a final
    /// softmax or sigmoid skips such an operation.
    fn activation(&self) -> Option<Activation> {
        None
    }

    /// Returns the penalty that the last forward pass adds to the loss; 0 except in [`Mode::Train`]. If it is
    /// not 0, the backward pass runs even if no output has a gradient.
    fn penalty(&self) -> f64 {
        0.0
    }

    /// Returns whether [`Op::penalty`] can be nonzero in training.
    fn always_differentiates(&self) -> bool {
        false
    }

    /// Returns the memory that a pass needs in addition to inputs and outputs. By default nothing.
    fn memory(&self, _pass: &PassSize<'_>) -> OpMemory {
        OpMemory::default()
    }

    /// Sets whether `backward` keeps the gates and gradients for [`Op::recurrence`]. Only recurrent
    /// operations do.
    fn set_probe(&mut self, _on: bool) {}

    /// Returns the results of the last batch, if the operation is recurrent and has seen one.
    fn recurrence<'a>(&'a self, _around: &RecurrenceContext<'a>) -> Option<Recurrence<'a>> {
        None
    }

    /// Returns a boxed copy of the operation.
    fn boxed_clone(&self) -> Box<dyn Op>;
}

/// The context of `forward`.
#[derive(Debug)]
pub struct Forward<'a> {
    /// The engine, with its instruction set and threads.
    pub engine: &'a Engine,
    /// All parameters.
    pub params: &'a Params,
    /// Training or inference.
    pub mode: Mode,
    /// The batch's random numbers.
    pub random: RandomKey,
    /// The state carried into and out of this batch, if any.
    pub state: Option<&'a mut StateSlot>,
    /// Whether [`Op::pack`] has seen these parameters. If not, the parameters may change before the next
    /// batch, and what is packed for this batch goes into the workspace.
    pub packed: bool,
    /// Scratch memory for this pass of this operation. Its contents are unspecified.
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
    /// Returns the `i`-th input.
    pub fn input(&self, i: usize) -> &'a Value {
        &self.values[self.inputs[i].0]
    }

    /// Returns the number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs.len()
    }

    /// Returns the number of sequences in the batch.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Returns the layout of the `i`-th input.
    ///
    /// # Panics
    /// Panics if the input has no time axis. A layer must check that when it is planned.
    pub fn input_layout(&self, i: usize) -> &SeqLayout {
        match self.specs[self.inputs[i].0].axis {
            Axis::Steps(LayoutId(id)) => &self.layouts[id],
            Axis::Lanes => panic!("input {i} has no time axis"),
        }
    }

    /// Returns a layout, for reading.
    pub fn layout(&self, id: LayoutId) -> &SeqLayout {
        &self.layouts[id.0]
    }

    /// Makes the layout of this operation's outputs, given the layout of its first input.
    pub fn make_layout(&mut self, id: LayoutId, make: impl FnOnce(&mut SeqLayout, Option<&SeqLayout>)) {
        let mut made = std::mem::take(&mut self.layouts[id.0]);
        let source = match self.specs[self.inputs[0].0].axis {
            Axis::Steps(LayoutId(from)) => Some(&self.layouts[from]),
            Axis::Lanes => None,
        };
        make(&mut made, source);
        self.layouts[id.0] = made;
    }

    /// Returns the `i`-th output, sized for this batch.
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
    /// Puts back the `i`-th output after it was taken out.
    pub fn put_output(&mut self, i: usize, value: Value) {
        self.outputs[i] = value;
    }
}

/// The destination of an input's gradient.
#[derive(Debug)]
pub struct GradientSlot<'a> {
    /// The gradient's buffer, sized as the input.
    pub value: &'a mut Value,
    /// Whether to add to what it holds (another reader came first) or to overwrite it.
    pub add: bool,
}

/// The context of `backward`.
#[derive(Debug)]
pub struct Backward<'a> {
    /// The engine, with its instruction set and threads.
    pub engine: &'a Engine,
    /// All parameters and their gradients.
    pub params: &'a mut Params,
    /// The batch's random numbers, as in `forward`.
    pub random: RandomKey,
    /// Scratch memory for this pass of this operation. Its contents are unspecified.
    pub workspace: &'a mut AlignedVec,
    pub(super) inputs: &'a [EdgeId],
    pub(super) outputs: &'a [EdgeId],
    pub(super) specs: &'a [EdgeSpec],
    pub(super) values: &'a [Value],
    pub(super) gradients: &'a [Value],
    pub(super) written: &'a [bool],
    pub(super) targets: &'a mut [Option<Value>],
    pub(super) target_written: &'a [bool],
    /// The gradients that the operation asked for.
    pub(super) asked: &'a mut [bool],
    pub(super) layouts: &'a [SeqLayout],
    pub(super) lanes: usize,
}

impl<'a> Backward<'a> {
    /// Returns the `i`-th input.
    pub fn input(&self, i: usize) -> &'a Value {
        &self.values[self.inputs[i].0]
    }

    /// Returns the number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs.len()
    }

    /// Returns the `i`-th output, as `forward` wrote it.
    pub fn output(&self, i: usize) -> &'a Value {
        &self.values[self.outputs[i].0]
    }

    /// Returns the gradient of the `i`-th output, or `None` if nothing depends on it.
    pub fn d_output(&self, i: usize) -> Option<&'a Value> {
        let id = self.outputs[i].0;
        self.written[id].then(|| &self.gradients[id])
    }

    /// Returns the destination of the `i`-th input's gradient, or `None` if it is not needed. An operation
    /// that asks for it must write it.
    pub fn d_input(&mut self, i: usize) -> Option<GradientSlot<'_>> {
        self.d_input_and_parameters(i).0
    }

    /// Returns the gradient's destination together with the parameters and the workspace, for operations that
    /// write to all three.
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

    /// Returns whether training changes a parameter, so that its gradient is needed.
    pub fn trains(&self, id: SpanId) -> bool {
        self.params.spans()[id.0].trainable
    }

    /// Returns the layout of the `i`-th input.
    ///
    /// # Panics
    /// Panics if the input has no time axis. A layer must check that when it is planned.
    pub fn input_layout(&self, i: usize) -> &'a SeqLayout {
        match self.specs[self.inputs[i].0].axis {
            Axis::Steps(LayoutId(id)) => &self.layouts[id],
            Axis::Lanes => panic!("input {i} has no time axis"),
        }
    }

    /// Returns a layout, for reading.
    pub fn layout(&self, id: LayoutId) -> &'a SeqLayout {
        &self.layouts[id.0]
    }

    /// Returns the number of sequences in the batch.
    pub fn lanes(&self) -> usize {
        self.lanes
    }
}

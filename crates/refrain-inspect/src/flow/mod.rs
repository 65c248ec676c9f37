//! The gradient through time: how much of the gradient of the last step's loss reaches each earlier step.

pub mod adding;
mod cell;
mod clip_log;
mod clipping;
mod clipping_words;
mod compare;
mod compare_words;
mod curve;
mod picture;
mod trace;
mod words;

pub use cell::ComparedCell;
pub use clip_log::ClipLog;
pub use clipping::{Clipping, ClippingOptions, ClippingRun, clipping_on_adding};
pub use compare::{CompareOptions, ComparedModel, Comparison, Progress, Trained, compare, compare_on_adding};
pub use curve::{BAND, Curve, KEPT, KEPT_A_STEP, Trend, VANISHED, Verdict};
pub(crate) use trace::{norm, trace};

use crate::error::Result;
use crate::sample::{Sample, check_parameters};
use refrain_nn::Model;
use serde::Serialize;

/// The gradient of the last step's loss on its way back through a model.
#[derive(Debug, Clone, Serialize)]
pub struct Flow {
    /// A description of the sequences.
    pub of: String,
    /// Number of sequences that have at least one step.
    pub sequences: usize,
    /// Steps of the longest sequence.
    pub steps: usize,
    /// The recurrent layers with the current parameters.
    pub now: Vec<LayerFlow>,
    /// The same architecture with newly initialised parameters; `None` if the model's parameters are the initial
    /// ones.
    pub initial: Option<Vec<LayerFlow>>,
}

/// The gradient in one recurrent layer, or one direction of it.
#[derive(Debug, Clone, Serialize)]
pub struct LayerFlow {
    /// Its name.
    pub layer: String,
    /// `SimpleRNN`, `LSTM` or `GRU`.
    pub class_name: &'static str,
    /// Hidden units.
    pub units: usize,
    /// Whether it reads sequences backwards: its last step is then the sequence's first.
    pub backwards: bool,
    /// Norms of the gradient with respect to the hidden state.
    pub hidden: Curve,
    /// Norms of the gradient with respect to the cell state, for an LSTM.
    pub cell: Option<Curve>,
}

impl LayerFlow {
    /// Returns the curve that shows whether the layer remembers: an LSTM's memory is its cell state.
    pub fn memory(&self) -> &Curve {
        self.cell.as_ref().unwrap_or(&self.hidden)
    }
}

/// Follows the gradient of each sequence's own loss at its last unmasked step back to its first step, in inference
/// mode. If the output has a time axis, a layer that reads backwards is followed from the sequence's first step,
/// which it reads last. The loss is chosen to fit the model's output and the targets. For comparison, the result
/// also has the same architecture with parameters newly initialised from the model's seed.
///
/// # Errors
/// If the model has no recurrent layer or several outputs, its parameters or its loss are not finite, no sequence
/// has a step, or the sample does not fit.
pub fn gradient_flow(model: &Model, sample: &Sample) -> Result<Flow> {
    check_parameters(model, trace::WHAT)?;
    let now = trace(model, sample)?;
    let fresh = model.reinitialized(model.seed())?;
    let initial = if fresh.weights() == model.weights() { None } else { Some(trace(&fresh, sample)?) };
    let curves = now.iter().map(|layer| &layer.hidden);
    let sequences = curves.clone().map(|curve| curve.norms.len()).max().unwrap_or(0);
    let steps = curves.map(Curve::steps).max().unwrap_or(0);
    Ok(Flow { of: sample.of.clone(), sequences, steps, now, initial })
}

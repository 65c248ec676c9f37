//! The gradient through time: how much of the last step's loss reaches each earlier step.

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
pub use compare::{Case, CompareOptions, Comparison, Progress, Trained, compare, compare_on_adding};
pub use curve::{BAND, Curve, KEPT, KEPT_A_STEP, Trend, VANISHED, Verdict};
pub(crate) use trace::{norm, trace};

use crate::error::Result;
use crate::sample::{Sample, check_parameters};
use refrain_nn::Model;
use serde::Serialize;

/// How the gradient of the last step's loss fares on its way back through a model.
#[derive(Debug, Clone, Serialize)]
pub struct Flow {
    /// The sequences that were looked at, in words.
    pub of: String,
    /// Those of them that have a step.
    pub sequences: usize,
    /// Steps of the longest.
    pub steps: usize,
    /// The recurrent layers as they are.
    pub now: Vec<LayerFlow>,
    /// The same architecture with parameters drawn anew; none where they are the model's own.
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
    /// Whether it reads sequences from their end: its last step is then a sequence's first.
    pub backwards: bool,
    /// Norms of the gradient by the hidden state.
    pub hidden: Curve,
    /// Norms of the gradient by the cell state, of an LSTM.
    pub cell: Option<Curve>,
}

impl LayerFlow {
    /// The curve that tells whether it remembers: an LSTM's memory is its cell state.
    pub fn memory(&self) -> &Curve {
        self.cell.as_ref().unwrap_or(&self.hidden)
    }
}

/// Follows the gradient of each sequence's own loss at its last real step back to its first, without dropout; where an
/// output has a time axis, a layer that reads backwards is followed from the sequence's first step, which it reads
/// last. The loss is the one that fits the model's output and the targets. Beside the model as it is, the same
/// architecture with parameters drawn anew by the model's seed.
///
/// # Errors
/// When the model has no recurrent layer or several outputs, its parameters or its loss are not finite, no sequence
/// has a step, or the sample does not fit.
pub fn gradient_flow(model: &Model, sample: &Sample) -> Result<Flow> {
    check_parameters(model, trace::WHAT)?;
    let now = trace(model, sample)?;
    let fresh = model.initialized_again(model.seed())?;
    let initial = if fresh.weights() == model.weights() { None } else { Some(trace(&fresh, sample)?) };
    let curves = now.iter().map(|layer| &layer.hidden);
    let sequences = curves.clone().map(|curve| curve.norms.len()).max().unwrap_or(0);
    let steps = curves.map(Curve::steps).max().unwrap_or(0);
    Ok(Flow { of: sample.of.clone(), sequences, steps, now, initial })
}

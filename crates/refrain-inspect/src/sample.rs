//! The data to inspect a model with.

use crate::error::{Error, Result};
use refrain_nn::data::{Batch, BatchInput, Extent};
use refrain_nn::{Architecture, Model};

/// Sequences to inspect a model with.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// `N` sequences of up to `T` steps, with targets.
    pub batch: Batch,
    /// The token at each step of each sequence, as displayed, for models of text.
    pub tokens: Option<Vec<Vec<String>>>,
    /// A description: `32 excerpts of 200 characters of input.txt`.
    pub of: String,
}

impl Sample {
    /// Creates a sample from a batch and its description.
    pub fn new(batch: Batch, of: impl Into<String>) -> Self {
        Self { batch, tokens: None, of: of.into() }
    }
}

/// Returns the steps of each sequence that the recurrent layers read: those not excluded by a length, a mask or a
/// masking layer.
///
/// # Errors
/// If the batch does not fit the model, or the model has no recurrent layer.
pub(crate) fn real_steps(model: &mut Model, batch: &Batch) -> Result<Vec<Vec<usize>>> {
    if !masks(model.architecture()) {
        let Some(input) = batch.inputs.first() else { return Ok(vec![Vec::new(); batch.lanes]) };
        return Ok((0..batch.lanes).map(|n| extent(input, n)).collect());
    }
    model.predict_batch(batch, None)?;
    model.reset_states();
    let Some(seen) = model.recurrences().next() else {
        return Err(unsupported("inspect this model", "it has no recurrent layer"));
    };
    let layout = seen.layout();
    let steps = |n| (0..layout.length(n)).map(move |t| layout.source(layout.row(n, t))).collect();
    Ok((0..batch.lanes).map(steps).collect())
}

/// Returns the unmasked steps of a sequence, according to its batch only.
fn extent(input: &BatchInput, n: usize) -> Vec<usize> {
    match input.extent {
        Extent::Full => (0..input.steps).collect(),
        Extent::Lengths => (0..input.lengths.get(n).copied().unwrap_or(0)).collect(),
        Extent::Mask => {
            let real = |t: &usize| input.mask.get(n * input.steps + t).copied().unwrap_or(false);
            (0..input.steps).filter(real).collect()
        }
    }
}

/// Returns whether a layer masks steps by their values.
fn masks(architecture: &Architecture) -> bool {
    let masks = |config: &serde_json::Value| config.get("mask_zero").is_some_and(|on| on == true);
    architecture.layers.iter().any(|layer| layer.class_name == "Masking" || masks(&layer.config))
}

/// Returns whether a recurrent layer reads its sequences backwards.
pub(crate) fn goes_backwards(architecture: &Architecture, layer: &str) -> bool {
    let (node, within) = layer.split_once('/').unwrap_or((layer, ""));
    architecture.layers.iter().find(|of| of.name == node).is_some_and(|of| match of.class_name.as_str() {
        "Bidirectional" => within.starts_with("backward_"),
        _ => of.config.get("go_backwards").is_some_and(|on| on == true),
    })
}

/// Returns whether any layer reads backwards.
pub(crate) fn reads_backwards(architecture: &Architecture) -> bool {
    let backwards = |config: &serde_json::Value| config.get("go_backwards").is_some_and(|on| on == true);
    architecture.layers.iter().any(|layer| layer.class_name == "Bidirectional" || backwards(&layer.config))
}

/// Returns an error if a parameter is not finite, because all further results would be NaN.
pub(crate) fn check_parameters(model: &Model, what: &str) -> Result<()> {
    for span in model.params().spans() {
        let values = model.weight(&span.name)?;
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let reason = format!(
                "its parameter `{}` is {} at index {at}: training has diverged; use an earlier checkpoint",
                span.name, values[at]
            );
            return Err(unsupported(what, reason));
        }
    }
    Ok(())
}

pub(crate) fn unsupported(what: impl Into<String>, reason: impl Into<String>) -> Error {
    Error::Unsupported { what: what.into(), reason: reason.into() }
}

//! How far back the output remembers its input.

mod lags;
mod probe;
mod words;

use crate::error::{Error, Result};
use crate::sample::{Sample, check_parameters, reads_backwards};
use lags::{between, coarse};
use probe::Probe;
use refrain_nn::Model;
use serde::Serialize;

/// The default share that counts as remembered: a hundredth of the effect of the last input.
pub const SHARE: f64 = 0.01;

/// How far the output at the end moves when one earlier input is replaced, by the number of steps before the end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemoryLength {
    /// A description of the sequences.
    pub of: String,
    /// Number of sequences that have at least one step.
    pub sequences: usize,
    /// Steps of the longest sequence.
    pub steps: usize,
    /// How a move is measured.
    pub measure: Measure,
    /// The share of the reference move that counts as remembered.
    pub share: f64,
    /// The lag of the reference move: 0, the last input, or if that moves nothing, the lag with the largest move.
    pub reference: usize,
    /// The moves by lag: all small lags, then at growing distances, and those around the memory length.
    pub curve: Vec<OutputMove>,
    /// The largest tested lag whose move is at least `share` of the reference; `None` if no input moves the output.
    pub length: Option<usize>,
    /// Whether that is the largest lag of the sequences, so that the memory may be longer.
    pub at_least: bool,
    /// Whether a layer also reads the sequences backwards, so that their first steps are the most recent for it.
    pub reads_backwards: bool,
}

/// How far the output moves when the input this many steps before the end is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OutputMove {
    /// Steps before the end; 0 is the last input.
    pub lag: usize,
    /// The mean move over the sequences that are long enough.
    pub moved: f64,
    /// The move divided by the reference move.
    pub relative: f64,
    /// Number of sequences that are long enough.
    pub sequences: usize,
}

/// How a move of an output is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// For probabilities: the largest change in the probability of any event. This is half the sum of absolute
    /// differences after a softmax, and the mean absolute difference after a sigmoid.
    TotalVariation,
    /// The Euclidean norm of the difference divided by the root mean square norm of the outputs.
    RelativeL2,
}

/// Measures how far back a model's output remembers: replaces one input of each sequence, `k` steps before its end,
/// with the first different one at the same position of another sequence (or else elsewhere in its own), and
/// compares the output at the end.
///
/// Not every large lag is tested, so inputs that the model remembers between the tested lags can be missed.
///
/// The output is that of the last unmasked step, or of the whole sequence if it has no time axis. A model that also
/// reads backwards is measured in the same way; the first steps of a sequence may then be the most recent.
///
/// # Errors
/// If `share` is not above 0 and at most 1; the model does not have exactly one input with a time axis and one
/// output; its parameters or outputs are not finite; no sequence has a step; all inputs are the same; or the sample
/// does not fit the model.
pub fn memory_length(model: &mut Model, sample: &Sample, share: f64) -> Result<MemoryLength> {
    if !(share > 0.0 && share <= 1.0) {
        let expected = "above 0 and at most 1".to_owned();
        return Err(Error::Setting { setting: "share", got: share.to_string(), expected });
    }
    check_parameters(model, probe::WHAT)?;
    let backwards = reads_backwards(model.architecture());
    let mut probe = Probe::new(model, sample)?;
    let steps = probe.steps();
    let mut curve = probe.moves(&coarse(steps))?;
    let reference = reference(&curve);
    let unit = curve.iter().find(|of| of.lag == reference).map_or(0.0, |of| of.moved);
    let remembered = |of: &OutputMove| unit > 0.0 && of.moved >= share * unit;
    // Bisects between the last remembered lag and the next one.
    while let Some(lag) = between(&curve, remembered) {
        let found = probe.moves(&[lag])?;
        let place = curve.partition_point(|of| of.lag < lag);
        curve.splice(place..place, found);
    }
    let length = curve.iter().rev().find(|of| remembered(of)).map(|of| of.lag);
    for of in &mut curve {
        of.relative = if unit > 0.0 { of.moved / unit } else { 0.0 };
    }
    Ok(MemoryLength {
        of: sample.of.clone(),
        sequences: probe.sequences(),
        steps,
        measure: probe.measure(),
        share,
        reference,
        curve,
        length,
        at_least: length.is_some_and(|length| length + 1 == steps),
        reads_backwards: backwards,
    })
}

/// Returns the lag with which the others are compared.
fn reference(curve: &[OutputMove]) -> usize {
    if curve.first().is_some_and(|of| of.moved > 0.0) {
        return 0;
    }
    curve.iter().max_by(|a, b| a.moved.total_cmp(&b.moved)).map_or(0, |of| of.lag)
}

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

/// What counts as remembered, unless the caller says: a hundredth of what the last input moves.
pub const SHARE: f64 = 0.01;

/// How far the output at the end moves when one earlier input is another, by how many steps before the end it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemoryLength {
    /// The sequences, in words.
    pub of: String,
    /// Those that have a step.
    pub sequences: usize,
    /// Steps of the longest.
    pub steps: usize,
    /// How a move is measured.
    pub measure: Measure,
    /// The share of the reference that counts as remembered.
    pub share: f64,
    /// The lag whose move is the reference: 0, the last input; where that moves nothing, the lag that moves most.
    pub reference: usize,
    /// The moves, lag by lag: all small ones, then in growing distances, and those around the length.
    pub curve: Vec<Move>,
    /// The largest lag looked at whose move is at least the share of the reference's; none where none moves the output.
    pub length: Option<usize>,
    /// Whether that is the largest lag that the sequences have: it may remember longer.
    pub at_least: bool,
    /// Whether a layer reads the sequences from their ends, too: their first steps are then the freshest for it.
    pub reads_backwards: bool,
}

/// How far the output moves when the input this many steps before the end is another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Move {
    /// Steps before the end; 0 is the last input.
    pub lag: usize,
    /// The mean over the sequences that are long enough.
    pub moved: f64,
    /// It over the move of the reference.
    pub relative: f64,
    /// Sequences that are long enough.
    pub sequences: usize,
}

/// How a move of an output is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Of probabilities: the largest change of the probability of any event, half the sum of absolute differences
    /// after a softmax, the mean absolute difference after a sigmoid.
    TotalVariation,
    /// The Euclidean norm of the difference over the root mean square norm of the outputs.
    RelativeL2,
}

/// Measures how far back a model's output remembers: replaces one input of each sequence, `k` steps before its end, by
/// the first different one that stands at that place of another sequence (or, failing that, elsewhere in its own), and
/// compares the output at the end.
///
/// Not every large lag is looked at: between those of the curve a model may remember single ones that are missed.
///
/// It is the output at the last real step, or the output of the whole sequence where it has no time axis. A model that
/// reads backwards, too, is measured as it is; then the first steps of a sequence may be the freshest.
///
/// # Errors
/// When `share` is not above 0 and at most 1, the model has another number of inputs than one or none with a time
/// axis, several outputs, or parameters or outputs that are not finite; when no sequence has a step, all inputs are
/// the same, or the sample does not fit the model.
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
    let remembered = |of: &Move| unit > 0.0 && of.moved >= share * unit;
    // Between the last lag that is remembered and the next one, by halves.
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

/// The lag that others are compared with.
fn reference(curve: &[Move]) -> usize {
    if curve.first().is_some_and(|of| of.moved > 0.0) {
        return 0;
    }
    curve.iter().max_by(|a, b| a.moved.total_cmp(&b.moved)).map_or(0, |of| of.lag)
}

//! Running a batch in parts that fit in memory, with access to every recurrent layer.

use super::reading_direction::ReadingDirection;
use crate::error::{Error, Result};
use refrain_nn::data::{Batch, BatchInput, Extent};
use refrain_nn::shown::counted;
use refrain_nn::{Model, Recurrence};

/// The maximum number of output floats in a part of a batch: 32 MiB.
const OUTPUTS: usize = 8 << 20;
/// The minimum steps of a part.
const MIN_STEPS: usize = 16;

/// A recurrent layer after a part of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pass<'a> {
    /// The layer's index among the recurrent layers.
    pub(crate) index: usize,
    /// The layer.
    pub(crate) seen: Recurrence<'a>,
    /// The direction in which it reads.
    pub(crate) direction: ReadingDirection,
    /// The first step of the part.
    first: usize,
}

impl Pass<'_> {
    /// Returns the steps of a lane that the layer read, in input order: each step's index in the caller's array,
    /// and its row.
    pub(crate) fn rows(&self, lane: usize) -> impl Iterator<Item = (usize, usize)> {
        let layout = self.seen.layout();
        let (length, first) = (layout.length(lane), self.first);
        let backwards = self.direction.backwards;
        (0..length).map(move |t| {
            let walked = if backwards { length - 1 - t } else { t };
            (first + layout.source(layout.row(lane, t)), layout.row(lane, walked))
        })
    }
}

/// Runs a batch in inference mode from a zero state and calls `visit` for every recurrent layer, part by part. A
/// model that can run step by step processes long sequences in parts, carrying its state; others process the batch
/// at once.
///
/// # Errors
/// If the batch is empty or does not fit the model, or the model has no recurrent layer.
pub(crate) fn walk(model: &mut Model, batch: &Batch, visit: impl FnMut(&Pass<'_>)) -> Result<()> {
    let widths: usize = (0..model.output_count()).map(|i| model.output_width(i)).sum();
    let part = (OUTPUTS / (widths * batch.lanes).max(1)).max(MIN_STEPS);
    walk_in_parts(model, batch, part, visit)
}

/// Does the same as [`walk`] in parts of this many steps, if the batch can be cut.
pub(super) fn walk_in_parts(
    model: &mut Model,
    batch: &Batch,
    part: usize,
    mut visit: impl FnMut(&Pass<'_>),
) -> Result<()> {
    let steps = batch.inputs.iter().map(|input| input.steps).max().unwrap_or(0);
    if batch.lanes == 0 || steps == 0 {
        let got = format!("{} of {}", counted(batch.lanes, "sequence"), counted(steps, "step"));
        return Err(Error::Setting { setting: "the sample", got, expected: "at least one step".to_owned() });
    }
    let part = if part < steps && can_be_cut(model, batch, steps) { part } else { steps };
    let mut state = model.new_state();
    for first in (0..steps).step_by(part) {
        if part >= steps {
            model.predict_batch(batch, Some(&mut state))?;
        } else {
            model.predict_batch(&cut(batch, first, part.min(steps - first)), Some(&mut state))?;
        }
        let model = &*model;
        let mut any = false;
        for (index, seen) in model.recurrences().enumerate() {
            let direction = ReadingDirection::of(model.architecture(), seen.layer());
            visit(&Pass { index, seen, direction, first });
            any = true;
        }
        if !any {
            let what = "read the hidden states of this model".to_owned();
            return Err(Error::Unsupported { what, reason: "it has no recurrent layer".to_owned() });
        }
    }
    Ok(())
}

/// Returns whether a batch can be read in parts: the model runs step by step, and no step is masked.
fn can_be_cut(model: &mut Model, batch: &Batch, steps: usize) -> bool {
    let rows = batch.lanes * steps;
    let whole = |input: &BatchInput| {
        input.extent == Extent::Full
            && (input.ids.is_empty() || input.ids.len() == rows)
            && input.features.len().is_multiple_of(rows)
    };
    batch.inputs.len() == 1 && whole(&batch.inputs[0]) && model.session(1).is_ok()
}

/// Returns some steps of a batch of one input without lengths or mask.
fn cut(batch: &Batch, first: usize, steps: usize) -> Batch {
    let whole = &batch.inputs[0];
    let width = whole.features.len() / (batch.lanes * whole.steps);
    let mut input = BatchInput { steps, ..BatchInput::default() };
    for lane in 0..batch.lanes {
        let from = lane * whole.steps + first;
        if !whole.ids.is_empty() {
            input.ids.extend_from_slice(&whole.ids[from..from + steps]);
        }
        input.features.extend_from_slice(&whole.features[from * width..(from + steps) * width]);
    }
    Batch { lanes: batch.lanes, inputs: vec![input], ..Batch::default() }
}

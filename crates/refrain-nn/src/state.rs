//! The state that recurrent layers carry between batches.

use crate::error::Error;
use crate::part::Part;
use refrain_kernels::{AlignedVec, row_step};

/// The size of the state that an operation carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateShape {
    /// Hidden units.
    pub units: usize,
    /// Whether there is a cell state in addition to the hidden state.
    pub cell: bool,
    /// Whether the state is carried from batch to batch without the caller asking for it.
    pub stateful: bool,
}

impl StateShape {
    /// Returns the sizes of the hidden and the cell state for this many lanes, saturating at `usize::MAX`.
    pub(crate) fn floats(self, lanes: usize) -> [usize; 2] {
        let hidden = lanes.saturating_mul(self.units);
        [hidden, if self.cell { hidden } else { 0 }]
    }
}

/// The state of every recurrent layer of a model. Lane `n` belongs to row `n` of the caller's batch.
///
/// Create one with [`crate::Model::new_state`]. A new state has no lanes. The first batch it is used with
/// sets the number of lanes, all zero.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) slots: Vec<Option<StateSlot>>,
}

/// The state of one recurrent layer.
#[derive(Debug, Clone)]
pub struct StateSlot {
    shape: StateShape,
    lanes: usize,
    h: AlignedVec,
    c: AlignedVec,
}

impl State {
    pub(crate) fn new(shapes: impl Iterator<Item = Option<StateShape>>) -> Self {
        Self { slots: shapes.map(|s| s.map(StateSlot::new)).collect() }
    }

    /// Removes all lanes; the next batch starts from zeros.
    pub fn reset(&mut self) {
        for slot in self.slots.iter_mut().flatten() {
            slot.set_lanes(0);
        }
    }

    /// Returns the states of the recurrent layers, in the order of the graph.
    pub fn layers(&self) -> impl Iterator<Item = &StateSlot> {
        self.slots.iter().flatten()
    }

    pub(crate) fn layers_mut(&mut self) -> impl Iterator<Item = &mut StateSlot> {
        self.slots.iter_mut().flatten()
    }

    /// Returns the number of lanes, which is 0 before the first use.
    pub fn lanes(&self) -> usize {
        self.layers().next().map_or(0, |s| s.lanes)
    }

    /// Returns a state whose lane `i` is lane `from[i].1` of the state `from[i].0`. Lanes of a new state are
    /// zeros. Beam search uses this to continue from its best candidates.
    ///
    /// # Panics
    /// Panics if `from` is empty, if the states belong to different models, or if a state does not have the
    /// lane.
    pub fn gather(from: &[(&State, usize)]) -> State {
        let first = from.first().expect("at least one lane to gather").0;
        assert!(from.iter().all(|(state, _)| state.fits(first)), "all states belong to one model");
        let slots = first.slots.iter().enumerate().map(|(i, slot)| {
            let mut gathered = StateSlot::new(slot.as_ref()?.shape);
            gathered.set_lanes(from.len());
            for (lane, &(state, source)) in from.iter().enumerate() {
                let source_slot = state.slots[i].as_ref()?;
                if source_slot.lanes > 0 {
                    let (h, c) = gathered.lane_mut(lane);
                    h.copy_from_slice(source_slot.hidden(source));
                    c.copy_from_slice(source_slot.cell(source));
                }
            }
            Some(gathered)
        });
        State { slots: slots.collect() }
    }

    /// Returns all lanes of all layers, for a checkpoint: `0/hidden` and `0/cell` of the first recurrent
    /// layer, and so on. `cell` is empty for cells without a cell state.
    pub fn to_part(&self) -> Part {
        Part { values: serde_json::json!({ "lanes": self.lanes() }), tensors: self.tensors().collect() }
    }

    /// Restores the lanes that [`State::to_part`] returned for the same model. On error the state is
    /// unchanged.
    ///
    /// # Errors
    /// Returns an error if the part belongs to another model.
    pub fn set_part(&mut self, mut part: Part) -> Result<(), Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Values {
            lanes: usize,
        }
        let Values { lanes } = part.parse("carried state")?;
        let mut layers = Vec::new();
        for (i, slot) in self.layers().enumerate() {
            let [hidden, cell] = slot.shape.floats(lanes);
            let mut take = |name: &str, len| part.take("carried state", &format!("{i}/{name}"), len);
            layers.push((take("hidden", hidden)?, take("cell", cell)?));
        }
        if let Some((name, _)) = part.tensors.first() {
            let expected = format!("{} recurrent layers", layers.len());
            return Err(Error::checkpoint(
                "carried state",
                format!("from another model (extra tensor `{name}`)"),
                expected,
            ));
        }
        self.reset();
        self.prepare(lanes);
        for (slot, (hidden, cell)) in self.layers_mut().zip(layers) {
            slot.set(&hidden, &cell);
        }
        Ok(())
    }

    /// Returns the values of each layer with their names.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = (String, Vec<f32>)> {
        self.layers().enumerate().flat_map(|(i, slot)| {
            let lanes = 0..slot.lanes();
            let hidden = lanes.clone().flat_map(|lane| slot.hidden(lane)).copied().collect();
            let cell = lanes.flat_map(|lane| slot.cell(lane)).copied().collect();
            [(format!("{i}/hidden"), hidden), (format!("{i}/cell"), cell)]
        })
    }

    /// Returns whether both states have the same slots, as states of one model do.
    pub(crate) fn fits(&self, other: &State) -> bool {
        let shape = |s: &Option<StateSlot>| s.as_ref().map(|s| s.shape);
        self.slots.iter().map(shape).eq(other.slots.iter().map(shape))
    }

    pub(crate) fn prepare(&mut self, lanes: usize) {
        for slot in self.slots.iter_mut().flatten() {
            if slot.lanes == 0 {
                slot.set_lanes(lanes);
            }
        }
    }
}

impl StateSlot {
    fn new(shape: StateShape) -> Self {
        Self { shape, lanes: 0, h: AlignedVec::default(), c: AlignedVec::default() }
    }

    fn set_lanes(&mut self, lanes: usize) {
        self.lanes = lanes;
        let floats = lanes * row_step(self.shape.units);
        self.h.resize(floats);
        self.h.fill(0.0);
        self.c.resize(if self.shape.cell { floats } else { 0 });
        self.c.fill(0.0);
    }

    /// Returns the number of lanes.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Returns the size of the state.
    pub fn shape(&self) -> StateShape {
        self.shape
    }

    /// Returns the hidden state of a lane, `H` floats.
    pub fn hidden(&self, lane: usize) -> &[f32] {
        &self.h[lane * row_step(self.shape.units)..][..self.shape.units]
    }

    /// Returns the cell state of a lane, `H` floats; empty for cells without one.
    pub fn cell(&self, lane: usize) -> &[f32] {
        if self.shape.cell { &self.c[lane * row_step(self.shape.units)..][..self.shape.units] } else { &[] }
    }

    /// Copies the hidden and cell states of all lanes, which are stored one after the other.
    pub(crate) fn set(&mut self, hidden: &[f32], cell: &[f32]) {
        let units = self.shape.units.max(1);
        for (lane, from) in hidden.chunks_exact(units).enumerate() {
            self.lane_mut(lane).0.copy_from_slice(from);
        }
        for (lane, from) in cell.chunks_exact(units).enumerate() {
            self.lane_mut(lane).1.copy_from_slice(from);
        }
    }

    /// Returns the hidden and cell state of a lane, for writing.
    pub fn lane_mut(&mut self, lane: usize) -> (&mut [f32], &mut [f32]) {
        let (at, units) = (lane * row_step(self.shape.units), self.shape.units);
        let c = if self.shape.cell { &mut self.c[at..][..units] } else { &mut [] };
        (&mut self.h[at..][..units], c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three layers with three lanes; the second layer has no state.
    fn state() -> State {
        let shape = |units, cell| Some(StateShape { units, cell, stateful: false });
        let mut state = State::new([shape(3, true), None, shape(17, false)].into_iter());
        state.prepare(3);
        for (i, slot) in state.layers_mut().enumerate() {
            for lane in 0..3 {
                let (hidden, cell) = slot.lane_mut(lane);
                hidden
                    .iter_mut()
                    .chain(cell)
                    .enumerate()
                    .for_each(|(k, x)| *x = (100 * i + 10 * lane + k) as f32);
            }
        }
        state
    }

    #[test]
    fn state_is_restored_from_a_part() {
        let part = state().to_part();
        assert_eq!((part.values["lanes"].as_u64(), part.tensors.len()), (Some(3), 4));
        let mut other = state();
        other.reset();
        let empty = other.to_part();
        other.set_part(part.clone()).unwrap();
        assert_eq!(other.to_part(), part);
        other.set_part(empty.clone()).unwrap();
        assert_eq!((other.lanes(), other.to_part()), (0, empty));
    }

    #[test]
    fn a_part_of_another_state_is_rejected_unchanged() {
        let (mut state, good) = (state(), state().to_part());
        let before = state.to_part();
        let mut refused = |change: &dyn Fn(&mut Part), phrase: &str| {
            let mut part = good.clone();
            part.tensors.iter_mut().for_each(|(_, values)| values.fill(-1.0));
            change(&mut part);
            let error = state.set_part(part).unwrap_err().to_string();
            assert!(error.contains(phrase), "{error}");
            assert_eq!(state.to_part(), before, "{error}");
        };
        refused(&|part| part.values["lanes"] = 2.into(), "9 values");
        refused(&|part| part.values["lanes"] = usize::MAX.into(), "9 values");
        refused(&|part| part.values["lanes"] = (-1).into(), "carried state");
        refused(&|part| part.values = serde_json::Value::Null, "carried state");
        refused(&|part| drop(part.tensors.remove(3)), "`1/cell`");
        refused(&|part| part.tensors[2].0 = "1/h".to_owned(), "`1/hidden`");
        refused(&|part| part.tensors[3].1.push(0.0), "1 value");
        refused(&|part| part.tensors.push(("2/hidden".to_owned(), vec![0.0])), "`2/hidden`");
    }
}

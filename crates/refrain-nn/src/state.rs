//! What recurrent layers remember between batches.

use crate::error::Error;
use crate::part::Part;
use refrain_kernels::{AlignedVec, row_step};

/// The state that an operation carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateShape {
    /// Hidden units.
    pub units: usize,
    /// Whether there is a cell state as well as a hidden state.
    pub cell: bool,
    /// Whether it is carried from batch to batch without the caller asking for it.
    pub stateful: bool,
}

impl StateShape {
    /// Floats of the hidden and the cell state of this many lanes; as many as there can be where they are too many.
    pub(crate) fn floats(self, lanes: usize) -> [usize; 2] {
        let hidden = lanes.saturating_mul(self.units);
        [hidden, if self.cell { hidden } else { 0 }]
    }
}

/// The state of every recurrent layer of a model, lane `n` for row `n` of the caller's batch.
///
/// A model makes it ([`crate::Model::new_state`]). A fresh one has no lanes; the first batch that it is used
/// with gives it zeros for its lanes.
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

    /// Sets every lane to zero and forgets how many there are.
    pub fn reset(&mut self) {
        for slot in self.slots.iter_mut().flatten() {
            slot.set_lanes(0);
        }
    }

    /// The states of the recurrent layers, in the order of the graph.
    pub fn layers(&self) -> impl Iterator<Item = &StateSlot> {
        self.slots.iter().flatten()
    }

    pub(crate) fn layers_mut(&mut self) -> impl Iterator<Item = &mut StateSlot> {
        self.slots.iter_mut().flatten()
    }

    /// Lanes it holds; 0 before its first use.
    pub fn lanes(&self) -> usize {
        self.layers().next().map_or(0, |s| s.lanes)
    }

    /// A state whose lane `i` is lane `from[i].1` of the state `from[i].0`; a fresh state's lanes are zeros. A
    /// search that follows several continuations of one text continues from the best of them this way.
    ///
    /// # Panics
    /// Without lanes, when the states are of different models, or when a state does not have the lane.
    pub fn gather(from: &[(&State, usize)]) -> State {
        let first = from.first().expect("a state is gathered from at least one lane").0;
        assert!(from.iter().all(|(state, _)| state.fits(first)), "states of one model are gathered");
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

    /// All lanes of all layers, for a checkpoint: `0/hidden` and `0/cell` of the first recurrent layer, the latter
    /// empty of cells without one.
    pub fn to_part(&self) -> Part {
        Part { values: serde_json::json!({ "lanes": self.lanes() }), tensors: self.tensors().collect() }
    }

    /// Goes on from what [`State::to_part`] gave of a state of the same model; after an error it is as it was.
    ///
    /// # Errors
    /// When the part is of another model's state.
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
            return Err(Error::checkpoint("carried state", format!("with a tensor `{name}`"), expected));
        }
        self.reset();
        self.prepare(lanes);
        for (slot, (hidden, cell)) in self.layers_mut().zip(layers) {
            slot.set(&hidden, &cell);
        }
        Ok(())
    }

    /// The floats of each layer with their names.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = (String, Vec<f32>)> {
        self.layers().enumerate().flat_map(|(i, slot)| {
            let lanes = 0..slot.lanes();
            let hidden = lanes.clone().flat_map(|lane| slot.hidden(lane)).copied().collect();
            let cell = lanes.flat_map(|lane| slot.cell(lane)).copied().collect();
            [(format!("{i}/hidden"), hidden), (format!("{i}/cell"), cell)]
        })
    }

    /// Whether the two have slots of the same shapes in the same places: are of the same model.
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

    /// Lanes it holds.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Its size.
    pub fn shape(&self) -> StateShape {
        self.shape
    }

    /// The hidden state of a lane, `H` floats.
    pub fn hidden(&self, lane: usize) -> &[f32] {
        &self.h[lane * row_step(self.shape.units)..][..self.shape.units]
    }

    /// The cell state of a lane, `H` floats; empty for cells without one.
    pub fn cell(&self, lane: usize) -> &[f32] {
        if self.shape.cell { &self.c[lane * row_step(self.shape.units)..][..self.shape.units] } else { &[] }
    }

    /// Takes over the hidden and cell states of all lanes, one after the other.
    pub(crate) fn set(&mut self, hidden: &[f32], cell: &[f32]) {
        let units = self.shape.units.max(1);
        for (lane, from) in hidden.chunks_exact(units).enumerate() {
            self.lane_mut(lane).0.copy_from_slice(from);
        }
        for (lane, from) in cell.chunks_exact(units).enumerate() {
            self.lane_mut(lane).1.copy_from_slice(from);
        }
    }

    /// The hidden and cell state of a lane, to be set.
    pub fn lane_mut(&mut self, lane: usize) -> (&mut [f32], &mut [f32]) {
        let (at, units) = (lane * row_step(self.shape.units), self.shape.units);
        let c = if self.shape.cell { &mut self.c[at..][..units] } else { &mut [] };
        (&mut self.h[at..][..units], c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three layers of which the second has no state, of three lanes.
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
    fn what_a_part_holds_is_taken_over() {
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
    fn a_part_of_another_state_changes_nothing() {
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
        refused(&|part| part.tensors[3].1.push(0.0), "1 values");
        refused(&|part| part.tensors.push(("2/hidden".to_owned(), vec![0.0])), "`2/hidden`");
    }
}

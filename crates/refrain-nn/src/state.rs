//! What recurrent layers remember between batches.

use crate::graph::StateShape;
use refrain_kernels::{AlignedVec, row_step};

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

    /// Lanes it holds; 0 before its first use.
    pub fn lanes(&self) -> usize {
        self.layers().next().map_or(0, |s| s.lanes)
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

    /// The hidden and cell state of a lane, to be set.
    pub fn lane_mut(&mut self, lane: usize) -> (&mut [f32], &mut [f32]) {
        let (at, units) = (lane * row_step(self.shape.units), self.shape.units);
        let c = if self.shape.cell { &mut self.c[at..][..units] } else { &mut [] };
        (&mut self.h[at..][..units], c)
    }
}

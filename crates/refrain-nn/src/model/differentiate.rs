//! The loss of a training step and its slopes, without the step: what a gradient check compares, and what a caller
//! steps by.

use super::Model;
use crate::data::{Batch, BatchInput};
use crate::error::Error;
use crate::graph::{Axis, EdgeId, Kind};
use crate::state::State;

impl Model {
    /// Computes the gradient of one batch and leaves the step to the caller, who finds it in [`Model::params`]. Loss
    /// and metrics are added to the totals; what earlier batches accumulated is forgotten. With `carry` as in
    /// [`Model::train_step`].
    ///
    /// # Errors
    /// When the batch does not fit the model, or the model is not compiled.
    pub fn gradient_step(&mut self, batch: &Batch, carry: Option<&mut State>) -> Result<(), Error> {
        self.forget_gradients();
        let loss = self.differentiate(batch, carry)?;
        self.forget_gradients();
        self.count(loss);
        Ok(())
    }

    /// The loss that the next training step on this batch would begin with. State, parameters and optimiser stay
    /// as they are.
    pub(crate) fn training_loss(&mut self, batch: &Batch) -> Result<f64, Error> {
        let mut state = self.own_state.clone();
        self.forward_training(batch, Some(&mut state))?;
        Ok(self.score(batch)?.objective())
    }

    /// Computes the gradient of every parameter, and returns that of each input: arranged as its features, 0 at
    /// steps that are not real, nothing for ids. What earlier batches accumulated is forgotten.
    pub(crate) fn differentiate_inputs(&mut self, batch: &Batch) -> Result<Vec<Option<Vec<f32>>>, Error> {
        self.forget_gradients();
        let wanted = std::mem::replace(&mut self.graph.input_gradients, true);
        let mut state = self.own_state.clone();
        let loss = self.differentiate(batch, Some(&mut state));
        self.graph.input_gradients = wanted;
        loss?;
        let gradient = |(&edge, input): (&EdgeId, &BatchInput)| {
            let spec = self.graph.specs[edge.0];
            let Kind::Features(width) = spec.kind else { return None };
            let mut array = vec![0.0; input.features.len()];
            let Some(gradient) = self.graph.gradient(edge) else { return Some(array) };
            let mut put = |row: usize, at: usize| {
                array[at * width..(at + 1) * width].copy_from_slice(gradient.view().row(row));
            };
            match spec.axis {
                Axis::Lanes => (0..batch.lanes).for_each(|lane| put(lane, lane)),
                Axis::Steps(id) => {
                    for (row, lane, step) in self.graph.layout(id).iter() {
                        put(row, lane * input.steps + step);
                    }
                }
            }
            Some(array)
        };
        Ok(self.inputs.iter().zip(&batch.inputs).map(gradient).collect())
    }
}

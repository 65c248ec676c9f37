//! The loss and gradient of a training step without the step itself, for gradient checks and custom update
//! rules.

use super::Model;
use crate::data::{Batch, BatchInput};
use crate::error::Error;
use crate::graph::{Axis, EdgeId, Kind};
use crate::state::State;

impl Model {
    /// Computes the gradient of one batch without taking a step; read it from [`Model::params`]. Loss and
    /// metrics are added to the totals. Accumulated gradients of earlier batches are discarded. `carry` works
    /// as in [`Model::train_step`].
    ///
    /// # Errors
    /// Returns an error if the batch does not fit the model, or if the model is not compiled.
    pub fn gradient_step(&mut self, batch: &Batch, carry: Option<&mut State>) -> Result<(), Error> {
        self.forget_gradients();
        let loss = self.differentiate(batch, carry)?;
        self.forget_gradients();
        self.count(loss);
        Ok(())
    }

    /// Returns the loss that the next training step on this batch would have. State, parameters and optimiser
    /// do not change.
    pub(crate) fn training_loss(&mut self, batch: &Batch) -> Result<f64, Error> {
        let mut state = self.own_state.clone();
        self.forward_training(batch, Some(&mut state))?;
        Ok(self.score(batch)?.objective())
    }

    /// Computes the gradient of every parameter and returns that of each input, arranged as its features. It
    /// is 0 at steps that are not real, and `None` for ids. Accumulated gradients of earlier batches are
    /// discarded.
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

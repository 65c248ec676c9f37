//! Inspecting the recurrent layers after a batch.

use super::Model;
use crate::graph::Recurrence;

impl Model {
    /// Sets whether backward passes keep the gates and the gradients of hidden and cell states at every step,
    /// for [`Model::recurrences`]. By default they do not. When on, each pass writes as much additional data
    /// as its states and gates hold.
    ///
    /// [`Model::fit`] sets it after each batch: on if a callback answered with
    /// [`Answer::Probe`](crate::Answer), otherwise off.
    pub fn set_gradient_probe(&mut self, on: bool) {
        self.graph.nodes.iter_mut().for_each(|node| node.op.set_probe(on));
    }

    /// Returns the recurrent layers in the order of the graph, with their states, gates and, if they were
    /// kept, gradients for the last batch. Layers that have not seen a batch are omitted.
    ///
    /// After a training step, the gates are those of the batch, but the parameters are already updated.
    pub fn recurrences(&self) -> impl Iterator<Item = Recurrence<'_>> {
        self.graph.recurrences(&self.params)
    }
}

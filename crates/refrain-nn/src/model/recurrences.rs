//! Looking at the recurrent layers of a batch.

use super::Model;
use crate::graph::Recurrence;

impl Model {
    /// Sets whether backward passes keep, from the next one on, the gates and the gradients of hidden and cell states at
    /// every step, for [`Model::recurrences`]. By default they do not, and it costs nothing; set, a pass writes as much
    /// again as its states and gates hold.
    ///
    /// [`Model::fit`] sets it after each batch: on if a callback answered with [`Answer::Probe`](crate::Answer), else off.
    pub fn set_gradient_probe(&mut self, on: bool) {
        self.graph.nodes.iter_mut().for_each(|node| node.op.set_probe(on));
    }

    /// The recurrent layers in the order of the graph, as the last batch left them: what they remembered, how their
    /// gates stood, and the gradients if they were kept. Layers that have seen no batch are left out.
    ///
    /// After a training step the gates are those of the batch, but the parameters are the step's.
    pub fn recurrences(&self) -> impl Iterator<Item = Recurrence<'_>> {
        self.graph.recurrences(&self.params)
    }
}

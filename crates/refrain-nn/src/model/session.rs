//! Running a model step by step.

use super::Model;
use crate::activation::Activation;
use crate::data::Batch;
use crate::error::Error;
use crate::graph::{Axis, Causality, EdgeId};
use crate::state::State;
use refrain_kernels::Rows;

/// A model that reads one step at a time and remembers.
///
/// A session's steps are the same bits as one pass over the whole sequence.
#[derive(Debug)]
pub struct Session<'m> {
    model: &'m mut Model,
    state: State,
    batch: Batch,
    /// What a step returns.
    output: EdgeId,
    /// An activation after it that nobody needs.
    skip: Vec<usize>,
}

impl Model {
    /// Starts a session of `lanes` sequences, its state zero.
    ///
    /// # Errors
    /// When a layer needs more than this and earlier steps: it is bidirectional, goes backwards, or waits for
    /// a sequence's end; when a layer masks steps; or when the model has several inputs or gives ids.
    pub fn session(&mut self, lanes: usize) -> Result<Session<'_>, Error> {
        if let Causality::NotCausal(reason) = self.graph.causality() {
            return Err(Error::unsupported("running this model step by step", reason));
        }
        if self.inputs.len() != 1 {
            return Err(Error::unsupported("running this model step by step", "it has several inputs"));
        }
        if self.output_width(0) == 0 {
            return Err(Error::unsupported("running this model step by step", "its output has no features"));
        }
        let axis = |edge: EdgeId| self.graph.specs[edge.0].axis;
        if axis(self.outputs[0]) != Axis::Lanes && axis(self.outputs[0]) != axis(self.inputs[0]) {
            let reason = "a layer drops masked steps, so a step may have no output";
            return Err(Error::unsupported("running this model step by step", reason));
        }
        self.graph.pack(&self.engine, &self.params);
        let state = self.graph.new_state();
        let mut batch = Batch { lanes, ..Batch::default() };
        batch.inputs.resize_with(1, Default::default);
        batch.inputs[0].steps = 1;
        let output = self.outputs[0];
        Ok(Session { model: self, state, batch, output, skip: Vec::new() })
    }
}

impl Session<'_> {
    /// Returns logits from now on where the model ends in a softmax or sigmoid.
    pub fn logits(mut self) -> Self {
        let (graph, probabilities) = (&self.model.graph, self.model.outputs[0]);
        let is_probability = |a| matches!(a, Activation::Softmax | Activation::Sigmoid);
        let last = graph.producer(probabilities);
        if let Some(last) = last.filter(|&n| graph.nodes[n].op.activation().is_some_and(is_probability)) {
            // Another layer that reads the probabilities needs those of this step.
            if !graph.nodes.iter().any(|n| n.inputs.contains(&probabilities)) {
                self.skip.push(last);
            }
            self.output = graph.nodes[last].inputs[0];
        }
        self
    }

    /// Reads one id a lane and returns the output, one row a lane.
    ///
    /// # Errors
    /// When the number of ids is not the number of lanes, the model does not read ids, or an id is out of
    /// range.
    pub fn step_ids(&mut self, ids: &[u32]) -> Result<Rows<'_>, Error> {
        let input = &mut self.batch.inputs[0];
        input.ids.clear();
        input.ids.extend_from_slice(ids);
        self.step()
    }

    /// Reads one row of features a lane and returns the output, one row a lane.
    ///
    /// # Errors
    /// When the number of floats is not lanes · width, or the model reads ids.
    pub fn step_features(&mut self, features: &[f32]) -> Result<Rows<'_>, Error> {
        let input = &mut self.batch.inputs[0];
        input.features.clear();
        input.features.extend_from_slice(features);
        self.step()
    }

    fn step(&mut self) -> Result<Rows<'_>, Error> {
        self.model.infer(&self.batch, Some(&mut self.state), &self.skip)?;
        // One step of every lane is in the caller's order: packing is stable.
        Ok(self.model.graph.value(self.output).view())
    }

    /// What the recurrent layers remember.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Goes on with `lanes` sequences from a state, as [`State::gather`] puts it together; from zeros where the
    /// state is fresh.
    ///
    /// # Errors
    /// When the state is another model's or has another number of lanes.
    pub fn resume(&mut self, state: State, lanes: usize) -> Result<(), Error> {
        self.check(&state, lanes)?;
        self.batch.lanes = lanes;
        self.state = state;
        Ok(())
    }

    /// Puts back what the recurrent layers remembered.
    ///
    /// # Errors
    /// When the state is another model's or has another number of lanes.
    pub fn set_state(&mut self, state: &State) -> Result<(), Error> {
        self.check(state, self.batch.lanes)?;
        self.state = state.clone();
        Ok(())
    }

    fn check(&self, state: &State, lanes: usize) -> Result<(), Error> {
        if state.fits(&self.state) && (state.lanes() == 0 || state.lanes() == lanes) {
            return Ok(());
        }
        let got = format!("{} lanes, {} layers", state.lanes(), state.layers().count());
        let layers = self.state.layers().count();
        Err(Error::data("the state", got, format!("{lanes} lanes, {layers} layers of this model")))
    }
}

//! Running a model step by step.

use super::Model;
use crate::activation::Activation;
use crate::data::Batch;
use crate::error::Error;
use crate::graph::{Axis, Causality, EdgeId};
use crate::shown::counted;
use crate::state::State;
use refrain_kernels::Rows;

/// A model that reads one step at a time and keeps its state.
///
/// The outputs have the same bits as one pass over the whole sequence.
#[derive(Debug)]
pub struct Session<'m> {
    model: &'m mut Model,
    state: State,
    batch: Batch,
    /// The output to return.
    output: EdgeId,
    /// The activation after the output, if it is skipped.
    skip: Vec<usize>,
}

impl Model {
    /// Starts a session of `lanes` sequences from a zero state.
    ///
    /// # Errors
    /// Returns an error if a layer needs more than the current and earlier steps (it is bidirectional, goes
    /// backwards, or waits for the end of a sequence), if a layer masks steps, or if the model has several
    /// inputs or outputs ids.
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
    /// Makes the session return logits if the model ends in a softmax or sigmoid.
    pub fn logits(mut self) -> Self {
        let (graph, probabilities) = (&self.model.graph, self.model.outputs[0]);
        let is_probability = |a| matches!(a, Activation::Softmax | Activation::Sigmoid);
        let last = graph.producer(probabilities);
        if let Some(last) = last.filter(|&n| graph.nodes[n].op.activation().is_some_and(is_probability)) {
            // The activation must still run if another layer reads its probabilities.
            if !graph.nodes.iter().any(|n| n.inputs.contains(&probabilities)) {
                self.skip.push(last);
            }
            self.output = graph.nodes[last].inputs[0];
        }
        self
    }

    /// Reads one id per lane and returns the output, one row per lane.
    ///
    /// # Errors
    /// Returns an error if the number of ids is not the number of lanes, the model does not read ids, or an
    /// id is out of range.
    pub fn step_ids(&mut self, ids: &[u32]) -> Result<Rows<'_>, Error> {
        let input = &mut self.batch.inputs[0];
        input.ids.clear();
        input.ids.extend_from_slice(ids);
        self.step()
    }

    /// Reads one row of features per lane and returns the output, one row per lane.
    ///
    /// # Errors
    /// Returns an error if the number of floats is not lanes · width, or if the model reads ids.
    pub fn step_features(&mut self, features: &[f32]) -> Result<Rows<'_>, Error> {
        let input = &mut self.batch.inputs[0];
        input.features.clear();
        input.features.extend_from_slice(features);
        self.step()
    }

    fn step(&mut self) -> Result<Rows<'_>, Error> {
        self.model.infer(&self.batch, Some(&mut self.state), &self.skip)?;
        // The rows of a single step are in the caller's order, because packing is stable.
        Ok(self.model.graph.value(self.output).view())
    }

    /// Returns the state of the recurrent layers.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Continues with `lanes` sequences from a state, for example one that [`State::gather`] returned. A new
    /// state starts from zeros.
    ///
    /// # Errors
    /// Returns an error if the state belongs to another model or has another number of lanes.
    pub fn resume(&mut self, state: State, lanes: usize) -> Result<(), Error> {
        self.check(&state, lanes)?;
        self.batch.lanes = lanes;
        self.state = state;
        Ok(())
    }

    /// Restores the state of the recurrent layers.
    ///
    /// # Errors
    /// Returns an error if the state belongs to another model or has another number of lanes.
    pub fn set_state(&mut self, state: &State) -> Result<(), Error> {
        self.check(state, self.batch.lanes)?;
        self.state = state.clone();
        Ok(())
    }

    fn check(&self, state: &State, lanes: usize) -> Result<(), Error> {
        if state.fits(&self.state) && (state.lanes() == 0 || state.lanes() == lanes) {
            return Ok(());
        }
        let got = format!("{}, {}", counted(state.lanes(), "lane"), counted(state.layers().count(), "layer"));
        let layers = self.state.layers().count();
        Err(Error::data(
            "the state",
            got,
            format!("{}, {} of this model", counted(lanes, "lane"), counted(layers, "layer")),
        ))
    }
}

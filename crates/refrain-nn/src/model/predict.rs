//! Running a model without training.

use super::Model;
use crate::data::{Batch, Sequences};
use crate::error::Error;
use crate::graph::{Axis, EdgeId, Mode, RandomKey};
use crate::state::State;
use ndarray::{ArrayD, IxDyn};

/// Sequences that are run at a time if the caller does not say.
const BATCH: usize = 64;

impl Model {
    /// Runs a batch; the outputs stay in the graph's buffers.
    pub(super) fn infer(
        &mut self,
        batch: &Batch,
        carry: Option<&mut State>,
        skip: &[usize],
    ) -> Result<(), Error> {
        self.feed(batch)?;
        let random = RandomKey { seed: self.seed, counter: 0 };
        let state = carry.unwrap_or(&mut self.own_state);
        self.graph.forward(&self.engine, &self.params, Mode::Infer, random, state, skip)
    }

    /// Returns the outputs for one batch, batch first: `(N, T, width)` for sequences, with zeros at masked
    /// steps and beyond a sequence's length, otherwise `(N, width)`. If `carry` is given, the state is
    /// carried in it.
    ///
    /// # Errors
    /// Returns an error if the batch does not fit the model.
    pub fn predict_batch(
        &mut self,
        batch: &Batch,
        carry: Option<&mut State>,
    ) -> Result<Vec<ArrayD<f32>>, Error> {
        self.graph.pack(&self.engine, &self.params);
        self.infer(batch, carry, &[]).map_err(|error| error.in_rows(&batch.rows))?;
        Ok(self.outputs.iter().map(|&edge| self.expand(edge)).collect())
    }

    /// Returns the outputs for all sequences; see [`Model::predict_batch`]. Without a batch size, it does not
    /// show that they are run in parts. With one, each batch continues the sequences of the one before if a
    /// layer is `stateful`, as in Keras.
    ///
    /// # Errors
    /// Returns an error if the data does not fit the model.
    pub fn predict_all<'a>(
        &mut self,
        x: impl Into<Sequences<'a>>,
        batch_size: Option<usize>,
    ) -> Result<Vec<ArrayD<f32>>, Error> {
        let names: Vec<_> = self.architecture.inputs.iter().map(|i| &i.name).collect();
        let x = x.into().arranged(&names)?;
        let total = x.sequences()?;
        let mut batch = Batch::default();
        let mut parts: Vec<Vec<ArrayD<f32>>> = vec![Vec::new(); self.outputs.len()];
        let size = self.batch_size(batch_size, total, BATCH).max(1);
        self.check_batches("predict", total, size, self.state_lanes())?;
        let mut from = 0;
        // Without sequences, one empty batch determines the shapes.
        while from < total || parts[0].is_empty() {
            x.fill(from..total.min(from.saturating_add(size)), &mut batch)?;
            for (part, array) in parts.iter_mut().zip(self.predict_batch(&batch, None)?) {
                part.push(array);
            }
            from = from.saturating_add(size);
        }
        parts.into_iter().map(|part| join(&part)).collect()
    }

    /// Returns the first output for all sequences. With a `stateful` layer they are one batch, because no batch
    /// may continue another one that the caller did not choose.
    ///
    /// # Errors
    /// Returns an error if the data does not fit the model.
    pub fn predict<'a>(&mut self, x: impl Into<Sequences<'a>>) -> Result<ArrayD<f32>, Error> {
        Ok(self.predict_all(x, None)?.swap_remove(0))
    }

    fn expand(&self, edge: EdgeId) -> ArrayD<f32> {
        let (spec, value, lanes) = (self.graph.specs[edge.0], self.graph.value(edge), self.graph.lanes());
        let width = spec.width();
        let rows = value.view();
        match spec.axis {
            Axis::Lanes => {
                let flat = (0..lanes).flat_map(|lane| rows.row(lane).iter().copied()).collect();
                ArrayD::from_shape_vec(IxDyn(&[lanes, width]), flat).expect("rows of one width")
            }
            Axis::Steps(id) => {
                let layout = self.graph.layout(id);
                let steps = layout.span();
                let mut flat = vec![0.0; lanes * steps * width];
                for (row, lane, step) in layout.iter() {
                    flat[(lane * steps + step) * width..][..width].copy_from_slice(rows.row(row));
                }
                ArrayD::from_shape_vec(IxDyn(&[lanes, steps, width]), flat).expect("rows of one width")
            }
        }
    }
}

/// Concatenates batches. If their numbers of steps differ, shorter ones are padded with zeros.
fn join(parts: &[ArrayD<f32>]) -> Result<ArrayD<f32>, Error> {
    let mut shape = parts[0].shape().to_vec();
    shape[0] = parts.iter().map(|p| p.shape()[0]).sum();
    if shape.len() == 3 {
        shape[1] = parts.iter().map(|p| p.shape()[1]).max().unwrap_or(0);
    }
    let mut all = ArrayD::zeros(IxDyn(&shape));
    let mut from = 0;
    for part in parts {
        let mut to = all.view_mut();
        for (axis, &len) in part.shape().iter().enumerate() {
            let start = if axis == 0 { from } else { 0 };
            to.slice_axis_inplace(ndarray::Axis(axis), (start..start + len).into());
        }
        to.assign(part);
        from += part.shape()[0];
    }
    Ok(all)
}

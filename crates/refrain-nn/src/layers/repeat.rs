//! RepeatVector: turns a row into a sequence.

use super::Layer;
use crate::error::Error;
use crate::graph::{
    Axis, Backward, Causality, EdgeId, EdgeSpec, Forward, LayoutId, Op, OpMemory, PassSize, Plan, grown,
    of_floats,
};
use refrain_kernels::elementwise::permute_rows;
use serde::{Deserialize, Serialize};

/// Repeats the row of each sequence: `(N, F)` becomes `(N, n, F)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepeatVector {
    /// The number of steps in the output.
    pub n: usize,
    /// The name, if the user gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl RepeatVector {
    /// Creates a layer that repeats each row for `n` steps.
    pub fn new(n: usize) -> Self {
        Self { n, name: None }
    }

    setters! {
        name,
    }
}

impl Layer for RepeatVector {
    named_layer!("RepeatVector");

    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        let input = plan.one(inputs)?;
        let width = plan.features(input)?;
        if self.n == 0 || u32::try_from(self.n).is_err() {
            return Err(Error::setting(plan.name(), "n", self.n, "at least 1 and below 2^32"));
        }
        if plan.spec(input).axis != Axis::Lanes {
            let expected = "features without a time axis (do not set `return_sequences` on the layer before)";
            return Err(Error::connection(plan.name(), plan.spec(input), expected));
        }
        let layout = plan.layout_of(self.n);
        let op = Repeat { n: self.n, layout, lanes: Vec::new() };
        Ok(plan.op(Box::new(op), &[input], &[EdgeSpec::steps(layout, width)]))
    }
}

#[derive(Debug, Clone)]
struct Repeat {
    n: usize,
    layout: LayoutId,
    /// For each output row, its input row.
    lanes: Vec<u32>,
}

impl Op for Repeat {
    fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error> {
        let (engine, x, lanes, n) = (cx.engine, cx.input(0), cx.lanes(), self.n);
        cx.make_layout(self.layout, |made, _| made.set_full(lanes, n));
        self.lanes.clear();
        self.lanes.extend(cx.layout(self.layout).iter().map(|(_, lane, _)| lane as u32));
        permute_rows(engine, &self.lanes, x.view(), false, cx.output(0).view_mut());
        Ok(())
    }

    fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error> {
        let Some(dy) = cx.d_output(0) else { return Ok(()) };
        let Some(dx) = cx.d_input(0) else { return Ok(()) };
        if !dx.add {
            dx.value.data.fill(0.0);
        }
        let mut to = dx.value.view_mut();
        for (row, &lane) in self.lanes.iter().enumerate() {
            for (dx, dy) in to.row(lane as usize).iter_mut().zip(dy.view().row(row)) {
                *dx += dy;
            }
        }
        Ok(())
    }

    fn causality(&self) -> Causality {
        Causality::NotCausal("RepeatVector turns one row into a whole sequence")
    }

    fn memory(&self, pass: &PassSize<'_>) -> OpMemory {
        let rows = pass.lanes.saturating_mul(self.n as u64);
        OpMemory { output_rows: Some(rows), ..OpMemory::keeps(of_floats(grown(rows))) }
    }

    fn boxed_clone(&self) -> Box<dyn Op> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradcheck::{Bench, Input};
    use crate::graph::Mode;
    use crate::layers::tests::support::check;

    #[test]
    fn repeats_each_row() {
        let mut h = Bench::new(&RepeatVector::new(3), &[Input::lanes(2, &[1.0, 2.0, 3.0, 4.0])]).unwrap();
        h.forward(Mode::Infer).unwrap();
        let expected = [vec![1.0, 2.0, 1.0, 2.0, 1.0, 2.0], vec![3.0, 4.0, 3.0, 4.0, 3.0, 4.0]];
        assert_eq!(h.output(0), expected);
        assert_eq!(h.output_sources(0), [[0, 1, 2], [0, 1, 2]]);
    }

    #[test]
    fn gradients() {
        check(&RepeatVector::new(5), &[Input::random_lanes(17, 3)]);
    }

    #[test]
    fn rejects_zero_steps_and_a_sequence() {
        let error = Bench::new(&RepeatVector::new(0), &[Input::lanes(1, &[1.0])]).unwrap_err();
        assert!(matches!(error, Error::Setting { setting: "n", .. }), "{error}");
        let error = Bench::new(&RepeatVector::new(2), &[Input::steps(1, &[&[1.0]])]).unwrap_err();
        assert!(matches!(error, Error::Connection { .. }), "{error}");
    }
}

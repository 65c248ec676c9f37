//! Masking: drops steps that hold only a marker value.

use super::Layer;
use crate::error::Error;
use crate::graph::{Backward, EdgeId, EdgeSpec, Forward, LayoutId, Op, OpMemory, PassSize, Plan, of_floats};
use refrain_kernels::elementwise::permute_rows;
use serde::{Deserialize, Serialize};

/// Drops the steps whose features all equal `mask_value`.
///
/// The input is `(N, T, F)`. The output has the remaining rows on a new time axis: later layers never see the
/// dropped steps, and a returned sequence has 0 there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Masking {
    /// The value that marks a step to drop; 0 by default.
    #[serde(default)]
    pub mask_value: f32,
    /// The name, if the user gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Masking {
    /// Creates a layer that drops the steps whose features all equal `mask_value`.
    pub fn new(mask_value: f32) -> Self {
        Self { mask_value, name: None }
    }

    setters! {
        name,
    }
}

impl Default for Masking {
    fn default() -> Self {
        Self::new(0.0)
    }
}

impl Layer for Masking {
    named_layer!("Masking");

    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        let input = plan.one(inputs)?;
        let width = plan.features(input)?;
        plan.steps(input)?;
        if !self.mask_value.is_finite() {
            return Err(Error::setting(plan.name(), "mask_value", self.mask_value, "a finite number"));
        }
        let layout = plan.layout();
        let op = DropSteps { mask_value: self.mask_value, subset: Subset::new(layout) };
        Ok(plan.op(Box::new(op), &[input], &[EdgeSpec::steps(layout, width)]))
    }
}

/// A time axis with a subset of another axis's rows.
#[derive(Debug, Clone)]
pub(super) struct Subset {
    layout: LayoutId,
    rows: Vec<u32>,
}

impl Subset {
    pub(super) fn new(layout: LayoutId) -> Self {
        Self { layout, rows: Vec::new() }
    }

    /// Makes the layout of those rows of the first input, which has a time axis, for which `keep` is true.
    pub(super) fn make(&mut self, cx: &mut Forward<'_>, keep: impl Fn(usize) -> bool) {
        let rows = &mut self.rows;
        cx.make_layout(self.layout, |made, source| {
            let source = source.expect("an input with a time axis: the layer checked it when it was planned");
            made.set_subset(source, &keep);
            rows.clear();
            rows.resize(made.rows(), 0);
            for n in 0..source.sequences() {
                let kept = (0..source.length(n)).map(|t| source.row(n, t)).filter(|&row| keep(row));
                for (t, row) in kept.enumerate() {
                    rows[made.row(n, t)] = row as u32;
                }
            }
        });
    }

    /// Returns, for each remaining row, its row in the input.
    pub(super) fn rows(&self) -> &[u32] {
        &self.rows
    }
}

#[derive(Debug, Clone)]
struct DropSteps {
    mask_value: f32,
    subset: Subset,
}

impl Op for DropSteps {
    fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error> {
        let (engine, x, mask_value) = (cx.engine, cx.input(0).view(), self.mask_value);
        self.subset.make(cx, |row| x.row(row).iter().any(|&v| v != mask_value));
        permute_rows(engine, self.subset.rows(), x, false, cx.output(0).view_mut());
        Ok(())
    }

    fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error> {
        let Some(dy) = cx.d_output(0) else { return Ok(()) };
        let Some(dx) = cx.d_input(0) else { return Ok(()) };
        if !dx.add {
            dx.value.data.fill(0.0);
        }
        let mut to = dx.value.view_mut();
        for (i, &row) in self.subset.rows().iter().enumerate() {
            for (dx, dy) in to.row(row as usize).iter_mut().zip(dy.view().row(i)) {
                *dx += dy;
            }
        }
        Ok(())
    }

    fn memory(&self, pass: &PassSize<'_>) -> OpMemory {
        OpMemory::keeps(of_floats(pass.rows))
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
    fn masks_only_steps_whose_features_all_equal_the_mask_value() {
        let x = Input::steps(2, &[&[1.0, 2.0], &[0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 4.0], &[0.0, 0.0], &[]]);
        let mut h = Bench::new(&Masking::default(), &[x]).unwrap();
        h.forward(Mode::Infer).unwrap();
        assert_eq!(h.output(0), [vec![1.0, 2.0], vec![3.0, 0.0, 0.0, 4.0], vec![], vec![]]);
        assert_eq!(h.output_sources(0), [vec![0], vec![1, 3], vec![], vec![]]);
    }

    #[test]
    fn other_mask_values_and_nan() {
        let x = Input::steps(1, &[&[-1.0, 0.0], &[f32::NAN, -1.0]]);
        let mut h = Bench::new(&Masking::new(-1.0), &[x]).unwrap();
        h.forward(Mode::Infer).unwrap();
        assert_eq!(h.output_sources(0), [vec![1], vec![0]]);
    }

    #[test]
    fn gradients() {
        check(&Masking::new(9.0), &[Input::random_steps(3, &[1, 4, 0, 2])]);
    }

    #[test]
    fn gradients_skip_the_masked_steps() {
        let x = Input::steps(1, &[&[9.0, 0.5], &[0.25, 9.0, 9.0, 0.75], &[9.0]]);
        let mut h = Bench::new(&Masking::new(9.0), &[x]).unwrap();
        h.differentiate().unwrap();
        let (dx, dy) = (h.input_gradient(0), h.output_gradient(0));
        assert_eq!(dx, [vec![0.0, dy[0][0]], vec![dy[1][0], 0.0, 0.0, dy[1][1]], vec![0.0]]);
    }

    #[test]
    fn needs_a_sequence_and_a_number() {
        let error = Bench::new(&Masking::new(f32::NAN), &[Input::steps(1, &[&[0.0]])]).unwrap_err();
        assert!(matches!(error, Error::Setting { setting: "mask_value", .. }), "{error}");
        let error = Bench::new(&Masking::default(), &[Input::lanes(1, &[0.0])]).unwrap_err();
        assert!(matches!(error, Error::Connection { .. }), "{error}");
    }
}

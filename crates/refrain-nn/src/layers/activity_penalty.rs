//! ActivityPenalty: a training penalty on large and fast-changing activations.

use super::Layer;
use crate::error::Error;
use crate::graph::{Axis, Backward, EdgeId, Forward, Mode, Op, OpMemory, PassSize, Plan, grown, of_floats};
use refrain_kernels::activity::{measure, slopes};
use refrain_kernels::elementwise::copy_columns;
use serde::{Deserialize, Serialize};

/// Passes its input through and adds a penalty on it to the training loss: `l2 · mean(x²) + temporal ·
/// mean((x[t+1] − x[t])²)`, activation regularisation and temporal activation regularisation (Merity, McCann
/// & Socher 2017). Like dropout, it is active only in training.
///
/// Keras's `ActivityRegularization(l2)` is a sum over the batch; this is a mean, which does not depend on the
/// batch size.
///
/// Input and output are `(…, F)`; `temporal` needs a time axis. The means are over all elements of the
/// batch's real steps, and over all elements of consecutive real steps of the same sequence. The mean of no
/// elements is 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivityPenalty {
    /// The factor of the mean square, at least 0.
    #[serde(default)]
    pub l2: f32,
    /// The factor of the mean square of the change from step to step, at least 0.
    #[serde(default)]
    pub temporal: f32,
    /// The name, if the user gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl ActivityPenalty {
    /// Creates a penalty with these factors.
    pub fn new(l2: f32, temporal: f32) -> Self {
        Self { l2, temporal, name: None }
    }

    setters! {
        name,
    }
}

impl Layer for ActivityPenalty {
    named_layer!("ActivityPenalty");

    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        let input = plan.one(inputs)?;
        plan.features(input)?;
        for (setting, factor) in [("l2", self.l2), ("temporal", self.temporal)] {
            if !(factor.is_finite() && factor >= 0.0) {
                return Err(Error::setting(plan.name(), setting, factor, "a finite number of at least 0"));
            }
        }
        if self.temporal > 0.0 {
            plan.steps(input)?;
        }
        let spec = plan.spec(input);
        let op = PenaltyOp {
            l2: self.l2,
            temporal: self.temporal,
            axis: spec.axis,
            before: Vec::new(),
            after: Vec::new(),
            squares: Vec::new(),
            steps: Vec::new(),
            penalty: 0.0,
            slopes: [0.0; 2],
        };
        Ok(plan.op(Box::new(op), &[input], &[spec]))
    }

    fn without_dropout(&self) -> Box<dyn Layer> {
        Box::new(Self { l2: 0.0, temporal: 0.0, ..self.clone() })
    }
}

#[derive(Debug, Clone)]
struct PenaltyOp {
    l2: f32,
    temporal: f32,
    axis: Axis,
    /// For each row, the rows of its sequence one step before and one step after. At either end it is the row
    /// itself.
    before: Vec<u32>,
    after: Vec<u32>,
    /// The sum for each row.
    squares: Vec<f64>,
    steps: Vec<f64>,
    penalty: f64,
    /// Twice each factor, divided by the number of elements of its mean.
    slopes: [f32; 2],
}

impl PenaltyOp {
    fn find_neighbours(&mut self, cx: &Forward<'_>, rows: usize) {
        match self.axis {
            Axis::Steps(layout) => cx.layout(layout).neighbours(&mut self.before, &mut self.after),
            Axis::Lanes => {
                for rows_beside in [&mut self.before, &mut self.after] {
                    rows_beside.clear();
                    rows_beside.extend(0..rows as u32);
                }
            }
        }
    }
}

impl Op for PenaltyOp {
    fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error> {
        let (engine, x) = (cx.engine, cx.input(0));
        (self.penalty, self.slopes) = (0.0, [0.0; 2]);
        if cx.mode == Mode::Infer {
            copy_columns(engine, x.view(), 0, false, cx.output(0).view_mut());
            return Ok(());
        }
        let (rows, width) = (x.rows(), x.width());
        self.find_neighbours(cx, rows);
        self.squares.resize(rows, 0.0);
        self.steps.resize(rows, 0.0);
        let y = cx.output(0).view_mut();
        measure(engine, x.view(), &self.before, y, &mut self.squares, &mut self.steps);
        let pairs = self.before.iter().zip(0..).filter(|&(&before, row)| before != row).count();
        let sums = [(self.l2, &self.squares, rows), (self.temporal, &self.steps, pairs)];
        for ((factor, sums, rows), slope) in sums.into_iter().zip(&mut self.slopes) {
            if factor > 0.0 && rows > 0 {
                let factor = f64::from(factor) / (rows * width) as f64;
                self.penalty += factor * sums.iter().sum::<f64>();
                *slope = (2.0 * factor) as f32;
            }
        }
        Ok(())
    }

    fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error> {
        let (engine, x, dy) = (cx.engine, cx.input(0).view(), cx.d_output(0).map(|dy| dy.view()));
        if let Some(dx) = cx.d_input(0) {
            let (add, dx) = (dx.add, dx.value.view_mut());
            slopes(engine, self.slopes, x, [&self.before, &self.after], dy, add, dx);
        }
        Ok(())
    }

    fn penalty(&self) -> f64 {
        self.penalty
    }

    fn always_differentiates(&self) -> bool {
        true
    }

    fn memory(&self, pass: &PassSize<'_>) -> OpMemory {
        let rows = pass.rows;
        let kept = of_floats(grown(rows)).saturating_add(of_floats(rows).saturating_mul(2)).saturating_mul(2);
        OpMemory::keeps(if pass.mode == Mode::Train { kept } else { 0 })
    }

    fn boxed_clone(&self) -> Box<dyn Op> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradcheck::{Bench, Input};
    use crate::layers::tests::support::check;

    /// Rounding of a factor to f32.
    const TOLERANCE: f64 = 1e-6;

    fn penalty(layer: &ActivityPenalty, x: Input, mode: Mode) -> f64 {
        let mut bench = Bench::new(layer, std::slice::from_ref(&x)).unwrap();
        bench.forward(mode).unwrap();
        let mut plain = Bench::new(&ActivityPenalty::new(0.0, 0.0), &[x]).unwrap();
        plain.forward(Mode::Infer).unwrap();
        assert_eq!(bench.output(0), plain.output(0), "the output is not the input");
        bench.operation(0).penalty()
    }

    /// Returns the rows 1 2 | 3 5 | 4 4 and, in another sequence, 2 0.
    fn x() -> Input {
        Input::steps(2, &[&[], &[2.0, 0.0], &[1.0, 2.0, 3.0, 5.0, 4.0, 4.0]])
    }

    #[test]
    fn means_cover_real_elements_and_their_neighbours() {
        let squares = (4.0 + 5.0 + 34.0 + 32.0) / 8.0;
        let steps = (4.0 + 9.0 + 1.0 + 1.0) / 4.0;
        for (l2, temporal) in [(2.0, 0.0), (0.0, 0.5), (2.0, 0.5)] {
            let got = penalty(&ActivityPenalty::new(l2, temporal), x(), Mode::Train);
            let want = f64::from(l2) * squares + f64::from(temporal) * steps;
            assert!((got - want).abs() < TOLERANCE * want, "{got} for {want}");
        }
    }

    #[test]
    fn masked_steps_are_skipped_between_neighbours() {
        let mask: [&[bool]; 2] = [&[true, false, true], &[false, false, true]];
        let x = Input::steps(1, &[&[1.0, 100.0, 4.0], &[50.0, 60.0, 2.0]]).mask(&mask);
        let got = penalty(&ActivityPenalty::new(0.0, 1.0), x, Mode::Train);
        assert!((got - 9.0).abs() < TOLERANCE * 9.0, "{got}");
    }

    #[test]
    fn there_is_no_penalty_outside_of_training_or_without_steps() {
        let layer = ActivityPenalty::new(1.0, 1.0);
        assert_eq!(penalty(&layer, x(), Mode::Infer), 0.0);
        assert_eq!(penalty(&layer, Input::steps(1, &[&[], &[]]), Mode::Train), 0.0);
        let mut bench = Bench::new(&layer, &[x()]).unwrap();
        bench.forward(Mode::Train).unwrap();
        assert!(bench.operation(0).penalty() > 0.0);
        bench.forward(Mode::Infer).unwrap();
        assert_eq!(bench.operation(0).penalty(), 0.0);
    }

    #[test]
    fn gradients() {
        for (l2, temporal) in [(0.0, 0.0), (5.0, 0.0), (0.0, 5.0), (3.0, 4.0)] {
            check(&ActivityPenalty::new(l2, temporal), &[Input::random_steps(17, &[2, 5, 0, 3])]);
        }
        check(&ActivityPenalty::new(5.0, 0.0), &[Input::random_lanes(5, 4)]);
    }

    #[test]
    fn factors_out_of_range_and_missing_steps_are_rejected() {
        for factor in [-0.1, f32::NAN, f32::INFINITY] {
            let x = [Input::random_steps(1, &[2])];
            let error = Bench::new(&ActivityPenalty::new(factor, 0.0), &x).unwrap_err();
            assert!(matches!(error, Error::Setting { setting: "l2", .. }), "{error}");
            let error = Bench::new(&ActivityPenalty::new(0.0, factor), &x).unwrap_err();
            assert!(matches!(error, Error::Setting { setting: "temporal", .. }), "{error}");
        }
        let error = Bench::new(&ActivityPenalty::new(0.0, 1.0), &[Input::random_lanes(1, 2)]).unwrap_err();
        assert!(matches!(error, Error::Connection { .. }), "{error}");
    }
}

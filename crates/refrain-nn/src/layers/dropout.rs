//! Dropout: zeroes random elements in training.

use super::Layer;
use crate::error::Error;
use crate::graph::{Axis, Backward, EdgeId, Forward, Mode, Op, OpMemory, PassSize, Plan, RandomKey, grown};
use refrain_kernels::dropout::dropout;
use refrain_kernels::elementwise::copy_columns;
use refrain_kernels::philox::Key;
use serde::{Deserialize, Serialize};

/// Sets a fraction of the elements to zero in training and scales the others by `1 / (1 − rate)` (Srivastava
/// et al. 2014). Outside of training it does nothing.
///
/// Input and output are `(…, F)`. Every element of every step is drawn independently, as a function of the
/// model's seed, the number of the batch and the element's position in the caller's array.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// The fraction to drop: at least 0 and below 1.
    pub rate: f32,
    /// The name, if the user gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Dropout {
    /// Creates a layer that drops the fraction `rate` of the elements.
    pub fn new(rate: f32) -> Self {
        Self { rate, name: None }
    }

    setters! {
        name,
    }
}

impl Layer for Dropout {
    named_layer!("Dropout");

    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        let input = plan.one(inputs)?;
        plan.features(input)?;
        check_rate(plan.name(), "rate", self.rate)?;
        let spec = plan.spec(input);
        let op = DropoutOp { rate: self.rate, purpose: plan.purpose(), axis: spec.axis, first: Vec::new() };
        Ok(plan.op(Box::new(op), &[input], &[spec]))
    }

    fn without_dropout(&self) -> Box<dyn Layer> {
        Box::new(Self { rate: 0.0, ..self.clone() })
    }
}

/// Returns an error unless the rate is at least 0 and below 1.
pub(super) fn check_rate(layer: &str, setting: &'static str, rate: f32) -> Result<(), Error> {
    if (0.0..1.0).contains(&rate) {
        return Ok(());
    }
    Err(Error::setting(layer, setting, rate, "at least 0 and below 1"))
}

/// Returns whether a rate is the default, which configs omit.
pub(super) fn is_zero(rate: &f32) -> bool {
    *rate == 0.0
}

pub(super) fn key(random: RandomKey, purpose: u32) -> Key {
    Key { seed: random.seed, purpose, counter: random.counter }
}

/// Returns the size of the numbers of this many rows' first elements.
fn first_bytes(rows: u64) -> u64 {
    grown(rows).saturating_mul(size_of::<u64>() as u64)
}

#[derive(Debug, Clone)]
struct DropoutOp {
    rate: f32,
    purpose: u32,
    axis: Axis,
    /// The first element of each row, counted in the caller's array.
    first: Vec<u64>,
}

impl DropoutOp {
    fn count_elements(&mut self, cx: &Forward<'_>) {
        let width = cx.input(0).width() as u64;
        self.first.clear();
        match self.axis {
            Axis::Lanes => self.first.extend((0..cx.lanes() as u64).map(|lane| lane * width)),
            Axis::Steps(layout) => {
                let layout = cx.layout(layout);
                let place = |(_, lane, source)| (lane * layout.span() + source) as u64 * width;
                self.first.extend(layout.iter().map(place));
            }
        }
    }
}

impl Op for DropoutOp {
    fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error> {
        let (engine, x, key) = (cx.engine, cx.input(0).view(), key(cx.random, self.purpose));
        if cx.mode == Mode::Infer || self.rate == 0.0 {
            copy_columns(engine, x, 0, false, cx.output(0).view_mut());
        } else {
            self.count_elements(cx);
            dropout(engine, key, self.rate, x, &self.first, false, cx.output(0).view_mut());
        }
        Ok(())
    }

    fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error> {
        let Some(dy) = cx.d_output(0) else { return Ok(()) };
        let (engine, dy, key) = (cx.engine, dy.view(), key(cx.random, self.purpose));
        if let Some(dx) = cx.d_input(0) {
            let (add, dx) = (dx.add, dx.value.view_mut());
            if self.rate == 0.0 {
                copy_columns(engine, dy, 0, add, dx);
            } else {
                dropout(engine, key, self.rate, dy, &self.first, add, dx);
            }
        }
        Ok(())
    }

    fn memory(&self, pass: &PassSize<'_>) -> OpMemory {
        let active = pass.mode == Mode::Train && self.rate > 0.0;
        OpMemory::keeps(if active { first_bytes(pass.rows) } else { 0 })
    }

    fn boxed_clone(&self) -> Box<dyn Op> {
        Box::new(self.clone())
    }
}

/// The `dropout` option of recurrent layers: masks over the input's features that are the same at every step
/// of a sequence. It has one input edge, and one output edge per mask.
#[derive(Debug, Clone)]
pub(super) struct InputDropout {
    rate: f32,
    groups: usize,
    purpose: u32,
    /// For each mask, the first element of each row. The masks are `(groups, N, width)` in the caller's
    /// order.
    first: Vec<u64>,
}

impl InputDropout {
    /// Plans `groups` masked copies of `x`, which has features and a time axis. `rate` is at least 0 and
    /// below 1.
    pub(super) fn lower(plan: &mut Plan<'_>, x: EdgeId, rate: f32, groups: usize) -> Vec<EdgeId> {
        let specs = vec![plan.spec(x); groups];
        let op = Self { rate, groups, purpose: plan.purpose(), first: Vec::new() };
        plan.op(Box::new(op), &[x], &specs)
    }
}

impl Op for InputDropout {
    fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error> {
        let (engine, x, key) = (cx.engine, cx.input(0), key(cx.random, self.purpose));
        let active = cx.mode == Mode::Train && self.rate > 0.0;
        if active {
            let (layout, lanes) = (cx.input_layout(0), cx.lanes());
            self.first.clear();
            for group in 0..self.groups {
                let place = |(_, lane, _)| ((group * lanes + lane) * x.width()) as u64;
                self.first.extend(layout.iter().map(place));
            }
        }
        for group in 0..self.groups {
            let y = cx.output(group).view_mut();
            if active {
                let first = &self.first[group * x.rows()..(group + 1) * x.rows()];
                dropout(engine, key, self.rate, x.view(), first, false, y);
            } else {
                copy_columns(engine, x.view(), 0, false, y);
            }
        }
        Ok(())
    }

    fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error> {
        let (engine, key, rows) = (cx.engine, key(cx.random, self.purpose), cx.input(0).rows());
        // The executor only runs this if some output has a gradient, so the input's gradient is always
        // written.
        let mut written = false;
        for group in 0..self.groups {
            let Some(dy) = cx.d_output(group) else { continue };
            let Some(dx) = cx.d_input(0) else { return Ok(()) };
            let (add, dx) = (dx.add || written, dx.value.view_mut());
            if self.rate == 0.0 {
                copy_columns(engine, dy.view(), 0, add, dx);
            } else {
                let first = &self.first[group * rows..(group + 1) * rows];
                dropout(engine, key, self.rate, dy.view(), first, add, dx);
            }
            written = true;
        }
        Ok(())
    }

    fn memory(&self, pass: &PassSize<'_>) -> OpMemory {
        let active = pass.mode == Mode::Train && self.rate > 0.0;
        let rows = pass.rows.saturating_mul(self.groups as u64);
        OpMemory::keeps(if active { first_bytes(rows) } else { 0 })
    }

    fn boxed_clone(&self) -> Box<dyn Op> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradcheck::{Bench, Input, RANDOM};
    use crate::layers::tests::support::{Lowering, check};
    use refrain_kernels::philox::word;

    const LENGTHS: [usize; 4] = [2, 5, 0, 3];

    fn ones(width: usize) -> Input {
        let longest = vec![1.0; 5 * width];
        Input::steps(width, &LENGTHS.map(|length| &longest[..length * width]))
    }

    fn kept(purpose: u32, element: usize) -> bool {
        word(RANDOM.seed, purpose, RANDOM.counter, element as u64) >= 1 << 31
    }

    #[test]
    fn masks_follow_the_order_of_the_array() {
        let mut h = Bench::new(&Dropout::new(0.5), &[ones(3)]).unwrap();
        h.forward(Mode::Train).unwrap();
        let span = h.span(0);
        assert!(span > 5);
        for (n, sequence) in h.output(0).iter().enumerate() {
            assert_eq!(sequence.len(), 3 * LENGTHS[n]);
            for (k, &y) in sequence.iter().enumerate() {
                assert_eq!(y, if kept(0, n * span * 3 + k) { 2.0 } else { 0.0 }, "sequence {n}, element {k}");
            }
        }
        let mut h = Bench::new(&Dropout::new(0.5), &[Input::lanes(3, &[1.0; 6])]).unwrap();
        h.forward(Mode::Train).unwrap();
        for (k, &y) in h.output(0).iter().flatten().enumerate() {
            assert_eq!(y, if kept(0, k) { 2.0 } else { 0.0 }, "element {k}");
        }
    }

    #[test]
    fn nothing_is_dropped_at_rate_zero_or_outside_of_training() {
        for (rate, mode) in [(0.5, Mode::Infer), (0.0, Mode::Train)] {
            let mut h = Bench::new(&Dropout::new(rate), &[ones(2)]).unwrap();
            h.forward(mode).unwrap();
            assert!(h.output(0).iter().flatten().all(|&y| y == 1.0));
        }
    }

    #[test]
    fn input_masks_are_the_same_at_every_step_and_differ_by_group() {
        let layer = Lowering(|plan: &mut Plan<'_>, x: &[EdgeId]| Ok(InputDropout::lower(plan, x[0], 0.5, 3)));
        let mut h = Bench::new(&layer, &[ones(2)]).unwrap();
        h.forward(Mode::Train).unwrap();
        for group in 0..3 {
            for (n, sequence) in h.output(group).iter().enumerate() {
                for (k, &y) in sequence.iter().enumerate() {
                    let element = (group * LENGTHS.len() + n) * 2 + k % 2;
                    assert_eq!(y, if kept(0, element) { 2.0 } else { 0.0 }, "group {group}, sequence {n}");
                }
            }
        }
        h.forward(Mode::Infer).unwrap();
        assert!(h.output(2).iter().flatten().all(|&y| y == 1.0));
    }

    #[test]
    fn gradients() {
        for rate in [0.0, 0.3] {
            check(&Dropout::new(rate), &[Input::random_steps(17, &LENGTHS)]);
            check(&Dropout::new(rate), &[Input::random_lanes(5, 4)]);
            for groups in [1, 3] {
                let lower = move |plan: &mut Plan<'_>, x: &[EdgeId]| {
                    Ok(InputDropout::lower(plan, x[0], rate, groups))
                };
                check(&Lowering(lower), &[Input::random_steps(17, &LENGTHS)]);
            }
        }
    }

    #[test]
    fn only_some_of_the_masked_inputs_are_used() {
        let lower = |plan: &mut Plan<'_>, x: &[EdgeId]| Ok(vec![InputDropout::lower(plan, x[0], 0.3, 3)[1]]);
        check(&Lowering(lower), &[Input::random_steps(3, &LENGTHS)]);
    }

    #[test]
    fn a_rate_outside_its_range_is_rejected() {
        for rate in [1.0, -0.1, f32::NAN] {
            let error = Bench::new(&Dropout::new(rate), &[ones(1)]).unwrap_err();
            assert!(matches!(error, Error::Setting { setting: "rate", .. }), "{error}");
        }
    }
}

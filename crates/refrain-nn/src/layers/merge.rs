//! Merging several edges: sum, product, mean or concatenation.

use super::Layer;
use crate::error::{Error, Place};
use crate::graph::{
    Axis, Backward, EdgeId, EdgeSpec, Forward, Kind, LayoutId, Op, OpMemory, PassSize, Plan, of_rows,
};
use crate::sequence::SeqLayout;
use refrain_kernels::elementwise::{copy_columns, multiply_rows, scale_rows, take_columns};
use refrain_kernels::{AlignedVec, Rows, RowsMut};
use serde::{Deserialize, Serialize};

/// The sum of two or more inputs of the same shape, all with a time axis or all without one. In each batch, a
/// sequence must have the same real steps in all of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// The name, if the user gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The concatenation of two or more inputs along the features: `(…, F₁)`, `(…, F₂)`, … become `(…, F₁ + F₂ +
/// …)`. All have a time axis or none has. In each batch, a sequence must have the same real steps in all inputs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concatenate {
    /// The name, if the user gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Add {
    /// Creates a layer that adds its inputs.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        name,
    }
}

impl Concatenate {
    /// Creates a layer that concatenates its inputs.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        name,
    }
}

impl Layer for Add {
    named_layer!("Add");

    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        Ok(vec![sum(plan, inputs)?])
    }
}

impl Layer for Concatenate {
    named_layer!("Concatenate");

    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        Ok(vec![concatenate(plan, inputs)?])
    }
}

/// `Σ inputs`
pub(super) fn sum(plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<EdgeId, Error> {
    scaled_sum(plan, inputs, 1.0)
}

/// `Σ inputs / count`
pub(super) fn average(plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<EdgeId, Error> {
    scaled_sum(plan, inputs, 1.0 / inputs.len() as f32)
}

fn scaled_sum(plan: &mut Plan<'_>, inputs: &[EdgeId], factor: f32) -> Result<EdgeId, Error> {
    let (spec, alignment) = same_shape(plan, inputs)?;
    let op = Sum { alignment, factor, width: spec.width(), scaled: AlignedVec::default() };
    Ok(plan.op(Box::new(op), inputs, &[spec])[0])
}

/// `a ⊙ b`
pub(super) fn product(plan: &mut Plan<'_>, a: EdgeId, b: EdgeId) -> Result<EdgeId, Error> {
    let (spec, alignment) = same_shape(plan, &[a, b])?;
    Ok(plan.op(Box::new(Product { alignment }), &[a, b], &[spec])[0])
}

/// `[inputs …]` along the features.
pub(super) fn concatenate(plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<EdgeId, Error> {
    let (axis, alignment) = aligned(plan, inputs)?;
    let mut width = 0;
    for &input in inputs {
        width = plan.features(input)?.saturating_add(width);
    }
    let spec = EdgeSpec { axis, kind: Kind::Features(width) };
    Ok(plan.op(Box::new(Join { alignment }), inputs, &[spec])[0])
}

/// Returns the axis of the merged rows, which is that of the first input.
fn aligned(plan: &Plan<'_>, inputs: &[EdgeId]) -> Result<(Axis, Alignment), Error> {
    if inputs.len() < 2 {
        return Err(plan.wrong_inputs(inputs, "the outputs of at least two layers"));
    }
    let mut alignment = Alignment { layer: plan.name().to_owned(), axes: Vec::new() };
    for (i, &input) in inputs.iter().enumerate() {
        match (plan.spec(inputs[0]).axis, plan.spec(input).axis) {
            (Axis::Steps(first), Axis::Steps(axis)) if first != axis => alignment.axes.push((i, first, axis)),
            (Axis::Steps(_), Axis::Steps(_)) | (Axis::Lanes, Axis::Lanes) => {}
            _ => return Err(mismatch(plan, inputs, i, "inputs that all have a time axis or all have none")),
        }
    }
    Ok((plan.spec(inputs[0]).axis, alignment))
}

fn same_shape(plan: &Plan<'_>, inputs: &[EdgeId]) -> Result<(EdgeSpec, Alignment), Error> {
    let (_, alignment) = aligned(plan, inputs)?;
    for &input in inputs {
        plan.features(input)?;
    }
    let spec = plan.spec(inputs[0]);
    match inputs.iter().position(|&input| plan.spec(input).kind != spec.kind) {
        None => Ok((spec, alignment)),
        Some(i) => Err(mismatch(plan, inputs, i, "inputs of the same width")),
    }
}

fn mismatch(plan: &Plan<'_>, inputs: &[EdgeId], i: usize, expected: &str) -> Error {
    let got = format!("{} (input 0) and {} (input {i})", plan.spec(inputs[0]), plan.spec(inputs[i]));
    Error::connection(plan.name(), got, expected)
}

/// What inputs on different time axes must have in common, checked in each batch.
#[derive(Debug, Clone)]
struct Alignment {
    layer: String,
    /// Each input on another axis than the first, with the first's axis and its own.
    axes: Vec<(usize, LayoutId, LayoutId)>,
}

impl Alignment {
    fn check(&self, cx: &Forward<'_>) -> Result<(), Error> {
        for &(i, first, axis) in &self.axes {
            let (first, axis) = (cx.layout(first), cx.layout(axis));
            if let Some(sequence) = first.first_difference(axis) {
                let steps = |layout: &SeqLayout| layout.length(sequence);
                let (a, b) = (steps(first), steps(axis));
                let got = match a == b {
                    true => format!("{a} real steps in inputs 0 and {i}, but not the same ones"),
                    false => format!("{a} real steps in input 0 and {b} in input {i}"),
                };
                let what = format!("{}: the length", self.layer);
                let place = Place::of_batch(sequence, None);
                return Err(Error::sequence(what, place, got, "the same steps in all inputs of this layer"));
            }
        }
        Ok(())
    }
}

/// `y = factor · Σ x`
#[derive(Debug, Clone)]
struct Sum {
    alignment: Alignment,
    factor: f32,
    width: usize,
    scaled: AlignedVec,
}

impl Op for Sum {
    fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error> {
        self.alignment.check(cx)?;
        let engine = cx.engine;
        for i in 0..cx.inputs() {
            let x = cx.input(i).view();
            copy_columns(engine, x, 0, i > 0, cx.output(0).view_mut());
        }
        if self.factor != 1.0 {
            scale_rows(engine, self.factor, cx.output(0).view_mut());
        }
        Ok(())
    }

    fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error> {
        let Some(dy) = cx.d_output(0) else { return Ok(()) };
        let (engine, rows, width) = (cx.engine, dy.rows(), dy.width());
        let mut from = dy.view();
        if self.factor != 1.0 {
            self.scaled.resize(dy.data.len());
            copy_columns(engine, from, 0, false, RowsMut::new(&mut self.scaled, rows, width));
            scale_rows(engine, self.factor, RowsMut::new(&mut self.scaled, rows, width));
            from = Rows::new(&self.scaled, rows, width);
        }
        for i in 0..cx.inputs() {
            if let Some(dx) = cx.d_input(i) {
                copy_columns(engine, from, 0, dx.add, dx.value.view_mut());
            }
        }
        Ok(())
    }

    fn memory(&self, pass: &PassSize<'_>) -> OpMemory {
        let scaled = if self.factor == 1.0 { 0 } else { of_rows(pass.gradient_rows, self.width) };
        OpMemory::keeps(scaled)
    }

    fn boxed_clone(&self) -> Box<dyn Op> {
        Box::new(self.clone())
    }
}

/// `y = a ⊙ b`
#[derive(Debug, Clone)]
struct Product {
    alignment: Alignment,
}

impl Op for Product {
    fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error> {
        self.alignment.check(cx)?;
        let (engine, a, b) = (cx.engine, cx.input(0).view(), cx.input(1).view());
        multiply_rows(engine, a, b, false, cx.output(0).view_mut());
        Ok(())
    }

    fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error> {
        let Some(dy) = cx.d_output(0) else { return Ok(()) };
        let engine = cx.engine;
        for i in 0..2 {
            let other = cx.input(1 - i).view();
            if let Some(dx) = cx.d_input(i) {
                multiply_rows(engine, dy.view(), other, dx.add, dx.value.view_mut());
            }
        }
        Ok(())
    }

    fn boxed_clone(&self) -> Box<dyn Op> {
        Box::new(self.clone())
    }
}

/// `y = [x₁ x₂ …]`
#[derive(Debug, Clone)]
struct Join {
    alignment: Alignment,
}

impl Op for Join {
    fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error> {
        self.alignment.check(cx)?;
        let (engine, mut first) = (cx.engine, 0);
        for i in 0..cx.inputs() {
            let x = cx.input(i).view();
            copy_columns(engine, x, first, false, cx.output(0).view_mut());
            first += x.width();
        }
        Ok(())
    }

    fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error> {
        let Some(dy) = cx.d_output(0) else { return Ok(()) };
        let (engine, mut first) = (cx.engine, 0);
        for i in 0..cx.inputs() {
            let width = cx.input(i).width();
            if let Some(dx) = cx.d_input(i) {
                take_columns(engine, dy.view(), first, dx.add, dx.value.view_mut());
            }
            first += width;
        }
        Ok(())
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
    use crate::layers::tests::support::{Lowering, check};

    const LENGTHS: [usize; 4] = [1, 3, 0, 2];

    fn output(layer: &dyn Layer, data: &[Input]) -> Vec<Vec<f32>> {
        let mut h = Bench::new(layer, data).unwrap();
        h.forward(Mode::Infer).unwrap();
        h.output(0)
    }

    #[test]
    fn values_on_sequences_of_unequal_lengths() {
        let a = Input::steps(2, &[&[1.0, 2.0], &[3.0, 4.0, 5.0, 6.0]]);
        let b = Input::steps(2, &[&[10.0, 20.0], &[30.0, 40.0, 50.0, 60.0]]);
        let c = Input::steps(1, &[&[7.0], &[8.0, 9.0]]);
        let two = [a.clone(), b.clone()];
        assert_eq!(output(&Add::new(), &two), [vec![11.0, 22.0], vec![33.0, 44.0, 55.0, 66.0]]);
        let joined =
            [vec![1.0, 2.0, 7.0, 10.0, 20.0], vec![3.0, 4.0, 8.0, 30.0, 40.0, 5.0, 6.0, 9.0, 50.0, 60.0]];
        assert_eq!(output(&Concatenate::new(), &[a, c, b]), joined);
        let mean = Lowering(|plan: &mut Plan<'_>, x: &[EdgeId]| Ok(vec![average(plan, x)?]));
        assert_eq!(output(&mean, &two), [vec![5.5, 11.0], vec![16.5, 22.0, 27.5, 33.0]]);
        let product = Lowering(|plan: &mut Plan<'_>, x: &[EdgeId]| Ok(vec![product(plan, x[0], x[1])?]));
        assert_eq!(output(&product, &two), [vec![10.0, 40.0], vec![90.0, 160.0, 250.0, 360.0]]);
    }

    #[test]
    fn an_edge_may_be_merged_with_itself() {
        let twice = Lowering(|plan: &mut Plan<'_>, x: &[EdgeId]| Ok(vec![sum(plan, &[x[0], x[0], x[0]])?]));
        assert_eq!(output(&twice, &[Input::lanes(1, &[1.0, 2.0])]), [[3.0], [6.0]]);
        check(&twice, &[Input::random_steps(3, &LENGTHS)]);
        let square = Lowering(|plan: &mut Plan<'_>, x: &[EdgeId]| Ok(vec![product(plan, x[0], x[0])?]));
        assert_eq!(output(&square, &[Input::lanes(1, &[3.0, 2.0])]), [[9.0], [4.0]]);
        check(&square, &[Input::random_steps(3, &LENGTHS)]);
    }

    #[test]
    fn gradients() {
        let two = [Input::random_steps(17, &LENGTHS), Input::random_steps(17, &LENGTHS)];
        check(&Add::new(), &two);
        check(&Lowering(|plan: &mut Plan<'_>, x: &[EdgeId]| Ok(vec![average(plan, x)?])), &two);
        check(&Lowering(|plan: &mut Plan<'_>, x: &[EdgeId]| Ok(vec![product(plan, x[0], x[1])?])), &two);
        let widths = [1, 16, 17].map(|width| Input::random_lanes(width, 3));
        check(&Concatenate::new(), &widths);
    }

    #[test]
    fn mismatches_are_named() {
        let refused = |layer: &dyn Layer, data: &[Input]| match Bench::new(layer, data) {
            Err(error @ Error::Connection { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        };
        let a = Input::random_steps(2, &[1, 3]);
        for layer in [&Add::new() as &dyn Layer, &Concatenate::new()] {
            let message = refused(layer, &[a.clone(), Input::random_lanes(2, 2)]);
            assert!(message.contains("2 features without a time axis (input 1)"), "{message}");
            refused(layer, std::slice::from_ref(&a));
            refused(layer, &[Input::ids(&[&[1]]), Input::ids(&[&[1]])]);
        }
        let message = refused(&Add::new(), &[a, Input::random_steps(3, &[1, 3])]);
        assert!(message.contains("3 features"), "{message}");
    }
}

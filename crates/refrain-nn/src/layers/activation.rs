//! Activation layer: a function of each element, or softmax of each row.

use super::Layer;
use crate::activation::Activation;
use crate::error::Error;
use crate::graph::{Backward, EdgeId, Forward, Op, OpMemory, PassSize, Plan, of_rows};
use refrain_kernels::elementwise::{activate_rows, activation_gradient_into, add_rows, copy_columns};
use refrain_kernels::softmax::{softmax, softmax_gradient};
use refrain_kernels::{AlignedVec, Rows, RowsMut};
use serde::{Deserialize, Serialize};

/// Applies an activation: `y = activation(x)`.
///
/// Input and output are `(…, F)`; softmax is computed over the `F` features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivationLayer {
    /// The activation.
    pub activation: Activation,
    /// The name, if the user gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl ActivationLayer {
    /// Creates a layer that applies `activation`.
    pub fn new(activation: Activation) -> Self {
        Self { activation, name: None }
    }

    setters! {
        name,
    }
}

impl Layer for ActivationLayer {
    named_layer!("Activation");

    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        let input = plan.one(inputs)?;
        plan.features(input)?;
        Ok(vec![lower_activation(plan, self.activation, input)])
    }
}

/// Returns the edge with `activation` applied to `edge`, which has features. For a linear activation it is
/// `edge` itself.
pub(super) fn lower_activation(plan: &mut Plan<'_>, activation: Activation, edge: EdgeId) -> EdgeId {
    if activation == Activation::Linear {
        return edge;
    }
    let spec = plan.spec(edge);
    let op = ActivationOp { activation, width: spec.width(), scratch: AlignedVec::default() };
    plan.op(Box::new(op), &[edge], &[spec])[0]
}

/// `y = activation(x)` on rows. The backward pass needs only `y`.
#[derive(Debug, Clone)]
struct ActivationOp {
    activation: Activation,
    width: usize,
    /// The gradient of softmax when it is added to that of another reader.
    scratch: AlignedVec,
}

impl Op for ActivationOp {
    fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error> {
        let (engine, x) = (cx.engine, cx.input(0));
        let y = cx.output(0);
        copy_columns(engine, x.view(), 0, false, y.view_mut());
        match self.activation.elementwise() {
            Some(elementwise) => activate_rows(engine, elementwise, y.view_mut()),
            None => softmax(engine, y.view_mut()),
        }
        Ok(())
    }

    fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error> {
        let Some(dy) = cx.d_output(0) else { return Ok(()) };
        let (engine, y, rows, width) = (cx.engine, cx.output(0).view(), dy.rows(), dy.width());
        let Some(dx) = cx.d_input(0) else { return Ok(()) };
        match self.activation.elementwise() {
            Some(elementwise) => {
                activation_gradient_into(engine, elementwise, y, dy.view(), dx.add, dx.value.view_mut());
            }
            None if dx.add => {
                self.scratch.resize(dy.data.len());
                copy_columns(engine, dy.view(), 0, false, RowsMut::new(&mut self.scratch, rows, width));
                softmax_gradient(engine, y, RowsMut::new(&mut self.scratch, rows, width));
                add_rows(engine, Rows::new(&self.scratch, rows, width), dx.value.view_mut());
            }
            None => {
                copy_columns(engine, dy.view(), 0, false, dx.value.view_mut());
                softmax_gradient(engine, y, dx.value.view_mut());
            }
        }
        Ok(())
    }

    fn activation(&self) -> Option<Activation> {
        Some(self.activation)
    }

    fn memory(&self, pass: &PassSize<'_>) -> OpMemory {
        let adds = pass.adds && self.activation.elementwise().is_none();
        OpMemory::keeps(if adds { of_rows(pass.gradient_rows, self.width) } else { 0 })
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
    fn softmax_is_over_the_features_of_each_step() {
        let x = Input::steps(2, &[&[0.0, 3f32.ln()], &[1.0, 1.0, 80.0, -80.0], &[]]);
        let mut h = Bench::new(&ActivationLayer::new(Activation::Softmax), &[x]).unwrap();
        h.forward(Mode::Infer).unwrap();
        let expected: [&[f32]; 3] = [&[0.25, 0.75], &[0.5, 0.5, 1.0, 0.0], &[]];
        for (got, want) in h.output(0).iter().zip(expected) {
            assert_eq!(got.len(), want.len());
            for (got, want) in got.iter().zip(want) {
                assert!((got - want).abs() < 1e-6, "{got} for {want}");
            }
        }
    }

    #[test]
    fn relu_does_not_change_its_input() {
        let layer = ActivationLayer::new(Activation::Relu);
        let mut h = Bench::new(&layer, &[Input::lanes(3, &[-1.0, 0.0, 2.0])]).unwrap();
        h.forward(Mode::Infer).unwrap();
        assert_eq!(h.output(0), [[0.0, 0.0, 2.0]]);
        assert_eq!(h.operation(0).activation(), Some(Activation::Relu));
    }

    #[test]
    fn linear_returns_its_input_edge() {
        let h = Bench::new(&ActivationLayer::new(Activation::Linear), &[Input::lanes(1, &[1.0])]).unwrap();
        assert_eq!(h.operations(), 0);
    }

    #[test]
    fn gradients() {
        let all = Activation::ELEMENTWISE.into_iter().chain([Activation::Softmax]);
        for activation in all.filter(|a| *a != Activation::Linear) {
            check(&ActivationLayer::new(activation), &[Input::random_steps(19, &[2, 4, 0, 1])]);
        }
    }
}

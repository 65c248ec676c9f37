//! Layer normalisation.

use super::Layer;
use crate::error::Error;
use crate::graph::{Backward, EdgeId, Forward, Op, OpMemory, PassSize, Plan, of_floats};
use crate::init::Initializer;
use crate::params::{ParamSpec, Params, SpanId};
use crate::regularizer::Regularizer;
use refrain_kernels::Rows;
use refrain_kernels::norm::{
    LayerNorm, Moments, layer_norm, layer_norm_gradient, layer_norm_parameter_gradients,
};
use serde::{Deserialize, Serialize};

/// Normalises the features of each row (Ba et al. 2016): `y = gamma ⊙ (x − mean) / √(variance + epsilon) +
/// beta`, mean and variance over the features.
///
/// Input and output are `(…, F)`. Parameters: `gamma` `(F)` with `scale`, `beta` `(F)` with `center`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LayerNormalization {
    /// Added to the variance; 0.001 by default.
    pub epsilon: f32,
    /// Whether to add `beta`.
    pub center: bool,
    /// Whether to multiply the result by `gamma`.
    pub scale: bool,
    /// The initialiser of beta; zeros by default.
    pub beta_initializer: Initializer,
    /// The initialiser of gamma; ones by default.
    pub gamma_initializer: Initializer,
    /// The penalty on beta.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta_regularizer: Option<Regularizer>,
    /// The penalty on gamma.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gamma_regularizer: Option<Regularizer>,
    /// Whether training changes the layer's parameters.
    pub trainable: bool,
    /// The name, if the user gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Default for LayerNormalization {
    fn default() -> Self {
        Self {
            epsilon: 1e-3,
            center: true,
            scale: true,
            beta_initializer: Initializer::Zeros,
            gamma_initializer: Initializer::Ones,
            beta_regularizer: None,
            gamma_regularizer: None,
            trainable: true,
            name: None,
        }
    }
}

impl LayerNormalization {
    /// Creates a layer with Keras's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets what is added to the variance.
        epsilon: f32,
        /// Sets whether to add `beta`.
        center: bool,
        /// Sets whether to multiply the result by `gamma`.
        scale: bool,
        /// Sets beta's initialiser.
        beta_initializer: Initializer,
        /// Sets gamma's initialiser.
        gamma_initializer: Initializer,
        /// Sets beta's penalty.
        beta_regularizer: Some(Regularizer),
        /// Sets gamma's penalty.
        gamma_regularizer: Some(Regularizer),
        /// Sets whether training changes the layer's parameters.
        trainable: bool,
        name,
    }
}

impl Layer for LayerNormalization {
    named_layer!("LayerNormalization", trainable);

    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        let input = plan.one(inputs)?;
        let width = plan.features(input)?;
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            return Err(Error::setting(plan.name(), "epsilon", self.epsilon, "a finite number above 0"));
        }
        let mut declare = |used: bool, name, initializer: &Initializer, regularizer| {
            let (shape, initializer) = (vec![width], initializer.clone());
            used.then(|| plan.param(ParamSpec { name, shape, initializer, regularizer, decay: true }))
                .transpose()
        };
        let gamma = declare(self.scale, "gamma", &self.gamma_initializer, self.gamma_regularizer)?;
        let beta = declare(self.center, "beta", &self.beta_initializer, self.beta_regularizer)?;
        let epsilon = self.epsilon;
        let op = Normalize { gamma, beta, epsilon, mean: Vec::new(), inverse: Vec::new() };
        let spec = plan.spec(input);
        Ok(plan.op(Box::new(op), &[input], &[spec]))
    }
}

#[derive(Debug, Clone)]
struct Normalize {
    gamma: Option<SpanId>,
    beta: Option<SpanId>,
    epsilon: f32,
    /// The mean of each row, for the backward pass.
    mean: Vec<f32>,
    /// `1 / √(variance + ε)` of each row, for the backward pass.
    inverse: Vec<f32>,
}

impl Normalize {
    fn add_parameter_gradients(&self, cx: &mut Backward<'_>, dy: Rows<'_>) {
        let (engine, x) = (cx.engine, cx.input(0).view());
        let moments = Moments { mean: &self.mean, inverse: &self.inverse };
        let trained = |params: &Params, id: &SpanId| params.spans()[id.0].trainable;
        if let Some(gamma) = self.gamma.filter(|id| trained(cx.params, id)) {
            let gradient = Some(cx.params.gradient_mut(gamma));
            layer_norm_parameter_gradients(engine, x, moments, dy, gradient, None);
        }
        if let Some(beta) = self.beta.filter(|id| trained(cx.params, id)) {
            let gradient = Some(cx.params.gradient_mut(beta));
            layer_norm_parameter_gradients(engine, x, moments, dy, None, gradient);
        }
    }
}

impl Op for Normalize {
    fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error> {
        let (engine, params, x) = (cx.engine, cx.params, cx.input(0));
        self.mean.resize(x.rows(), 0.0);
        self.inverse.resize(x.rows(), 0.0);
        let [gamma, beta] = [self.gamma, self.beta].map(|p| p.map(|id| params.value(id)));
        let norm = LayerNorm { gamma, beta, epsilon: self.epsilon };
        layer_norm(engine, norm, x.view(), &mut self.mean, &mut self.inverse, cx.output(0).view_mut());
        Ok(())
    }

    fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error> {
        let Some(dy) = cx.d_output(0) else { return Ok(()) };
        self.add_parameter_gradients(cx, dy.view());
        let (engine, x) = (cx.engine, cx.input(0).view());
        let moments = Moments { mean: &self.mean, inverse: &self.inverse };
        let (slot, params, _) = cx.d_input_and_parameters(0);
        let gamma = self.gamma.map(|id| params.value(id));
        if let Some(dx) = slot {
            layer_norm_gradient(engine, gamma, x, moments, dy.view(), dx.add, dx.value.view_mut());
        }
        Ok(())
    }

    fn memory(&self, pass: &PassSize<'_>) -> OpMemory {
        OpMemory::keeps(of_floats(pass.rows).saturating_mul(2))
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
    fn normalises_each_step_separately() {
        let layer = LayerNormalization::new().epsilon(0.5);
        let x = Input::steps(2, &[&[1.0, 3.0], &[0.0, 0.0, -2.0, 6.0], &[]]);
        let mut h = Bench::new(&layer, &[x]).unwrap();
        h.set_weight("gamma", &[2.0, 3.0]).unwrap();
        h.set_weight("beta", &[10.0, 20.0]).unwrap();
        h.forward(Mode::Infer).unwrap();
        let (a, b) = (1.0 / 1.5f32.sqrt(), 4.0 / 16.5f32.sqrt());
        let expected =
            [vec![10.0 - 2.0 * a, 20.0 + 3.0 * a], vec![10.0, 20.0, 10.0 - 2.0 * b, 20.0 + 3.0 * b], vec![]];
        for (got, want) in h.output(0).iter().flatten().zip(expected.iter().flatten()) {
            assert!((got - want).abs() < 1e-5, "{got} for {want}");
        }
    }

    #[test]
    fn gradients_with_and_without_parameters() {
        for (center, scale) in [(true, true), (false, true), (true, false), (false, false)] {
            let layer = LayerNormalization::new()
                .center(center)
                .scale(scale)
                .gamma_initializer(Initializer::RandomUniform { minval: 0.5, maxval: 2.0 })
                .beta_initializer(Initializer::random_normal());
            let h = check(&layer, &[Input::random_steps(17, &[2, 5, 0, 1])]);
            assert_eq!(h.weights().len(), usize::from(center) + usize::from(scale));
        }
    }

    #[test]
    fn names_and_defaults_match_keras() {
        let h = Bench::new(&LayerNormalization::new(), &[Input::lanes(3, &[1.0; 3])]).unwrap();
        let shape = |name: &str| (name.to_owned(), vec![3]);
        assert_eq!(h.weights(), [shape("gamma"), shape("beta")]);
        assert_eq!(LayerNormalization::new().epsilon, 1e-3);
    }

    #[test]
    fn epsilon_must_be_positive() {
        for epsilon in [0.0, -1.0, f32::NAN] {
            let layer = LayerNormalization::new().epsilon(epsilon);
            let error = Bench::new(&layer, &[Input::lanes(1, &[1.0])]).unwrap_err();
            assert!(matches!(error, Error::Setting { setting: "epsilon", .. }), "{error}");
        }
    }
}

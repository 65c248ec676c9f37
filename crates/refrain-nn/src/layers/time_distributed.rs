//! TimeDistributed: applies a layer to every step.

use super::Layer;
use super::bidirectional::{nested, snake_case};
use crate::error::Error;
use crate::graph::{EdgeId, Plan};

/// The layers that work row by row and treat steps like any other rows.
const ROW_WISE: [&str; 4] = ["Dense", "Activation", "Dropout", "LayerNormalization"];

/// Applies a layer to every step of a sequence: `(N, T, F)` becomes `(N, T, F′)`.
///
/// Steps are rows already, so a Dense, Activation, Dropout or LayerNormalization gives the same result
/// without this wrapper. Other layers are not supported. Parameters are named after the wrapped layer:
/// `time_distributed/dense/kernel`.
#[derive(Debug, Clone)]
pub struct TimeDistributed {
    layer: Box<dyn Layer>,
    name: Option<String>,
}

impl TimeDistributed {
    /// Creates a layer that applies `layer` to every step.
    pub fn new(layer: impl Layer + 'static) -> Self {
        Self::of(Box::new(layer))
    }

    pub(super) fn of(layer: Box<dyn Layer>) -> Self {
        Self { layer, name: None }
    }

    setters! {
        name,
    }
}

impl Layer for TimeDistributed {
    fn class_name(&self) -> &'static str {
        "TimeDistributed"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn config(&self) -> serde_json::Value {
        let mut config = serde_json::json!({ "layer": nested(self.layer.class_name(), self.layer.config()) });
        if let Some(name) = &self.name {
            config["name"] = name.as_str().into();
        }
        config
    }

    fn trainable(&self) -> bool {
        self.layer.trainable()
    }

    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        let class = self.layer.class_name();
        if !ROW_WISE.contains(&class) {
            return Err(Error::setting(
                plan.name(),
                "layer",
                class,
                format!("one of {}", ROW_WISE.join(", ")),
            ));
        }
        plan.steps(plan.one(inputs)?)?;
        let scope = self.layer.name().map_or_else(|| snake_case(class), str::to_owned);
        plan.scoped(&scope, self.layer.trainable(), |plan| self.layer.lower(plan, inputs))
    }

    fn without_dropout(&self) -> Box<dyn Layer> {
        Box::new(Self { layer: self.layer.without_dropout(), name: self.name.clone() })
    }

    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::gradcheck::{Bench, Input};
    use crate::graph::Mode;
    use crate::layers::tests::support::check;
    use crate::layers::{ActivationLayer, Dense, Dropout, LayerNormalization, RepeatVector};

    #[test]
    fn works_on_every_step() {
        let layer = TimeDistributed::new(Dense::new(1));
        let x = Input::steps(2, &[&[1.0, 2.0], &[3.0, 4.0, 5.0, 6.0], &[]]);
        let mut h = Bench::new(&layer, &[x]).unwrap();
        let names: Vec<_> = h.weights().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["dense/kernel", "dense/bias"]);
        h.set_weight("dense/kernel", &[10.0, 1.0]).unwrap();
        h.set_weight("dense/bias", &[0.5]).unwrap();
        h.forward(Mode::Infer).unwrap();
        assert_eq!(h.output(0), [vec![12.5], vec![34.5, 56.5], vec![]]);
    }

    #[test]
    fn gradients_of_every_supported_layer() {
        let layers: [Box<dyn Layer>; 4] = [
            Box::new(Dense::new(3)),
            Box::new(ActivationLayer::new(Activation::Tanh)),
            Box::new(Dropout::new(0.3)),
            Box::new(LayerNormalization::new()),
        ];
        for layer in layers {
            check(&TimeDistributed::of(layer), &[Input::random_steps(5, &[2, 3, 0])]);
        }
    }

    #[test]
    fn rejects_other_layers_and_rows_without_time() {
        let layer = TimeDistributed::new(RepeatVector::new(2));
        let error = Bench::new(&layer, &[Input::random_steps(1, &[1])]).unwrap_err();
        assert!(matches!(&error, Error::Setting { got, .. } if got == "RepeatVector"), "{error}");
        let error = Bench::new(&TimeDistributed::new(Dense::new(1)), &[Input::lanes(1, &[1.0])]).unwrap_err();
        assert!(matches!(error, Error::Connection { .. }), "{error}");
    }
}

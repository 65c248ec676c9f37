//! Rebuilding a network, and looking at its final activations.

use super::{Architecture, Model, Network};
use crate::activation::Activation;
use crate::error::Error;
use crate::graph::Budget;
use crate::layers::AdaptiveOp;
use serde_json::Value;
use std::any::Any;

impl Model {
    /// Returns the same network with newly initialised parameters, as a model compiled with this seed would
    /// have at the start. It is not compiled. Use it to compare a trained model with its untrained state.
    ///
    /// # Errors
    /// Returns an error if a layer is not part of this library.
    pub fn reinitialized(&self, seed: u64) -> Result<Model, Error> {
        let mut model = self
            .planned_again(&self.architecture)
            .map_err(|reason| Error::unsupported("initialising this model again", reason))?;
        model.seed = seed;
        model.params.initialize(seed)?;
        model.graph.packed = false;
        Ok(model)
    }

    /// Returns the same network with another cell in all of its recurrent layers (`SimpleRNN`, `LSTM` or
    /// `GRU` with its defaults) and with newly initialised parameters. It is not compiled. Use it for
    /// comparisons.
    ///
    /// # Errors
    /// Returns an error if the cell is unknown, or if a layer is not part of this library or does not support
    /// other cells.
    pub fn with_cell(&self, class_name: &str, seed: u64) -> Result<Model, Error> {
        const CELLS: [&str; 3] = ["SimpleRNN", "LSTM", "GRU"];
        let action = format!("rebuilding this model with {class_name} cells");
        if !CELLS.contains(&class_name) {
            return Err(Error::unsupported(action, format!("the cell must be one of {}", CELLS.join(", "))));
        }
        let exchange = |name: &mut String, config: &mut Value| {
            if CELLS.contains(&name.as_str()) {
                class_name.clone_into(name);
                // The settings that only the old cell has: its activations and form.
                config.as_object_mut().map(|config| config.remove("cell"));
            }
        };
        let mut architecture = self.architecture.clone();
        for node in &mut architecture.layers {
            exchange(&mut node.class_name, &mut node.config);
            if let Some(Value::Object(inner)) = node.config.get_mut("layer") {
                let mut name = inner.get("class_name").and_then(Value::as_str).unwrap_or_default().to_owned();
                inner.get_mut("config").into_iter().for_each(|config| exchange(&mut name, config));
                inner.insert("class_name".to_owned(), name.into());
            }
        }
        let reason = |reason: String| Error::unsupported(action, reason);
        let mut model =
            Network::plan_architecture(&architecture, self.engine.clone(), Budget::default(), &self.registry)
                .map_err(reason)?;
        model.seed = seed;
        model.params.initialize(seed)?;
        model.graph.packed = false;
        Ok(model)
    }

    /// Returns the final activation of the `i`-th output, if a loss could skip it: softmax or sigmoid. An
    /// adaptive softmax counts as a softmax.
    ///
    /// # Panics
    /// Panics if there are fewer outputs.
    pub fn output_activation(&self, i: usize) -> Option<Activation> {
        let op = &self.graph.nodes[self.graph.producer(self.outputs[i])?].op;
        if (&**op as &dyn Any).is::<AdaptiveOp>() {
            return Some(Activation::Softmax);
        }
        op.activation().filter(|of| matches!(of, Activation::Softmax | Activation::Sigmoid))
    }

    /// Plans a network of this architecture on the same engine, with the same trainable parameters and
    /// without memory for them.
    pub(super) fn planned_again(&self, architecture: &Architecture) -> Result<Model, String> {
        let mut model =
            Network::plan_architecture(architecture, self.engine.clone(), Budget::default(), &self.registry)?;
        for (id, span) in self.params.ids().zip(self.params.spans()) {
            model.params.span_mut(id).trainable = span.trainable;
        }
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use crate::layers::{AdaptiveSoftmax, Bidirectional, Dense, Embedding, Gru, Lstm};
    use crate::loss::Loss;
    use crate::{Activation, Compile, Model, Sequential};

    fn model(seed: u64) -> Model {
        Sequential::new()
            .add(Embedding::new(9, 3))
            .add(Lstm::new(5))
            .add(Dense::new(9).activation(Activation::Softmax))
            .compile(Compile { seed, ..Compile::default() })
            .unwrap()
    }

    #[test]
    fn reinitialising_equals_a_model_of_that_seed() {
        let mut trained = model(3);
        let zeros = vec![0.0; trained.weights().len()];
        trained.set_weights_flat(&zeros).unwrap();
        trained.set_trainable("embedding/", false);
        let again = trained.reinitialized(7).unwrap();
        assert_eq!(again.weights(), model(7).weights());
        assert_ne!(again.weights(), model(3).weights());
        assert!(!again.params().spans()[0].trainable && again.params().spans()[1].trainable);
        assert_eq!(again.seed(), 7);
    }

    #[test]
    fn cells_are_exchanged_in_both_directions() {
        let stack = || Sequential::new().add(Embedding::new(9, 3));
        let end = || Dense::new(9).activation(Activation::Softmax);
        let build = |layers: Sequential| layers.compile(Compile { seed: 4, ..Compile::default() }).unwrap();
        let lstm =
            || Lstm::new(5).return_sequences(true).activation(Activation::Relu).unit_forget_bias(false);
        let old = build(stack().add(Bidirectional::new(lstm())).add(Lstm::new(4)).add(end()));
        let gru = || Gru::new(5).return_sequences(true);
        let expected = build(stack().add(Bidirectional::new(gru())).add(Gru::new(4)).add(end()));
        let new = old.with_cell("GRU", 4).unwrap();
        let shapes =
            |model: &Model| model.params().spans().iter().map(|s| s.shape.clone()).collect::<Vec<_>>();
        assert_eq!(shapes(&new), shapes(&expected));
        assert!(
            new.architecture().layers[1..3].iter().all(|layer| !layer.config.to_string().contains("LSTM"))
        );
        let rnn = new.with_cell("SimpleRNN", 4).unwrap();
        assert_eq!(shapes(&rnn)[1..3], [vec![3, 5], vec![5, 5]]);
        assert!(old.with_cell("Transformer", 1).unwrap_err().to_string().contains("SimpleRNN, LSTM, GRU"));
    }

    #[test]
    fn the_output_activation_is_that_of_the_last_layer() {
        assert_eq!(model(1).output_activation(0), Some(Activation::Softmax));
        let end = |last: Dense| {
            let model = Sequential::new().add(Embedding::new(9, 3)).add(Lstm::new(5)).add(last);
            model.compile(Compile::default()).unwrap().output_activation(0)
        };
        assert_eq!(end(Dense::new(1).activation(Activation::Sigmoid)), Some(Activation::Sigmoid));
        assert_eq!(end(Dense::new(1).activation(Activation::Tanh)), None);
        assert_eq!(end(Dense::new(1)), None);
        let adaptive = Sequential::new()
            .add(Embedding::new(9, 3))
            .add(Lstm::new(5).return_sequences(true))
            .add(AdaptiveSoftmax::new(9).cutoffs([4]))
            .compile(Compile { loss: Loss::SparseCategoricalCrossentropy, ..Compile::default() })
            .unwrap();
        assert_eq!(adaptive.output_activation(0), Some(Activation::Softmax));
    }
}

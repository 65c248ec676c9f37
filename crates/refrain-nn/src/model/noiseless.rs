//! A model without the randomness of training.

use super::Model;
use crate::error::Error;

impl Model {
    /// Returns the same network with the same parameters, without dropout and without penalties on
    /// activations. It is not compiled. Use it to train on a text while scoring it.
    ///
    /// # Errors
    /// Returns an error if a layer is neither part of this library nor registered when the model was loaded.
    pub fn without_dropout(&self) -> Result<Model, Error> {
        let unknown = |reason: String| Error::unsupported("rebuilding this model without dropout", reason);
        let mut architecture = self.architecture.clone();
        for node in &mut architecture.layers {
            let layer = self.registry.layer(&node.class_name, node.config.clone()).map_err(unknown)?;
            node.config = layer.without_dropout().config();
        }
        let mut model = self.planned_again(&architecture).map_err(unknown)?;
        model.seed = self.seed;
        model.allocate_parameters();
        model.set_weights_flat(self.params.values())?;
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use crate::data::Batch;
    use crate::layers::{
        ActivityPenalty, Bidirectional, Dense, Dropout, Embedding, Gru, Lstm, SpatialDropout1D,
        TimeDistributed,
    };
    use crate::loss::Loss;
    use crate::{Activation, Compile, Sequential};

    #[test]
    fn training_without_dropout_has_the_plain_loss_and_the_same_parameters() {
        let compile = || Compile { loss: Loss::SparseCategoricalCrossentropy, ..Compile::default() };
        let mut noisy = Sequential::new()
            .add(Embedding::new(9, 6).dropout(0.4))
            .add(Dropout::new(0.4))
            .add(SpatialDropout1D::new(0.4))
            .add(TimeDistributed::new(Dropout::new(0.4)))
            .add(Bidirectional::new(Lstm::new(5).return_sequences(true).recurrent_dropout(0.4).dropout(0.4)))
            .add(Gru::new(5).return_sequences(true).recurrent_weight_dropout(0.4))
            .add(ActivityPenalty::new(3.0, 3.0))
            .add(Dense::new(9).activation(Activation::Softmax))
            .compile(compile())
            .unwrap();
        let mut batch = Batch { lanes: 2, ..Batch::default() };
        batch.inputs.resize_with(1, Default::default);
        batch.targets.resize_with(1, Default::default);
        (batch.inputs[0].steps, batch.targets[0].steps) = (4, 4);
        batch.inputs[0].ids = vec![1, 2, 3, 4, 5, 6, 7, 8];
        batch.targets[0].ids = vec![2, 3, 4, 5, 6, 7, 8, 1];
        noisy.set_trainable("embedding/", false);
        let mut quiet = noisy.without_dropout().unwrap();
        let trained = |m: &crate::Model| m.params().spans().iter().map(|s| s.trainable).collect::<Vec<_>>();
        assert_eq!(trained(&quiet), trained(&noisy));
        assert_eq!(quiet.weights(), noisy.weights());
        quiet.compile(compile()).unwrap();
        noisy.test_step(&batch, None).unwrap();
        let expected = noisy.last_loss();
        assert!((quiet.training_loss(&batch).unwrap() - expected).abs() < 1e-6);
        // The difference depends on the seed, but is far larger than a different order of summation could
        // cause.
        assert!((noisy.training_loss(&batch).unwrap() - expected).abs() > 1e-4);
    }
}

//! The network of a recipe.

use super::{CellKind, TextRecipe};
use crate::error::{Error, Result};
use crate::language_model::codec::Codec;
use refrain_nn::layers::{
    ActivityPenalty, AdaptiveSoftmax, CellConfig, Dense, Dropout, Embedding, Gru, Lstm, Recurrent,
    RecurrentMask, SimpleRnn, SpatialDropout1D, TiedDense,
};
use refrain_nn::loss::Loss;
use refrain_nn::metrics::Metric;
use refrain_nn::{Activation, Compile, Engine, Initializer, InputSpec, Model, Network, PlannedModel, Tensor};

impl TextRecipe {
    /// How a model is compiled for a run of so many updates.
    pub(in crate::language_model) fn compile(&self, updates: u64, engine: Engine) -> Result<Compile> {
        Ok(Compile {
            loss: Loss::SparseCategoricalCrossentropy,
            optimizer: self.optimizer(updates)?,
            metrics: vec![Metric::Accuracy],
            reduction: self.reduction,
            gradient_accumulation_steps: u32::try_from(self.accumulate).unwrap_or(u32::MAX),
            seed: self.seed,
            engine: Some(engine),
        })
    }

    /// The untrained network for a vocabulary.
    pub(in crate::language_model) fn network(
        &self,
        codec: &Codec,
        engine: Engine,
        updates: u64,
    ) -> Result<Model> {
        Ok(self.plan(codec.vocab_size(), engine, updates)?.allocate()?)
    }

    /// The same without memory for its parameters, for a vocabulary of so many entries.
    pub(in crate::language_model) fn plan(
        &self,
        vocabulary: usize,
        engine: Engine,
        updates: u64,
    ) -> Result<PlannedModel> {
        let mut net = Network::new();
        let ids = net.input(InputSpec::ids().name("tokens"));
        let mut x = net.add(self.table(vocabulary), &[ids])?;
        for i in 0..self.layers {
            let rate = if i == 0 { self.input_dropout() } else { self.dropout };
            x = self.drop(&mut net, rate, x)?;
            let units = if self.tie && i + 1 == self.layers { self.embedding } else { self.units };
            x = match self.cell {
                CellKind::Rnn => net.add(self.recurrent(SimpleRnn::new(units)), &[x]),
                CellKind::Lstm => {
                    net.add(self.recurrent(Lstm::new(units).unit_forget_bias(self.forget_bias)), &[x])
                }
                CellKind::Gru => net.add(self.recurrent(Gru::new(units)), &[x]),
            }?;
        }
        x = penalty(&mut net, ActivityPenalty::new(0.0, self.temporal_penalty as f32), x)?;
        x = self.drop(&mut net, self.output_dropout(), x)?;
        x = penalty(&mut net, ActivityPenalty::new(self.activation_penalty as f32, 0.0), x)?;
        let y = self.output(&mut net, vocabulary, x)?;
        Ok(net.plan(&[y], self.compile(updates, engine)?)?)
    }

    fn table(&self, vocabulary: usize) -> Embedding {
        // Keras's ±0.05 costs an epoch; a tied embedding is also the output's kernel, where 1 is too large.
        let stddev = if self.tie { (self.embedding as f32).recip().sqrt() } else { 1.0 };
        let initializer = self.uniform().unwrap_or(Initializer::RandomNormal { mean: 0.0, stddev });
        Embedding::new(vocabulary, self.embedding)
            .embeddings_initializer(initializer)
            .dropout(self.embedding_dropout as f32)
            .name("embedding")
    }

    fn uniform(&self) -> Option<Initializer> {
        let range = self.init_range? as f32;
        Some(Initializer::RandomUniform { minval: -range, maxval: range })
    }

    fn recurrent<C: CellConfig>(&self, layer: Recurrent<C>) -> Recurrent<C> {
        let layer = layer
            .return_sequences(true)
            .recurrent_dropout(self.recurrent_dropout as f32)
            .recurrent_mask(RecurrentMask::Shared)
            .recurrent_weight_dropout(self.weight_drop as f32);
        match self.uniform() {
            Some(uniform) => layer.kernel_initializer(uniform.clone()).recurrent_initializer(uniform),
            None => layer,
        }
    }

    fn output(&self, net: &mut Network, vocabulary: usize, x: Tensor) -> Result<Tensor> {
        let cutoffs = self.cutoffs(vocabulary);
        if self.tie {
            let tied = TiedDense::new("embedding/embeddings").activation(Activation::Softmax).name("output");
            return Ok(net.add(tied, &[x])?);
        }
        if !cutoffs.is_empty() {
            if !cutoffs.is_sorted_by(|a, b| a < b) || cutoffs[0] == 0 || cutoffs.last() >= Some(&vocabulary) {
                return Err(Error::Option {
                    option: "adaptive",
                    got: format!("{cutoffs:?} for a vocabulary of {vocabulary}"),
                    expected: "ascending numbers of tokens, at least 1 and below the vocabulary's",
                });
            }
            let mut adaptive = AdaptiveSoftmax::new(vocabulary).cutoffs(cutoffs).name("output");
            if let Some(uniform) = self.uniform() {
                adaptive = adaptive.kernel_initializer(uniform);
            }
            return Ok(net.add(adaptive, &[x])?);
        }
        let mut dense = Dense::new(vocabulary).activation(Activation::Softmax).name("output");
        if let Some(uniform) = self.uniform() {
            dense = dense.kernel_initializer(uniform);
        }
        Ok(net.add(dense, &[x])?)
    }

    fn drop(&self, net: &mut Network, rate: f64, x: Tensor) -> Result<Tensor> {
        let rate = rate as f32;
        Ok(if rate == 0.0 {
            x
        } else if self.locked_dropout {
            net.add(SpatialDropout1D::new(rate), &[x])?
        } else {
            net.add(Dropout::new(rate), &[x])?
        })
    }
}

/// Adds a penalty, unless it costs nothing.
fn penalty(net: &mut Network, layer: ActivityPenalty, x: Tensor) -> Result<Tensor> {
    Ok(if layer.l2 == 0.0 && layer.temporal == 0.0 { x } else { net.add(layer, &[x])? })
}

//! Building the network of a recipe.

use super::TextRecipe;
use refrain_nn::layers::{ActivityPenalty, AdaptiveSoftmax, Dense, Embedding, TiedDense};
use refrain_nn::{Activation, Initializer, InputSpec, Network, Tensor};
use refrain_task::layers::{RecurrentOptions, dropout};
use refrain_task::{Error, Result};

impl TextRecipe {
    /// Builds the untrained network for a vocabulary of this size.
    pub(in crate::language_model) fn network(&self, vocabulary: usize) -> Result<(Network, Vec<Tensor>)> {
        let mut net = Network::new();
        let ids = net.input(InputSpec::ids().name("tokens"));
        let mut x = net.add(self.table(vocabulary), &[ids])?;
        for i in 0..self.layers {
            let rate = if i == 0 { self.input_dropout() } else { self.dropout };
            x = self.drop(&mut net, rate, x)?;
            let units = if self.tie && i + 1 == self.layers { self.embedding } else { self.units };
            let options = RecurrentOptions {
                units,
                forget_bias: self.forget_bias,
                recurrent_dropout: self.recurrent_dropout,
                weight_drop: self.weight_drop,
                init_range: self.init_range,
                ..RecurrentOptions::default()
            };
            x = self.cell.add(&mut net, &options, x)?;
        }
        x = penalty(&mut net, ActivityPenalty::new(0.0, self.temporal_penalty as f32), x)?;
        x = self.drop(&mut net, self.output_dropout(), x)?;
        x = penalty(&mut net, ActivityPenalty::new(self.activation_penalty as f32, 0.0), x)?;
        let y = self.output(&mut net, vocabulary, x)?;
        Ok((net, vec![y]))
    }

    fn table(&self, vocabulary: usize) -> Embedding {
        // Keras's ±0.05 costs an epoch. A tied embedding is also the output kernel, for which 1 is too large.
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
                    expected: "ascending numbers of at least 1 and below the vocabulary size",
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
        dropout(net, rate, self.locked_dropout, x)
    }
}

/// Adds a penalty layer, unless its weight is 0.
fn penalty(net: &mut Network, layer: ActivityPenalty, x: Tensor) -> Result<Tensor> {
    Ok(if layer.l2 == 0.0 && layer.temporal == 0.0 { x } else { net.add(layer, &[x])? })
}

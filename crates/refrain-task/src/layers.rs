//! The layers that recipes use.

use crate::error::Result;
use refrain_nn::layers::{
    Bidirectional, CellConfig, Dropout, Gru, Lstm, Recurrent, RecurrentMask, SimpleRnn, SpatialDropout1D,
};
use refrain_nn::{Initializer, Network, Tensor};
use serde::{Deserialize, Serialize};

/// The cell of recurrent layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellKind {
    /// SimpleRNN.
    Rnn,
    /// LSTM.
    Lstm,
    /// GRU with the reset gate after the product.
    Gru,
}

/// The options of a recurrent layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecurrentOptions {
    /// Hidden units, in each direction.
    pub units: usize,
    /// Whether the layer returns the output of every step, or only of the last one.
    pub return_sequences: bool,
    /// Whether the layer reads in both directions.
    pub bidirectional: bool,
    /// Whether the forget-gate bias of an LSTM is initialised to 1.
    pub forget_bias: bool,
    /// Dropout of the hidden state, with the same mask at every step and for all gates.
    pub recurrent_dropout: f64,
    /// Dropout of the recurrent kernel, one mask per batch (Merity et al. 2017).
    pub weight_drop: f64,
    /// Both kernels are initialised uniformly in ± this value. If `None`, they are Glorot uniform and orthogonal.
    pub init_range: Option<f64>,
}

impl Default for RecurrentOptions {
    fn default() -> Self {
        Self {
            units: 1,
            return_sequences: true,
            bidirectional: false,
            forget_bias: true,
            recurrent_dropout: 0.0,
            weight_drop: 0.0,
            init_range: None,
        }
    }
}

impl CellKind {
    /// Adds a recurrent layer of this cell to a network.
    ///
    /// # Errors
    /// If the layer does not accept the input.
    pub fn add(self, net: &mut Network, options: &RecurrentOptions, x: Tensor) -> Result<Tensor> {
        match self {
            CellKind::Rnn => options.add(net, SimpleRnn::new(options.units), x),
            CellKind::Lstm => {
                options.add(net, Lstm::new(options.units).unit_forget_bias(options.forget_bias), x)
            }
            CellKind::Gru => options.add(net, Gru::new(options.units), x),
        }
    }
}

impl RecurrentOptions {
    fn add<C: CellConfig>(&self, net: &mut Network, layer: Recurrent<C>, x: Tensor) -> Result<Tensor> {
        let mut layer = layer
            .return_sequences(self.return_sequences)
            .recurrent_dropout(self.recurrent_dropout as f32)
            .recurrent_mask(RecurrentMask::Shared)
            .recurrent_weight_dropout(self.weight_drop as f32);
        if let Some(range) = self.init_range {
            let uniform = Initializer::RandomUniform { minval: -range as f32, maxval: range as f32 };
            layer = layer.kernel_initializer(uniform.clone()).recurrent_initializer(uniform);
        }
        Ok(if self.bidirectional { net.add(Bidirectional::new(layer), &[x])? } else { net.add(layer, &[x])? })
    }
}

/// Adds dropout to a network. The mask differs at each step or, if `locked`, is the same at every step of a batch
/// (Gal & Ghahramani 2016). A rate of 0 adds nothing.
///
/// # Errors
/// If the rate is out of range.
pub fn dropout(net: &mut Network, rate: f64, locked: bool, x: Tensor) -> Result<Tensor> {
    let rate = rate as f32;
    Ok(if rate == 0.0 {
        x
    } else if locked {
        net.add(SpatialDropout1D::new(rate), &[x])?
    } else {
        net.add(Dropout::new(rate), &[x])?
    })
}

//! How a model's recurrent layers are: gates that stand still, units that do nothing, kernels that grow or shrink.

mod counts;
mod kernels;
mod spectrum;
#[cfg(test)]
mod tests;
mod words;

pub use kernels::{KernelBlock, ParameterHealth};

use crate::activations::{cell_setting, walk};
use crate::error::{Error, Result};
use crate::sample::Sample;
use counts::Counts;
use refrain_nn::Model;
use serde::Serialize;

/// A gate below this is shut, one above `1 - SHUT` open; a candidate or hidden state beyond `1 - SHUT` either way is
/// saturated.
pub const SHUT: f64 = 0.1;
/// A unit whose hidden state has a smaller standard deviation over the sample does nothing.
pub const DEAD: f64 = 1e-3;
/// The longest memory that is told apart from an endless one, in steps.
pub const ENDLESS: f64 = 1e6;

/// How a model is: over a sample its recurrent layers, and its parameters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Health {
    /// What was read.
    pub of: String,
    /// The recurrent layers.
    pub layers: Vec<LayerHealth>,
    /// All parameters.
    pub parameters: Vec<ParameterHealth>,
}

/// How a recurrent layer is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerHealth {
    /// Its name.
    pub layer: String,
    /// `SimpleRNN`, `LSTM` or `GRU`.
    pub class_name: &'static str,
    /// Its units.
    pub units: usize,
    /// Steps read, those of all sequences.
    pub steps: usize,
    /// Its gates and its candidate.
    pub gates: Vec<GateHealth>,
    /// The share of its hidden states beyond 0.9 either way; none where the activation has no bound.
    pub saturated: Option<f64>,
    /// The largest hidden state either way.
    pub largest: f32,
    /// Units whose hidden state hardly varies, by number.
    pub dead: Vec<usize>,
    /// Hidden states that are no finite numbers.
    pub not_finite: usize,
    /// How long its gates let it remember.
    pub memory: Option<GateMemory>,
    /// Its recurrent kernel, gate by gate.
    pub kernel: Vec<KernelBlock>,
}

/// How a gate stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateHealth {
    /// Its name.
    pub gate: &'static str,
    /// Its mean.
    pub mean: f64,
    /// The share of its values below 0.1; of a candidate below -0.9.
    pub low: f64,
    /// The share of its values above 0.9.
    pub high: f64,
    /// Whether it goes from 0 to 1; a candidate does not.
    pub is_gate: bool,
}

/// How long units remember by the mean of the gate that keeps their state: `1 / (1 - mean)` steps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateMemory {
    /// The gate: the forget gate of an LSTM, the update gate of a GRU.
    pub gate: &'static str,
    /// Steps of the middle unit.
    pub median: f64,
    /// Steps that a tenth of the units exceeds.
    pub tenth: f64,
    /// Steps of the unit that remembers longest.
    pub longest: f64,
    /// Its number.
    pub longest_unit: usize,
    /// Steps of each unit.
    pub units: Vec<f32>,
}

impl Health {
    /// Reads a sample and looks at layers and parameters. Of a model without recurrent layers there are only the
    /// parameters.
    ///
    /// # Errors
    /// When the sample is empty or does not fit the model.
    pub fn of(model: &mut Model, sample: &Sample) -> Result<Self> {
        let mut counts: Vec<Counts> = Vec::new();
        let lanes = sample.batch.lanes;
        let walked = walk(model, &sample.batch, |pass| {
            if pass.index == counts.len() {
                counts.push(Counts::new(&pass.seen));
            }
            for lane in 0..lanes.min(pass.seen.layout().sequences()) {
                pass.rows(lane).for_each(|(_, row)| counts[pass.index].take(&pass.seen, row));
            }
        });
        match walked {
            Err(Error::Unsupported { .. }) => {}
            other => other?,
        }
        let threads = model.engine().threads();
        let model = &*model;
        let layer = |counts: Counts| {
            let bounded = cell_setting(model.architecture(), &counts.layer, "activation");
            let bounded = matches!(bounded, None | Some("tanh" | "sigmoid" | "hard_sigmoid" | "softsign"));
            let kernel = kernels::blocks(model, &counts.layer, counts.class_name, threads);
            counts.finish(bounded, kernel)
        };
        Ok(Self {
            of: sample.of.clone(),
            layers: counts.into_iter().map(layer).collect(),
            parameters: kernels::parameters(model),
        })
    }
}

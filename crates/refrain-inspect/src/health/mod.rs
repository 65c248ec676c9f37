//! The health of a model's recurrent layers: saturated gates, dead units, kernels that grow or shrink states.

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

/// A gate is shut below this value and open above `1 - SHUT`. A candidate or hidden state is saturated if its
/// absolute value is above `1 - SHUT`.
pub const SHUT: f64 = 0.1;
/// A unit is dead if the standard deviation of its hidden state over the sample is below this.
pub const DEAD: f64 = 1e-3;
/// The longest memory that is distinguished from an endless one, in steps.
pub const ENDLESS: f64 = 1e6;

/// The health of a model: its recurrent layers on a sample, and its parameters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Health {
    /// A description of the data.
    pub of: String,
    /// The recurrent layers.
    pub layers: Vec<LayerHealth>,
    /// All parameters.
    pub parameters: Vec<ParameterHealth>,
}

/// The health of a recurrent layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerHealth {
    /// Its name.
    pub layer: String,
    /// `SimpleRNN`, `LSTM` or `GRU`.
    pub class_name: &'static str,
    /// Number of its units.
    pub units: usize,
    /// Number of steps read, over all sequences.
    pub steps: usize,
    /// Its gates and its candidate.
    pub gates: Vec<GateHealth>,
    /// The share of its hidden states beyond ±0.9; `None` if the activation is unbounded.
    pub saturated: Option<f64>,
    /// The largest absolute hidden state.
    pub largest: f32,
    /// Indices of the units whose hidden state hardly varies.
    pub dead: Vec<usize>,
    /// Number of non-finite hidden states.
    pub not_finite: usize,
    /// How long its gates let it remember.
    pub memory: Option<GateMemory>,
    /// Its recurrent kernel, gate by gate.
    pub kernel: Vec<KernelBlock>,
}

/// The values of a gate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateHealth {
    /// Its name.
    pub gate: &'static str,
    /// Its mean value.
    pub mean: f64,
    /// The share of its values below 0.1, or below -0.9 for a candidate.
    pub low: f64,
    /// The share of its values above 0.9.
    pub high: f64,
    /// Whether it ranges from 0 to 1; a candidate does not.
    pub is_gate: bool,
}

/// How long units remember, computed from the mean of the gate that keeps their state: `1 / (1 - mean)` steps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateMemory {
    /// The gate: the forget gate of an LSTM, the update gate of a GRU.
    pub gate: &'static str,
    /// The memory of the median unit, in steps.
    pub median: f64,
    /// The memory that 10 % of the units exceed, in steps.
    #[serde(rename = "tenth")]
    pub quantile_90: f64,
    /// The longest memory of any unit, in steps.
    pub longest: f64,
    /// The index of that unit.
    pub longest_unit: usize,
    /// The memory of each unit, in steps.
    pub units: Vec<f32>,
}

impl Health {
    /// Runs the model on a sample and measures its layers and parameters. A model without recurrent layers only has
    /// parameters.
    ///
    /// # Errors
    /// If the sample is empty or does not fit the model.
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

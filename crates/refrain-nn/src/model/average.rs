//! Averages of the parameters over training steps.

use super::Model;
use super::compile::not_compiled;
use crate::error::Error;
use crate::params::Params;
use refrain_kernels::optimizer::average;
use refrain_kernels::{AlignedVec, Engine};
use serde::{Deserialize, Serialize};

/// How parameters are averaged. `a` is the average, `w` the parameters after a step. After the first step,
/// `a` is `w`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Averaging {
    /// `a += (w − a) / n`: the mean of all steps, as in averaged SGD (Polyak & Juditsky 1992). In f32, after
    /// some millions of steps, a further step is too small to change the mean.
    Mean,
    /// `a = momentum·a + (1 − momentum)·w`: Keras's `use_ema`.
    Exponential {
        /// The fraction of the average that is kept at each step, between 0 and 1.
        momentum: f64,
    },
}

impl Averaging {
    pub(super) fn validate(self) -> Result<(), Error> {
        match self {
            Averaging::Exponential { momentum } if !(0.0..=1.0).contains(&momentum) => {
                Err(Error::setting("start_averaging", "momentum", momentum, "between 0 and 1"))
            }
            _ => Ok(()),
        }
    }
}

/// The averages of all parameters. A parameter that is not trained equals its average.
#[derive(Debug, Clone)]
pub(super) struct Averages {
    pub(super) kind: Averaging,
    /// The number of averaged steps.
    pub(super) count: u64,
    /// Whether the averages are swapped in, with the parameters stored here.
    pub(super) swapped: bool,
    /// The averages, laid out as the flat parameters.
    pub(super) values: AlignedVec,
}

impl Averages {
    pub(super) fn new(kind: Averaging, params: &Params) -> Self {
        let mut values = AlignedVec::zeros(params.values().len());
        values.copy_from_slice(params.values());
        Self { kind, count: 0, swapped: false, values }
    }

    /// Adds the parameters after a step.
    pub(super) fn add(&mut self, engine: &Engine, params: &[f32]) {
        self.count += 1;
        let rate = match self.kind {
            Averaging::Mean => 1.0 / self.count as f64,
            Averaging::Exponential { momentum } => 1.0 - momentum,
        };
        if self.count == 1 {
            self.values.copy_from_slice(params);
        } else {
            average(engine, rate as f32, &mut self.values, params);
        }
    }

    fn swap(&mut self, params: &mut [f32]) {
        self.values.swap_with_slice(params);
        self.swapped = !self.swapped;
    }
}

impl Model {
    /// Starts averaging the parameters over optimiser steps. Existing averages are discarded.
    ///
    /// # Errors
    /// Returns an error if the model is not compiled or uses its averages, or if the momentum is not between
    /// 0 and 1.
    pub fn start_averaging(&mut self, averaging: Averaging) -> Result<(), Error> {
        self.refuse_averages("averaging")?;
        averaging.validate()?;
        let training = self.training.as_mut().ok_or_else(not_compiled)?;
        training.averages = Some(Averages::new(averaging, &self.params));
        Ok(())
    }

    /// Returns whether the parameters are being averaged.
    pub fn is_averaging(&self) -> bool {
        self.training.as_ref().is_some_and(|t| t.averages.is_some())
    }

    /// Stops averaging and discards the second copy: the averages or, after [`Model::swap_averages`], the
    /// original parameters.
    pub fn stop_averaging(&mut self) {
        if let Some(training) = &mut self.training {
            training.averages = None;
        }
    }

    /// Swaps the parameters and their averages, so that the model runs with the other set. Before the first
    /// step the two are the same. A model that uses its averages cannot be trained.
    ///
    /// # Errors
    /// Returns an error if the parameters are not being averaged.
    pub fn swap_averages(&mut self) -> Result<(), Error> {
        let training = self.training.as_mut().ok_or_else(not_compiled)?;
        let averages = training.averages.as_mut().ok_or_else(|| {
            Error::unsupported("using averages", "there are none; call `start_averaging` before training")
        })?;
        averages.swap(self.params.values_mut());
        self.graph.packed = false;
        Ok(())
    }

    /// Returns an error if the averages are swapped in.
    pub(super) fn refuse_averages(&self, action: &str) -> Result<(), Error> {
        let averages = self.training.as_ref().and_then(|t| t.averages.as_ref());
        match averages {
            Some(averages) if averages.swapped => {
                let reason = "the model uses its averages: call `swap_averages` to restore its parameters";
                Err(Error::unsupported(action, reason))
            }
            _ => Ok(()),
        }
    }
}

//! The optimiser of a recipe, and how its rate goes.

use super::TextRecipe;
use crate::error::{Error, Result};
use refrain_nn::Schedule;
use refrain_nn::optim::Optimizer;
use serde::{Deserialize, Serialize};

/// How the learning rate goes over a whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateSchedule {
    /// It stays.
    Constant,
    /// It rises over the first 2 % of the steps, then falls as a half cosine to 1 % at the end.
    Cosine,
    /// It falls by the same factor each step, to 1 % at the end.
    Exponential,
    /// It stays for [`TextRecipe::decay_after`] epochs, then is multiplied by [`TextRecipe::decay`] with each
    /// epoch.
    Step,
    /// It is multiplied by [`TextRecipe::decay`] after each epoch whose validation loss is no better than all before.
    Plateau,
}

/// Share of the learning rate that a falling schedule ends with.
const FINAL_RATE: f64 = 0.01;
/// Share of the steps over which the cosine schedule warms up.
const WARM_UP: f64 = 0.02;

impl TextRecipe {
    /// The optimiser for a run of `steps` updates.
    pub(crate) fn optimizer(&self, steps: u64) -> Result<Optimizer> {
        let unknown = Error::Option {
            option: "optimizer",
            got: self.optimizer.clone(),
            expected: "sgd, rmsprop, adagrad, adadelta, adam, adamw, adamax or nadam",
        };
        let mut optimizer = Optimizer::by_name(&self.optimizer).ok_or(unknown)?;
        let (rate, steps) = (self.learning_rate, steps.max(1));
        optimizer.learning_rate = match self.schedule {
            RateSchedule::Constant | RateSchedule::Step | RateSchedule::Plateau => Schedule::from(rate),
            RateSchedule::Exponential => Schedule::ExponentialDecay {
                initial_learning_rate: rate,
                decay_steps: steps,
                decay_rate: FINAL_RATE,
                staircase: false,
            },
            RateSchedule::Cosine => {
                let warm_up = (steps as f64 * WARM_UP).ceil() as u64;
                Schedule::CosineDecay {
                    initial_learning_rate: 0.0,
                    decay_steps: steps.saturating_sub(warm_up).max(1),
                    alpha: FINAL_RATE,
                    warmup_target: Some(rate),
                    warmup_steps: warm_up,
                }
            }
        };
        if self.clip > 0.0 {
            optimizer.clip.global_clipnorm = Some(self.clip);
        }
        if self.weight_decay > 0.0 {
            optimizer.weight_decay = Some(self.weight_decay);
        }
        optimizer.validate()?;
        Ok(optimizer)
    }

    /// What the rate of an epoch, from 1, is multiplied by. `val_losses` are those of the epochs before.
    pub(in crate::language_model) fn epoch_factor(&self, epoch: usize, val_losses: &[f64]) -> f64 {
        let falls = match self.schedule {
            RateSchedule::Step => epoch.saturating_sub(self.decay_after),
            RateSchedule::Plateau => {
                let mut best = f64::INFINITY;
                let no_better = |loss: &&f64| {
                    let better = **loss < best;
                    best = best.min(**loss);
                    !better
                };
                val_losses.iter().filter(no_better).count()
            }
            _ => 0,
        };
        self.decay.powi(falls.try_into().unwrap_or(i32::MAX))
    }
}

//! The optimiser, and its learning rate schedule.

use super::TrainingSettings;
use crate::error::{Error, Result};
use refrain_nn::Schedule;
use refrain_nn::optim::Optimizer;
use serde::{Deserialize, Serialize};

/// How the learning rate changes over a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateSchedule {
    /// The rate stays constant.
    Constant,
    /// It rises over the first 2 % of the steps, then falls along a half cosine to 1 % at the end.
    Cosine,
    /// It falls exponentially, step by step, to 1 % at the end.
    Exponential,
    /// It stays constant for [`TrainingSettings::decay_after`] epochs, then is multiplied by
    /// [`TrainingSettings::decay`] at each epoch.
    Step,
    /// It is multiplied by [`TrainingSettings::decay`] after each epoch whose validation loss is not lower than all
    /// previous ones.
    Plateau,
}

/// Final learning rate of a falling schedule, as a share of the base rate.
const FINAL_RATE: f64 = 0.01;
/// Share of the steps over which the cosine schedule warms up.
const WARM_UP: f64 = 0.02;

impl RateSchedule {
    /// Returns whether the schedule spans the steps of the whole run.
    pub(crate) fn depends_on_steps(self) -> bool {
        matches!(self, Self::Cosine | Self::Exponential)
    }

    /// Returns whether the schedule multiplies the rate by a factor per epoch.
    pub(crate) fn depends_on_epochs(self) -> bool {
        matches!(self, Self::Step | Self::Plateau)
    }

    /// Returns the rate of each step of a run of `steps` steps, before the factor per epoch.
    fn within(self, rate: f64, steps: u64) -> Schedule {
        match self {
            Self::Constant | Self::Step | Self::Plateau => Schedule::from(rate),
            Self::Exponential => Schedule::ExponentialDecay {
                initial_learning_rate: rate,
                decay_steps: steps,
                decay_rate: FINAL_RATE,
                staircase: false,
            },
            Self::Cosine => {
                let warm_up = (steps as f64 * WARM_UP).ceil() as u64;
                Schedule::CosineDecay {
                    initial_learning_rate: 0.0,
                    decay_steps: steps.saturating_sub(warm_up).max(1),
                    alpha: FINAL_RATE,
                    warmup_target: Some(rate),
                    warmup_steps: warm_up,
                }
            }
        }
    }
}

impl TrainingSettings {
    /// Builds the optimiser for a run of `steps` optimiser steps.
    ///
    /// # Errors
    /// If the optimiser's name is unknown or a setting is out of range.
    pub fn optimizer(&self, steps: u64) -> Result<Optimizer> {
        let expected = "sgd, rmsprop, adagrad, adadelta, adam, adamw, adamax or nadam";
        let unknown = || Error::option("optimizer", &self.optimizer, expected);
        let mut optimizer = Optimizer::by_name(&self.optimizer).ok_or_else(unknown)?;
        optimizer.learning_rate = self.schedule.within(self.learning_rate, steps.max(1));
        if self.clip > 0.0 {
            optimizer.clip.global_clipnorm = Some(self.clip);
        }
        if self.weight_decay > 0.0 {
            optimizer.weight_decay = Some(self.weight_decay);
        }
        optimizer.validate()?;
        Ok(optimizer)
    }

    /// Returns the learning rate factor of an epoch, counted from 1. `val_losses` are those of the previous epochs.
    pub fn epoch_factor(&self, epoch: usize, val_losses: &[f64]) -> f64 {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn with(schedule: RateSchedule) -> TrainingSettings {
        TrainingSettings { schedule, learning_rate: 0.5, decay: 0.25, decay_after: 2, ..Default::default() }
    }

    #[test]
    fn schedules_reach_their_final_rate() {
        let rates = |schedule, at: [u64; 3]| {
            let optimizer = with(schedule).optimizer(1000).unwrap();
            at.map(|step| optimizer.learning_rate.learning_rate(step))
        };
        assert_eq!(rates(RateSchedule::Constant, [0, 500, 999]), [0.5; 3]);
        let [first, peak, last] = rates(RateSchedule::Cosine, [0, 20, 1000]);
        assert!(first < 0.03 && peak == 0.5 && (last - 0.005).abs() < 1e-12, "{first} {peak} {last}");
        let [first, _, last] = rates(RateSchedule::Exponential, [0, 1, 1000]);
        assert!(first == 0.5 && (last - 0.005).abs() < 1e-12, "{first} {last}");
    }

    #[test]
    fn epochs_lower_the_rate_by_count_or_by_loss() {
        let factor = |schedule, epoch, losses: &[f64]| with(schedule).epoch_factor(epoch, losses);
        assert_eq!(
            [1, 2, 3, 4].map(|epoch| factor(RateSchedule::Step, epoch, &[])),
            [1.0, 1.0, 0.25, 0.0625]
        );
        let losses = [3.0, 2.0, 2.0, 1.0, f64::NAN];
        let plateau = |done: usize| factor(RateSchedule::Plateau, done + 1, &losses[..done]);
        assert_eq!([0, 2, 3, 4, 5].map(plateau), [1.0, 1.0, 0.25, 0.25, 0.0625]);
        assert_eq!(factor(RateSchedule::Constant, 9, &losses), 1.0);
    }

    #[test]
    fn clipping_and_decay_are_passed_to_the_optimiser() {
        let settings = TrainingSettings { clip: 0.0, weight_decay: 0.1, ..Default::default() };
        let optimizer = settings.optimizer(1).unwrap();
        assert_eq!((optimizer.clip.global_clipnorm, optimizer.weight_decay), (None, Some(0.1)));
        let unknown = TrainingSettings { optimizer: "adams".to_owned(), ..Default::default() };
        assert!(unknown.optimizer(1).unwrap_err().to_string().contains("optimizer is adams; expected sgd"));
    }
}

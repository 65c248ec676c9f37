//! Learning rate schedules, as in Keras.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// The learning rate at each step, computed in f64. Names and formulas are Keras's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// A constant rate.
    Constant(f64),
    /// `initial_learning_rate · decay_rate ^ (step / decay_steps)`
    ExponentialDecay {
        /// The rate at step 0.
        initial_learning_rate: f64,
        /// The number of steps in which the rate is multiplied by `decay_rate` once.
        decay_steps: u64,
        /// The factor.
        decay_rate: f64,
        /// Whether the rate changes only at multiples of `decay_steps`.
        staircase: bool,
    },
    /// A linear warm-up from `initial_learning_rate` to `warmup_target` in `warmup_steps`, then half a cosine
    /// down to `alpha` times the target in `decay_steps`, then constant. Without a target, the cosine starts
    /// immediately from `initial_learning_rate`.
    CosineDecay {
        /// The rate at step 0.
        initial_learning_rate: f64,
        /// The number of steps of the cosine.
        decay_steps: u64,
        /// The last rate, as a fraction of the highest.
        alpha: f64,
        /// The rate at the end of the warm-up.
        warmup_target: Option<f64>,
        /// The number of steps of the warm-up.
        warmup_steps: u64,
    },
    /// `values[i]` while `step` is at most `boundaries[i]`, then the last value.
    PiecewiseConstant {
        /// The last step of each value except the last, increasing.
        boundaries: Vec<u64>,
        /// The rates, one more than `boundaries`.
        values: Vec<f64>,
    },
}

impl Schedule {
    /// Returns exponential decay without a staircase, Keras's default.
    pub fn exponential_decay(initial_learning_rate: f64, decay_steps: u64, decay_rate: f64) -> Self {
        Self::ExponentialDecay { initial_learning_rate, decay_steps, decay_rate, staircase: false }
    }

    /// Returns cosine decay to 0 without a warm-up, Keras's default.
    pub fn cosine_decay(initial_learning_rate: f64, decay_steps: u64) -> Self {
        let (alpha, warmup_target, warmup_steps) = (0.0, None, 0);
        Self::CosineDecay { initial_learning_rate, decay_steps, alpha, warmup_target, warmup_steps }
    }

    /// Returns a piecewise constant schedule: `values[i]` up to and including step `boundaries[i]`.
    pub fn piecewise_constant(boundaries: impl Into<Vec<u64>>, values: impl Into<Vec<f64>>) -> Self {
        Self::PiecewiseConstant { boundaries: boundaries.into(), values: values.into() }
    }

    /// Returns the learning rate of a step, counted from 0 as in Keras's `iterations`.
    ///
    /// # Panics
    /// Panics if a piecewise schedule has no values. [`Schedule::validate`] reports that.
    pub fn learning_rate(&self, step: u64) -> f64 {
        match *self {
            Self::Constant(rate) => rate,
            Self::ExponentialDecay { initial_learning_rate, decay_steps, decay_rate, staircase } => {
                let part = step as f64 / decay_steps as f64;
                let part = if staircase { part.floor() } else { part };
                initial_learning_rate * decay_rate.powf(part)
            }
            Self::CosineDecay { initial_learning_rate, decay_steps, alpha, warmup_target, warmup_steps } => {
                let (from, step) = match warmup_target {
                    None => (initial_learning_rate, step),
                    Some(target) if step < warmup_steps => {
                        let part = step as f64 / warmup_steps as f64;
                        return (target - initial_learning_rate) * part + initial_learning_rate;
                    }
                    Some(target) => (target, step - warmup_steps),
                };
                let part = step.min(decay_steps) as f64 / decay_steps as f64;
                let cosine = 0.5 * (1.0 + (PI * part).cos());
                from * ((1.0 - alpha) * cosine + alpha)
            }
            Self::PiecewiseConstant { ref boundaries, ref values } => {
                values[boundaries.partition_point(|&b| b < step).min(values.len() - 1)]
            }
        }
    }

    /// Checks that the settings are in range.
    ///
    /// # Errors
    /// Returns an error for the first setting that is out of range.
    pub fn validate(&self) -> Result<(), Error> {
        match *self {
            Self::Constant(rate) => check_rate("learning_rate", "constant", rate),
            Self::ExponentialDecay { initial_learning_rate, decay_steps, decay_rate, .. } => {
                let name = "exponential_decay";
                check_rate(name, "initial_learning_rate", initial_learning_rate)?;
                check_decay_steps(name, decay_steps)?;
                if !(decay_rate > 0.0 && decay_rate.is_finite()) {
                    return Err(Error::setting(name, "decay_rate", decay_rate, "a finite number above 0"));
                }
                Ok(())
            }
            Self::CosineDecay { initial_learning_rate, decay_steps, alpha, warmup_target, warmup_steps } => {
                let name = "cosine_decay";
                check_rate(name, "initial_learning_rate", initial_learning_rate)?;
                check_decay_steps(name, decay_steps)?;
                check_rate(name, "alpha", alpha)?;
                match warmup_target {
                    Some(target) => check_rate(name, "warmup_target", target),
                    None if warmup_steps > 0 => {
                        let expected = "0 without a warmup_target";
                        Err(Error::setting(name, "warmup_steps", warmup_steps, expected))
                    }
                    None => Ok(()),
                }
            }
            Self::PiecewiseConstant { ref boundaries, ref values } => {
                let name = "piecewise_constant";
                if values.len() != boundaries.len() + 1 {
                    let got = format!("{} numbers", values.len());
                    let expected = format!("one more than the number of boundaries, {}", boundaries.len());
                    return Err(Error::setting(name, "values", got, expected));
                }
                if !boundaries.is_sorted_by(|a, b| a < b) {
                    return Err(Error::setting(name, "boundaries", format!("{boundaries:?}"), "increasing"));
                }
                values.iter().try_for_each(|&v| check_rate(name, "values", v))
            }
        }
    }
}

impl From<f64> for Schedule {
    fn from(rate: f64) -> Self {
        Self::Constant(rate)
    }
}

fn check_rate(name: &'static str, setting: &'static str, rate: f64) -> Result<(), Error> {
    if rate >= 0.0 && rate.is_finite() {
        return Ok(());
    }
    Err(Error::setting(name, setting, rate, "a finite number of at least 0"))
}

fn check_decay_steps(name: &'static str, steps: u64) -> Result<(), Error> {
    if steps > 0 { Ok(()) } else { Err(Error::setting(name, "decay_steps", steps, "at least 1")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative tolerance: f64 against decimals computed by hand.
    const HAND: f64 = 1e-12;

    fn check(schedule: &Schedule, cases: &[(u64, f64)]) {
        schedule.validate().unwrap();
        for &(step, want) in cases {
            let got = schedule.learning_rate(step);
            assert!((got - want).abs() <= HAND * want.abs(), "{schedule:?} at {step}: {got} for {want}");
        }
    }

    #[test]
    fn constant_and_exponential() {
        check(&0.01.into(), &[(0, 0.01), (1 << 40, 0.01)]);
        let decay = Schedule::exponential_decay(0.1, 10, 0.25);
        check(&decay, &[(0, 0.1), (5, 0.05), (10, 0.025), (15, 0.0125), (30, 0.1 / 64.0)]);
        let stairs = Schedule::ExponentialDecay {
            initial_learning_rate: 0.1,
            decay_steps: 10,
            decay_rate: 0.25,
            staircase: true,
        };
        check(&stairs, &[(0, 0.1), (9, 0.1), (10, 0.025), (19, 0.025), (20, 0.1 / 16.0)]);
    }

    #[test]
    fn cosine_with_and_without_warmup() {
        check(&Schedule::cosine_decay(0.2, 12), &[(0, 0.2), (4, 0.15), (6, 0.1), (8, 0.05)]);
        let end = Schedule::cosine_decay(0.2, 12).learning_rate(1000);
        assert_eq!(end, 0.0);
        let warm = Schedule::CosineDecay {
            initial_learning_rate: 0.1,
            decay_steps: 12,
            alpha: 0.5,
            warmup_target: Some(0.4),
            warmup_steps: 3,
        };
        check(&warm, &[(0, 0.1), (1, 0.2), (2, 0.3), (3, 0.4), (7, 0.35), (9, 0.3), (15, 0.2), (99, 0.2)]);
    }

    #[test]
    fn a_boundary_belongs_to_the_value_before_it() {
        let s = Schedule::piecewise_constant([10, 20], [1.0, 0.5, 0.1]);
        check(&s, &[(0, 1.0), (10, 1.0), (11, 0.5), (20, 0.5), (21, 0.1), (1000, 0.1)]);
        check(&Schedule::piecewise_constant([], [0.3]), &[(0, 0.3), (7, 0.3)]);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let cosine = |alpha, warmup_target, warmup_steps| Schedule::CosineDecay {
            initial_learning_rate: 0.1,
            decay_steps: 10,
            alpha,
            warmup_target,
            warmup_steps,
        };
        let cases = [
            (Schedule::from(-0.1), "constant"),
            (Schedule::from(f64::NAN), "constant"),
            (Schedule::exponential_decay(f64::INFINITY, 1, 0.5), "initial_learning_rate"),
            (Schedule::exponential_decay(0.1, 0, 0.5), "decay_steps"),
            (Schedule::exponential_decay(0.1, 1, 0.0), "decay_rate"),
            (Schedule::cosine_decay(0.1, 0), "decay_steps"),
            (cosine(-1.0, None, 0), "alpha"),
            (cosine(0.0, Some(-1.0), 5), "warmup_target"),
            (cosine(0.0, None, 5), "warmup_steps"),
            (Schedule::piecewise_constant([1], [0.1]), "values"),
            (Schedule::piecewise_constant([], []), "values"),
            (Schedule::piecewise_constant([1, 1], [0.1, 0.2, 0.3]), "boundaries"),
            (Schedule::piecewise_constant([1], [0.1, f64::NAN]), "values"),
        ];
        for (schedule, name) in cases {
            match schedule.validate().unwrap_err() {
                Error::Setting { setting, .. } => assert_eq!(setting, name, "{schedule:?}"),
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn json_round_trips() {
        for (schedule, json) in [
            (Schedule::from(0.001), r#"{"constant":0.001}"#),
            (
                Schedule::cosine_decay(0.5, 10),
                r#"{"cosine_decay":{"initial_learning_rate":0.5,"decay_steps":10,"alpha":0.0,"warmup_target":null,"warmup_steps":0}}"#,
            ),
            (
                Schedule::piecewise_constant([3], [0.5, 0.25]),
                r#"{"piecewise_constant":{"boundaries":[3],"values":[0.5,0.25]}}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&schedule).unwrap(), json);
            assert_eq!(serde_json::from_str::<Schedule>(json).unwrap(), schedule);
        }
        assert!(serde_json::from_str::<Schedule>(r#"{"constant":0.1,"step":1}"#).is_err());
    }
}

//! Optimisers: Keras's update rules, clipping and weight decay.

mod build;
mod clip;
mod state;

pub use build::{Adadelta, Adagrad, Adam, AdamW, Adamax, Nadam, RmsProp, Sgd};
pub use clip::Clip;
pub(crate) use state::OptimizerState;

use crate::error::Error;
use crate::schedule::Schedule;
use serde::{Deserialize, Serialize};

/// An optimiser: how training changes the parameters.
///
/// Made with `into()` from one of [`Sgd`], [`RmsProp`], [`Adagrad`], [`Adadelta`], [`Adam`], [`AdamW`],
/// [`Adamax`] and [`Nadam`], or by name. A step always clips the gradient, then decays the weights, then
/// applies the update rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// The update rule with its own settings.
    pub kind: OptimizerKind,
    /// The learning rate of each step.
    pub learning_rate: Schedule,
    /// `w -= w · weight_decay · learning_rate` before each step, for parameters that decay.
    pub weight_decay: Option<f64>,
    /// Gradient clipping.
    pub clip: Clip,
}

/// An update rule. `g` is the gradient, `t` the step counted from 1, `lr` the learning rate. All other
/// letters are slots that start at zero unless noted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum OptimizerKind {
    /// `m = momentum·m − lr·g`, `w += m`; with Nesterov `w += momentum·m − lr·g`.
    Sgd {
        /// The fraction of the last update that is kept.
        momentum: f64,
        /// Whether to use Nesterov momentum.
        nesterov: bool,
    },
    /// `v = rho·v + (1−rho)·g²`, `a = rho·a + (1−rho)·g` if centered (otherwise 0),
    /// `m = momentum·m + lr·g / √(v − a² + epsilon)`, `w −= m`.
    RmsProp {
        /// The decay of the mean square.
        rho: f64,
        /// The fraction of the last update that is kept.
        momentum: f64,
        /// Added inside the square root.
        epsilon: f64,
        /// Whether to subtract the squared mean from the mean square.
        centered: bool,
    },
    /// `a += g²`, `w −= lr·g / √(a + epsilon)`.
    Adagrad {
        /// The initial value of `a`.
        initial_accumulator_value: f64,
        /// Added inside the square root.
        epsilon: f64,
    },
    /// `a = rho·a + (1−rho)·g²`, `d = −g·√(b + epsilon) / √(a + epsilon)`, `b = rho·b + (1−rho)·d²`,
    /// `w += lr·d`.
    Adadelta {
        /// The decay of both mean squares.
        rho: f64,
        /// Added inside both square roots.
        epsilon: f64,
    },
    /// `m += (1−beta_1)·(g − m)`, `v += (1−beta_2)·(g² − v)`,
    /// `w −= lr·√(1−beta_2^t) / (1−beta_1^t) · m / (√v + epsilon)`.
    Adam {
        /// The decay of the mean.
        beta_1: f64,
        /// The decay of the mean square.
        beta_2: f64,
        /// Added to the square root.
        epsilon: f64,
    },
    /// [`OptimizerKind::Adam`]'s rule, always with weight decay.
    AdamW {
        /// The decay of the mean.
        beta_1: f64,
        /// The decay of the mean square.
        beta_2: f64,
        /// Added to the square root.
        epsilon: f64,
    },
    /// `m += (1−beta_1)·(g − m)`, `u = max(beta_2·u, |g|)`, `w −= lr·m / ((1−beta_1^t)·(u + epsilon))`.
    Adamax {
        /// The decay of the mean.
        beta_1: f64,
        /// The decay of the norm.
        beta_2: f64,
        /// Added to the norm.
        epsilon: f64,
    },
    /// Adam's `m` and `v`; with `u_t = beta_1·(1 − 0.96^t / 2)` and `p_t = u_1·…·u_t`,
    /// `n = u_{t+1}·m / (1−p_{t+1}) + (1−u_t)·g / (1−p_t)`, `w −= lr·n / (√(v / (1−beta_2^t)) + epsilon)`.
    Nadam {
        /// The decay of the mean.
        beta_1: f64,
        /// The decay of the mean square.
        beta_2: f64,
        /// Added to the square root.
        epsilon: f64,
    },
}

impl OptimizerKind {
    /// Returns Keras's name in lower case.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sgd { .. } => "sgd",
            Self::RmsProp { .. } => "rmsprop",
            Self::Adagrad { .. } => "adagrad",
            Self::Adadelta { .. } => "adadelta",
            Self::Adam { .. } => "adam",
            Self::AdamW { .. } => "adamw",
            Self::Adamax { .. } => "adamax",
            Self::Nadam { .. } => "nadam",
        }
    }

    fn validate(&self) -> Result<(), Error> {
        // Epsilon must not be zero: a parameter whose gradient is 0 (a word that is not in the batch) would
        // become NaN.
        let positive = |setting, value| check(self.name(), setting, value, value > 0.0, "above 0");
        let from_zero = |setting, value| check(self.name(), setting, value, value >= 0.0, "of at least 0");
        let fraction = |setting, value: f64| {
            check(self.name(), setting, value, (0.0..1.0).contains(&value), "of at least 0 and below 1")
        };
        let momentum = |value: f64| {
            check(self.name(), "momentum", value, (0.0..=1.0).contains(&value), "between 0 and 1")
        };
        match *self {
            Self::Sgd { momentum: m, .. } => momentum(m),
            Self::RmsProp { rho, momentum: m, epsilon, .. } => {
                fraction("rho", rho)?;
                momentum(m)?;
                positive("epsilon", epsilon)
            }
            Self::Adagrad { initial_accumulator_value, epsilon } => {
                from_zero("initial_accumulator_value", initial_accumulator_value)?;
                positive("epsilon", epsilon)
            }
            Self::Adadelta { rho, epsilon } => {
                fraction("rho", rho)?;
                positive("epsilon", epsilon)
            }
            Self::Adam { beta_1, beta_2, epsilon }
            | Self::AdamW { beta_1, beta_2, epsilon }
            | Self::Adamax { beta_1, beta_2, epsilon }
            | Self::Nadam { beta_1, beta_2, epsilon } => {
                fraction("beta_1", beta_1)?;
                fraction("beta_2", beta_2)?;
                positive("epsilon", epsilon)
            }
        }
    }
}

impl Optimizer {
    /// Returns whether a step leaves parameters unchanged whose gradient is zero.
    pub(crate) fn leaves_zero_gradients(&self) -> bool {
        let plain = matches!(self.kind, OptimizerKind::Sgd { momentum, .. } if momentum == 0.0);
        plain && self.weight_decay.is_none_or(|decay| decay == 0.0)
    }

    /// Returns the optimiser with this name and Keras's defaults. Case is ignored.
    pub fn by_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "sgd" => Sgd::default().into(),
            "rmsprop" => RmsProp::default().into(),
            "adagrad" => Adagrad::default().into(),
            "adadelta" => Adadelta::default().into(),
            "adam" => Adam::default().into(),
            "adamw" => AdamW::default().into(),
            "adamax" => Adamax::default().into(),
            "nadam" => Nadam::default().into(),
            _ => return None,
        })
    }

    /// Returns Keras's name in lower case.
    pub fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// Checks that the settings are in range and that at most one kind of clipping is set.
    ///
    /// # Errors
    /// Returns an error for the first invalid setting.
    pub fn validate(&self) -> Result<(), Error> {
        self.kind.validate()?;
        self.learning_rate.validate()?;
        self.clip.validate(self.name())?;
        match self.weight_decay {
            Some(d) => check(self.name(), "weight_decay", d, d >= 0.0, "of at least 0"),
            None if matches!(self.kind, OptimizerKind::AdamW { .. }) => {
                Err(Error::setting(self.name(), "weight_decay", "not set", "a finite number of at least 0"))
            }
            None => Ok(()),
        }
    }
}

/// Returns an error unless the value is finite and in range.
fn check(
    owner: &'static str,
    setting: &'static str,
    value: f64,
    in_range: bool,
    range: &str,
) -> Result<(), Error> {
    if in_range && value.is_finite() {
        return Ok(());
    }
    Err(Error::setting(owner, setting, value, format!("a finite number {range}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 8] = ["sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamw", "adamax", "nadam"];

    #[test]
    fn every_name_gives_its_optimiser_and_round_trips() {
        for name in NAMES {
            let optimizer = Optimizer::by_name(&name.to_uppercase()).unwrap();
            assert_eq!(optimizer.name(), name);
            optimizer.validate().unwrap();
            let json = serde_json::to_value(&optimizer).unwrap();
            assert!(json["kind"].get(name).is_some(), "{json}");
            assert_eq!(serde_json::from_value::<Optimizer>(json.clone()).unwrap(), optimizer);
            let mut extra = json;
            extra["kind"][name]["amsgrad"] = true.into();
            assert!(serde_json::from_value::<Optimizer>(extra).is_err());
        }
        assert_eq!(Optimizer::by_name("adamx"), None);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let rate: Optimizer = Sgd::default().learning_rate(-1.0).into();
        let mut bare: Optimizer = AdamW::default().into();
        bare.weight_decay = None;
        let cases: [(Optimizer, &str); 13] = [
            (Sgd::default().momentum(1.5).into(), "momentum"),
            (rate, "constant"),
            (RmsProp::default().rho(1.0).into(), "rho"),
            (RmsProp::default().momentum(-0.1).into(), "momentum"),
            (Adagrad::default().initial_accumulator_value(-0.1).into(), "initial_accumulator_value"),
            (Adadelta::default().rho(f64::NAN).into(), "rho"),
            (Adam::default().beta_1(1.0).into(), "beta_1"),
            (AdamW::default().beta_2(-0.5).into(), "beta_2"),
            (AdamW::default().weight_decay(f64::INFINITY).into(), "weight_decay"),
            (Adamax::default().epsilon(0.0).into(), "epsilon"),
            (Nadam::default().epsilon(f64::INFINITY).into(), "epsilon"),
            (Adam::default().weight_decay(-0.1).into(), "weight_decay"),
            (bare, "weight_decay"),
        ];
        for (optimizer, name) in cases {
            match optimizer.validate().unwrap_err() {
                Error::Setting { setting, .. } => assert_eq!(setting, name, "{optimizer:?}"),
                other => panic!("{other}"),
            }
        }
    }
}

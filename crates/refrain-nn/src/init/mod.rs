//! Weight initialisers, as in Keras.

mod draw;
mod orthogonal;

use crate::error::Error;
use serde::{Deserialize, Serialize};

/// An initialiser of a parameter. Names, formulas and defaults are Keras's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Initializer {
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// A constant.
    Constant {
        /// The value of every element.
        value: f32,
    },
    /// A normal distribution.
    RandomNormal {
        /// The mean.
        mean: f32,
        /// The standard deviation.
        stddev: f32,
    },
    /// A normal distribution; values more than two `stddev` from the mean are drawn again.
    TruncatedNormal {
        /// The mean.
        mean: f32,
        /// The standard deviation before truncation.
        stddev: f32,
    },
    /// A uniform distribution.
    RandomUniform {
        /// The lower bound.
        minval: f32,
        /// The upper bound.
        maxval: f32,
    },
    /// A distribution around 0 with the variance `scale / fan`.
    VarianceScaling {
        /// The scaling factor of the variance.
        scale: f32,
        /// Which fan to use.
        mode: FanMode,
        /// Which distribution to use.
        distribution: ScalingDistribution,
    },
    /// Uniform within ±√(6 / (fan_in + fan_out)).
    GlorotUniform,
    /// Truncated normal with the standard deviation √(2 / (fan_in + fan_out)).
    GlorotNormal,
    /// Uniform within ±√(6 / fan_in).
    HeUniform,
    /// Truncated normal with the standard deviation √(2 / fan_in).
    HeNormal,
    /// Uniform within ±√(3 / fan_in).
    LecunUniform,
    /// Truncated normal with the standard deviation √(1 / fan_in).
    LecunNormal,
    /// A matrix with orthonormal rows or columns, whichever are fewer. All dimensions except the last are
    /// flattened into rows. It is a single matrix: the gates of a recurrent kernel are not separate
    /// orthogonal blocks.
    Orthogonal {
        /// The factor of the matrix.
        gain: f32,
    },
    /// The identity matrix; it need not be square.
    Identity {
        /// The factor of the matrix.
        gain: f32,
    },
    /// The bias `(4·units,)` of an LSTM: 1 for the forget gate, the second quarter, and another initialiser
    /// for the other gates (Jozefowicz et al. 2015).
    UnitForgetBias {
        /// The initialiser of the other gates.
        base: Box<Initializer>,
    },
}

/// The divisor in [`Initializer::VarianceScaling`].
///
/// A matrix `(a, b)` has fan-in `a` and fan-out `b`; a vector has its length for both. With more dimensions,
/// both are multiplied by the product of all dimensions except the last two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::enum_variant_names, reason = "the names are Keras's")]
pub enum FanMode {
    /// The number of inputs.
    FanIn,
    /// The number of outputs.
    FanOut,
    /// Their mean.
    FanAvg,
}

/// The distribution in [`Initializer::VarianceScaling`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScalingDistribution {
    /// A normal distribution truncated at two standard deviations, widened to keep the variance.
    #[serde(alias = "normal")]
    TruncatedNormal,
    /// A normal distribution.
    UntruncatedNormal,
    /// A uniform distribution.
    Uniform,
}

impl Initializer {
    /// Sets every element to `value`.
    pub fn constant(value: f32) -> Self {
        Self::Constant { value }
    }

    /// Returns a normal distribution with mean 0 and standard deviation 0.05, Keras's default.
    pub fn random_normal() -> Self {
        Self::RandomNormal { mean: 0.0, stddev: 0.05 }
    }

    /// Returns a truncated normal distribution with mean 0 and standard deviation 0.05, Keras's default.
    pub fn truncated_normal() -> Self {
        Self::TruncatedNormal { mean: 0.0, stddev: 0.05 }
    }

    /// Returns a uniform distribution within ±0.05, the default in Keras and for embeddings.
    pub fn random_uniform() -> Self {
        Self::RandomUniform { minval: -0.05, maxval: 0.05 }
    }

    /// Returns a truncated normal distribution with variance `1 / fan_in`, Keras's default.
    pub fn variance_scaling() -> Self {
        let distribution = ScalingDistribution::TruncatedNormal;
        Self::VarianceScaling { scale: 1.0, mode: FanMode::FanIn, distribution }
    }

    /// Returns an orthogonal matrix with gain 1.
    pub fn orthogonal() -> Self {
        Self::Orthogonal { gain: 1.0 }
    }

    /// Returns the identity matrix with gain 1.
    pub fn identity() -> Self {
        Self::Identity { gain: 1.0 }
    }

    /// Returns 1 for an LSTM's forget gate and `base` for its other gates.
    pub fn unit_forget_bias(base: Initializer) -> Self {
        Self::UnitForgetBias { base: Box::new(base) }
    }

    /// Returns Keras's name in snake case. In Keras, `unit_forget_bias` is an option of the LSTM.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Zeros => "zeros",
            Self::Ones => "ones",
            Self::Constant { .. } => "constant",
            Self::RandomNormal { .. } => "random_normal",
            Self::TruncatedNormal { .. } => "truncated_normal",
            Self::RandomUniform { .. } => "random_uniform",
            Self::VarianceScaling { .. } => "variance_scaling",
            Self::GlorotUniform => "glorot_uniform",
            Self::GlorotNormal => "glorot_normal",
            Self::HeUniform => "he_uniform",
            Self::HeNormal => "he_normal",
            Self::LecunUniform => "lecun_uniform",
            Self::LecunNormal => "lecun_normal",
            Self::Orthogonal { .. } => "orthogonal",
            Self::Identity { .. } => "identity",
            Self::UnitForgetBias { .. } => "unit_forget_bias",
        }
    }

    /// Checks that the settings are in range.
    ///
    /// # Errors
    /// Returns an error for the first setting that is out of range.
    pub fn validate(&self) -> Result<(), Error> {
        let finite = |setting, value: f32| {
            let error = || Error::setting(self.name(), setting, value, "a finite number");
            if value.is_finite() { Ok(()) } else { Err(error()) }
        };
        match *self {
            Self::Constant { value } => finite("value", value),
            Self::RandomNormal { mean, stddev } | Self::TruncatedNormal { mean, stddev } => {
                finite("mean", mean)?;
                if !(stddev >= 0.0 && stddev.is_finite()) {
                    return Err(Error::setting(
                        self.name(),
                        "stddev",
                        stddev,
                        "a finite number of at least 0",
                    ));
                }
                Ok(())
            }
            Self::RandomUniform { minval, maxval } => {
                finite("minval", minval)?;
                finite("maxval", maxval)?;
                if maxval < minval {
                    let expected = format!("at least minval ({minval})");
                    return Err(Error::setting(self.name(), "maxval", maxval, expected));
                }
                Ok(())
            }
            Self::VarianceScaling { scale, .. } => {
                if !(scale > 0.0 && scale.is_finite()) {
                    return Err(Error::setting(self.name(), "scale", scale, "a finite number above 0"));
                }
                Ok(())
            }
            Self::Orthogonal { gain } | Self::Identity { gain } => finite("gain", gain),
            Self::UnitForgetBias { ref base } => base.validate(),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Initializer> {
        use Initializer::*;
        vec![
            Zeros,
            Ones,
            Initializer::constant(0.3),
            Initializer::random_normal(),
            Initializer::truncated_normal(),
            Initializer::random_uniform(),
            Initializer::variance_scaling(),
            GlorotUniform,
            GlorotNormal,
            HeUniform,
            HeNormal,
            LecunUniform,
            LecunNormal,
            Initializer::orthogonal(),
            Initializer::identity(),
            Initializer::unit_forget_bias(Zeros),
        ]
    }

    #[test]
    fn json_round_trips_under_the_name() {
        for init in all() {
            let json = serde_json::to_value(&init).unwrap();
            let tag = match &json {
                serde_json::Value::String(s) => s,
                other => other.as_object().unwrap().keys().next().unwrap(),
            };
            assert_eq!(tag, init.name());
            assert_eq!(serde_json::from_value::<Initializer>(json).unwrap(), init);
        }
    }

    #[test]
    fn json_has_the_shape_that_files_hold() {
        let json =
            serde_json::to_string(&Initializer::unit_forget_bias(Initializer::random_normal())).unwrap();
        assert_eq!(json, r#"{"unit_forget_bias":{"base":{"random_normal":{"mean":0.0,"stddev":0.05}}}}"#);
        let keras = r#"{"variance_scaling":{"scale":2.0,"mode":"fan_out","distribution":"normal"}}"#;
        let (mode, distribution) = (FanMode::FanOut, ScalingDistribution::TruncatedNormal);
        let expected = Initializer::VarianceScaling { scale: 2.0, mode, distribution };
        assert_eq!(serde_json::from_str::<Initializer>(keras).unwrap(), expected);
        for wrong in [r#""glorot""#, r#"{"constant":{"value":1,"seed":2}}"#, r#"{"orthogonal":{}}"#] {
            assert!(serde_json::from_str::<Initializer>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let (mode, distribution) = (FanMode::FanIn, ScalingDistribution::Uniform);
        let cases = [
            (Initializer::constant(f32::NAN), "value"),
            (Initializer::RandomNormal { mean: 0.0, stddev: -1.0 }, "stddev"),
            (Initializer::TruncatedNormal { mean: f32::INFINITY, stddev: 1.0 }, "mean"),
            (Initializer::RandomUniform { minval: 1.0, maxval: 0.5 }, "maxval"),
            (Initializer::VarianceScaling { scale: 0.0, mode, distribution }, "scale"),
            (Initializer::Orthogonal { gain: f32::NAN }, "gain"),
            (Initializer::unit_forget_bias(Initializer::constant(f32::INFINITY)), "value"),
        ];
        for (init, name) in cases {
            match init.validate().unwrap_err() {
                Error::Setting { setting, .. } => assert_eq!(setting, name),
                other => panic!("{other}"),
            }
        }
        assert!(all().iter().all(|i| i.validate().is_ok()));
    }
}

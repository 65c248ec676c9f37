//! The units and metrics that epochs report.

use refrain_nn::EpochProgress;
use refrain_nn::checkpoint::exact;
use serde::{Deserialize, Serialize};

/// What is counted during training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Unmasked steps of the sequences, reported as `tokens_per_second`.
    Tokens,
    /// Sequences, reported as `samples_per_second`.
    Samples {
        /// The plural of what one sample is: `texts`.
        plural: &'static str,
    },
}

impl Unit {
    /// Returns the speed's name in `--json` and logs.
    pub fn per_second(self) -> &'static str {
        match self {
            Unit::Tokens => "tokens_per_second",
            Unit::Samples { .. } => "samples_per_second",
        }
    }

    /// Returns the plural of the unit's name.
    pub fn plural(self) -> &'static str {
        match self {
            Unit::Tokens => "tokens",
            Unit::Samples { plural } => plural,
        }
    }

    /// Returns how many an epoch has processed so far.
    pub fn count(self, progress: &EpochProgress) -> usize {
        match self {
            Unit::Tokens => progress.tokens,
            Unit::Samples { .. } => progress.sequences,
        }
    }

    /// Returns the training speed of an epoch so far.
    pub fn speed(self, progress: &EpochProgress) -> f64 {
        self.count(progress) as f64 / progress.seconds
    }
}

/// A number that epochs report besides the loss.
#[derive(Debug, Clone, Copy)]
pub struct MetricInfo {
    /// Keras's name: `accuracy`. The validation metric has the prefix `val_`.
    pub name: &'static str,
    /// The name shown to a person: `macro-F1`.
    pub label: &'static str,
    /// Where it comes from.
    pub source: MetricSource,
    /// How it is formatted.
    pub format: MetricFormat,
}

/// Where a metric comes from.
#[derive(Debug, Clone, Copy)]
pub enum MetricSource {
    /// Training and validation.
    Both,
    /// Validation only.
    Validation,
    /// A function of the loss; shown, but not recorded.
    Loss(fn(f64) -> f64),
}

/// How a metric is formatted.
#[derive(Debug, Clone, Copy)]
pub enum MetricFormat {
    /// As a percentage; 1 is 100 %.
    Percent,
    /// With this many decimal places.
    Decimals(usize),
}

impl MetricInfo {
    /// The share of correct predictions, in training and validation.
    pub const ACCURACY: Self = Self {
        name: "accuracy",
        label: "accuracy",
        source: MetricSource::Both,
        format: MetricFormat::Percent,
    };

    /// Creates an F1 metric that is computed in validation only.
    pub const fn f1(name: &'static str, label: &'static str) -> Self {
        Self { name, label, source: MetricSource::Validation, format: MetricFormat::Decimals(3) }
    }

    /// Returns whether training computes it.
    pub fn in_training(&self) -> bool {
        matches!(self.source, MetricSource::Both)
    }

    /// Returns whether epoch records contain it.
    pub fn is_reported(&self) -> bool {
        !matches!(self.source, MetricSource::Loss(_))
    }

    /// Formats a value: `55.5 %`, `0.123`.
    pub fn show(&self, value: f64) -> String {
        match self.format {
            MetricFormat::Percent => format!("{:5.1} %", value * 100.0),
            MetricFormat::Decimals(decimals) => format!("{value:.decimals$}"),
        }
    }
}

/// A metric's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metric {
    pub(crate) name: String,
    #[serde(with = "exact")]
    pub(crate) value: f64,
}

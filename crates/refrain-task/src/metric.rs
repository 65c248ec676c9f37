//! What is counted and reported of an epoch.

use refrain_nn::EpochProgress;
use refrain_nn::checkpoint::exact;
use serde::{Deserialize, Serialize};

/// What is counted while training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Real steps of the sequences: `tokens_per_second`.
    Tokens,
    /// Sequences: `samples_per_second`.
    Samples {
        /// What one of them is, in the plural: `texts`.
        plural: &'static str,
    },
}

impl Unit {
    /// The name of the speed in `--json` and logs.
    pub fn per_second(self) -> &'static str {
        match self {
            Unit::Tokens => "tokens_per_second",
            Unit::Samples { .. } => "samples_per_second",
        }
    }

    /// What is counted, in words.
    pub fn plural(self) -> &'static str {
        match self {
            Unit::Tokens => "tokens",
            Unit::Samples { plural } => plural,
        }
    }

    /// How many an epoch has come to.
    pub fn count(self, progress: &EpochProgress) -> usize {
        match self {
            Unit::Tokens => progress.tokens,
            Unit::Samples { .. } => progress.sequences,
        }
    }

    /// The training speed of an epoch so far.
    pub fn speed(self, progress: &EpochProgress) -> f64 {
        self.count(progress) as f64 / progress.seconds
    }
}

/// A number that epochs report besides the loss.
#[derive(Debug, Clone, Copy)]
pub struct MetricInfo {
    /// Keras's name: `accuracy`. With `val_` before it, it is the one of validation.
    pub name: &'static str,
    /// What a person reads: `macro-F1`.
    pub label: &'static str,
    /// Where it comes from.
    pub source: MetricSource,
    /// How it is written.
    pub format: MetricFormat,
}

/// Where a metric comes from.
#[derive(Debug, Clone, Copy)]
pub enum MetricSource {
    /// Training and validation.
    Both,
    /// Validation alone.
    Validation,
    /// The loss, of which it is a function: it is shown, not recorded.
    Loss(fn(f64) -> f64),
}

/// How a metric is written.
#[derive(Debug, Clone, Copy)]
pub enum MetricFormat {
    /// As a percentage of 1.
    Percent,
    /// With this many decimals.
    Decimals(usize),
}

impl MetricInfo {
    /// The share of what was predicted that is right, while training and on validation data.
    pub const ACCURACY: Self = Self {
        name: "accuracy",
        label: "accuracy",
        source: MetricSource::Both,
        format: MetricFormat::Percent,
    };

    /// An F1 of validation data.
    pub const fn f1(name: &'static str, label: &'static str) -> Self {
        Self { name, label, source: MetricSource::Validation, format: MetricFormat::Decimals(3) }
    }

    /// Whether training has it.
    pub fn in_training(&self) -> bool {
        matches!(self.source, MetricSource::Both)
    }

    /// Whether records have it.
    pub fn is_reported(&self) -> bool {
        !matches!(self.source, MetricSource::Loss(_))
    }

    /// Its value in words: `55.5 %`, `0.123`.
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

//! What is reported beside the loss.
//!
//! A metric is a number for each row (a real step of a sequence, or a sequence); what is reported is
//! `Σ w·m / Σ w` over all rows since the last reset, so batches of different sizes need no care, and 0 where
//! there was no weight. Keras does so for its `weighted_metrics`. Names and formulas are Keras's
//! (`keras/src/metrics`, 3.15). Metrics read the predictions: where a loss sees through a final softmax or
//! sigmoid, the metric applies it.

mod accumulator;
mod mean;
#[cfg(test)]
mod tests;

pub(crate) use accumulator::Accumulator;
pub use mean::Mean;

use crate::error::Error;
use crate::graph::{EdgeSpec, Kind};
use crate::loss::{Loss, RowTargets, check_ids};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// A metric. `p` is a prediction, `t` a target.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Metric {
    /// How often the prediction is right, by the kind of output as in Keras: of width 1, as
    /// [`Metric::BinaryAccuracy`] with threshold 0.5; else whether the largest column is that of the target,
    /// a class id or the largest of a row of values. Of equal columns the first counts; NaN never does.
    Accuracy,
    /// How often fewer than this many columns are larger than the target's. Columns equal to it do not push it
    /// out, so that of equal predictions every one is in the top 1, as in TensorFlow's `in_top_k`; a row with
    /// a prediction that is NaN or infinite never counts.
    TopK(usize),
    /// How often `p > threshold` agrees with a target of 0 or 1: the mean over the width. A target between
    /// the two agrees with neither.
    BinaryAccuracy {
        /// Keras's default is 0.5.
        threshold: f32,
    },
    /// The exponential of the mean loss: `exp(Σ w·l / rows)`. Weights enter as in the loss. Keras has none.
    Perplexity,
    /// The mean over the width of `|p − t|`.
    MeanAbsoluteError,
    /// The mean over the width of `(p − t)²`.
    MeanSquaredError,
    /// The root of [`Metric::MeanSquaredError`] of all rows.
    RootMeanSquaredError,
}

/// Keras's default `k`.
const DEFAULT_TOP: usize = 5;
/// Keras's default threshold.
const DEFAULT_THRESHOLD: f32 = 0.5;

impl Metric {
    /// Keras's name. The top 5 (Keras's default) are `sparse_top_k_categorical_accuracy`, whatever the kind
    /// of target; with another number it stands for the `k`, so that two of them differ.
    pub fn name(&self) -> Cow<'static, str> {
        match *self {
            Metric::Accuracy => "accuracy".into(),
            Metric::TopK(DEFAULT_TOP) => "sparse_top_k_categorical_accuracy".into(),
            Metric::TopK(k) => format!("sparse_top_{k}_categorical_accuracy").into(),
            Metric::BinaryAccuracy { .. } => "binary_accuracy".into(),
            Metric::Perplexity => "perplexity".into(),
            Metric::MeanAbsoluteError => "mean_absolute_error".into(),
            Metric::MeanSquaredError => "mean_squared_error".into(),
            Metric::RootMeanSquaredError => "root_mean_squared_error".into(),
        }
    }

    /// The metric of this name. Also takes Keras's `acc`, `mae`, `mse` and `top_k_categorical_accuracy`, and
    /// the short `rmse` and `top_3_accuracy`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "accuracy" | "acc" => Metric::Accuracy,
            "binary_accuracy" => Metric::BinaryAccuracy { threshold: DEFAULT_THRESHOLD },
            "perplexity" => Metric::Perplexity,
            "mean_absolute_error" | "mae" => Metric::MeanAbsoluteError,
            "mean_squared_error" | "mse" => Metric::MeanSquaredError,
            "root_mean_squared_error" | "rmse" => Metric::RootMeanSquaredError,
            _ => {
                let top = name.strip_prefix("sparse_").unwrap_or(name).strip_prefix("top_")?;
                let k =
                    top.strip_suffix("_categorical_accuracy").or_else(|| top.strip_suffix("_accuracy"))?;
                Metric::TopK(if k == "k" { DEFAULT_TOP } else { k.parse().ok().filter(|&k| k > 0)? })
            }
        })
    }

    /// Whether it is taken of the losses, not of the output.
    pub(crate) fn reads_losses(&self) -> bool {
        matches!(self, Metric::Perplexity)
    }

    /// Whether the metric can be taken of such an output, these targets and this loss. Targets without rows
    /// fit: so a model is checked before it has data.
    pub(crate) fn check(&self, loss: &Loss, output: EdgeSpec, targets: &RowTargets) -> Result<(), Error> {
        let Kind::Features(width) = output.kind else {
            return Err(Error::unsupported(format!("{self} of {output}"), "it needs columns of numbers"));
        };
        match *self {
            Metric::TopK(0) => return Err(Error::setting(self.name(), "k", 0, "at least 1")),
            Metric::TopK(_) if width < 2 => {
                let action = format!("{self} on an output of width {width}");
                return Err(Error::unsupported(action, "it needs one column a class: use binary_accuracy"));
            }
            Metric::BinaryAccuracy { threshold } if !(0.0..1.0).contains(&threshold) => {
                return Err(Error::setting(self.name(), "threshold", threshold, "at least 0 and below 1"));
            }
            Metric::Perplexity if !loss.is_crossentropy() => {
                let reason = format!("it is the exponential of a crossentropy, and the loss is {loss}");
                return Err(Error::unsupported(self.to_string(), reason));
            }
            _ => {}
        }
        if targets.rows == 0 || !targets.is_ids() {
            return Ok(());
        }
        match self {
            Metric::Accuracy | Metric::TopK(_) if width > 1 => check_ids(output, targets, width),
            Metric::Accuracy | Metric::BinaryAccuracy { .. } if width == 1 => check_ids(output, targets, 2),
            Metric::Perplexity => Ok(()),
            _ => {
                let expected = format!("{width} values a row, for {self}");
                Err(Error::data("the target", "class ids, one a row", expected))
            }
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

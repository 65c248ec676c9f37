//! Metrics, reported in addition to the loss.
//!
//! A metric has a value for each row (a real step of a sequence, or a sequence). The reported value is `Σ w·m
//! / Σ w` over all rows since the last reset, so batches of different sizes are averaged correctly; it is 0
//! if there was no weight. Keras does this for its `weighted_metrics`. Names and formulas are Keras's
//! (`keras/src/metrics`, 3.15). Metrics use the predictions: if a loss skips a final softmax or sigmoid, the
//! metric applies it.

mod accumulator;
mod mean;
#[cfg(test)]
mod tests;

pub(crate) use accumulator::Accumulator;
pub use mean::Mean;

use crate::error::Error;
use crate::graph::{EdgeSpec, Kind};
use crate::loss::{Loss, RowTargets, check_ids};
use crate::shown::counted;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// A metric. `p` is a prediction, `t` a target.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Metric {
    /// The fraction of correct predictions. As in Keras, it depends on the output: with width 1 it is
    /// [`Metric::BinaryAccuracy`] with threshold 0.5, otherwise the largest column must be the target's, a
    /// class id or the largest of a row of values. Of equal columns the first counts; NaN never does.
    Accuracy,
    /// The fraction of rows in which fewer than `k` columns are larger than the target's. Columns equal to it
    /// do not count as larger: with equal predictions, every class is in the top 1, as in TensorFlow's
    /// `in_top_k`. A row with a NaN or infinite prediction never counts.
    TopK(usize),
    /// The fraction, over the width, in which `p > threshold` agrees with a target of 0 or 1. A target
    /// between the two never agrees.
    BinaryAccuracy {
        /// The threshold; Keras's default is 0.5.
        threshold: f32,
    },
    /// The exponential of the mean loss: `exp(Σ w·l / rows)`. Weights are used as in the loss. Keras does not
    /// have this metric.
    Perplexity,
    /// The mean over the width of `|p − t|`.
    MeanAbsoluteError,
    /// The mean over the width of `(p − t)²`.
    MeanSquaredError,
    /// The square root of [`Metric::MeanSquaredError`] over all rows.
    RootMeanSquaredError,
}

/// Keras's default `k`.
const DEFAULT_TOP: usize = 5;
/// Keras's default threshold.
const DEFAULT_THRESHOLD: f32 = 0.5;

impl Metric {
    /// Returns Keras's name. The top 5 (Keras's default) is `sparse_top_k_categorical_accuracy` for all kinds
    /// of targets. Any other number replaces the `k`, so that the names of two such metrics differ.
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

    /// Returns the metric with this name. Also accepts Keras's `acc`, `mae`, `mse` and
    /// `top_k_categorical_accuracy`, and the short names `rmse` and `top_3_accuracy`.
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

    /// Returns whether the metric is computed from the losses instead of the output.
    pub(crate) fn reads_losses(&self) -> bool {
        matches!(self, Metric::Perplexity)
    }

    /// Checks that the metric supports this output, these targets and this loss. Targets without rows are
    /// accepted, so that a model can be checked before it has data.
    pub(crate) fn check(&self, loss: &Loss, output: EdgeSpec, targets: &RowTargets) -> Result<(), Error> {
        let Kind::Features(width) = output.kind else {
            return Err(Error::unsupported(format!("{self} of {output}"), "it needs columns of numbers"));
        };
        match *self {
            Metric::TopK(0) => return Err(Error::setting(self.name(), "k", 0, "at least 1")),
            Metric::TopK(_) if width < 2 => {
                let action = format!("{self} on an output of width {width}");
                return Err(Error::unsupported(action, "it needs one column per class: use binary_accuracy"));
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
                let expected = format!("{} per row, for {self}", counted(width, "value"));
                Err(Error::data("the target", "class ids, one per row", expected))
            }
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

//! Deciding whether a monitored value improved.

use super::{Logs, RunPlan};
use crate::error::Error;

/// Whether a smaller or a larger value is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Decided by the name: losses and errors should go down, accuracies and scores up.
    #[default]
    Auto,
    /// Smaller is better.
    Min,
    /// Larger is better.
    Max,
}

/// Names for which smaller is better: Keras's and those that Refrain adds.
const DOWN: [&str; 17] = [
    "loss",
    "crossentropy",
    "mean_squared_error",
    "mse",
    "mean_absolute_error",
    "mae",
    "mean_absolute_percentage_error",
    "mape",
    "mean_squared_logarithmic_error",
    "msle",
    "root_mean_squared_error",
    "rmse",
    "logcosh",
    "hinge",
    "perplexity",
    "bits_per_token",
    "bits_per_character",
];

/// Names for which larger is better.
const UP: [&str; 10] = [
    "accuracy",
    "acc",
    "precision",
    "recall",
    "auc",
    "r2_score",
    "f1_score",
    "fbeta_score",
    "cosine_similarity",
    "correlation",
];

/// The log value that a callback watches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Monitor<'a> {
    pub(super) callback: &'static str,
    pub(super) name: &'a str,
    pub(super) mode: Mode,
    pub(super) min_delta: f64,
}

impl Monitor<'_> {
    /// Refuses a run without the monitored value, or a name whose direction is not known.
    pub(super) fn check(&self, run: &RunPlan<'_>) -> Result<(), Error> {
        self.goes_down()?;
        match run.why_missing(self.name) {
            Some(why) => {
                let got = format!("`{}`", self.name);
                Err(Error::setting(self.callback, "monitor", got, format!("a value that `fit` logs ({why})")))
            }
            None => Ok(()),
        }
    }

    /// Returns the monitored value.
    pub(super) fn value(&self, logs: &Logs) -> Result<f64, Error> {
        logs.get(self.name).ok_or_else(|| {
            let mut names = logs.names().collect::<Vec<_>>().join("`, `");
            names = format!("one of `{names}`");
            if self.name.starts_with("val_") && !logs.names().any(|n| n.starts_with("val_")) {
                names += " (there is no validation data)";
            }
            Error::setting(self.callback, "monitor", format!("`{}`", self.name), names)
        })
    }

    /// Returns whether `value` is better than `reference` by more than `min_delta`. Any value is better than
    /// none, and any number is better than NaN, unlike in Keras, where a first NaN is never replaced.
    pub(super) fn improves(&self, value: f64, reference: Option<f64>) -> Result<bool, Error> {
        let down = self.goes_down()?;
        let Some(reference) = reference else { return Ok(true) };
        if reference.is_nan() {
            return Ok(!value.is_nan());
        }
        let delta = self.min_delta.abs();
        Ok(if down { value + delta < reference } else { value - delta > reference })
    }

    fn goes_down(&self) -> Result<bool, Error> {
        let name = self.name.strip_prefix("val_").unwrap_or(self.name);
        let is = |known: &&str| {
            name.strip_suffix(*known).is_some_and(|front| front.is_empty() || front.ends_with('_'))
        };
        match self.mode {
            Mode::Min => Ok(true),
            Mode::Max => Ok(false),
            Mode::Auto if DOWN.iter().any(is) => Ok(true),
            Mode::Auto if UP.iter().any(is) => Ok(false),
            Mode::Auto => {
                let got = format!("Auto, but it is not known whether `{}` should go up or down", self.name);
                Err(Error::setting(self.callback, "mode", got, "Min or Max"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor(name: &str, mode: Mode, min_delta: f64) -> Monitor<'_> {
        Monitor { callback: "EarlyStopping", name, mode, min_delta }
    }

    #[test]
    fn the_direction_follows_the_name() {
        for name in [
            "loss",
            "val_loss",
            "dense_loss",
            "val_mae",
            "mean_squared_error",
            "sparse_categorical_crossentropy",
            "squared_hinge",
            "val_perplexity",
        ] {
            assert!(monitor(name, Mode::Auto, 0.0).goes_down().unwrap(), "{name}");
        }
        for name in
            ["accuracy", "val_sparse_categorical_accuracy", "output_0_accuracy", "auc", "val_r2_score"]
        {
            assert!(!monitor(name, Mode::Auto, 0.0).goes_down().unwrap(), "{name}");
        }
        for name in ["learning_rate", "gloss", "val_", "inaccuracy"] {
            let error = monitor(name, Mode::Auto, 0.0).improves(1.0, None).unwrap_err().to_string();
            assert!(error.contains(name) && error.ends_with("must be Min or Max"), "{error}");
            assert!(monitor(name, Mode::Min, 0.0).goes_down().unwrap());
        }
    }

    #[test]
    fn better_means_by_more_than_min_delta() {
        let improves =
            |mode, delta, value, reference| monitor("loss", mode, delta).improves(value, reference).unwrap();
        assert!(improves(Mode::Min, 0.0, 0.5, Some(1.0)) && !improves(Mode::Min, 0.0, 1.0, Some(1.0)));
        assert!(improves(Mode::Max, 0.0, 1.5, Some(1.0)) && !improves(Mode::Max, 0.0, 1.0, Some(1.0)));
        for delta in [0.25, -0.25] {
            assert!(
                !improves(Mode::Min, delta, 0.75, Some(1.0)) && improves(Mode::Min, delta, 0.5, Some(1.0))
            );
            assert!(
                !improves(Mode::Max, delta, 1.25, Some(1.0)) && improves(Mode::Max, delta, 1.5, Some(1.0))
            );
        }
        assert!(improves(Mode::Min, 0.0, f64::NAN, None));
        assert!(!improves(Mode::Min, 0.0, f64::NAN, Some(1.0)));
        for mode in [Mode::Min, Mode::Max] {
            assert!(improves(mode, 0.5, 1.0, Some(f64::NAN)), "a number is better than NaN");
            assert!(!improves(mode, 0.0, f64::NAN, Some(f64::NAN)));
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let logs: Logs = [("accuracy".to_owned(), 0.5), ("loss".to_owned(), 1.0)].into_iter().collect();
        let error = monitor("val_loss", Mode::Auto, 0.0).value(&logs).unwrap_err().to_string();
        assert_eq!(
            error,
            "EarlyStopping: monitor is `val_loss`, but must be one of `accuracy`, `loss` (there is no validation data)"
        );
        assert_eq!(monitor("loss", Mode::Auto, 0.0).value(&logs).unwrap(), 1.0);
    }
}

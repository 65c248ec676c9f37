//! Stopping when the model no longer improves.

use super::monitor::{Mode, Monitor};
use super::{Callback, EpochContext, ResumeContext, RunPlan};
use crate::answer::Answer;
use crate::error::Error;
use crate::model::Model;
use crate::part::Part;
use serde::{Deserialize, Serialize};

/// Stops training when a value has not improved for `patience` epochs. Decides as Keras does.
///
/// ```
/// use refrain_nn::{Fit, callbacks::EarlyStopping};
///
/// let mut early = EarlyStopping { patience: 5, restore_best_weights: true, ..Default::default() };
/// let fit = Fit { epochs: 200, callbacks: vec![Box::new(&mut early)], ..Default::default() };
/// # drop(fit);
/// // After `fit`, `early.state.stopped_epoch()` says whether it stopped.
/// # assert_eq!(early.state.stopped_epoch(), None);
/// ```
#[derive(Debug, Clone)]
pub struct EarlyStopping {
    /// The name of the log value to watch.
    pub monitor: String,
    /// A change must be larger than this to count as an improvement.
    pub min_delta: f64,
    /// How many epochs in a row without improvement stop training; 0 has the same effect as 1.
    pub patience: usize,
    /// Whether a smaller or a larger value is better.
    pub mode: Mode,
    /// A value that an epoch must beat to count as an improvement.
    pub baseline: Option<f64>,
    /// Whether to restore the weights of the best epoch at the end, regardless of the baseline.
    pub restore_best_weights: bool,
    /// Epochs before this one, counted from 0, are ignored.
    pub start_from_epoch: usize,
    /// The state during training; leave it at its default.
    pub state: EarlyStoppingState,
}

/// The state of an [`EarlyStopping`] during training.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStoppingState {
    wait: usize,
    #[serde(with = "crate::exact::option")]
    best: Option<f64>,
    best_epoch: usize,
    /// Stored in a checkpoint as a tensor.
    #[serde(skip)]
    best_weights: Option<Vec<f32>>,
    stopped_epoch: Option<usize>,
}

const WEIGHTS: &str = "best_weights";

impl EarlyStoppingState {
    /// Returns the best value.
    pub fn best(&self) -> Option<f64> {
        self.best
    }

    /// Returns the epoch of the best value, counted from 0.
    pub fn best_epoch(&self) -> Option<usize> {
        self.best.map(|_| self.best_epoch)
    }

    /// Returns the epoch after which training was stopped, counted from 0.
    pub fn stopped_epoch(&self) -> Option<usize> {
        self.stopped_epoch
    }
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self {
            monitor: "val_loss".into(),
            min_delta: 0.0,
            patience: 0,
            mode: Mode::Auto,
            baseline: None,
            restore_best_weights: false,
            start_from_epoch: 0,
            state: EarlyStoppingState::default(),
        }
    }
}

/// What to do after an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Decision {
    keep_weights: bool,
    stop: bool,
}

impl EarlyStopping {
    fn watch(&self) -> Monitor<'_> {
        let Self { mode, min_delta, .. } = *self;
        Monitor { callback: "EarlyStopping", name: &self.monitor, mode, min_delta }
    }

    fn decide(&mut self, epoch: usize, current: f64) -> Result<Decision, Error> {
        if epoch < self.start_from_epoch {
            return Ok(Decision { keep_weights: false, stop: false });
        }
        self.state.wait = self.state.wait.saturating_add(1);
        if self.watch().improves(current, self.state.best)? {
            self.state.best = Some(current);
            self.state.best_epoch = epoch;
            if self.baseline.is_none() || self.watch().improves(current, self.baseline)? {
                self.state.wait = 0;
            }
            return Ok(Decision { keep_weights: self.restore_best_weights, stop: false });
        }
        let stop = self.state.wait >= self.patience && epoch > 0;
        if stop {
            self.state.stopped_epoch = Some(epoch);
        }
        Ok(Decision { keep_weights: false, stop })
    }
}

impl Callback for EarlyStopping {
    fn check_run(&self, run: &RunPlan<'_>) -> Result<(), Error> {
        self.watch().check(run)
    }

    fn on_train_begin(&mut self, _model: &mut Model) -> Result<(), Error> {
        self.state = EarlyStoppingState::default();
        Ok(())
    }

    fn on_epoch_end(&mut self, cx: &mut EpochContext<'_>) -> Result<(), Error> {
        let current = self.watch().value(cx.logs)?;
        let decision = self.decide(cx.epoch, current)?;
        if decision.keep_weights {
            self.state.best_weights = Some(cx.model.weights());
        }
        if decision.stop {
            cx.answer(Answer::Stop);
        }
        Ok(())
    }

    fn on_train_end(&mut self, model: &mut Model) -> Result<(), Error> {
        match self.state.best_weights.take() {
            Some(weights) => model.set_weights_flat(&weights),
            None => Ok(()),
        }
    }

    fn checkpoint(&self) -> Result<Part, Error> {
        let weights = self.state.best_weights.iter().map(|weights| (WEIGHTS.to_owned(), weights.clone()));
        Ok(Part { tensors: weights.collect(), ..Part::of(&self.state)? })
    }

    fn resume(&mut self, mut part: Part, cx: &mut ResumeContext<'_>) -> Result<(), Error> {
        let mut seen: EarlyStoppingState = part.parse("EarlyStopping")?;
        if !part.tensors.is_empty() {
            seen.best_weights =
                Some(part.take("EarlyStopping", WEIGHTS, cx.model.params().values().len())?);
        }
        if seen.stopped_epoch.is_some() {
            cx.answer(Answer::Stop);
        }
        self.state = seen;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [f64; 10] = [1.0, 0.8, 0.9, 0.79, 0.85, 0.86, 0.5, 0.6, 0.7, 0.4];

    /// Returns the last epoch, whether training was stopped, and the epoch whose weights are kept.
    fn run(mut early: EarlyStopping, values: &[f64]) -> (usize, bool, Option<usize>) {
        let mut kept = None;
        for (epoch, &value) in values.iter().enumerate() {
            let decision = early.decide(epoch, value).unwrap();
            if decision.keep_weights {
                kept = Some(epoch);
            }
            if decision.stop {
                assert_eq!(early.state.stopped_epoch(), Some(epoch));
                return (epoch, true, kept);
            }
        }
        assert_eq!(early.state.stopped_epoch(), None);
        (values.len() - 1, false, kept)
    }

    /// The expected values are what Keras 3.15.1 did with these values.
    #[test]
    fn decides_as_keras_does() {
        let new = |patience| EarlyStopping { patience, ..Default::default() };
        let keeping = |patience| EarlyStopping { restore_best_weights: true, ..new(patience) };
        let cases = [
            (new(0), (2, true, None)),
            (new(1), (2, true, None)),
            (keeping(2), (5, true, Some(3))),
            (EarlyStopping { min_delta: 0.02, ..keeping(2) }, (3, true, Some(1))),
            (EarlyStopping { baseline: Some(0.5), ..keeping(3) }, (2, true, Some(1))),
            (EarlyStopping { baseline: Some(0.75), ..new(3) }, (2, true, None)),
            (EarlyStopping { baseline: Some(0.75), ..keeping(7) }, (9, false, Some(9))),
            (EarlyStopping { start_from_epoch: 5, ..new(0) }, (7, true, None)),
            (EarlyStopping { start_from_epoch: 3, ..keeping(2) }, (5, true, Some(3))),
            (EarlyStopping { mode: Mode::Max, ..keeping(2) }, (2, true, Some(0))),
            (EarlyStopping { mode: Mode::Max, min_delta: 0.05, ..new(1) }, (1, true, None)),
        ];
        for (early, expected) in cases {
            assert_eq!(run(early.clone(), &VALUES), expected, "{early:?}");
        }
        // Unlike in Keras, which stops after the third epoch: a number is better than NaN.
        assert_eq!(run(keeping(2), &[f64::NAN, 1.0, 0.5]), (2, false, Some(2)));
        assert_eq!(run(new(2), &[f64::NAN, f64::NAN, f64::NAN]), (2, true, None));
        assert_eq!(run(keeping(2), &[1.0, f64::NAN, 0.5, f64::NAN, f64::NAN]), (4, true, Some(2)));
    }
}

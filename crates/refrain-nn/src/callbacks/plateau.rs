//! Lowering the learning rate when the model no longer improves.

use super::monitor::{Mode, Monitor};
use super::{Callback, EpochContext, ResumeContext, RunPlan};
use crate::error::Error;
use crate::model::Model;
use crate::part::Part;
use serde::{Deserialize, Serialize};

/// Multiplies the learning rate by `factor` when a value has not improved for `patience` epochs. Decides as
/// Keras does. Unlike in Keras, the optimiser may have a schedule, which then continues at the lower rate.
///
/// Adds the epoch's `learning_rate` to the logs.
#[derive(Debug, Clone)]
pub struct ReduceLrOnPlateau {
    /// The name of the log value to watch.
    pub monitor: String,
    /// The factor: above 0 and below 1.
    pub factor: f64,
    /// How many epochs in a row without improvement lower the rate; 0 has the same effect as 1.
    pub patience: usize,
    /// Whether a smaller or a larger value is better.
    pub mode: Mode,
    /// A change must be larger than this to count as an improvement.
    pub min_delta: f64,
    /// The number of epochs to ignore after the rate was lowered.
    pub cooldown: usize,
    /// The lower limit of the rate.
    pub min_lr: f64,
    /// The state during training; leave it at its default.
    pub state: PlateauState,
}

/// The state of a [`ReduceLrOnPlateau`] during training.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlateauState {
    wait: usize,
    cooldown: usize,
    #[serde(with = "crate::exact::option")]
    best: Option<f64>,
}

impl Default for ReduceLrOnPlateau {
    fn default() -> Self {
        Self {
            monitor: "val_loss".into(),
            factor: 0.1,
            patience: 10,
            mode: Mode::Auto,
            min_delta: 1e-4,
            cooldown: 0,
            min_lr: 0.0,
            state: PlateauState::default(),
        }
    }
}

impl ReduceLrOnPlateau {
    const NAME: &'static str = "ReduceLrOnPlateau";

    fn watch(&self) -> Monitor<'_> {
        let Self { mode, min_delta, .. } = *self;
        Monitor { callback: Self::NAME, name: &self.monitor, mode, min_delta }
    }

    /// Returns the new learning rate, if it changes.
    fn decide(&mut self, current: f64, rate: f64) -> Result<Option<f64>, Error> {
        if self.state.cooldown > 0 {
            self.state.cooldown -= 1;
            self.state.wait = 0;
        }
        if self.watch().improves(current, self.state.best)? {
            self.state.best = Some(current);
            self.state.wait = 0;
        } else if self.state.cooldown == 0 {
            self.state.wait = self.state.wait.saturating_add(1);
            // Compared as f32: a rate that was set to `min_lr` may differ from it in the last bit of an f64.
            if self.state.wait >= self.patience && rate as f32 > self.min_lr as f32 {
                self.state.cooldown = self.cooldown;
                self.state.wait = 0;
                return Ok(Some((rate * self.factor).max(self.min_lr)));
            }
        }
        Ok(None)
    }

    fn validate(&self) -> Result<(), Error> {
        if !(self.factor > 0.0 && self.factor < 1.0) {
            return Err(Error::setting(Self::NAME, "factor", self.factor, "above 0 and below 1"));
        }
        if !(self.min_lr >= 0.0 && self.min_lr.is_finite()) {
            return Err(Error::setting(Self::NAME, "min_lr", self.min_lr, "a finite number of at least 0"));
        }
        Ok(())
    }
}

impl Callback for ReduceLrOnPlateau {
    fn check_run(&self, run: &RunPlan<'_>) -> Result<(), Error> {
        self.watch().check(run)
    }

    fn on_train_begin(&mut self, _model: &mut Model) -> Result<(), Error> {
        self.state = PlateauState::default();
        self.validate()
    }

    fn on_epoch_end(&mut self, cx: &mut EpochContext<'_>) -> Result<(), Error> {
        let rate = cx.model.learning_rate();
        cx.logs.insert("learning_rate", rate);
        let current = self.watch().value(cx.logs)?;
        if let Some(lower) = self.decide(current, rate)? {
            cx.model.set_learning_rate_factor(cx.model.learning_rate_factor() * (lower / rate));
        }
        Ok(())
    }

    fn checkpoint(&self) -> Result<Part, Error> {
        Part::of(&self.state)
    }

    /// The lowered rate is restored with the model.
    fn resume(&mut self, part: Part, _cx: &mut ResumeContext<'_>) -> Result<(), Error> {
        self.validate()?;
        self.state = part.parse(Self::NAME)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [f64; 10] = [1.0, 0.8, 0.9, 0.79, 0.85, 0.86, 0.5, 0.6, 0.7, 0.4];

    /// Relative tolerance: f64 here against Keras's f32 rate.
    const SINGLE: f64 = 1e-6;

    /// Checks each epoch's (rate before, wait after, cooldown after), and the last rate.
    fn check(mut plateau: ReduceLrOnPlateau, rates: [f64; 10], counters: [(usize, usize); 10], last: f64) {
        let mut rate = 0.1;
        let near = |a: f64, b: f64| (a - b).abs() <= SINGLE * b;
        for (epoch, &value) in VALUES.iter().enumerate() {
            assert!(near(rate, rates[epoch]), "{plateau:?} in epoch {epoch}: {rate}");
            // Computed as the model does: the first rate times a factor.
            rate = plateau.decide(value, rate).unwrap().map_or(rate, |lower| 0.1 * (lower / 0.1));
            assert_eq!((plateau.state.wait, plateau.state.cooldown), counters[epoch], "epoch {epoch}");
        }
        assert!(near(rate, last), "{rate} for {last}");
    }

    /// The expected values are what Keras 3.15.1 did with these values.
    #[test]
    fn decides_as_keras_does() {
        let new = |patience, factor| ReduceLrOnPlateau { patience, factor, ..Default::default() };
        let none = [(0, 0); 10];
        let each = [0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.0125, 0.0125, 0.00625, 0.003125];
        check(new(1, 0.5), each, none, 0.003125);
        check(new(0, 0.5), each, none, 0.003125);
        let w = |waits: [usize; 10]| waits.map(|wait| (wait, 0));
        let waits = w([0, 0, 1, 0, 1, 0, 0, 1, 0, 0]);
        check(new(2, 0.5), [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025], waits, 0.025);
        check(
            ReduceLrOnPlateau { cooldown: 2, ..new(1, 0.5) },
            [0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.025, 0.0125, 0.0125],
            [0, 0, 2, 1, 2, 1, 0, 2, 1, 0].map(|cooldown| (0, cooldown)),
            0.0125,
        );
        check(
            ReduceLrOnPlateau { min_lr: 0.005, ..new(2, 0.1) },
            [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.005],
            waits,
            0.005,
        );
        check(
            ReduceLrOnPlateau { min_lr: 0.03, ..new(1, 0.1) },
            [0.1, 0.1, 0.1, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03],
            w([0, 0, 0, 0, 1, 2, 0, 1, 2, 0]),
            0.03,
        );
        check(
            ReduceLrOnPlateau { min_delta: 0.05, ..new(1, 0.5) },
            [0.1, 0.1, 0.1, 0.05, 0.025, 0.0125, 0.00625, 0.00625, 0.003125, 0.0015625],
            none,
            0.0015625,
        );
        check(
            ReduceLrOnPlateau { mode: Mode::Max, cooldown: 1, ..new(2, 0.5) },
            [0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.0125, 0.0125, 0.00625],
            [(0, 0), (1, 0), (0, 1), (1, 0), (0, 1), (1, 0), (0, 1), (1, 0), (0, 1), (1, 0)],
            0.00625,
        );
    }

    #[test]
    fn settings_out_of_range_are_named() {
        for factor in [0.0, 1.0, -0.5, f64::NAN] {
            assert!(ReduceLrOnPlateau { factor, ..Default::default() }.validate().is_err(), "{factor}");
        }
        assert!(ReduceLrOnPlateau { min_lr: -1.0, ..Default::default() }.validate().is_err());
        assert!(ReduceLrOnPlateau::default().validate().is_ok());
    }
}

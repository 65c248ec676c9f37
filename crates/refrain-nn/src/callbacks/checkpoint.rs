//! Saving the model during training.

use super::monitor::{Mode, Monitor};
use super::{Callback, EpochContext, ResumeContext, RunPlan, path};
use crate::error::Error;
use crate::file;
use crate::part::Part;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Saves the model at the end of each epoch, or only of epochs that are the best so far.
///
/// ```
/// use refrain_nn::callbacks::ModelCheckpoint;
///
/// let best = ModelCheckpoint { save_best_only: true, ..ModelCheckpoint::new("best.safetensors") };
/// let each = ModelCheckpoint::new("models/{epoch:02d}-{val_loss:.4f}.safetensors");
/// ```
#[derive(Debug, Clone)]
pub struct ModelCheckpoint {
    /// The file, overwritten each time. The path may contain the epoch, counted from 1, and the epoch's logs
    /// in Python's format: `{epoch:02d}-{val_loss:.2f}.safetensors`. Missing folders are created.
    pub path: String,
    /// The name of the log value that says which epoch is the best.
    pub monitor: String,
    /// Whether to save only models that are the best so far.
    pub save_best_only: bool,
    /// Whether a smaller or a larger value is better.
    pub mode: Mode,
    /// The value that the first saved model must beat.
    pub initial_value_threshold: Option<f64>,
    /// The task to store in the file; see [`file::save`].
    pub task: Option<serde_json::Value>,
    /// The state during training; leave it at its default.
    pub state: ModelCheckpointState,
}

/// The state of a [`ModelCheckpoint`] during training. As in Keras, the next call of `fit` continues from it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCheckpointState {
    #[serde(with = "crate::exact::option")]
    best: Option<f64>,
    last_path: Option<String>,
}

impl ModelCheckpointState {
    /// Returns the value of the best model.
    pub fn best(&self) -> Option<f64> {
        self.best
    }

    /// Returns the file that was written last.
    pub fn last_path(&self) -> Option<&str> {
        self.last_path.as_deref()
    }
}

impl ModelCheckpoint {
    /// Creates a callback that saves to `path` after every epoch.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            monitor: "val_loss".into(),
            save_best_only: false,
            mode: Mode::Auto,
            initial_value_threshold: None,
            task: None,
            state: ModelCheckpointState::default(),
        }
    }

    /// Returns whether to save a model with this value.
    fn decide(&mut self, current: f64) -> Result<bool, Error> {
        let reference = self.state.best.or(self.initial_value_threshold);
        let better = self.watch().improves(current, reference)?;
        if better {
            self.state.best = Some(current);
        }
        Ok(better)
    }

    fn watch(&self) -> Monitor<'_> {
        Monitor { callback: "ModelCheckpoint", name: &self.monitor, mode: self.mode, min_delta: 0.0 }
    }
}

impl Callback for ModelCheckpoint {
    fn check_run(&self, run: &RunPlan<'_>) -> Result<(), Error> {
        if self.save_best_only {
            self.watch().check(run)?;
        }
        path::check(&self.path, run)
    }

    fn on_epoch_end(&mut self, cx: &mut EpochContext<'_>) -> Result<(), Error> {
        if self.save_best_only {
            let current = self.watch().value(cx.logs)?;
            if !self.decide(current)? {
                return Ok(());
            }
        }
        let filled = path::fill(&self.path, cx.epoch + 1, cx.logs)?;
        let target = Path::new(&filled);
        if let Some(folder) = target.parent().filter(|f| !f.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|source| Error::Io {
                action: "cannot create the folder",
                path: folder.display().to_string(),
                source,
            })?;
        }
        file::save(target, cx.model, self.task.as_ref(), None)?;
        self.state.last_path = Some(filled);
        Ok(())
    }

    fn checkpoint(&self) -> Result<Part, Error> {
        Part::of(&self.state)
    }

    fn resume(&mut self, part: Part, _cx: &mut ResumeContext<'_>) -> Result<(), Error> {
        self.state = part.parse("ModelCheckpoint")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected epochs are the ones that Keras 3.15.1 saved with these values.
    #[test]
    fn saves_the_same_epochs_as_keras() {
        let values = [1.0, 0.8, 0.9, 0.79, 0.85, 0.86, 0.5, 0.6, 0.7, 0.4];
        let best = ModelCheckpoint { save_best_only: true, ..ModelCheckpoint::new("x") };
        for (mut checkpoint, expected) in [
            (best.clone(), &[1, 2, 4, 7, 10][..]),
            (ModelCheckpoint { mode: Mode::Max, ..best.clone() }, &[1]),
            (ModelCheckpoint { initial_value_threshold: Some(0.8), ..best }, &[4, 7, 10]),
        ] {
            let saved: Vec<_> =
                (1..=10).filter(|&epoch| checkpoint.decide(values[epoch - 1]).unwrap()).collect();
            assert_eq!(saved, expected, "{checkpoint:?}");
        }
    }
}

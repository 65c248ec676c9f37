//! Saving the model as it trains.

use super::monitor::{Mode, Monitor};
use super::{Callback, EpochContext, ResumeContext, path};
use crate::error::Error;
use crate::file;
use crate::part::Part;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Saves the model at the end of each epoch, or of each epoch that is better than all before.
///
/// ```
/// use refrain_nn::callbacks::ModelCheckpoint;
///
/// let best = ModelCheckpoint { save_best_only: true, ..ModelCheckpoint::new("best.safetensors") };
/// let each = ModelCheckpoint::new("models/{epoch:02d}-{val_loss:.4f}.safetensors");
/// ```
#[derive(Debug, Clone)]
pub struct ModelCheckpoint {
    /// The file, overwritten each time. It may hold the epoch, from 1, and the epoch's numbers in Python's
    /// format: `{epoch:02d}-{val_loss:.2f}.safetensors`. A folder that is missing is made.
    pub path: String,
    /// The number that says which epoch is the best.
    pub monitor: String,
    /// Whether only a better model than all before is saved.
    pub save_best_only: bool,
    /// Which way is better.
    pub mode: Mode,
    /// A number that the first model to be saved must beat.
    pub initial_value_threshold: Option<f64>,
    /// What the file says the model is for; see [`file::save`].
    pub task: Option<serde_json::Value>,
    /// What it has seen; leave it at its default.
    pub seen: CheckpointSeen,
}

/// What a [`ModelCheckpoint`] has seen. As in Keras, the next call of `fit` goes on with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointSeen {
    #[serde(with = "crate::exact::option")]
    best: Option<f64>,
    last_path: Option<String>,
}

impl CheckpointSeen {
    /// The number of the best model.
    pub fn best(&self) -> Option<f64> {
        self.best
    }

    /// The file that was written last.
    pub fn last_path(&self) -> Option<&str> {
        self.last_path.as_deref()
    }
}

impl ModelCheckpoint {
    /// Saves to `path` after every epoch.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            monitor: "val_loss".into(),
            save_best_only: false,
            mode: Mode::Auto,
            initial_value_threshold: None,
            task: None,
            seen: CheckpointSeen::default(),
        }
    }

    /// Whether a model with this number is to be saved.
    fn decide(&mut self, current: f64) -> Result<bool, Error> {
        let reference = self.seen.best.or(self.initial_value_threshold);
        let better = self.watch().improves(current, reference)?;
        if better {
            self.seen.best = Some(current);
        }
        Ok(better)
    }

    fn watch(&self) -> Monitor<'_> {
        Monitor { callback: "ModelCheckpoint", name: &self.monitor, mode: self.mode, min_delta: 0.0 }
    }
}

impl Callback for ModelCheckpoint {
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
                action: "cannot make the folder",
                path: folder.display().to_string(),
                source,
            })?;
        }
        file::save(target, cx.model, self.task.as_ref(), None)?;
        self.seen.last_path = Some(filled);
        Ok(())
    }

    fn checkpoint(&self) -> Result<Part, Error> {
        Part::of(&self.seen)
    }

    fn resume(&mut self, part: Part, _cx: &mut ResumeContext<'_>) -> Result<(), Error> {
        self.seen = part.parse("ModelCheckpoint")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected epochs are those that Keras 3.15.1's own class saved with these numbers.
    #[test]
    fn saves_the_epochs_that_keras_saves() {
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

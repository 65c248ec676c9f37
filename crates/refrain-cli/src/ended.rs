//! How a training ended: where its model is, and what is said of it.

use crate::error::{Failure, Result};
use crate::interrupt::Interrupt;
use refrain::language_model::Stopped;
use serde::Serialize;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// A training that ended, as `--json` says it.
#[derive(Debug, Serialize)]
pub(crate) struct Ended {
    /// Where the model is.
    model: PathBuf,
    epochs: usize,
    best_epoch: usize,
    seconds: f64,
    stopped: Stopped,
    /// The scores of what was saved.
    #[serde(flatten)]
    scores: Map<String, Value>,
    /// The exit code for the signal that stopped it, if one did.
    #[serde(skip)]
    interrupted: Option<u8>,
}

impl Ended {
    /// A training whose model is wanted in `out`; makes the folder beside it for one that was interrupted, since what
    /// is there already may be better than half a run.
    pub(crate) fn new(
        out: &Path,
        (epochs, best_epoch): (usize, usize),
        seconds: f64,
        stopped: Stopped,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let interrupted = interrupt.exit_code().filter(|_| stopped == Stopped::Interrupted);
        let model = if interrupted.is_some() { beside(out)? } else { out.to_owned() };
        Ok(Self { model, epochs, best_epoch, seconds, stopped, scores: Map::new(), interrupted })
    }

    /// Where the model goes.
    pub(crate) fn model(&self) -> &Path {
        &self.model
    }

    /// Whether a signal stopped it.
    pub(crate) fn interrupted(&self) -> bool {
        self.interrupted.is_some()
    }

    /// Adds the metrics of a score as `<part>_loss` and so on.
    pub(crate) fn add_score(&mut self, part: &str, score: &impl Serialize) {
        if let Ok(Value::Object(score)) = serde_json::to_value(score) {
            self.scores.extend(score.into_iter().map(|(metric, value)| (format!("{part}_{metric}"), value)));
        }
    }

    /// The last line of the log, with the best epoch's score where there is one.
    pub(crate) fn summary(&self, score: Option<String>) -> String {
        let what = match self.stopped {
            Stopped::Interrupted => "interrupted",
            Stopped::Diverged => "diverged",
            Stopped::Epochs => "done",
        };
        let s = if self.epochs == 1 { "" } else { "s" };
        let line = format!("{what}: {} epoch{s} in {:.1} s", self.epochs, self.seconds);
        score.map_or(line.clone(), |score| format!("{line}; epoch {}: {score}", self.best_epoch))
    }

    /// Where the model is and what to do with it: `next`, given the model's name for a shell, or after a signal
    /// `further`.
    pub(crate) fn saved(&self, next: impl Fn(&str) -> String, further: impl Fn(&str) -> String) -> String {
        let path = self.model.display().to_string();
        let path = if path.contains(char::is_whitespace) { format!("\"{path}\"") } else { path };
        let which = match self.best_epoch {
            0 => "before its first epoch's end".to_owned(),
            epoch => format!("of epoch {epoch}"),
        };
        let then =
            if self.interrupted() { further(&path) } else { format!(" Try:\n  refrain {}", next(&path)) };
        format!("\nsaved {path}, the model {which}.{then}\n")
    }

    /// What the process ends with.
    pub(crate) fn result(&self) -> Result<()> {
        if self.stopped == Stopped::Diverged {
            return Err(Failure::Work(format!(
                "the loss became NaN or infinite in epoch {}; the model of epoch {} is saved in {}. Lower --lr, or \
                 --clip the gradient",
                self.epochs + 1,
                self.best_epoch,
                self.model.display()
            )));
        }
        self.interrupted.map_or(Ok(()), |code| Err(Failure::Interrupted(code)))
    }
}

/// Where an interrupted run's model goes: a folder beside `out`, which stays as it is.
fn beside(out: &Path) -> Result<PathBuf> {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".checkpoint");
    let folder = out.with_file_name(name);
    std::fs::create_dir_all(&folder).map_err(|e| {
        Failure::Work(format!("cannot make the folder {}: {e}; the model is not saved", folder.display()))
    })?;
    Ok(folder.join("model.safetensors"))
}

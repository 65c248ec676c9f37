//! The end of a training run: where its model is, and the messages about it.

use super::checkpoints::Checkpoints;
use crate::error::{Failure, Result};
use crate::interruption::Interruption;
use crate::shell;
use refrain::shown::counted;
use refrain::task::{Score, Task};
use refrain::{Stopped, Trained};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// A training run that ended, serialised as the event `done`.
#[derive(Debug, Serialize)]
pub(crate) struct TrainingEnd {
    /// Where the model is.
    #[serde(serialize_with = "shown")]
    model: PathBuf,
    epochs: usize,
    best_epoch: usize,
    seconds: f64,
    stopped: Stopped,
    /// The checkpoint that an interrupted run can be resumed from.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown_if")]
    checkpoint: Option<PathBuf>,
    /// The scores of the saved model.
    #[serde(flatten)]
    scores: Map<String, Value>,
    /// The exit code for the signal that stopped it, if any.
    #[serde(skip)]
    interrupted: Option<u8>,
    /// Why it ended early, if no signal stopped it.
    #[serde(skip)]
    failure: Option<Failure>,
}

impl TrainingEnd {
    /// Creates the end of a run that saves its model to `out`. The model of a stopped run goes next to its checkpoints,
    /// since a model already in `out` may be better.
    pub(crate) fn new<T: Task>(
        out: &Path,
        trained: &Trained<T>,
        interruption: &Interruption,
        checkpoints: &Checkpoints<'_>,
    ) -> Self {
        let &Trained { best_epoch, seconds, stopped, .. } = trained;
        let failure = checkpoints.failure();
        let interrupted =
            interruption.exit_code().filter(|_| stopped == Stopped::Interrupted && failure.is_none());
        let partial = interrupted.is_some() || failure.is_some();
        Self {
            model: match (partial, checkpoints.safe()) {
                (false, _) => out.to_owned(),
                (true, Some(_)) => checkpoints.model(),
                // Without a checkpoint next to it, the model would be in the way of the next run.
                (true, None) => spare_file(),
            },
            epochs: trained.epochs.len(),
            best_epoch,
            seconds,
            stopped,
            checkpoint: checkpoints.safe().filter(|_| partial).map(Path::to_owned),
            scores: Map::new(),
            interrupted,
            failure,
        }
    }

    /// Saves the model. If that fails, saves it to the folder for temporary files, so that a full disk does not cost
    /// hours of work.
    pub(crate) fn save<E: Display>(&mut self, save: impl Fn(&Path) -> std::result::Result<(), E>) {
        let Err(error) = save(&self.model) else { return };
        let spare = spare_file();
        let outcome = match save(&spare) {
            Ok(()) => format!("{error}; the model was saved to {} instead", spare.display()),
            Err(_) => format!("{error}; the trained model was not saved"),
        };
        let failure = match self.failure.take() {
            Some(first) => Failure::Work(format!("{}\n{outcome}", first.message())),
            None => Failure::Work(outcome),
        };
        self.model = spare;
        self.failure = Some(failure);
    }

    /// Returns whether the run was stopped early.
    pub(crate) fn is_partial(&self) -> bool {
        self.interrupted.is_some() || self.failure.is_some()
    }

    /// Adds the metrics of a score as `<part>_loss` and so on.
    pub(crate) fn add_score(&mut self, part: &str, score: Option<&impl Score>) {
        let details = score.map(Score::details).unwrap_or_default();
        self.scores.extend(details.into_iter().map(|(metric, value)| (format!("{part}_{metric}"), value)));
    }

    /// Returns the last line of the log, with the best epoch's score if there is one.
    pub(crate) fn summary(&self, score: Option<String>) -> String {
        let what = match self.stopped {
            Stopped::Interrupted => "interrupted",
            Stopped::Diverged => "diverged",
            Stopped::Epochs => "done",
            Stopped::Early => "done, stopped early",
        };
        let line = format!("{what}: {} in {:.1} s", counted(self.epochs, "epoch"), self.seconds);
        score.map_or(line.clone(), |score| format!("{line}; epoch {}: {score}", self.best_epoch))
    }

    /// Returns where the model is and what to do next: the command of `next` for the model's quoted name or, after a
    /// signal, how to resume.
    pub(crate) fn saved(&self, next: impl Fn(&str) -> String) -> String {
        let path = |path: &Path| shell::quoted(&path.display().to_string());
        let which = match self.best_epoch {
            0 => "of the unfinished first epoch".to_owned(),
            epoch => format!("of epoch {epoch}"),
        };
        let model = path(&self.model);
        match &self.checkpoint {
            Some(checkpoint) if self.interrupted.is_some() => format!(
                "\nsaved the run to {}, and the model {which} to {model}. Resume with:\n  {}\n",
                path(checkpoint),
                shell::this_command_with("--resume")
            ),
            _ => format!("\nsaved {model}, the model {which}. Try:\n  refrain {}\n", next(&model)),
        }
    }

    /// Returns the result of the command.
    pub(crate) fn result(self) -> Result<()> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if self.stopped == Stopped::Diverged {
            return Err(Failure::Work(format!(
                "the loss became NaN or infinite in epoch {}; the model of epoch {} was saved to {}. Lower --lr, or clip \
                 gradients with --clip",
                self.epochs + 1,
                self.best_epoch,
                self.model.display()
            )));
        }
        self.interrupted.map_or(Ok(()), |code| Err(Failure::Interrupted(code)))
    }
}

/// Returns the path for a model that cannot be saved where it should be.
fn spare_file() -> PathBuf {
    std::env::temp_dir().join(format!("refrain-{}.safetensors", std::process::id()))
}

/// Serialises a path as it is displayed, since it may not be UTF-8.
fn shown<S: Serializer>(path: &Path, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

fn shown_if<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.display().to_string()).serialize(serializer)
}

//! How a training ended: where its model is, and what is said of it.

use super::checkpoints::Checkpoints;
use crate::error::{Failure, Result};
use crate::interruption::Interruption;
use crate::shell;
use refrain::task::{Score, Task};
use refrain::{Stopped, Trained};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// A training that ended, as `--json` says it.
#[derive(Debug, Serialize)]
pub(crate) struct TrainingEnd {
    /// Where the model is.
    #[serde(serialize_with = "shown")]
    model: PathBuf,
    epochs: usize,
    best_epoch: usize,
    seconds: f64,
    stopped: Stopped,
    /// What an interrupted run can be resumed from.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown_if")]
    checkpoint: Option<PathBuf>,
    /// The scores of what was saved.
    #[serde(flatten)]
    scores: Map<String, Value>,
    /// The exit code for the signal that stopped it, if one did.
    #[serde(skip)]
    interrupted: Option<u8>,
    /// Why it ended before its end, where no signal stopped it.
    #[serde(skip)]
    failure: Option<Failure>,
}

impl TrainingEnd {
    /// A training whose model is wanted in `out`. One that was stopped goes beside its checkpoints, since what is in
    /// `out` already may be better than half a run.
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
                // Without a checkpoint beside it a model is in the way of the next run.
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

    /// Saves the model where it is wanted; where that fails, among the temporary files: a full disk must not cost
    /// hours of work.
    pub(crate) fn save<E: Display>(&mut self, save: impl Fn(&Path) -> std::result::Result<(), E>) {
        let Err(error) = save(&self.model) else { return };
        let spare = spare_file();
        let outcome = match save(&spare) {
            Ok(()) => format!("{error}; the model is in {} instead", spare.display()),
            Err(_) => format!("{error}; the trained model is not saved"),
        };
        let failure = match self.failure.take() {
            Some(first) => Failure::Work(format!("{}\n{outcome}", first.message())),
            None => Failure::Work(outcome),
        };
        self.model = spare;
        self.failure = Some(failure);
    }

    /// Whether it was stopped before its end.
    pub(crate) fn is_partial(&self) -> bool {
        self.interrupted.is_some() || self.failure.is_some()
    }

    /// Adds the metrics of a score as `<part>_loss` and so on.
    pub(crate) fn add_score(&mut self, part: &str, score: Option<&impl Score>) {
        let details = score.map(Score::details).unwrap_or_default();
        self.scores.extend(details.into_iter().map(|(metric, value)| (format!("{part}_{metric}"), value)));
    }

    /// The last line of the log, with the best epoch's score where there is one.
    pub(crate) fn summary(&self, score: Option<String>) -> String {
        let what = match self.stopped {
            Stopped::Interrupted => "interrupted",
            Stopped::Diverged => "diverged",
            Stopped::Epochs => "done",
            Stopped::Early => "done, stopped early",
        };
        let s = if self.epochs == 1 { "" } else { "s" };
        let line = format!("{what}: {} epoch{s} in {:.1} s", self.epochs, self.seconds);
        score.map_or(line.clone(), |score| format!("{line}; epoch {}: {score}", self.best_epoch))
    }

    /// Where the model is and what to do with it: `next`, given the model's name for a shell, or, after a signal, how
    /// to resume.
    pub(crate) fn saved(&self, next: impl Fn(&str) -> String) -> String {
        let path = |path: &Path| shell::quoted(&path.display().to_string());
        let which = match self.best_epoch {
            0 => "as it is (its first epoch is not done)".to_owned(),
            epoch => format!("of epoch {epoch}"),
        };
        let model = path(&self.model);
        match &self.checkpoint {
            Some(checkpoint) if self.interrupted.is_some() => format!(
                "\nsaved where the run stood in {}, and the model {which} in {model}. Resume with:\n  {}\n",
                path(checkpoint),
                shell::this_command_with("--resume")
            ),
            _ => format!("\nsaved {model}, the model {which}. Try:\n  refrain {}\n", next(&model)),
        }
    }

    /// What the process ends with.
    pub(crate) fn result(self) -> Result<()> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
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

/// Where a model goes that cannot be saved where it should.
fn spare_file() -> PathBuf {
    std::env::temp_dir().join(format!("refrain-{}.safetensors", std::process::id()))
}

/// A path that is no UTF-8 has a name to show all the same.
fn shown<S: Serializer>(path: &Path, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

fn shown_if<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.display().to_string()).serialize(serializer)
}

//! `--log-dir`: TensorBoard logs of a run, with Keras's tag names.
//!
//! | folder | tag | each |
//! |---|---|---|
//! | `train` | `batch_loss` (the mean since the last point), `batch_gradient_norm` (also a mean), `batch_learning_rate`, `batch_tokens_per_second` | `--log-every` batches |
//! | `train` | `lstm/kernel/histogram`, `/gradient`, `/norm`, `/update_ratio`; `gates/lstm/i` …, `states/lstm/h`, `/c`; `gradient_through_time/lstm/first_step`, `/last_step` | probe, see [`ModelProbe`] |
//! | `train` | `epoch_loss`, `epoch_accuracy`, `epoch_perplexity`, `epoch_learning_rate` …; `sample` | epoch |
//! | `validation` | `epoch_loss`, `epoch_accuracy` … | epoch |
//! | the folder | the recipe; `final_val_loss` and so on of the saved model | run |
//!
//! Steps count the batches of the run, so that a resumed run continues at its step.

mod budget;
mod probe;

use super::{End, Epoch, Started, TaskInfo};
use crate::error::{Failure, Result};
use crate::format::plain;
use crate::writable;
use budget::Budget;
use probe::ModelProbe;
use refrain::inspect::Error;
use refrain::inspect::tensorboard::{EventWriter, HParam, MetricTag};
use refrain::task::{MetricSource, RunBatch};
use refrain::{Model, Stopped};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders for curves of training and of validation.
const TRAIN: &str = "train";
const VALIDATION: &str = "validation";

/// A folder that can be written to.
#[derive(Debug)]
pub(super) struct TensorBoardFolder {
    path: PathBuf,
    every: u64,
}

impl TensorBoardFolder {
    /// Creates the folder if it is missing. Refuses to mix this run's log with that of an earlier run.
    pub(super) fn open(path: &Path, every: u64, resume: bool) -> Result<Self> {
        let failed =
            |e| Failure::input(format!("cannot create the folder --log-dir {}: {e}", path.display()));
        let folders = [path.to_owned(), path.join(TRAIN), path.join(VALIDATION)];
        if let Some(folder) = folders.iter().find(|folder| !resume && has_events(folder)) {
            return Err(Failure::input(format!(
                "{} contains the log of an earlier run; name another folder with --log-dir, or remove it",
                folder.display()
            )));
        }
        fs::create_dir_all(path.join(TRAIN)).map_err(failed)?;
        writable::check(&path.join(TRAIN).join("events"), "name another folder with --log-dir")?;
        Ok(Self { path: path.to_owned(), every })
    }
}

fn has_events(folder: &Path) -> bool {
    let is_event = |name: &str| name.starts_with("events.out.tfevents.");
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.into_iter().any(|name| name.to_str().is_some_and(is_event))
}

/// The event files of a run.
#[derive(Debug)]
pub(super) struct TensorBoardLog {
    task: TaskInfo,
    every: u64,
    epochs: usize,
    /// For the whole run.
    root: EventWriter,
    train: EventWriter,
    validation: Option<EventWriter>,
    /// Batches done when the run was resumed; `None` after the first event.
    resumed_at: Option<u64>,
    batches_done: u64,
    since_last: Means,
    probe: ModelProbe,
    samples: Budget,
}

/// Sums over the batches since the last point.
#[derive(Debug, Default)]
struct Means {
    loss: f64,
    batches: f64,
    norm: f64,
    /// Batches with a gradient norm: those that ended with an update or came after one.
    norms: f64,
}

impl TensorBoardLog {
    pub(super) fn begin(folder: &TensorBoardFolder, task: TaskInfo, run: &Started<'_>) -> Result<Self> {
        let TensorBoardFolder { path, every } = folder;
        let begin = || {
            let root = EventWriter::create(path)?;
            let train = EventWriter::create(path.join(TRAIN))?;
            let validation = run.validates.then(|| EventWriter::create(path.join(VALIDATION))).transpose()?;
            let metrics = metrics(&task, run.validates);
            let mut board = Self {
                task: task.clone(),
                every: *every,
                epochs: run.epochs,
                root,
                train,
                validation,
                resumed_at: Some(run.batches_done),
                batches_done: run.batches_done,
                since_last: Means::default(),
                probe: ModelProbe::new(*every),
                samples: Budget::new(),
            };
            board.root.hparams(&settings(&run.recipe), &metrics)?;
            board.root.flush()?;
            Ok(board)
        };
        begin().map_err(failure)
    }

    /// Returns whether to probe the first batch. The model of a resumed run may not have its parameters yet.
    pub(super) fn first(&mut self, model: &Model) -> bool {
        self.batches_done == 0 && self.probe.prepare(model, 1, false)
    }

    /// Logs a batch and returns whether to probe the next one.
    pub(super) fn batch(&mut self, batch: &RunBatch<'_>) -> Result<bool> {
        let RunBatch { done, batches, batches_done, model, .. } = *batch;
        let is_point = batches_done.is_multiple_of(self.every);
        self.batches_done = batches_done;
        self.since_last.add(model);
        let mut write = || {
            // Keep what the run logged before it was resumed, up to this batch.
            self.resume_at(|before| before + 1)?;
            if is_point {
                self.point(batch)?;
            }
            self.probe.write(&mut self.train, model, batches_done)
        };
        write().map_err(failure)?;
        let next = if done == batches { 1 } else { done + 1 };
        Ok(self.probe.prepare(model, batches_done + 1, next == batches))
    }

    fn point(&mut self, batch: &RunBatch<'_>) -> std::result::Result<(), Error> {
        let Means { loss, batches, norm, norms } = std::mem::take(&mut self.since_last);
        let step = batch.batches_done;
        self.train.scalar("batch_loss", step, loss / batches)?;
        if norms > 0.0 {
            self.train.scalar("batch_gradient_norm", step, norm / norms)?;
        }
        self.train.scalar("batch_learning_rate", step, batch.model.last_learning_rate())?;
        self.train.scalar(&format!("batch_{}", self.task.unit.per_second()), step, batch.per_second)
    }

    /// Before the first event of a resumed run, discards what was logged from a step on.
    fn resume_at(&mut self, from: impl FnOnce(u64) -> u64) -> std::result::Result<(), Error> {
        let Some(before) = self.resumed_at.take() else { return Ok(()) };
        let step = from(before);
        self.writers().try_for_each(|writer| writer.restart(step))
    }

    /// Returns the writers of curves.
    fn writers(&mut self) -> impl Iterator<Item = &mut EventWriter> {
        std::iter::once(&mut self.train).chain(&mut self.validation)
    }

    pub(super) fn epoch(&mut self, epoch: &Epoch, sample: impl FnOnce() -> Option<String>) -> Result<()> {
        let write = || {
            // The epoch's last batch was trained before the run was resumed; the logs that follow it are still to come.
            self.resume_at(|before| before)?;
            self.numbers(epoch)?;
            let is_last = epoch.number("epoch") == Some(self.epochs as f64);
            if (is_last || self.samples.allows())
                && let Some(text) = self.samples.spend(sample)
            {
                self.train.text("sample", self.batches_done, &fenced(&text))?;
            }
            self.writers().try_for_each(EventWriter::flush)
        };
        write().map_err(failure)?;
        self.still_there()
    }

    fn numbers(&mut self, epoch: &Epoch) -> std::result::Result<(), Error> {
        let step = self.batches_done;
        for (name, value) in epoch.numbers().filter(|(name, _)| *name != "epoch") {
            let (writer, name) = match (name.strip_prefix("val_"), &mut self.validation) {
                (Some(name), Some(validation)) => (validation, name),
                _ => (&mut self.train, name),
            };
            writer.scalar(&format!("epoch_{name}"), step, value)?;
            for metric in self.task.metrics.iter().filter(|_| name == "loss") {
                if let MetricSource::Loss(of) = metric.source {
                    writer.scalar(&format!("epoch_{}", metric.name), step, of(value))?;
                }
            }
        }
        Ok(())
    }

    /// Checks that the files still exist, since the system lets a process write to a removed file.
    fn still_there(&mut self) -> Result<()> {
        match self.writers().find(|writer| !writer.path().exists()) {
            Some(writer) => Err(Failure::Work(format!("{} no longer exists", writer.path().display()))),
            None => Ok(()),
        }
    }

    pub(super) fn sync(&mut self) -> Result<()> {
        self.writers().try_for_each(EventWriter::sync).map_err(failure)
    }

    /// Logs the end of the run, unless it was interrupted and may be resumed.
    pub(super) fn end(&mut self, end: Option<&End>) -> Result<()> {
        let step = self.batches_done;
        let mut write = || {
            match end {
                Some(End { stopped: Stopped::Interrupted, .. }) => {}
                Some(End { stopped, scores, .. }) => {
                    for (name, value) in scores {
                        self.root.scalar(&format!("final_{name}"), step, *value)?;
                    }
                    self.root.session_end(matches!(stopped, Stopped::Epochs | Stopped::Early))?;
                }
                None => self.root.session_end(false)?,
            }
            self.root.flush()?;
            self.writers().try_for_each(EventWriter::flush)
        };
        write().map_err(failure)
    }
}

impl Means {
    fn add(&mut self, model: &Model) {
        (self.loss, self.batches) = (self.loss + model.last_loss(), self.batches + 1.0);
        // With accumulated gradients, there is no norm before the first update.
        let norm = model.last_gradient_norm();
        if norm > 0.0 {
            (self.norm, self.norms) = (self.norm + norm, self.norms + 1.0);
        }
    }
}

fn failure(error: Error) -> Failure {
    Failure::from(refrain::Error::from(error))
}

/// Returns the recipe as settings to compare runs by, with the training settings among the others.
fn settings(recipe: &Value) -> Vec<(String, HParam)> {
    let mut settings = Vec::new();
    for (name, value) in recipe.as_object().into_iter().flatten() {
        let value = match value {
            Value::Null => continue,
            Value::Object(_) => {
                settings.extend(self::settings(value));
                continue;
            }
            Value::Bool(yes) => (*yes).into(),
            // With as few digits as an f32 needs.
            Value::Number(_) => plain(value).parse().map_or_else(|_| 0.0.into(), HParam::Number),
            value => plain(value).into(),
        };
        settings.push((name.clone(), value));
    }
    settings
}

/// Returns the metrics to compare runs by, the same for all runs of a task.
fn metrics(task: &TaskInfo, validates: bool) -> Vec<MetricTag> {
    if !validates {
        let trained = task.metrics.iter().filter(|metric| metric.in_training()).map(|metric| metric.name);
        return std::iter::once("loss")
            .chain(trained)
            .map(|name| MetricTag::new(TRAIN, format!("epoch_{name}")))
            .collect();
    }
    let names = std::iter::once("loss").chain(task.metrics.iter().map(|metric| metric.name));
    let last = names.map(|name| MetricTag::new("", format!("final_val_{name}")));
    last.chain([MetricTag::new(VALIDATION, "epoch_loss")]).collect()
}

/// Fences a text so that Markdown shows it verbatim.
fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(3.max(longest + 1));
    format!("{fence}\n{text}\n{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_cannot_close_its_code_block() {
        assert_eq!(fenced("a\nb"), "```\na\nb\n```");
        assert_eq!(fenced("``` and ````"), "`````\n``` and ````\n`````");
    }

    #[test]
    fn settings_keep_their_types_and_digits() {
        let recipe = serde_json::json!({ "a": 0.2_f32, "b": true, "c": "lstm", "d": null, "e": [1, 2], "training": { "f": 3 } });
        let expected: [(&str, HParam); 5] = [
            ("a", 0.2.into()),
            ("b", true.into()),
            ("c", "lstm".into()),
            ("e", "[1,2]".into()),
            ("f", 3.0.into()),
        ];
        assert_eq!(settings(&recipe), expected.map(|(name, value)| (name.to_owned(), value)));
    }
}

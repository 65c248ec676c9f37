//! The logs of a run: rows of epochs, a picture, and files for TensorBoard.
//!
//! Nothing here changes what is learned. A path that cannot be written is refused before training. If a log fails later
//! (a full disk, a removed folder), there is one warning and the run continues without that log.

mod board;
mod csv_log;
mod curve;
mod epoch;
mod loss_plot;

use epoch::Epoch;
pub(crate) use epoch::TaskInfo;

use crate::cli::LoggingOptions;
use crate::error::{Failure, Result};
use crate::existing::Target;
use crate::output::Output;
use crate::writable;
use board::{TensorBoardFolder, TensorBoardLog};
use csv_log::CsvLog;
use loss_plot::LossPlot;
use refrain::task::{Recipe, RunBatch, RunStart, Score, Task};
use refrain::{Answer, Memory, Model, RunEvent, Stopped, Trained};
use serde_json::Value;
use std::path::PathBuf;

/// The logs of one run.
#[derive(Debug)]
pub(crate) struct Logging<'a> {
    output: &'a Output,
    task: TaskInfo,
    csv: Option<CsvLog>,
    plot: Option<LossPlot>,
    folder: Option<TensorBoardFolder>,
    board: Option<TensorBoardLog>,
    /// Why the run must not start.
    refused: Option<Failure>,
}

/// A run that starts or resumes.
#[derive(Debug)]
struct Started<'a> {
    /// The name of the training data.
    name: &'a str,
    model: &'a Model,
    /// The epochs done so far, and the number of epochs in total.
    done: Vec<Epoch>,
    epochs: usize,
    batches_done: u64,
    validates: bool,
    recipe: Value,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct End {
    /// All completed epochs, including those before the run was resumed.
    epochs: Vec<Epoch>,
    best_epoch: usize,
    stopped: Stopped,
    /// The scores of the saved model: `val_loss` and so on.
    scores: Vec<(String, f64)>,
}

impl End {
    pub(crate) fn of<T: Task>(trained: &Trained<T>) -> Self {
        let mut scores = Vec::new();
        for (part, score) in [("val", &trained.score), ("test", &trained.test)] {
            let summary = score.as_ref().map(Score::summary).unwrap_or_default();
            let number =
                |(name, value): (&String, &Value)| Some((format!("{part}_{name}"), epoch::number(value)?));
            scores.extend(summary.iter().filter_map(number));
        }
        let epochs = trained.epochs.iter().map(|record| Epoch::of(record, T::UNIT)).collect();
        Self { epochs, best_epoch: trained.best_epoch, stopped: trained.stopped, scores }
    }
}

impl<'a> Logging<'a> {
    /// Checks that all logs can be written.
    pub(crate) fn open(
        options: &LoggingOptions,
        task: TaskInfo,
        (resume, force): (bool, bool),
        output: &'a Output,
    ) -> Result<Self> {
        let LoggingOptions { csv_log, plot, log_dir, log_every } = options;
        let csv = csv_log.as_ref().map(|path| CsvLog::open(path, task.columns.clone(), force)).transpose()?;
        let plot = plot.as_ref().map(|path| LossPlot::open(path, task.clone())).transpose()?;
        let folder = log_dir
            .as_ref()
            .map(|path| TensorBoardFolder::open(path, *log_every as u64, resume))
            .transpose()?;
        Ok(Self { output, task, csv, plot, folder, board: None, refused: None })
    }

    /// Returns the files that the run replaces. A resumed run continues its own log.
    pub(crate) fn targets(&self, is_resumed: bool, force: bool) -> Vec<Target<'_>> {
        let csv = self.csv.as_ref().filter(|_| !is_resumed).map(CsvLog::target);
        csv.into_iter().chain(self.plot.as_ref().map(|plot| plot.target(force))).collect()
    }

    /// Refuses logs that would overwrite an input file.
    pub(crate) fn refuse_input_path<'f>(
        &self,
        read: impl Iterator<Item = &'f PathBuf> + Clone,
    ) -> Result<()> {
        let csv = self.csv.as_ref().map(|csv| ("--csv-log", csv.path()));
        let plot = self.plot.as_ref().map(|plot| ("--plot", plot.path()));
        let mut written = csv.into_iter().chain(plot);
        written.try_for_each(|(name, path)| writable::refuse_input_path(path, read.clone(), name))
    }

    /// Adds the memory of the logs to that of a run: the parameters before a batch, and the copy of the model that
    /// generates a sample, with its own gradients.
    pub(crate) fn with_memory(&self, memory: &Memory, model: &Model) -> Memory {
        const COPIES: usize = 3;
        let copies = if self.folder.is_some() { COPIES } else { 0 };
        memory.clone().with("logs", (copies * size_of_val(model.params().values())) as u64)
    }

    /// Logs an event of a run on data of this name. If the answer to the start is `Stop`, a log belongs to another run:
    /// see [`Logging::refused`].
    pub(crate) fn event<T: Task>(
        &mut self,
        event: &RunEvent<'_, T>,
        name: &str,
        recipe: &T::Recipe,
        sample: fn(&Model, &T::Assets) -> Option<String>,
    ) -> Answer {
        match event {
            RunEvent::Start(start) => return self.started(&Started::of::<T>(start, name, recipe)),
            RunEvent::Batch(batch) => return self.batch(batch),
            RunEvent::Epoch(epoch) => {
                let record = Epoch::of(epoch.record, T::UNIT);
                self.epoch(record, || sample(epoch.model, epoch.assets));
            }
            RunEvent::Checkpoint(_) => self.sync(),
            _ => {}
        }
        Answer::Continue
    }

    fn started(&mut self, run: &Started<'_>) -> Answer {
        if let Err(failure) = self.begin(run) {
            self.refused = Some(failure);
            return Answer::Stop;
        }
        let probe = self.board.as_mut().is_some_and(|board| board.first(run.model));
        if probe { Answer::Probe } else { Answer::Continue }
    }

    fn begin(&mut self, run: &Started<'_>) -> Result<()> {
        if let Some(csv) = &mut self.csv {
            // Every checkpoint holds at least one batch.
            if run.batches_done > 0 {
                let note = csv.resume(&run.done)?;
                note.into_iter().for_each(|note| self.output.notice(note));
            } else {
                csv.begin()?;
            }
        }
        if let Some(plot) = &mut self.plot {
            plot.begin(run.name);
        }
        if let Some(folder) = &self.folder {
            self.board = Some(TensorBoardLog::begin(folder, self.task.clone(), run)?);
        }
        Ok(())
    }

    /// Returns why the run must not start, if so.
    pub(crate) fn refused(&mut self) -> Option<Failure> {
        self.refused.take()
    }

    /// Logs a batch. The answer says whether to probe the next one.
    fn batch(&mut self, batch: &RunBatch<'_>) -> Answer {
        if let Some(plot) = &mut self.plot {
            plot.batch(batch);
        }
        let mut probe = false;
        attempt(self.output, "--log-dir", &mut self.board, |board| {
            probe = board.batch(batch)?;
            Ok(())
        });
        if probe { Answer::Probe } else { Answer::Continue }
    }

    /// Logs an epoch; `sample` returns a text that the model generates, if it can.
    fn epoch(&mut self, epoch: Epoch, sample: impl FnOnce() -> Option<String>) {
        attempt(self.output, "--csv-log", &mut self.csv, |csv| csv.add(&epoch));
        attempt(self.output, "--log-dir", &mut self.board, |board| board.epoch(&epoch, sample));
        if let Some(plot) = &mut self.plot {
            plot.epoch(epoch);
        }
    }

    /// Flushes the logs to disk before a checkpoint that relies on them is written.
    fn sync(&mut self) {
        attempt(self.output, "--csv-log", &mut self.csv, CsvLog::sync);
        attempt(self.output, "--log-dir", &mut self.board, TensorBoardLog::sync);
    }

    /// Finishes the logs once the run has ended and its model is saved; without an `end`, the run failed.
    pub(crate) fn ended(mut self, end: Option<End>) {
        attempt(self.output, "--log-dir", &mut self.board, |board| board.end(end.as_ref()));
        let mut drawn = None;
        attempt(self.output, "--plot", &mut self.plot, |plot| {
            drawn = plot.draw(end)?.then(|| plot.path().display().to_string());
            Ok(())
        });
        if let Some(path) = drawn {
            self.output.log(format_args!("{:9} {path}", "plotted"));
        }
    }
}

/// Does something with a log. If that fails, prints a warning and drops the log so that the run can continue.
fn attempt<T>(output: &Output, option: &str, log: &mut Option<T>, action: impl FnOnce(&mut T) -> Result<()>) {
    let Some(at) = log else { return };
    if let Err(failure) = action(at) {
        output.warning(format_args!("{}; the run continues without {option}", failure.message()));
        *log = None;
    }
}

impl<'a> Started<'a> {
    fn of<T: Task>(start: &RunStart<'a, T>, name: &'a str, recipe: &T::Recipe) -> Self {
        Self {
            name,
            model: start.model,
            done: start.records.iter().map(|record| Epoch::of(record, T::UNIT)).collect(),
            epochs: recipe.training().epochs,
            batches_done: start.batches_done,
            validates: start.validates,
            recipe: serde_json::json!(recipe),
        }
    }
}

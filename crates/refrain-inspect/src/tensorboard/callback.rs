//! The log of `fit`, modelled on Keras's `TensorBoard` callback.

use super::{EventWriter, HParam, log_gradients, log_parameters, log_recurrences};
use crate::error::Error;
use refrain_nn::callbacks::{BatchContext, Callback, EpochContext, ResumeContext};
use refrain_nn::checkpoint::{Part, exact};
use refrain_nn::{Error as NnError, Model};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Writes the progress of `fit` for TensorBoard, with Keras's names. Into `train` go the scalars `epoch_loss`,
/// `epoch_accuracy` and so on, `epoch_learning_rate`, and `epoch_gradient_norm` (of the epoch's last step, before
/// clipping); into `validation` go the metrics with the prefix `val_`.
///
/// Unlike in Keras, every step number, including that of an epoch, counts batches since the model was compiled. A
/// run that resumes from a checkpoint thus continues at its step in the charts, and what an earlier run wrote after
/// that step is dropped. Each run needs a folder of its own.
///
/// ```
/// use refrain_inspect::tensorboard::{TensorBoard, UpdateFreq};
/// use refrain_nn::Fit;
///
/// let log = TensorBoard {
///     histogram_freq: 1,
///     update_freq: UpdateFreq::Batches(100),
///     hparams: vec![("units".into(), 64.0.into()), ("cell".into(), "lstm".into())],
///     ..TensorBoard::new("logs/first")
/// };
/// let fit = Fit { epochs: 200, callbacks: vec![Box::new(log)], ..Fit::default() };
/// ```
#[derive(Debug)]
pub struct TensorBoard {
    /// The run's folder. Pass its parent folder to `tensorboard --logdir` to compare runs; otherwise HParams finds
    /// no scalars.
    pub log_dir: PathBuf,
    /// Epochs between histograms, starting with the first epoch; 0 for none. At the first batch of such an epoch, a
    /// histogram of each gradient is written, `lstm/kernel/gradient`, and what [`log_recurrences`] writes, for
    /// which [`Model::set_gradient_probe`] is set. At its end, a histogram of each parameter is written,
    /// `lstm/kernel/histogram`.
    pub histogram_freq: usize,
    /// The batches after which scalars are written, in addition to those of epochs: `batch_loss` and so on.
    pub update_freq: UpdateFreq,
    /// The settings that TensorBoard compares with those of other runs, written into `log_dir` itself.
    pub hparams: Vec<(String, HParam)>,
    /// How long events may be buffered before they are written.
    pub flush_every: Duration,
    /// The open files; leave them at their default.
    pub files: LogFiles,
}

/// The batches after which scalars are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpdateFreq {
    /// No batches: only with each epoch.
    #[default]
    Epoch,
    /// Every batch.
    Batch,
    /// Batches whose number in the run is a multiple of this, which must be at least 1.
    Batches(u64),
}

impl UpdateFreq {
    fn is_due(self, step: u64) -> bool {
        match self {
            Self::Epoch => false,
            Self::Batch => true,
            Self::Batches(n) => step.is_multiple_of(n),
        }
    }
}

/// The open files of a [`TensorBoard`].
#[derive(Debug, Default)]
pub struct LogFiles {
    /// In a cell, because events must be on disk before the checkpoint that counts on them.
    train: RefCell<Option<EventWriter>>,
    validation: RefCell<Option<EventWriter>>,
    seen: Seen,
    /// The first step that is written.
    start: u64,
    /// Whether the next batch is probed.
    probing: bool,
}

/// What a checkpoint stores of a [`TensorBoard`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    /// The norm of the last batch, which the model does not keep for its checkpoints.
    #[serde(with = "exact")]
    gradient_norm: f64,
}

impl TensorBoard {
    const NAME: &'static str = "TensorBoard";

    /// Creates a log with Keras's defaults: scalars with each epoch, no histograms.
    pub fn new(log_dir: impl Into<PathBuf>) -> Self {
        Self {
            log_dir: log_dir.into(),
            histogram_freq: 0,
            update_freq: UpdateFreq::Epoch,
            hparams: Vec::new(),
            flush_every: EventWriter::FLUSH_EVERY,
            files: LogFiles::default(),
        }
    }

    fn begin(&mut self, start: u64) -> Result<(), NnError> {
        if self.update_freq == UpdateFreq::Batches(0) {
            return Err(NnError::Setting {
                layer: Self::NAME.into(),
                setting: "update_freq",
                got: "Batches(0)".into(),
                expected: "Epoch, or at least 1 batch".into(),
            });
        }
        self.files = LogFiles { start, ..LogFiles::default() };
        // Opened before the first batch, so that a folder that cannot be written to fails early.
        self.train().map(drop)
    }

    fn train(&mut self) -> Result<&mut EventWriter, NnError> {
        open(&mut self.files.train, &self.log_dir.join("train"), self.flush_every, self.files.start)
    }

    fn validation(&mut self) -> Result<&mut EventWriter, NnError> {
        let folder = self.log_dir.join("validation");
        open(&mut self.files.validation, &folder, self.flush_every, self.files.start)
    }

    /// Writes the scalars of the last batch, if they are due.
    fn log_batch(&mut self, model: &Model) -> Result<(), NnError> {
        let step = model.steps_done();
        if !self.update_freq.is_due(step) {
            return Ok(());
        }
        let mut totals = model.totals();
        totals.push(("learning_rate".into(), model.learning_rate()));
        totals.push(("gradient_norm".into(), self.files.seen.gradient_norm));
        let train = self.train()?;
        totals
            .iter()
            .try_for_each(|(name, value)| train.scalar(&format!("batch_{name}"), step, *value))
            .map_err(passed_on)
    }

    fn log_epoch(&mut self, cx: &EpochContext<'_>) -> Result<(), NnError> {
        let (step, norm) = (cx.model.steps_done(), self.files.seen.gradient_norm);
        let log = |writer: &mut EventWriter, name: &str, value| {
            writer.scalar(&format!("epoch_{name}"), step, value).map_err(passed_on)
        };
        for (name, value) in cx.logs.iter() {
            match name.strip_prefix("val_") {
                Some(name) => log(self.validation()?, name, value)?,
                // As in Keras, the model's own value, even if something else reported one.
                None if name == "learning_rate" => {}
                None => log(self.train()?, name, value)?,
            }
        }
        log(self.train()?, "learning_rate", cx.model.learning_rate())?;
        log(self.train()?, "gradient_norm", norm)?;
        if self.has_histograms(cx.epoch) {
            log_parameters(self.train()?, step, cx.model).map_err(passed_on)?;
        }
        Ok(())
    }

    fn has_histograms(&self, epoch: usize) -> bool {
        self.histogram_freq > 0 && epoch.is_multiple_of(self.histogram_freq)
    }

    /// Writes the data for the HParams tab into `log_dir` itself.
    fn log_session(&self, log: impl FnOnce(&mut EventWriter) -> crate::Result<()>) -> Result<(), NnError> {
        if self.hparams.is_empty() {
            return Ok(());
        }
        let write = || {
            let mut writer = EventWriter::create(&self.log_dir)?;
            log(&mut writer)?;
            writer.flush()
        };
        write().map_err(passed_on)
    }

    fn each_open(&self, mut f: impl FnMut(&mut EventWriter) -> crate::Result<()>) -> Result<(), NnError> {
        let LogFiles { train, validation, .. } = &self.files;
        [train, validation]
            .into_iter()
            .try_for_each(|file| file.borrow_mut().as_mut().map_or(Ok(()), &mut f))
            .map_err(passed_on)
    }
}

/// Returns the writer of a folder, which is opened at its first write.
fn open<'a>(
    file: &'a mut RefCell<Option<EventWriter>>,
    folder: &Path,
    flush_every: Duration,
    start: u64,
) -> Result<&'a mut EventWriter, NnError> {
    let create = || {
        let mut writer = EventWriter::create(folder)?.flush_every(flush_every);
        writer.restart(start)?;
        Ok(writer)
    };
    let slot = file.get_mut();
    if slot.is_none() {
        *slot = Some(create().map_err(passed_on)?);
    }
    Ok(slot.as_mut().expect("it was made above"))
}

fn passed_on(error: Error) -> NnError {
    match error {
        Error::Model(error) => error,
        error => NnError::Other(Box::new(error)),
    }
}

impl Callback for TensorBoard {
    fn on_train_begin(&mut self, model: &mut Model) -> Result<(), NnError> {
        self.begin(model.steps_done() + 1)?;
        self.log_session(|writer| writer.hparams(&self.hparams, &[]))
    }

    fn on_epoch_begin(&mut self, epoch: usize, model: &mut Model) -> Result<(), NnError> {
        self.files.probing = self.has_histograms(epoch);
        if self.files.probing {
            model.set_gradient_probe(true);
        }
        Ok(())
    }

    fn on_batch_end(&mut self, cx: &mut BatchContext<'_>) -> Result<(), NnError> {
        self.files.seen.gradient_norm = cx.model.last_gradient_norm();
        if std::mem::take(&mut self.files.probing) {
            let (step, train) = (cx.model.steps_done(), self.train()?);
            log_gradients(train, step, cx.model).map_err(passed_on)?;
            log_recurrences(train, step, cx.model).map_err(passed_on)?;
        }
        self.log_batch(cx.model)
    }

    fn on_epoch_end(&mut self, cx: &mut EpochContext<'_>) -> Result<(), NnError> {
        self.log_epoch(cx)?;
        self.each_open(EventWriter::flush)
    }

    fn on_train_end(&mut self, _model: &mut Model) -> Result<(), NnError> {
        self.each_open(EventWriter::flush)?;
        self.files = LogFiles::default();
        self.log_session(|writer| writer.session_end(true))
    }

    fn checkpoint(&self) -> Result<Part, NnError> {
        self.each_open(EventWriter::sync)?;
        Part::of(&self.files.seen)
    }

    /// Continues in new files at the next step. Within an epoch, that is the last batch's step, and its scalars are
    /// written again, because the end of the epoch may be recorded at that step although it is yet to come. Other
    /// events of an epoch's first batch cannot be written again. An epoch of one batch may thus end twice, with the
    /// same numbers.
    fn resume(&mut self, part: Part, cx: &mut ResumeContext<'_>) -> Result<(), NnError> {
        let seen: Seen = part.parse(Self::NAME)?;
        let (done, again) = (cx.model.steps_done(), cx.done > 1);
        self.begin(if again { done } else { done + 1 })?;
        self.files.seen = seen;
        if again { self.log_batch(cx.model) } else { Ok(()) }
    }
}

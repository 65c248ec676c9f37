//! When and where a run's checkpoints are written, and the messages about them.

use crate::cli::CheckpointOptions;
use crate::error::{Failure, Result};
use crate::output::Output;
use crate::shell;
use refrain::checkpoint::{Checkpoint, CheckpointFolder, Every, LatestCheckpoint};
use refrain::shown::counted;
use refrain::task::Task;
use refrain::{Answer, ModelError, RunEvent};
use serde_json::json;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// The end of the default folder's name.
const SUFFIX: &str = ".checkpoint";
/// The longest file name that common file systems accept, in bytes.
const MAX_NAME: usize = 255;

/// The checkpoints of one run.
#[derive(Debug)]
pub(crate) struct Checkpoints<'a> {
    output: &'a Output,
    folder: CheckpointFolder,
    /// Whether checkpoints were asked for. Otherwise one is written only if the run is interrupted.
    wanted: bool,
    resumed: Option<Resumed>,
    /// The progress of the run.
    now: RunProgress,
    /// Whether its last epoch has ended.
    is_over: bool,
    /// The newest checkpoint that was written, and the progress of the run in it.
    safe: Option<(PathBuf, RunProgress)>,
    /// Why the last checkpoint could not be written.
    failed: Option<ModelError>,
}

/// The checkpoint that a run resumes from, and damaged ones that were skipped.
#[derive(Debug)]
struct Resumed {
    path: PathBuf,
    skipped: Vec<PathBuf>,
}

/// The progress of a run.
#[derive(Debug, Clone, Copy, Default)]
struct RunProgress {
    /// The current epoch, from 1.
    epoch: usize,
    /// Batches trained in the whole run.
    batches: u64,
}

impl RunProgress {
    fn in_words(self) -> String {
        format!("in epoch {}, after {} of the run", self.epoch, counted(self.batches as usize, "batch"))
    }
}

impl<'a> Checkpoints<'a> {
    /// Opens the checkpoints of a run that saves its model to `out`. With `--resume`, also returns the checkpoint to
    /// resume from, if there is one.
    pub(crate) fn open(
        options: &CheckpointOptions,
        out: &Path,
        output: &'a Output,
    ) -> Result<(Self, Option<Checkpoint>)> {
        let (wanted, every) = match &options.checkpoint {
            Some(_) => (true, options.checkpoint_every),
            None => (false, Every::Never),
        };
        let folder = CheckpointFolder::new(folder(options, out)).every(every).keep(options.checkpoint_keep);
        let mut checkpoints = Self {
            output,
            folder,
            wanted,
            resumed: None,
            now: RunProgress::default(),
            is_over: false,
            safe: None,
            failed: None,
        };
        let found = if options.resume { checkpoints.newest()? } else { None };
        if !options.resume {
            checkpoints.start_over()?;
        }
        if wanted && found.is_none() {
            checkpoints.keep_other_models()?;
        }
        if wanted {
            checkpoints.folder.open().map_err(|e| Failure::input(e.to_string()))?;
        }
        Ok((checkpoints, found))
    }

    fn name(&self) -> String {
        self.folder.path().display().to_string()
    }

    fn newest(&mut self) -> Result<Option<Checkpoint>> {
        let newest = self.folder.newest().map_err(|error| match error {
            ModelError::CheckpointFile { .. } => Failure::input(format!(
                "{error}; no older checkpoint can be read. To start from the beginning, leave out --resume and name \
                 another folder or --out"
            )),
            error => Failure::input(error.to_string()),
        })?;
        let LatestCheckpoint { checkpoint, skipped } = newest;
        for (_, error) in &skipped {
            self.output.warning(format_args!("{error}; skipping it"));
        }
        let skipped: Vec<_> = skipped.into_iter().map(|(path, _)| path).collect();
        let Some((path, checkpoint)) = checkpoint else {
            self.output.log(format_args!(
                "no checkpoint to resume from in {}; starting from the beginning",
                self.name()
            ));
            return Ok(None);
        };
        self.resumed = Some(Resumed { path, skipped });
        Ok(Some(checkpoint))
    }

    /// Keeps the checkpoints of an earlier run from being mistaken for this run's.
    fn start_over(&self) -> Result<()> {
        if !self.folder.has_checkpoints().map_err(|e| Failure::input(e.to_string()))? {
            return Ok(());
        }
        if self.wanted {
            return Err(Failure::input(format!(
                "{} contains checkpoints of an earlier run; add --resume to resume it, or name another folder",
                self.name()
            )));
        }
        self.output.log(format_args!(
            "{} contains a checkpoint of an interrupted run, which --resume would resume; starting from the beginning, and \
             replacing the model in it if interrupted",
            self.name()
        ));
        Ok(())
    }

    /// Refuses to overwrite another model where this run would save its own if interrupted.
    fn keep_other_models(&self) -> Result<()> {
        if !self.model().exists() {
            return Ok(());
        }
        Err(Failure::input(format!(
            "{} already exists, and this run would overwrite it if interrupted; move it, or name another folder with \
             --checkpoint",
            self.model().display()
        )))
    }

    /// Returns the failure for an error of training, if it is about the checkpoint that the run resumes from.
    pub(crate) fn about_resumed(&self, error: &refrain::Error) -> Option<Failure> {
        let Resumed { path, .. } = self.resumed.as_ref()?;
        let is_about = error.kind() == refrain::ErrorKind::Resume;
        is_about.then(|| Failure::input(format!("{}: {error}", path.display())))
    }

    /// Handles an event of a run of this many epochs.
    pub(crate) fn event<T: Task>(&mut self, event: &RunEvent<'_, T>, epochs: usize) -> Answer {
        match event {
            RunEvent::Start(start) => {
                self.started((start.epochs_done, epochs), start.batches_done);
                Answer::Continue
            }
            RunEvent::Batch(batch) => self.trained(batch.epoch, batch.batches_done),
            RunEvent::Epoch(epoch) => self.epoch_ended(epoch.is_last),
            RunEvent::Checkpoint(checkpoint) => self.write(checkpoint),
            _ => Answer::Continue,
        }
    }

    /// Handles the start of a run, or its resumption after this many epochs and batches.
    fn started(&mut self, (done, epochs): (usize, usize), batches: u64) {
        self.now = RunProgress { epoch: epochs.min(done + 1), batches };
        if let Some(Resumed { path, skipped }) = &self.resumed {
            let RunProgress { epoch, batches } = self.now;
            let skipped: Vec<_> = skipped.iter().map(|path| path.display().to_string()).collect();
            let event = json!({
                "path": path.display().to_string(),
                "epoch": epoch,
                "batches": batches,
                "skipped": skipped,
            });
            // If stdout fails, training continues, and the event `done` reports the error.
            let _ = self.output.event("resume", event);
            let place = if done == epochs { "at the end of the run".to_owned() } else { self.now.in_words() };
            self.output.log(format_args!("{:9} from {}: {place}", "resumed", path.display()));
            self.safe = Some((path.clone(), self.now));
        }
    }

    /// Handles the end of a batch.
    fn trained(&mut self, epoch: usize, batches: u64) -> Answer {
        self.now = RunProgress { epoch, batches };
        if self.folder.is_due(batches) { Answer::Checkpoint } else { Answer::Continue }
    }

    /// Handles the end of an epoch. After the last one, a resumed run has nothing left to train.
    fn epoch_ended(&mut self, is_last: bool) -> Answer {
        self.is_over = is_last;
        if self.wanted && is_last { Answer::Checkpoint } else { Answer::Continue }
    }

    /// Writes a checkpoint. If that fails, the run stops, since it would continue unsaved.
    fn write(&mut self, checkpoint: &Checkpoint) -> Answer {
        match self.folder.write(checkpoint) {
            Ok(path) => {
                let RunProgress { epoch, batches } = self.now;
                let event = json!({ "path": path.display().to_string(), "epoch": epoch, "batches": batches });
                let _ = self.output.event("checkpoint", event);
                self.output.detail(format_args!("checkpoint {}: {}", path.display(), self.now.in_words()));
                self.safe = Some((path, self.now));
                Answer::Continue
            }
            Err(error) if self.is_over => {
                self.output.warning(format_args!("{error}; the run is complete anyway"));
                Answer::Continue
            }
            Err(error) => {
                self.failed = Some(error);
                Answer::Stop
            }
        }
    }

    /// Writes the checkpoint of a run that was stopped, unless it stopped because none can be written.
    pub(crate) fn write_last(&mut self, checkpoint: &Checkpoint) {
        if self.failed.is_some() {
            return;
        }
        let _ = self.write(checkpoint);
        // Keep only the newest checkpoint of an interrupted run: an older one would outlast the run.
        if let (None, Some(resumed), Some((newest, _))) = (&self.failed, &self.resumed, &self.safe)
            && resumed.path != *newest
        {
            let _ = fs::remove_file(&resumed.path);
        }
    }

    /// Returns the path for the model of an interrupted run.
    pub(crate) fn model(&self) -> PathBuf {
        self.folder.path().join("model.safetensors")
    }

    /// Returns the newest checkpoint that was written and still exists.
    pub(crate) fn safe(&self) -> Option<&Path> {
        self.still_there().map(|(path, _)| &**path)
    }

    /// Returns the newest checkpoint that was written, unless it has been removed since.
    fn still_there(&self) -> Option<&(PathBuf, RunProgress)> {
        self.safe.as_ref().filter(|(path, _)| path.is_file())
    }

    /// Returns the failure if a checkpoint could not be written.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let error = self.failed.as_ref()?;
        Some(Failure::Work(format!(
            "{error}. The run stopped {}; {}",
            self.now.in_words(),
            self.what_is_safe()
        )))
    }

    /// Describes the checkpoint that is left after a failure.
    fn what_is_safe(&self) -> String {
        match self.still_there() {
            None => "it has no checkpoint to resume from".to_owned(),
            Some((path, place)) => format!(
                "{} is safe: {}. Once the problem is fixed, resume with:\n  {}",
                path.display(),
                place.in_words(),
                shell::this_command_with("--resume")
            ),
        }
    }

    /// Removes what an earlier interruption left, once the run is done and its model saved.
    pub(crate) fn done(self) {
        if self.wanted || self.resumed.is_none() {
            return;
        }
        let _ = fs::remove_file(self.model());
        self.folder.clear();
    }
}

/// Returns the folder for the checkpoints of a run that saves its model to `out`.
pub(super) fn folder(options: &CheckpointOptions, out: &Path) -> PathBuf {
    options.checkpoint.clone().unwrap_or_else(|| {
        let mut name = OsString::from(out.file_name().unwrap_or_default());
        if name.len() + SUFFIX.len() > MAX_NAME {
            let mut short = name.to_string_lossy().into_owned();
            short.truncate(short.floor_char_boundary(MAX_NAME - SUFFIX.len()));
            name = short.into();
        }
        name.push(SUFFIX);
        out.with_file_name(name)
    })
}

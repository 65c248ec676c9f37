//! A folder that holds the latest checkpoints of a run.

use super::Checkpoint;
use crate::error::Error;
use crate::storage::{folder_of, sync_folder};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// When a checkpoint is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// After this many batches.
    Batches(u64),
    /// When this much time has passed since the last one.
    Time(Duration),
    /// Only when the run stops.
    Never,
}

impl Default for Every {
    /// Returns ten minutes.
    fn default() -> Self {
        Every::Time(Duration::from_secs(600))
    }
}

/// The latest checkpoints of one run, stored in a folder as `checkpoint-000001.safetensors` and so on.
///
/// Each checkpoint is written to a temporary file, synced and renamed, and the folder is synced, before older
/// ones are removed. A complete checkpoint therefore exists at any moment, even if the machine loses power. A
/// lock keeps other runs out from the first call of [`CheckpointFolder::newest`], `write` or `open`; it is
/// released when the process ends.
#[derive(Debug)]
pub struct CheckpointFolder {
    path: PathBuf,
    every: Every,
    keep: usize,
    since: Instant,
    /// The checkpoints that this run wrote or took over when it resumed, in order.
    numbers: Vec<u64>,
    next: u64,
    lock: Option<File>,
    /// Whether this run created the folder.
    made: bool,
}

/// The checkpoint to resume from.
#[derive(Debug)]
pub struct LatestCheckpoint {
    /// The newest complete checkpoint and its file.
    pub checkpoint: Option<(PathBuf, Checkpoint)>,
    /// Each newer file that cannot be read, with the reason.
    pub skipped: Vec<(PathBuf, Error)>,
}

const LOCK: &str = ".refrain-lock";
/// An upper limit that no run reaches.
const MAX_NUMBER: u64 = 1 << 53;
const PREFIX: &str = "checkpoint-";
const SUFFIX: &str = ".safetensors";

impl CheckpointFolder {
    /// Creates a checkpoint folder at `path`; the folder itself is created when needed. By default a
    /// checkpoint is due every ten minutes, and two are kept.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            every: Every::default(),
            keep: 2,
            since: Instant::now(),
            numbers: Vec::new(),
            next: 1,
            lock: None,
            made: false,
        }
    }

    /// Sets when a checkpoint is due.
    pub fn every(mut self, every: Every) -> Self {
        self.every = every;
        self
    }

    /// Sets how many checkpoints are kept; at least one always is.
    pub fn keep(mut self, keep: usize) -> Self {
        self.keep = keep.max(1);
        self
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether a checkpoint is due after this many batches of the run.
    pub fn is_due(&self, batches: u64) -> bool {
        match self.every {
            Every::Batches(n) => batches.is_multiple_of(n.max(1)),
            Every::Time(time) => self.since.elapsed() >= time,
            Every::Never => false,
        }
    }

    /// Returns whether the folder has a checkpoint, complete or not. Nothing is locked or changed.
    ///
    /// # Errors
    /// Returns an error if the folder exists and cannot be read.
    pub fn has_checkpoints(&self) -> Result<bool, Error> {
        Ok(!self.list()?.is_empty())
    }

    /// Removes the checkpoints that this run wrote or took over, its lock, and the folder if it is then
    /// empty. Call it when the run is done.
    pub fn clear(mut self) {
        for number in std::mem::take(&mut self.numbers) {
            let _ = fs::remove_file(self.file(number));
        }
        self.made = true;
    }

    /// Returns the file that was last written or resumed from.
    pub fn last(&self) -> Option<PathBuf> {
        self.numbers.last().map(|&number| self.file(number))
    }

    /// Finds the newest complete checkpoint to resume from. New checkpoints then replace it and the older
    /// ones; with [`Every::Never`] they replace only it. Files that cannot be read as a checkpoint are
    /// skipped and kept.
    ///
    /// # Errors
    /// Returns an error if the folder or a file in it cannot be read, if there are checkpoints but none is
    /// complete, or if another run has locked the folder.
    pub fn newest(&mut self) -> Result<LatestCheckpoint, Error> {
        let mut newest = LatestCheckpoint { checkpoint: None, skipped: Vec::new() };
        if !self.path.is_dir() {
            return Ok(newest);
        }
        self.open()?;
        let mut numbers = self.list()?;
        while let Some(number) = numbers.pop() {
            let file = self.file(number);
            match Checkpoint::read(&file) {
                Ok(checkpoint) => {
                    newest.checkpoint = Some((file, checkpoint));
                    // A run without regular checkpoints does not take over older ones, which may belong to
                    // other runs.
                    let older = if self.every == Every::Never { Vec::new() } else { numbers };
                    self.numbers = older.into_iter().chain([number]).collect();
                    break;
                }
                Err(error @ Error::CheckpointFile { .. }) => newest.skipped.push((file, error)),
                // A file that cannot be read now may be readable later.
                Err(error) => return Err(error),
            }
        }
        self.since = Instant::now();
        match newest.skipped.first() {
            // A run starts from the beginning only if the user asks for it.
            Some(_) if newest.checkpoint.is_none() => Err(newest.skipped.swap_remove(0).1),
            _ => Ok(newest),
        }
    }

    /// Writes a checkpoint and removes the oldest ones beyond the limit.
    ///
    /// # Errors
    /// Returns an error if the checkpoint cannot be written, in which case the others are unchanged, or if
    /// another run has locked the folder.
    pub fn write(&mut self, checkpoint: &Checkpoint) -> Result<PathBuf, Error> {
        self.open()?;
        let number = self.next;
        let file = self.file(number);
        checkpoint.write(&file)?;
        self.next += 1;
        self.numbers.push(number);
        while self.numbers.len() > self.keep {
            let old = self.numbers.remove(0);
            // A leftover checkpoint is not worth failing a run for.
            let _ = fs::remove_file(self.file(old));
        }
        self.since = Instant::now();
        Ok(file)
    }

    fn file(&self, number: u64) -> PathBuf {
        self.path.join(format!("{PREFIX}{number:06}{SUFFIX}"))
    }

    fn failed(&self, action: &'static str, source: io::Error) -> Error {
        Error::Io { action, path: self.path.display().to_string(), source }
    }

    /// Returns the numbers of the existing checkpoints, in order.
    pub(super) fn list(&self) -> Result<Vec<u64>, Error> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(self.failed("cannot read the folder", e)),
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let name = entry.map_err(|e| self.failed("cannot read the folder", e))?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
            // Only names in this type's own form, so that a number identifies one file.
            let digits = number.filter(|n| n.len() >= 6 && n.bytes().all(|b| b.is_ascii_digit()));
            numbers.extend(
                digits
                    .and_then(|n| n.parse().ok())
                    .filter(|n| *n < MAX_NUMBER && self.file(*n).ends_with(&name)),
            );
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Creates the folder if necessary, locks it against other runs, and removes files left by a run that was
    /// killed while writing. The other methods do this when needed. Call it to detect errors before training
    /// starts.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be created or written to, or if another run has locked it.
    pub fn open(&mut self) -> Result<(), Error> {
        if self.lock.is_some() {
            return Ok(());
        }
        self.made = !self.path.exists();
        fs::create_dir_all(&self.path).map_err(|e| self.failed("cannot create the folder", e))?;
        if self.made {
            sync_folder(folder_of(&self.path)).map_err(|e| self.failed("cannot create the folder", e))?;
        }
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(self.path.join(LOCK));
        let lock = lock.map_err(|e| self.failed("cannot write to the folder", e))?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let source =
                    io::Error::other("another run is using it; wait until it ends, or use another folder");
                return Err(self.failed("cannot use the folder", source));
            }
            // Training still works on a file system without locks.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        self.lock = Some(lock);
        self.next = self.list()?.last().map_or(1, |last| last + 1);
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.to_str().is_some_and(|n| n.starts_with(&format!(".{PREFIX}")) && n.ends_with(".tmp")) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

impl Drop for CheckpointFolder {
    /// Removes the folder if it was created for this run and nothing was written to it.
    fn drop(&mut self) {
        if self.made && self.numbers.is_empty() && self.lock.is_some() {
            let _ = fs::remove_file(self.path.join(LOCK));
            let _ = fs::remove_dir(&self.path);
        }
    }
}

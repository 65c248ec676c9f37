//! The last checkpoints of a run, in a folder.

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
    /// when this much time has passed since the last one.
    Time(Duration),
    /// Only when the run stops.
    Never,
}

impl Default for Every {
    /// Ten minutes.
    fn default() -> Self {
        Every::Time(Duration::from_secs(600))
    }
}

/// The last checkpoints of one run, as `checkpoint-000001.safetensors` and so on in a folder.
///
/// Each is written to a temporary file, synced and renamed, and the folder synced, before older ones go: at any
/// moment, also one at which the machine loses its power, the newest complete one is there. From the first look for
/// a checkpoint or the first write on, a lock keeps other runs out; it ends with the process, however that ends.
#[derive(Debug)]
pub struct CheckpointFolder {
    path: PathBuf,
    every: Every,
    keep: usize,
    since: Instant,
    /// Of those that this run wrote or owns since it went on from the last of them, in order.
    numbers: Vec<u64>,
    next: u64,
    lock: Option<File>,
    /// Whether there was no folder before.
    made: bool,
}

/// What a folder has to resume from.
#[derive(Debug)]
pub struct Newest {
    /// The newest complete checkpoint with its file.
    pub checkpoint: Option<(PathBuf, Checkpoint)>,
    /// Each newer one, and why it cannot be read.
    pub skipped: Vec<(PathBuf, Error)>,
}

const LOCK: &str = ".refrain-lock";
/// Numbers that no run comes to.
const MOST: u64 = 1 << 53;
const PREFIX: &str = "checkpoint-";
const SUFFIX: &str = ".safetensors";

impl CheckpointFolder {
    /// A folder, which is made when it is needed. A checkpoint is due every ten minutes, and two are kept.
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

    /// Sets how many are kept; at least one is.
    pub fn keep(mut self, keep: usize) -> Self {
        self.keep = keep.max(1);
        self
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether one is due after this many batches of the run.
    pub fn is_due(&self, batches: u64) -> bool {
        match self.every {
            Every::Batches(n) => batches.is_multiple_of(n.max(1)),
            Every::Time(time) => self.since.elapsed() >= time,
            Every::Never => false,
        }
    }

    /// Whether there is a checkpoint, complete or not. Nothing is locked or changed.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub fn has_checkpoints(&self) -> Result<bool, Error> {
        Ok(!self.list()?.is_empty())
    }

    /// Removes the checkpoints that this run wrote or owns, its lock, and the folder if nothing else is in it: for a run
    /// that is done.
    pub fn clear(mut self) {
        for number in std::mem::take(&mut self.numbers) {
            let _ = fs::remove_file(self.file(number));
        }
        self.made = true;
    }

    /// The file that was written or resumed from last.
    pub fn last(&self) -> Option<PathBuf> {
        self.numbers.last().map(|&number| self.file(number))
    }

    /// Finds the newest complete checkpoint, to resume from it: what is written from now on takes its place and those of
    /// the ones before it. With [`Every::Never`] only its own. What cannot be read as a checkpoint is skipped, and stays.
    ///
    /// # Errors
    /// When the folder or a file in it cannot be read, there are checkpoints and none is complete, or another run has
    /// locked the folder.
    pub fn newest(&mut self) -> Result<Newest, Error> {
        let mut newest = Newest { checkpoint: None, skipped: Vec::new() };
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
                    // Without a wish for checkpoints as it goes, a run does not own what other runs may have left.
                    let older = if self.every == Every::Never { Vec::new() } else { numbers };
                    self.numbers = older.into_iter().chain([number]).collect();
                    break;
                }
                Err(error @ Error::CheckpointFile { .. }) => newest.skipped.push((file, error)),
                // One that cannot be read now may be read later.
                Err(error) => return Err(error),
            }
        }
        self.since = Instant::now();
        match newest.skipped.first() {
            // A run begins anew only if that is asked for.
            Some(_) if newest.checkpoint.is_none() => Err(newest.skipped.swap_remove(0).1),
            _ => Ok(newest),
        }
    }

    /// Writes a checkpoint and removes those that are too many.
    ///
    /// # Errors
    /// When it cannot be written, the others are then as they were; or another run has locked the folder.
    pub fn write(&mut self, checkpoint: &Checkpoint) -> Result<PathBuf, Error> {
        self.open()?;
        let number = self.next;
        let file = self.file(number);
        checkpoint.write(&file)?;
        self.next += 1;
        self.numbers.push(number);
        while self.numbers.len() > self.keep {
            let old = self.numbers.remove(0);
            // One that is in nobody's way is not worth a run.
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

    /// The numbers of the checkpoints that are there, in order.
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
            // Only names that this type gives, so that a number names one file.
            let digits = number.filter(|n| n.len() >= 6 && n.bytes().all(|b| b.is_ascii_digit()));
            numbers.extend(
                digits.and_then(|n| n.parse().ok()).filter(|n| *n < MOST && self.file(*n).ends_with(&name)),
            );
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Makes the folder, once, keeps other runs out of it, and clears away what a run left that was killed while it
    /// wrote. The other methods do so when they need it; here is where it can fail before the work.
    ///
    /// # Errors
    /// When the folder cannot be made or written into, or another run has locked it.
    pub fn open(&mut self) -> Result<(), Error> {
        if self.lock.is_some() {
            return Ok(());
        }
        self.made = !self.path.exists();
        fs::create_dir_all(&self.path).map_err(|e| self.failed("cannot make the folder", e))?;
        if self.made {
            sync_folder(folder_of(&self.path)).map_err(|e| self.failed("cannot make the folder", e))?;
        }
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(self.path.join(LOCK));
        let lock = lock.map_err(|e| self.failed("cannot write into the folder", e))?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let source = io::Error::other(
                    "another run keeps its checkpoints there; wait for it, or name another folder",
                );
                return Err(self.failed("cannot use the folder", source));
            }
            // A file system without locks is no reason not to train.
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
    /// A folder that nothing was written into goes, if it was made for that.
    fn drop(&mut self) {
        if self.made && self.numbers.is_empty() && self.lock.is_some() {
            let _ = fs::remove_file(self.path.join(LOCK));
            let _ = fs::remove_dir(&self.path);
        }
    }
}

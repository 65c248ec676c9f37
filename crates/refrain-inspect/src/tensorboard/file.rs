//! The files in a folder of events: their names, and how records are written to them.

use super::record::frame;
use crate::error::{Error, Result};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The prefix of every name; TensorBoard looks for `tfevents`.
const PREFIX: &str = "events.out.tfevents.";

/// The maximum number of bytes that are buffered before they are written.
const BUFFER: usize = 1 << 16;

/// Distinguishes the files of one process.
static FILES: AtomicU64 = AtomicU64::new(0);

/// An open file of records. Only whole records are written to disk.
#[derive(Debug)]
pub(super) struct EventFile {
    pub(super) path: PathBuf,
    file: File,
    /// Buffered whole records.
    buffer: Vec<u8>,
    /// Bytes of the whole records in the file.
    written: u64,
    flushed: Instant,
    pub(super) flush_every: Duration,
}

impl EventFile {
    /// Creates a new file in a folder, which is created if it is missing.
    pub(super) fn create(folder: &Path, flush_every: Duration) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|e| io_error("cannot create the folder", folder, e))?;
        let seconds = begins_at(folder).map_err(|e| io_error("cannot read the folder", folder, e))?;
        loop {
            let path = folder.join(name(seconds));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Self::new(path, file, flush_every)),
                // Another process with the same number, on another machine with the same name.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(io_error("cannot write", &path, e)),
            }
        }
    }

    pub(super) fn new(path: PathBuf, file: File, flush_every: Duration) -> Self {
        Self { path, file, buffer: Vec::new(), written: 0, flushed: Instant::now(), flush_every }
    }

    /// Adds a record. It is written to disk when enough records are buffered or the last write was long enough ago.
    pub(super) fn add(&mut self, data: &[u8]) -> Result<()> {
        frame(data, &mut self.buffer);
        if self.buffer.len() >= BUFFER || self.flushed.elapsed() >= self.flush_every {
            self.flush()?;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        self.flushed = Instant::now();
        let result = self.file.write_all(&self.buffer);
        match &result {
            Ok(()) => self.written += self.buffer.len() as u64,
            // TensorBoard reads nothing after a truncated record. This may fail too; the first error is returned.
            Err(_) => {
                let _ = self
                    .file
                    .set_len(self.written)
                    .and_then(|()| self.file.seek(SeekFrom::Start(self.written)));
            }
        }
        self.buffer.clear();
        result.map_err(|e| io_error("cannot write", &self.path, e))
    }

    /// Flushes, and waits until the data is on disk.
    pub(super) fn sync(&mut self) -> Result<()> {
        self.flush()?;
        self.file.sync_data().map_err(|e| io_error("cannot write", &self.path, e))
    }
}

impl Drop for EventFile {
    fn drop(&mut self) {
        // Callers that want the error flush explicitly.
        let _ = self.flush();
    }
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> Error {
    refrain_nn::Error::Io { action, path: path.display().to_string(), source }.into()
}

/// Returns the seconds since 1970.
pub(super) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Returns the number at the beginning of a new file's name: the time in seconds, but larger than that of every
/// existing file. TensorBoard reads a folder's files one after the other in name order.
fn begins_at(folder: &Path) -> io::Result<u64> {
    /// Ten digits; names with more would sort before.
    const LAST: u64 = 9_999_999_999;
    let mut seconds = now().as_secs();
    for entry in std::fs::read_dir(folder)? {
        if let Some(other) = seconds_of(&entry?.file_name()).filter(|&other| other < LAST) {
            seconds = seconds.max(other + 1);
        }
    }
    Ok(seconds)
}

fn seconds_of(name: &OsStr) -> Option<u64> {
    name.to_str()?.strip_prefix(PREFIX)?.split('.').next()?.parse().ok()
}

/// Returns `events.out.tfevents.<seconds>.<host>.<process>.<number>.v2`, the name that TensorFlow 2 would use.
fn name(seconds: u64) -> String {
    let host = hostname::get().unwrap_or_default().to_string_lossy().into_owned();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let host: String = host.chars().map(plain).collect();
    let (process, number) = (std::process::id(), FILES.fetch_add(1, Ordering::Relaxed));
    format!("{PREFIX}{seconds:010}.{host}.{process}.{number}.v2")
}

#[cfg(test)]
mod tests {
    use super::super::record::unframe;
    use super::*;

    const NEVER: Duration = Duration::MAX;

    #[test]
    fn file_names_sort_by_creation() {
        let folder = tempfile::tempdir().unwrap();
        // From a clock that was ahead, without a time, and other names.
        let ahead = now().as_secs() + 1000;
        for name in [
            format!("{PREFIX}{ahead}.host"),
            format!("{PREFIX}99999999999.x"),
            format!("{PREFIX}x"),
            "y".into(),
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let make = || EventFile::create(folder.path(), NEVER).unwrap().path.clone();
        let made: Vec<_> = (0..12).map(|_| make()).collect();
        assert!(made.is_sorted_by(|a, b| a < b), "{made:?}");
        assert!(made.iter().all(|path| seconds_of(path.file_name().unwrap()) > Some(ahead)), "{made:?}");
        assert!(made[0].to_str().unwrap().ends_with(".v2"));
    }

    #[test]
    fn files_created_at_once_have_different_names() {
        let folder = tempfile::tempdir().unwrap();
        let make = || EventFile::create(folder.path(), NEVER).unwrap().path.clone();
        let mut made: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| [make(), make()])).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        made.sort();
        made.dedup();
        assert_eq!(made.len(), 16);
    }

    #[test]
    fn records_are_flushed_when_due() {
        let folder = tempfile::tempdir().unwrap();
        let on_disk = |file: &EventFile| unframe(&std::fs::read(&file.path).unwrap()).unwrap().len();
        let mut patient = EventFile::create(folder.path(), NEVER).unwrap();
        patient.add(b"one").unwrap();
        assert_eq!(on_disk(&patient), 0);
        patient.flush().unwrap();
        assert_eq!(on_disk(&patient), 1);
        patient.add(&[7; BUFFER]).unwrap();
        assert_eq!(on_disk(&patient), 2);
        patient.add(b"three").unwrap();
        let path = patient.path.clone();
        drop(patient);
        assert_eq!(unframe(&std::fs::read(path).unwrap()).unwrap().len(), 3);
        let mut hasty = EventFile::create(folder.path(), Duration::ZERO).unwrap();
        hasty.add(b"one").unwrap();
        assert_eq!(on_disk(&hasty), 1);
    }

    #[test]
    fn errors_name_the_file_that_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for taken in [&file, &file.join("below")] {
            let error = EventFile::create(taken, NEVER).unwrap_err().to_string();
            assert!(
                error.starts_with("cannot create the folder") && error.contains(taken.to_str().unwrap()),
                "{error}"
            );
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_each_time() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut file = EventFile::new("logs/events".into(), full, NEVER);
        for _ in 0..2 {
            file.add(b"one").unwrap();
            let error = file.flush().unwrap_err().to_string();
            assert!(error.starts_with("cannot write logs/events: "), "{error}");
        }
        assert!(file.add(&[0; BUFFER]).is_err());
    }
}

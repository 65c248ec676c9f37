//! Sources of a corpus's bytes.

use crate::error::{Error, Result};
use crate::position::read_at;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// The source of a part's bytes.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// In memory.
    Text { name: Arc<str>, bytes: Arc<[u8]> },
    /// In a file that is opened for each pass, so that a thousand files do not need a thousand handles.
    Named(Arc<NamedFile>),
    /// In an unnamed temporary file.
    Spooled { name: Arc<str>, file: Arc<File> },
}

#[derive(Debug)]
pub(super) struct NamedFile {
    path: PathBuf,
    seen: (u64, Option<SystemTime>),
}

/// A source opened for reading.
#[derive(Debug)]
pub(super) enum Opened<'a> {
    Memory(&'a [u8]),
    Handle(&'a File),
    File(File),
}

fn version(found: &Metadata) -> (u64, Option<SystemTime>) {
    (found.len(), found.modified().ok())
}

impl Source {
    /// Returns a file in its current state, and its length.
    pub(super) fn named(path: &Path) -> Result<(Self, u64)> {
        let found = path.metadata().map_err(|source| Error::read(path.display(), source))?;
        let seen = version(&found);
        Ok((Source::Named(Arc::new(NamedFile { path: path.to_owned(), seen })), seen.0))
    }

    /// Returns its name for messages.
    pub(super) fn name(&self) -> String {
        match self {
            Source::Text { name, .. } | Source::Spooled { name, .. } => name.to_string(),
            Source::Named(file) => file.path.display().to_string(),
        }
    }

    /// # Errors
    /// If a file cannot be opened or has changed.
    pub(super) fn open(&self) -> Result<Opened<'_>> {
        Ok(match self {
            Source::Text { bytes, .. } => Opened::Memory(bytes),
            Source::Spooled { file, .. } => Opened::Handle(file),
            Source::Named(named) => {
                let file = File::open(&named.path).map_err(|e| self.failed(e))?;
                let found = file.metadata().map_err(|e| self.failed(e))?;
                if version(&found) != named.seen {
                    return Err(Error::Changed { name: self.name() });
                }
                Opened::File(file)
            }
        })
    }

    pub(super) fn failed(&self, source: io::Error) -> Error {
        Error::read(self.name(), source)
    }
}

impl Opened<'_> {
    /// Appends the `len` bytes at `at`.
    pub(super) fn append(&self, at: u64, len: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
        let file = match self {
            Opened::Memory(bytes) => {
                let at = usize::try_from(at).map_err(io::Error::other)?;
                let found = bytes.get(at..at + len).ok_or(io::ErrorKind::UnexpectedEof)?;
                buffer.extend_from_slice(found);
                return Ok(());
            }
            Opened::Handle(file) => file,
            Opened::File(file) => file,
        };
        let start = buffer.len();
        buffer.resize(start + len, 0);
        read_at(file, at, &mut buffer[start..])
    }
}

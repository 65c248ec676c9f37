//! Checkpoints: all that a run resumes from after it was stopped, wherever that was, as a value and as a file.
//!
//! [`Model::fit`](crate::Model::fit) writes them where [`Fit::checkpoints`](crate::Fit) says, and resumes from
//! [`Fit::resume`](crate::Fit). What Keras's `BackupAndRestore` does for whole epochs, this does for any batch: the
//! weights, the history and what callbacks have seen are then those of a run that was never stopped, to the last bit.
//!
//! ```
//! use refrain_nn::checkpoint::{CheckpointFolder, Every};
//! use refrain_nn::layers::{Dense, SimpleRnn};
//! use refrain_nn::{Compile, Error, Fit, InputSpec, Sequential, loss::Loss};
//! # use ndarray::{Array2, Array3};
//!
//! # let (x, y) = (Array3::<f32>::ones((64, 5, 1)), Array2::<f32>::zeros((64, 1)));
//! # let folder = std::env::temp_dir().join(format!("refrain-doc-checkpoint-{}", std::process::id()));
//! // Run it, stop it, run it again: it goes on.
//! let mut run = || -> Result<_, Error> {
//!     let model = Sequential::new().input(InputSpec::features(1)).add(SimpleRnn::new(8)).add(Dense::new(1));
//!     let mut model = model.compile(Compile { loss: Loss::MeanSquaredError, ..Default::default() })?;
//!     let mut checkpoints = CheckpointFolder::new(&folder).every(Every::Batches(10));
//!     let resume = checkpoints.newest()?.checkpoint.map(|(_file, checkpoint)| checkpoint);
//!     let fit = Fit { epochs: 3, checkpoints: Some(&mut checkpoints), resume, ..Default::default() };
//!     model.fit(&x, &y, fit)
//! };
//! assert_eq!(run()?, run()?);
//! # std::fs::remove_dir_all(folder).unwrap();
//! # Ok::<(), Error>(())
//! ```
//!
//! A [`Checkpoint`] has [`Part`]s by name: what the model has come to in training, what its recurrent layers carry,
//! where the data stand, what callbacks have seen. [`CheckpointFolder`] keeps the last few of a run.
//!
//! The file is a safetensors file: tensors as `part/name`, and in the metadata
//!
//! | key | holds |
//! |---|---|
//! | `refrain.checkpoint` | what kind of run it is of, and the values of its parts, JSON |
//! | `refrain.format` | the version of this layout, a whole number |
//! | `refrain.digest` | SHA-256 of the whole file, with these 64 digits as zeros |
//!
//! Nothing of time, place or machine is in it but the seconds that training took. Files are read as if a stranger
//! sent them; one that is cut or altered in any byte is an error.

mod checkpoints;
mod file;
mod folder;
#[cfg(test)]
mod tests;

pub use crate::exact;
pub use crate::part::Part;
pub use checkpoints::Checkpoints;
pub use folder::{CheckpointFolder, Every, Newest};

use crate::error::Error;
use crate::storage::{printable, write_atomically};
use std::collections::BTreeMap;
use std::path::Path;

/// All that a run resumes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    kind: String,
    parts: BTreeMap<String, Part>,
}

impl Checkpoint {
    /// Of a kind of run, without parts.
    pub fn new(kind: &str) -> Self {
        Self { kind: kind.to_owned(), parts: BTreeMap::new() }
    }

    /// What kind of run it is of: `fit`, `text` and so on.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The same parts as of another kind of run: one that trains as the first kind does, and adds parts of its own.
    pub fn with_kind(self, kind: &str) -> Self {
        Self { kind: kind.to_owned(), ..self }
    }

    /// An error where it is of another kind of run.
    ///
    /// # Errors
    /// Then.
    pub fn expect_kind(&self, kind: &str) -> Result<(), Error> {
        if self.kind == kind {
            return Ok(());
        }
        Err(Error::checkpoint("kind of run", format!("`{}`", printable(&self.kind)), format!("`{kind}`")))
    }

    /// Adds a part, in place of one that has the name.
    pub fn insert(&mut self, name: impl Into<String>, part: Part) {
        self.parts.insert(name.into(), part);
    }

    /// The part of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn part(&self, name: &str) -> Result<&Part, Error> {
        self.parts.get(name).ok_or_else(|| missing(name))
    }

    /// Takes a part out.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn take(&mut self, name: &str) -> Result<Part, Error> {
        self.parts.remove(name).ok_or_else(|| missing(name))
    }

    /// Writes it to a file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written, or could not be read again; an existing file is then as it was.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let header = file::Header::of(self)?;
        write_atomically(path.as_ref(), |out| header.write(self, out))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is damaged or cut off, or is no checkpoint that this version knows.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let name = || path.display().to_string();
        let bytes = std::fs::read(path).map_err(|source| Error::Io {
            action: "cannot read",
            path: name(),
            source,
        })?;
        Self::from_bytes(&bytes)
            .map_err(|reason| Error::CheckpointFile { path: name(), reason: printable(&reason) })
    }

    /// Reads the bytes of a file. The reason, where they are not a checkpoint.
    ///
    /// # Errors
    /// As for [`Checkpoint::read`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        file::read(bytes)
    }
}

fn missing(name: &str) -> Error {
    Error::checkpoint(format!("part `{name}`"), "missing", "what such a run saves there")
}

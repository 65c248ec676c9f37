//! Checkpoints: everything a run needs to resume after it was stopped, as a value and as a file.
//!
//! [`Model::fit`](crate::Model::fit) writes them to [`Fit::checkpoints`](crate::Fit) and resumes from
//! [`Fit::resume`](crate::Fit). Keras's `BackupAndRestore` resumes at whole epochs, this at any batch. The
//! weights, the history and the state of callbacks are then the same, to the last bit, as those of a run that
//! was never stopped.
//!
//! ```
//! use refrain_nn::checkpoint::{CheckpointFolder, Every};
//! use refrain_nn::layers::{Dense, SimpleRnn};
//! use refrain_nn::{Compile, Error, Fit, InputSpec, Sequential, loss::Loss};
//! # use ndarray::{Array2, Array3};
//!
//! # let (x, y) = (Array3::<f32>::ones((64, 5, 1)), Array2::<f32>::zeros((64, 1)));
//! # let folder = std::env::temp_dir().join(format!("refrain-doc-checkpoint-{}", std::process::id()));
//! // Run it, stop it, run it again: it resumes.
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
//! A [`Checkpoint`] consists of named [`Part`]s: the training state of the model, the carried state of its
//! recurrent layers, the position in the data, the state of callbacks. [`CheckpointFolder`] keeps the latest
//! few of a run.
//!
//! The file is a safetensors file. Tensors are named `part/name`, and the metadata has these keys:
//!
//! | key | holds |
//! |---|---|
//! | `refrain.checkpoint` | the kind of run and the values of its parts, JSON |
//! | `refrain.format` | the version of this layout, a whole number |
//! | `refrain.digest` | SHA-256 of the whole file, with these 64 digits as zeros |
//!
//! The only measured value in it is the number of seconds that training took; nothing else depends on the
//! time, the path or the machine. Files are read as untrusted input; a file with any byte cut off or changed
//! is an error.

mod checkpoints;
mod file;
mod folder;
#[cfg(test)]
mod tests;

pub use crate::exact;
pub use crate::part::Part;
pub use checkpoints::Checkpoints;
pub use folder::{CheckpointFolder, Every, LatestCheckpoint};

use crate::error::Error;
use crate::storage::{printable, write_atomically};
use std::collections::BTreeMap;
use std::path::Path;

/// Everything a run needs to resume.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    kind: String,
    parts: BTreeMap<String, Part>,
}

impl Checkpoint {
    /// Creates a checkpoint without parts for a kind of run.
    pub fn new(kind: &str) -> Self {
        Self { kind: kind.to_owned(), parts: BTreeMap::new() }
    }

    /// Returns the kind of run: `fit`, `text` and so on.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns the same parts as a checkpoint of another kind of run, one that trains as the first kind does
    /// and adds its own parts.
    pub fn with_kind(self, kind: &str) -> Self {
        Self { kind: kind.to_owned(), ..self }
    }

    /// Checks that the checkpoint belongs to this kind of run.
    ///
    /// # Errors
    /// Returns an error if it belongs to another kind.
    pub fn expect_kind(&self, kind: &str) -> Result<(), Error> {
        if self.kind == kind {
            return Ok(());
        }
        Err(Error::checkpoint("kind of run", format!("`{}`", printable(&self.kind)), format!("`{kind}`")))
    }

    /// Adds a part, replacing one with the same name.
    pub fn insert(&mut self, name: impl Into<String>, part: Part) {
        self.parts.insert(name.into(), part);
    }

    /// Returns the part with this name.
    ///
    /// # Errors
    /// Returns an error if there is none.
    pub fn part(&self, name: &str) -> Result<&Part, Error> {
        self.parts.get(name).ok_or_else(|| missing(name))
    }

    /// Removes and returns a part.
    ///
    /// # Errors
    /// Returns an error if there is no part with this name.
    pub fn take(&mut self, name: &str) -> Result<Part, Error> {
        self.parts.remove(name).ok_or_else(|| missing(name))
    }

    /// Writes the checkpoint to a file atomically.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written or could not be read again; an existing file is then
    /// unchanged.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let header = file::Header::of(self)?;
        write_atomically(path.as_ref(), |out| header.write(self, out))
    }

    /// Reads a checkpoint from a file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is damaged or cut off, or is not a checkpoint that this
    /// version supports.
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

    /// Reads a checkpoint from the bytes of a file. The error is the reason why they are not a checkpoint.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Checkpoint::read`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        file::read(bytes)
    }
}

fn missing(name: &str) -> Error {
    Error::checkpoint(format!("part `{name}`"), "missing", "what a run of this kind saves there")
}

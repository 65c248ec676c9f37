//! The model file: a single safetensors file that holds the parameters by name and everything needed to run
//! them.
//!
//! | metadata | holds |
//! |---|---|
//! | `refrain.format` | the version of this layout, a whole number |
//! | `refrain.config` | the [`Architecture`], JSON |
//! | `refrain.task` | what the model is for: tokenizer, scaler …, JSON; absent for a bare model |
//! | `refrain.training` | data, seed, epochs, metrics, JSON; absent for a model that was not trained by a recipe |
//! | `refrain.digest` | SHA-256 of the tensor bytes |
//! | `refrain.metadata-digest` | SHA-256 of the other `refrain.*` pairs in order of key, each key and value followed by a NUL |
//!
//! A wrong digest is an error. A missing one (in a file that was saved again by another program, or by an
//! earlier version) is a warning. The metadata may contain other keys.
//!
//! Keys are sorted, tensors are in the order of the parameters, and nothing depends on the time, the path or
//! the machine: the same run writes the same bytes. Files are read as untrusted input.

mod contents;

pub use crate::storage::{check_writable, printable, write_atomically};
pub use contents::{Contents, contents};

use crate::error::Error;
use crate::graph::{Budget, FileTensor};
use crate::layers::LayerRegistry;
use crate::model::{Architecture, Model, Network};
use crate::params::Span;
use crate::storage::{check_seal, digest, parse, seal, write_header};
use refrain_kernels::Engine;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

/// The version of the layout that this version writes.
const FORMAT: u32 = 1;

/// A model with the information in its file.
#[derive(Debug)]
pub struct ModelFile {
    /// The model, ready to run. To train it further, compile it.
    pub model: Model,
    /// What the model is for.
    pub task: Option<serde_json::Value>,
    /// How the model was trained.
    pub training: Option<serde_json::Value>,
    /// Problems with the file that do not make it unusable.
    pub warnings: Vec<String>,
}

impl Model {
    /// Writes the model to a file, without a task or a training record.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written; an existing file is then unchanged.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        save(path.as_ref(), self, None, None)
    }

    /// Reads a model from a file. To train it further, compile it.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or is not a model that this version supports.
    pub fn load(path: impl AsRef<Path>, engine: Engine) -> Result<Model, Error> {
        Self::load_with(path, engine, &LayerRegistry::default())
    }

    /// Reads a model with custom layers from a file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or is not a model of these layers.
    pub fn load_with(path: impl AsRef<Path>, engine: Engine, layers: &LayerRegistry) -> Result<Model, Error> {
        Ok(load_with(path.as_ref(), engine, layers)?.model)
    }
}

/// Writes a model with its task and training record: to a temporary file in the same folder, which is synced
/// and renamed.
///
/// # Errors
/// Returns an error if the file cannot be written; an existing file is then unchanged.
pub fn save(
    path: &Path,
    model: &Model,
    task: Option<&serde_json::Value>,
    training: Option<&serde_json::Value>,
) -> Result<(), Error> {
    let params = model.params();
    let tensors: Vec<u8> = params
        .spans()
        .iter()
        .flat_map(|s| &params.values()[s.range()])
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let config = serde_json::to_string(model.architecture()).map_err(|e| Error::Other(e.into()))?;
    let mut metadata = vec![("refrain.config", config), ("refrain.digest", digest(&tensors))];
    metadata.push(("refrain.format", FORMAT.to_string()));
    metadata.extend(task.map(|t| ("refrain.task", t.to_string())));
    metadata.extend(training.map(|t| ("refrain.training", t.to_string())));
    seal(&mut metadata);
    let header = write_header(&metadata, params.spans().iter().map(|s| (&*s.name, &*s.shape)));
    write_atomically(path, |file| {
        file.write_all(&header)?;
        file.write_all(&tensors)
    })
}

/// Reads a model with its task and training record.
///
/// The file is treated as untrusted. Each parameter that its layers declare must be a tensor in the file,
/// with the same shape. Other memory for one step of one sequence (packed matrices, values between layers,
/// the steps that a RepeatVector makes) is limited to 32 MB plus eight times the file's size. Each JSON text
/// of its metadata may hold 2¹⁸ values plus one for every three bytes. Practical models stay far below both
/// limits.
///
/// # Errors
/// Returns an error if the file cannot be read, is damaged, is not a model that this version supports, or
/// needs more memory than that.
pub fn load(path: &Path, engine: Engine) -> Result<ModelFile, Error> {
    load_with(path, engine, &LayerRegistry::default())
}

/// Reads a model with custom layers, with its task and training record.
///
/// # Errors
/// Returns an error in the same cases as [`load`].
pub fn load_with(path: &Path, engine: Engine, layers: &LayerRegistry) -> Result<ModelFile, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Io {
        action: "cannot read",
        path: path.display().to_string(),
        source,
    })?;
    read_with(&bytes, &path.display().to_string(), engine, layers)
}

/// Reads a model as [`load`] does, from the bytes of its file. Errors call the file `name`.
///
/// # Errors
/// Returns an error if the bytes are damaged or are not a model that this version supports.
pub fn read(bytes: &[u8], name: &str, engine: Engine) -> Result<ModelFile, Error> {
    read_with(bytes, name, engine, &LayerRegistry::default())
}

fn read_with(bytes: &[u8], name: &str, engine: Engine, layers: &LayerRegistry) -> Result<ModelFile, Error> {
    from_bytes(bytes, engine, layers)
        .map_err(|reason| Error::ModelFile { path: name.to_owned(), reason: printable(&reason) })
}

/// Reads a model from the bytes of its file. The error is the reason why they are not a model.
fn from_bytes(bytes: &[u8], engine: Engine, layers: &LayerRegistry) -> Result<ModelFile, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| {
        format!("it is not a complete safetensors file ({e}); was it cut off, or is it another kind of file?")
    })?;
    let file = SafeTensors::deserialize(bytes).map_err(|e| format!("it is damaged ({e})"))?;
    let metadata = header.metadata().clone().unwrap_or_default();
    check_format(&metadata)?;
    let mut warnings = Vec::new();
    if !check_seal(&metadata)? {
        warnings.push("the file has no digest of its metadata, so its metadata was not checked".to_owned());
    }
    if metadata.contains_key("refrain.checkpoint") {
        return Err(
            "it is a checkpoint, not a model: resume from it with `--resume`, or use the run's model file"
                .to_owned(),
        );
    }
    let architecture: Architecture = parse(&metadata, "refrain.config")?
        .ok_or("it has no `refrain.config`: it holds tensors, but no description of a model")?;
    match metadata.get("refrain.digest") {
        None => warnings.push("the file has no digest, so its weights were not checked".to_owned()),
        Some(expected) => {
            let start = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap_or_default()) as usize;
            let got = digest(&bytes[start..]);
            if got != *expected {
                return Err(format!(
                    "its weights are damaged: their digest is {got}, but the file says {expected}"
                ));
            }
        }
    }
    let mut model = Network::plan_architecture(&architecture, engine, budget(bytes.len(), &file), layers)?;
    if file.len() != model.params().spans().len() {
        let known = |name: &str| model.params().find(name).is_some();
        let extra = file.names().into_iter().find(|n| !known(n)).unwrap_or_default();
        return Err(format!("it has a tensor `{extra}` that none of its layers uses"));
    }
    let place = |span: &Span| header.info(&span.name).map(|tensor| tensor.data_offsets.0);
    if metadata.contains_key("refrain.digest") && !model.params().spans().is_sorted_by_key(place) {
        return Err("its tensors are not in the order of its layers, so the digest cannot tell which is \
                    which (a program that rewrites a model file must leave out `refrain.digest`)"
            .to_owned());
    }
    // Memory for the parameters is allocated only now that the file is known to hold every one.
    model.allocate_parameters();
    let names: Vec<_> = model.params().spans().iter().map(|s| s.name.clone()).collect();
    for name in names {
        let tensor = file.tensor(&name).map_err(|e| e.to_string())?;
        let values: Vec<f32> =
            tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        model.set_weight_flat(&name, &values).map_err(|e| e.to_string())?;
    }
    let task = parse(&metadata, "refrain.task")?;
    let training = parse(&metadata, "refrain.training")?;
    Ok(ModelFile { model, task, training, warnings })
}

/// Returns the limits for the layers: each parameter must be a tensor of the file, and other memory must be
/// in proportion to the file.
fn budget(bytes: usize, file: &SafeTensors<'_>) -> Budget {
    let file_tensor = |tensor: TensorView<'_>| FileTensor {
        f32: tensor.dtype() == Dtype::F32,
        kind: format!("{:?}", tensor.dtype()),
        shape: tensor.shape().to_vec(),
    };
    Budget::of_file(bytes, file.iter().map(|(name, tensor)| (name.to_owned(), file_tensor(tensor))).collect())
}

fn check_format(metadata: &HashMap<String, String>) -> Result<(), String> {
    let format = metadata
        .get("refrain.format")
        .ok_or("it is a safetensors file, but not a Refrain model (no `refrain.format` in its metadata)")?;
    match format.parse::<u32>() {
        Ok(FORMAT) => Ok(()),
        Ok(newer) if newer > FORMAT => Err(format!(
            "it was written by a newer version (format {newer}; this one reads format {FORMAT}): update Refrain"
        )),
        _ => Err(format!("its format is `{format}`; this version reads format {FORMAT}")),
    }
}

#[cfg(test)]
mod tests;

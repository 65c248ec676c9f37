//! The model file: one safetensors file with the parameters by name and all that running them needs.
//!
//! | metadata | holds |
//! |---|---|
//! | `refrain.format` | the version of this layout, a whole number |
//! | `refrain.config` | the [`Architecture`], JSON |
//! | `refrain.task` | what the model is for: tokenizer, scaler …, JSON; absent for a bare model |
//! | `refrain.training` | data, seed, epochs, metrics, JSON; absent for a model that was not trained by a recipe |
//! | `refrain.digest` | SHA-256 of the tensor bytes; a wrong one is an error, none (after a re-save) a warning |
//!
//! The header is written here, keys sorted and tensors in the order of the parameters, and nothing of time,
//! place or machine is in it: the same run gives the same bytes. Files are read as if a stranger sent them.

mod atomic;
mod header;

pub use atomic::{check_writable, write_atomically};

use crate::error::Error;
use crate::model::{Architecture, Model, Network};
pub(crate) use header::write_header;
use header::{FORMAT, digest};
use refrain_kernels::Engine;
use safetensors::{Dtype, SafeTensors};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

/// A model with what its file says about it.
#[derive(Debug)]
pub struct ModelFile {
    /// The model, ready to run; to train it further it must be compiled.
    pub model: Model,
    /// What it is for.
    pub task: Option<serde_json::Value>,
    /// How it was trained.
    pub training: Option<serde_json::Value>,
    /// What is odd about the file without making it unusable.
    pub warnings: Vec<String>,
}

impl Model {
    /// Writes the model to a file, with nothing about task or training.
    ///
    /// # Errors
    /// When it cannot be written; an existing file is then as it was.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        save(path.as_ref(), self, None, None)
    }

    /// Reads a model from a file. To train it further, compile it.
    ///
    /// # Errors
    /// When it cannot be read, or is not a model that this version knows.
    pub fn load(path: impl AsRef<Path>, engine: Engine) -> Result<Model, Error> {
        Ok(load(path.as_ref(), engine)?.model)
    }
}

/// Writes a model with its task and training record: to a temporary file beside `path`, synced, renamed.
///
/// # Errors
/// When it cannot be written; an existing file is then as it was.
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
    // Sorted by key.
    let mut metadata = vec![("refrain.config", config), ("refrain.digest", digest(&tensors))];
    metadata.push(("refrain.format", FORMAT.to_string()));
    metadata.extend(task.map(|t| ("refrain.task", t.to_string())));
    metadata.extend(training.map(|t| ("refrain.training", t.to_string())));
    let header = write_header(&metadata, params.spans().iter().map(|s| (&*s.name, &*s.shape)));
    write_atomically(path, |file| {
        file.write_all(&header)?;
        file.write_all(&tensors)
    })
}

/// Reads a model with its task and training record.
///
/// # Errors
/// When it cannot be read, is damaged, or is not a model that this version knows.
pub fn load(path: &Path, engine: Engine) -> Result<ModelFile, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Io {
        action: "cannot read",
        path: path.display().to_string(),
        source,
    })?;
    from_bytes(&bytes, engine).map_err(|reason| Error::ModelFile { path: path.display().to_string(), reason })
}

/// Reads a model from the bytes of its file. The reason, where they are not one.
fn from_bytes(bytes: &[u8], engine: Engine) -> Result<ModelFile, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| {
        format!("it is not a complete safetensors file ({e}); was it cut off, or is it another kind of file?")
    })?;
    let file = SafeTensors::deserialize(bytes).map_err(|e| format!("it is damaged ({e})"))?;
    let metadata = header.metadata().clone().unwrap_or_default();
    check_format(&metadata)?;
    let architecture: Architecture = parse(&metadata, "refrain.config")?
        .ok_or("it has no `refrain.config`: it holds tensors, but not how they make a model")?;
    let mut warnings = Vec::new();
    match metadata.get("refrain.digest") {
        None => warnings.push("the file has no digest, so its weights were not checked".to_owned()),
        Some(expected) => {
            let start = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap_or_default()) as usize;
            let got = digest(&bytes[start..]);
            if got != *expected {
                return Err(format!(
                    "its weights are damaged: their digest is {got}, the file says {expected}"
                ));
            }
        }
    }
    let mut model = Network::plan_architecture(&architecture, engine)?;
    for span in model.params().spans() {
        let tensor = file
            .tensor(&span.name)
            .map_err(|_| format!("it has no tensor `{}`, which its layers need", span.name))?;
        if tensor.dtype() != Dtype::F32 || tensor.shape() != span.shape {
            let (dtype, shape) = (tensor.dtype(), tensor.shape());
            let needed = &span.shape;
            return Err(format!(
                "tensor `{}` is {dtype:?} {shape:?}, but its layer needs F32 {needed:?}",
                span.name
            ));
        }
    }
    if file.len() != model.params().spans().len() {
        let known = |name: &str| model.params().find(name).is_some();
        let extra = file.names().into_iter().find(|n| !known(n)).unwrap_or_default();
        return Err(format!("it has a tensor `{extra}` that none of its layers needs"));
    }
    // Only now, with every shape backed by bytes of the file, is memory for the parameters taken.
    model.allocate_parameters();
    let names: Vec<_> = model.params().spans().iter().map(|s| s.name.clone()).collect();
    for name in names {
        let tensor = file.tensor(&name).map_err(|e| e.to_string())?;
        let values: Vec<f32> =
            tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        model.set_weight(&name, &values).map_err(|e| e.to_string())?;
    }
    let task = parse(&metadata, "refrain.task")?;
    let training = parse(&metadata, "refrain.training")?;
    Ok(ModelFile { model, task, training, warnings })
}

fn check_format(metadata: &HashMap<String, String>) -> Result<(), String> {
    let format = metadata
        .get("refrain.format")
        .ok_or("it is a safetensors file, but not one of Refrain's (no `refrain.format` in its metadata)")?;
    match format.parse::<u32>() {
        Ok(FORMAT) => Ok(()),
        Ok(newer) if newer > FORMAT => Err(format!(
            "it was written by a newer version (format {newer}; this one reads format {FORMAT}): update Refrain"
        )),
        _ => Err(format!("its format is `{format}`; this version reads format {FORMAT}")),
    }
}

fn parse<T: serde::de::DeserializeOwned>(
    metadata: &HashMap<String, String>,
    key: &str,
) -> Result<Option<T>, String> {
    metadata
        .get(key)
        .map(|text| serde_json::from_str(text).map_err(|e| format!("its `{key}` cannot be read: {e}")))
        .transpose()
}

#[cfg(test)]
mod tests;

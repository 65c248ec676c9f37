//! What a file holds, told from its header alone.

use super::check_format;
use crate::error::Error;
use crate::storage::{check_seal, parse, printable};
use safetensors::tensor::Metadata;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The longest header that is read, as in the safetensors format.
const MAX_HEADER: u64 = 100_000_000;
/// Bytes of a header's length.
const LENGTH: u64 = 8;
/// Bytes at the start of a damaged header that are searched for Refrain's keys.
const SEARCHED: usize = 4096;

/// What a file holds, as far as its header says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Contents {
    /// A model.
    Model {
        /// What the model is for; `None` for a bare network.
        task: Option<serde_json::Value>,
        /// How it was trained, if the file records it.
        training: Option<serde_json::Value>,
    },
    /// A checkpoint of a training run.
    Checkpoint,
    /// A model or a checkpoint that this version cannot read, and the reason.
    Unreadable(String),
    /// Tensors that are not a model of Refrain: the type and shape of each, by name.
    Tensors(BTreeMap<String, String>),
    /// Another kind of file.
    Other,
}

/// Returns what a file holds. Only the header of a safetensors file is read, so this is quick for a model of any
/// size; its weights are not checked.
///
/// # Errors
/// Returns an error if the file cannot be read.
pub fn contents(path: &Path) -> Result<Contents, Error> {
    let error = |source| Error::Io { action: "cannot read", path: path.display().to_string(), source };
    read(path).map_err(error)
}

fn read(path: &Path) -> io::Result<Contents> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut length = [0; LENGTH as usize];
    if len < LENGTH {
        return Ok(Contents::Other);
    }
    file.read_exact(&mut length)?;
    let header_len = u64::from_le_bytes(length);
    let mut header = Vec::new();
    file.take(header_len.min(MAX_HEADER)).read_to_end(&mut header)?;
    let Ok(metadata) = serde_json::from_slice::<Metadata>(&header) else {
        let start = String::from_utf8_lossy(&header[..header.len().min(SEARCHED)]).into_owned();
        let is_ours = start.starts_with('{') && start.contains("\"refrain.");
        let damaged = Contents::Unreadable("its header is damaged or cut off".to_owned());
        return Ok(if is_ours { damaged } else { Contents::Other });
    };
    let expected = LENGTH + header_len + metadata.data_len() as u64;
    Ok(of_header(&metadata, len, expected).unwrap_or_else(|reason| Contents::Unreadable(printable(&reason))))
}

/// Returns what a file with this header holds, or the reason why it cannot be read.
fn of_header(header: &Metadata, bytes: u64, expected: u64) -> Result<Contents, String> {
    let metadata = header.metadata().clone().unwrap_or_default();
    if !metadata.contains_key("refrain.format") {
        let tensors = header.tensors().into_iter();
        let described = tensors.map(|(name, t)| (name, format!("{:?} {:?}", t.dtype, t.shape)));
        return Ok(Contents::Tensors(described.collect()));
    }
    if bytes != expected {
        return Err(format!("it is {bytes} bytes long, but its header says {expected}"));
    }
    if metadata.contains_key("refrain.checkpoint") {
        return Ok(Contents::Checkpoint);
    }
    check_format(&metadata)?;
    check_seal(&metadata)?;
    Ok(Contents::Model {
        task: parse(&metadata, "refrain.task")?,
        training: parse(&metadata, "refrain.training")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Dense;
    use crate::{Compile, InputSpec, Sequential};
    use serde_json::json;

    #[test]
    fn a_header_tells_what_a_file_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        let model = Sequential::new().input(InputSpec::flat(3)).add(Dense::new(2));
        let model = model.compile(Compile::default()).unwrap();
        super::super::save(&path, &model, Some(&json!({ "task": "series" })), None).unwrap();
        let task = Some(json!({ "task": "series" }));
        assert_eq!(contents(&path).unwrap(), Contents::Model { task, training: None });
        let whole = std::fs::read(&path).unwrap();
        for (len, reason) in [(whole.len() - 1, "bytes long"), (100, "cut off")] {
            std::fs::write(&path, &whole[..len]).unwrap();
            let found = contents(&path).unwrap();
            assert!(matches!(&found, Contents::Unreadable(why) if why.contains(reason)), "{found:?}");
        }
        let mut edited = whole.clone();
        let at = whole.windows(6).position(|word| word == b"series").unwrap();
        edited[at..at + 6].copy_from_slice(b"serial");
        std::fs::write(&path, edited).unwrap();
        assert!(matches!(contents(&path).unwrap(), Contents::Unreadable(_)));
        let json = r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        let bytes = [&(json.len() as u64).to_le_bytes()[..], json.as_bytes(), &[0; 8]].concat();
        std::fs::write(&path, bytes).unwrap();
        let tensors = BTreeMap::from([("w".to_owned(), "F32 [2]".to_owned())]);
        assert_eq!(contents(&path).unwrap(), Contents::Tensors(tensors));
        for other in [&b"x"[..], b"a text of some length", &[0xff; 64]] {
            std::fs::write(&path, other).unwrap();
            assert_eq!(contents(&path).unwrap(), Contents::Other);
        }
        assert!(contents(&folder.path().join("none")).is_err());
    }
}

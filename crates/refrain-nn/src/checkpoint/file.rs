//! The file format of checkpoints.

use super::{Checkpoint, Part};
use crate::error::Error;
use crate::storage::{in_proportion, parse, write_header};
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The version of the layout that this version writes.
const FORMAT: u32 = 2;
const FORMAT_KEY: &str = "refrain.format";
const CONTENTS_KEY: &str = "refrain.checkpoint";
const DIGEST_KEY: &str = "refrain.digest";
/// The number of hexadecimal digits of a SHA-256.
const DIGITS: usize = 64;
/// The longest header that safetensors reads.
const LONGEST_HEADER: usize = 100_000_000;
/// The number of floats that are converted to bytes at a time.
const BLOCK: usize = 16 * 1024;

/// The contents of `refrain.checkpoint`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    kind: String,
    parts: BTreeMap<String, Value>,
}

/// The bytes before the tensors.
pub(super) struct Header {
    bytes: Vec<u8>,
}

impl Header {
    /// Returns an error if the file could not be read again.
    pub(super) fn of(checkpoint: &Checkpoint) -> Result<Self, Error> {
        let parts = checkpoint.parts.iter().map(|(name, part)| (name.clone(), part.values.clone())).collect();
        let contents = Contents { kind: checkpoint.kind.clone(), parts };
        let contents = serde_json::json!(contents).to_string();
        let refused = |reason| Error::unsupported("writing this checkpoint", reason);
        in_proportion(CONTENTS_KEY, &contents).map_err(refused)?;
        let metadata =
            [(CONTENTS_KEY, contents), (DIGEST_KEY, "0".repeat(DIGITS)), (FORMAT_KEY, FORMAT.to_string())];
        let tensors: Vec<_> = tensors(checkpoint)
            .map(|(part, name, values)| (format!("{part}/{name}"), [values.len()]))
            .collect();
        let mut bytes = write_header(&metadata, tensors.iter().map(|(name, shape)| (&**name, &shape[..])));
        if bytes.len() > LONGEST_HEADER {
            let reason = format!(
                "its values and names take {} bytes, but at most {LONGEST_HEADER} can be read",
                bytes.len()
            );
            return Err(refused(reason));
        }
        let mut hash = Sha256::new();
        hash.update(&bytes);
        let hashed = each_block(checkpoint, |block| {
            hash.update(block);
            Ok(())
        });
        debug_assert!(hashed.is_ok(), "a hash takes all bytes");
        let at = digest_at(&bytes).expect("it was written above");
        bytes[at..at + DIGITS].copy_from_slice(hex(&hash.finalize()).as_bytes());
        Ok(Self { bytes })
    }

    pub(super) fn write(&self, checkpoint: &Checkpoint, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.bytes)?;
        each_block(checkpoint, |block| out.write_all(block))
    }
}

fn tensors(checkpoint: &Checkpoint) -> impl Iterator<Item = (&str, &str, &[f32])> {
    checkpoint.parts.iter().flat_map(|(part, Part { tensors, .. })| {
        tensors.iter().map(move |(name, values)| (&**part, &**name, &**values))
    })
}

/// Passes on the bytes of all tensors, one block at a time.
fn each_block(checkpoint: &Checkpoint, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(4 * BLOCK);
    for values in tensors(checkpoint).flat_map(|(_, _, values)| values.chunks(BLOCK)) {
        bytes.clear();
        bytes.extend(values.iter().flat_map(|x| x.to_le_bytes()));
        each(&bytes)?;
    }
    Ok(())
}

/// Returns the position of the digest in a header as written here. Searches for the key with its quotes,
/// which no other text in the header can contain, and a value of the right length.
fn digest_at(header: &[u8]) -> Option<usize> {
    let key = format!("\"{DIGEST_KEY}\":\"");
    let at = header.windows(key.len()).position(|w| w == key.as_bytes())? + key.len();
    (header.get(at + DIGITS) == Some(&b'"')).then_some(at)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Reads a checkpoint. The error is the reason why the bytes are not a checkpoint.
pub(super) fn read(bytes: &[u8]) -> Result<Checkpoint, String> {
    let cut = "it is not a complete safetensors file: was it cut off, or is it another kind of file?";
    let (len, rest) = bytes.split_first_chunk().ok_or(cut)?;
    let len = usize::try_from(u64::from_le_bytes(*len)).ok().filter(|len| *len <= rest.len()).ok_or(cut)?;
    // Checked first, so that damaged contents are not interpreted.
    check_digest(bytes, 8 + len)?;
    let damaged = |e: safetensors::SafeTensorError| format!("it is damaged ({e})");
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let metadata = header.metadata().as_ref().ok_or("it has no metadata")?;
    match metadata.get(FORMAT_KEY).and_then(|format| format.parse::<u32>().ok()) {
        Some(FORMAT) => {}
        Some(newer) if newer > FORMAT => {
            return Err(format!(
                "it was written by a newer version (format {newer}; this one reads format {FORMAT}): update Refrain"
            ));
        }
        Some(older @ 1..) => {
            return Err(format!(
                "it was written by an earlier version (format {older}; this one reads format {FORMAT}): finish the run \
                 with that version, or start a new one without resuming"
            ));
        }
        _ => return Err(format!("its `refrain.format` is not {FORMAT}")),
    }
    let Contents { kind, parts } =
        parse(metadata, CONTENTS_KEY)?.ok_or("it is not a checkpoint: `refrain.checkpoint` is missing")?;
    let mut parts: BTreeMap<_, _> =
        parts.into_iter().map(|(name, values)| (name, Part { values, tensors: Vec::new() })).collect();
    for name in header.offset_keys() {
        let unknown = || format!("it has a tensor `{name}` that does not belong to any part");
        let (part, tensor) = name.split_once('/').ok_or_else(unknown)?;
        let part = parts.get_mut(part).ok_or_else(unknown)?;
        let view = file.tensor(&name).map_err(damaged)?;
        if view.dtype() != Dtype::F32 {
            return Err(format!("its tensor `{name}` is {:?}, not F32", view.dtype()));
        }
        let values = view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        part.tensors.push((tensor.to_owned(), values));
    }
    Ok(Checkpoint { kind, parts })
}

fn check_digest(bytes: &[u8], header: usize) -> Result<(), String> {
    let (header, tensors) = bytes.split_at(header);
    let at = digest_at(header).ok_or("it is not a checkpoint: `refrain.digest` is missing or invalid")?;
    let mut hash = Sha256::new();
    hash.update(&header[..at]);
    hash.update([b'0'; DIGITS]);
    hash.update(&header[at + DIGITS..]);
    hash.update(tensors);
    if hex(&hash.finalize()).as_bytes() == &header[at..at + DIGITS] {
        Ok(())
    } else {
        Err("it is damaged: its digest does not match its contents".to_owned())
    }
}

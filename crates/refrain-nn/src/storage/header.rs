//! The safetensors header, and the digests that detect damage.

use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};

/// The prefix of Refrain's metadata keys. A file may contain other keys.
const PREFIX: &str = "refrain.";
/// The key of the digest over all other Refrain metadata.
const METADATA_DIGEST: &str = "refrain.metadata-digest";

/// Returns a safetensors header, length and JSON, padded so that the tensors begin on an eight-byte boundary.
pub(crate) fn write_header<'a>(
    metadata: &[(&str, String)],
    tensors: impl IntoIterator<Item = (&'a str, &'a [usize])>,
) -> Vec<u8> {
    let quote = |text: &str| serde_json::Value::from(text).to_string();
    let pairs: Vec<String> =
        metadata.iter().map(|(key, value)| format!("{}:{}", quote(key), quote(value))).collect();
    let mut json = format!("{{\"__metadata__\":{{{}}}", pairs.join(","));
    let mut offset = 0;
    for (name, shape) in tensors {
        let end = offset + 4 * shape.iter().product::<usize>();
        let (name, shape) = (quote(name), serde_json::json!(shape));
        json += &format!(",{name}:{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[{offset},{end}]}}");
        offset = end;
    }
    json.push('}');
    while json.len() % 8 != 0 {
        json.push(' ');
    }
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(json.as_bytes());
    bytes
}

/// Returns the SHA-256 digest in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Adds the digest of `metadata` and sorts the entries by key.
pub(crate) fn seal(metadata: &mut Vec<(&str, String)>) {
    let digest = metadata_digest(metadata.iter().map(|(key, value)| (*key, value.as_str())));
    metadata.push((METADATA_DIGEST, digest));
    metadata.sort_unstable();
}

/// Returns whether the metadata has a digest, or an error message if the digest is wrong.
pub(crate) fn check_seal(metadata: &HashMap<String, String>) -> Result<bool, String> {
    let Some(expected) = metadata.get(METADATA_DIGEST) else { return Ok(false) };
    let got = metadata_digest(metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    if got != *expected {
        return Err(format!(
            "its metadata is damaged or was edited: the digest of its `{PREFIX}*` metadata is {got}, the file \
             says {expected:?} (leave `{METADATA_DIGEST}` out if the change is intended)"
        ));
    }
    Ok(true)
}

/// Returns the SHA-256 over Refrain's entries except the digest itself: key, NUL, value, NUL, in order of
/// key.
fn metadata_digest<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let digested = |key: &str| key.starts_with(PREFIX) && key != METADATA_DIGEST;
    let sorted: BTreeMap<&str, &str> = pairs.filter(|(key, _)| digested(key)).collect();
    let mut hash = Sha256::new();
    for text in sorted.into_iter().flat_map(|(key, value)| [key, value]) {
        hash.update(text);
        hash.update([0]);
    }
    hexadecimal(&hash.finalize())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

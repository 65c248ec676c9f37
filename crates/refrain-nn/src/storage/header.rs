//! The bytes before the tensors, and the digests that tell damage.

use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};

/// The keys that belong to Refrain; others may stand beside them.
const PREFIX: &str = "refrain.";
/// The key of the digest over all other pairs of Refrain's.
const METADATA_DIGEST: &str = "refrain.metadata-digest";

/// The length and JSON of a safetensors header, padded so that the tensors begin on an eight-byte border.
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

/// SHA-256 in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Adds the digest over `metadata`, and sorts it by key.
pub(crate) fn seal(metadata: &mut Vec<(&str, String)>) {
    let digest = metadata_digest(metadata.iter().map(|(key, value)| (*key, value.as_str())));
    metadata.push((METADATA_DIGEST, digest));
    metadata.sort_unstable();
}

/// Whether the metadata has a digest. The reason, where it has a wrong one.
pub(crate) fn check_seal(metadata: &HashMap<String, String>) -> Result<bool, String> {
    let Some(expected) = metadata.get(METADATA_DIGEST) else { return Ok(false) };
    let got = metadata_digest(metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    if got != *expected {
        return Err(format!(
            "its description is damaged or was edited: the digest of its `{PREFIX}*` metadata is {got}, the file \
             says {expected:?} (leave `{METADATA_DIGEST}` out where the change is meant)"
        ));
    }
    Ok(true)
}

/// SHA-256 over Refrain's pairs but the one of this digest: key, NUL, value, NUL, in order of key.
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

//! The bytes before the tensors.

use sha2::{Digest, Sha256};

/// The version of the layout that is written.
pub(super) const FORMAT: u32 = 1;

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
pub(super) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

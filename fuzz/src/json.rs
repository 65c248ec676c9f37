//! Parses JSON and text from arbitrary bytes.

use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// Returns the value, if the bytes are valid JSON for one.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

/// Returns at most `most` of the bytes as text, with invalid UTF-8 replaced.
pub(crate) fn text(bytes: &[u8], most: usize) -> Cow<'_, str> {
    String::from_utf8_lossy(&bytes[..bytes.len().min(most)])
}

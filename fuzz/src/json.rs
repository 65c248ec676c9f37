//! JSON and text out of any bytes.

use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// The value, if the bytes are one.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

/// A text for whatever reads texts: that of the bytes, at most this many of them.
pub(crate) fn text(bytes: &[u8], most: usize) -> Cow<'_, str> {
    String::from_utf8_lossy(&bytes[..bytes.len().min(most)])
}

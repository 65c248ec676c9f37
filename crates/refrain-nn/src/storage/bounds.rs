//! JSON of strangers: no more values than go with its length.

use std::collections::HashMap;

/// A text of the metadata that is JSON, with no more values than go with its length.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(
    metadata: &HashMap<String, String>,
    key: &str,
) -> Result<Option<T>, String> {
    let Some(text) = metadata.get(key) else { return Ok(None) };
    in_proportion(key, text)?;
    serde_json::from_str(text).map(Some).map_err(|e| format!("its `{key}` cannot be read: {e}"))
}

/// Whether a text has no more JSON values than go with its length. The reason, where it has.
pub(crate) fn in_proportion(key: &str, text: &str) -> Result<(), String> {
    let (values, most) = (count_values(text), FREE_VALUES + text.len() / BYTES_A_VALUE);
    if values <= most {
        return Ok(());
    }
    Err(format!("its `{key}` holds {values} JSON values, of {} bytes at most {most}", text.len()))
}

/// JSON values that any text may hold. One in memory is many times its text, so that a text of nothing but zeros
/// would not be in proportion.
const FREE_VALUES: usize = 1 << 18;
/// Bytes for each value more: the shortest list of words has four.
const BYTES_A_VALUE: usize = 3;

/// About as many values as a JSON text holds: its lists and objects, and what commas divide.
fn count_values(text: &str) -> usize {
    let (mut values, mut quoted, mut escaped) = (1, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' | b'[' | b'{' if !quoted => values += 1,
            _ => {}
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_quotes_is_one_value() {
        assert_eq!(count_values(r#"{"a,[{":["\"{",1],"b":{}}"#), 6);
    }
}

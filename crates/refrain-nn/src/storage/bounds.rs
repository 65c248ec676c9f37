//! Limits on the JSON of untrusted files.

use std::collections::HashMap;

/// Parses a JSON metadata entry, after checking that its number of values is in proportion to its length.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(
    metadata: &HashMap<String, String>,
    key: &str,
) -> Result<Option<T>, String> {
    let Some(text) = metadata.get(key) else { return Ok(None) };
    in_proportion(key, text)?;
    serde_json::from_str(text).map(Some).map_err(|e| format!("its `{key}` is invalid: {e}"))
}

/// Checks that the number of JSON values in a text is in proportion to its length.
pub(crate) fn in_proportion(key: &str, text: &str) -> Result<(), String> {
    let (values, most) = (count_values(text), FREE_VALUES + text.len() / BYTES_A_VALUE);
    if values <= most {
        return Ok(());
    }
    Err(format!("its `{key}` holds {values} JSON values, of {} bytes at most {most}", text.len()))
}

/// JSON values that any text may hold. In memory a value takes many times the size of its text, so without a
/// limit a text of nothing but zeros could exhaust memory.
const FREE_VALUES: usize = 1 << 18;
/// Bytes for each further value: the shortest list of words needs four.
const BYTES_A_VALUE: usize = 3;

/// Estimates the number of values in a JSON text from its brackets and commas.
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
    fn text_between_quotes_is_one_value() {
        assert_eq!(count_values(r#"{"a,[{":["\"{",1],"b":{}}"#), 6);
    }
}

//! Untrusted text made safe to print.

use crate::shown::escaped;

/// Shortens a message that quotes a file and escapes what a terminal would interpret.
pub fn printable(reason: &str) -> String {
    const MAX_CHARS: usize = 1000;
    let mut text = escaped(reason);
    if let Some((end, _)) = text.char_indices().nth(MAX_CHARS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

//! Untrusted text made safe to print.

/// Shortens a message that quotes a file and removes control characters that a terminal would interpret.
pub fn printable(reason: &str) -> String {
    const MAX_CHARS: usize = 1000;
    let mut text: String = reason
        .chars()
        .take(MAX_CHARS)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if reason.chars().nth(MAX_CHARS).is_some() {
        text.push('…');
    }
    text
}

//! Untrusted text made safe to print.

/// Shortens a message that quotes a file and removes control characters that a terminal would interpret.
pub fn printable(reason: &str) -> String {
    const MOST: usize = 1000;
    let mut text: String = reason
        .chars()
        .take(MOST)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if reason.chars().nth(MOST).is_some() {
        text.push('…');
    }
    text
}

//! Words of strangers, to be shown.

/// A reason that quotes a file, cut to a length to be read and without characters that a terminal obeys.
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

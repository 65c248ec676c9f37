//! Text widths. No font is read: these are the advances of DejaVu Sans rounded up, which is wider than the fonts
//! that browsers use for Helvetica or Arial.

use unicode_width::UnicodeWidthChar;

/// Width of a bold letter relative to a regular one.
const BOLD: f64 = 1.15;
/// Width of a fixed-width letter relative to the font size.
pub(crate) const MONO: f64 = 0.61;
/// Height of a capital letter relative to the font size. Half of it centres a text on a line.
pub(crate) const CAPITAL: f64 = 0.72;
/// Room below the baseline relative to the font size.
pub(crate) const DESCENT: f64 = 0.26;

/// Returns the estimated width of a text.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(advance).sum::<f64>() * size
}

/// Returns the estimated width of a bold text.
pub(crate) fn bold(text: &str, size: f64) -> f64 {
    width(text, size) * BOLD
}

/// Returns the width of a text in letters of a fixed-width font.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(1)).sum()
}

fn advance(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' | '/' | '-' | '·' => 0.36,
        't' | 'f' | 'r' | '(' | ')' | '[' | ']' | '"' | '⁻' | '⁰'..='⁹' | '²' | '³' | '¹' | '₀'..='₉' => {
            0.43
        }
        '0'..='9' | 'a'..='l' | 'n'..='v' | 'x'..='z' | '_' => 0.64,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' | '—' => 1.0,
        'A'..='Z' => 0.79,
        c if c.width() == Some(0) => 0.0,
        c if c.width() == Some(2) => 1.1,
        _ => 0.9,
    }
}

/// Returns the text cut to `room` with an ellipsis, or `None` if it fits. `measure` is one of the functions above.
pub(crate) fn cut(text: &str, room: f64, measure: impl Fn(&str) -> f64) -> Option<String> {
    if measure(text) <= room {
        return None;
    }
    let mut letter = [0; 4];
    let mut width = measure("…");
    let fits = |c: &char| {
        width += measure(c.encode_utf8(&mut letter));
        width <= room
    };
    let short: String = text.chars().take_while(fits).collect();
    Some(format!("{}…", short.trim_end()))
}

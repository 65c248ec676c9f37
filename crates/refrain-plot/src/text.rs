//! How wide texts are. No font is read: these are the advances of DejaVu Sans rounded up, which is wider than what
//! browsers have as Helvetica or Arial.

use unicode_width::UnicodeWidthChar;

/// A bold letter's width, of a regular one's.
const BOLD: f64 = 1.15;
/// A letter of a fixed-width font, of its size.
pub(crate) const MONO: f64 = 0.61;
/// Height of a capital letter, of its size; half of it centres a text on a line.
pub(crate) const CAPITAL: f64 = 0.72;
/// Room below the line that letters stand on, of their size.
pub(crate) const DESCENT: f64 = 0.26;

/// About how wide a text is.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(advance).sum::<f64>() * size
}

/// About how wide a bold text is.
pub(crate) fn bold(text: &str, size: f64) -> f64 {
    width(text, size) * BOLD
}

/// How many letters of a fixed-width font a text is wide.
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

/// The text cut with an ellipsis to this room, when it is wider; `measure` is one of the above.
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

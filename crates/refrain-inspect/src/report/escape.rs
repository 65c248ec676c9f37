//! Escaping untrusted text for HTML and file names.

/// Escapes text between tags or in a quoted attribute. Invalid characters and characters that change the direction
/// of the following text are replaced.
pub(super) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(' '),
            c if steers(c) => escaped.push(char::REPLACEMENT_CHARACTER),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Formats a sentence: names between backticks become code, and numbers such as `3.1e-14` become powers of ten.
pub(super) fn prose(sentence: &str) -> String {
    let mut out = String::new();
    let parts: Vec<&str> = sentence.split('`').collect();
    // An unpaired backtick stays a backtick.
    let whole = if parts.len().is_multiple_of(2) { parts.len() - 1 } else { parts.len() };
    for (i, part) in parts.iter().enumerate() {
        match i % 2 {
            _ if i >= whole => out.extend(["`", &powers(part)]),
            0 => out.push_str(&powers(part)),
            _ => out.extend(["<code>", &html(part), "</code>"]),
        }
    }
    out
}

/// Formats words that are numbers like `3.1e-14`, with adjacent punctuation, as powers of ten.
fn powers(text: &str) -> String {
    let words = text.split_inclusive(' ').map(|word| {
        let number = word.trim_start_matches('(').trim_end_matches([' ', '.', ',', ';', ':', ')']);
        let Some((digits, exponent)) = number.split_once('e') else { return html(word) };
        let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.');
        let negative = exponent.strip_prefix('-');
        if !plain(digits) || !plain(negative.unwrap_or(exponent)) {
            return html(word);
        }
        let sign = if negative.is_some() { "−" } else { "" };
        let power = format!("{digits}·10<sup>{sign}{}</sup>", negative.unwrap_or(exponent));
        html(word).replacen(number, &power, 1)
    });
    words.collect()
}

fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
}

/// Returns a file name that is valid on any system: ASCII letters, digits, hyphens, underscores and inner dots.
pub(super) fn file_stem(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let stem: String = name.chars().map(plain).take(LONGEST_STEM).collect();
    let stem = stem.trim_matches(['.', '-']);
    if stem.is_empty() { "figure".to_owned() } else { stem.to_owned() }
}

/// The maximum bytes of a file name without its extension; systems allow 255 with it.
const LONGEST_STEM: usize = 100;

//! Displaying tokens and numbers in reports.

/// Returns a token as shown in a figure: invisible characters become symbols.
pub(crate) fn display(token: &str) -> String {
    token
        .chars()
        .map(|c| match c {
            ' ' => '␣',
            '\n' => '⏎',
            '\t' => '⇥',
            c => c,
        })
        .collect()
}

/// Returns tokens as shown in a figure.
pub(crate) fn display_all(tokens: &[String]) -> Vec<String> {
    tokens.iter().map(|token| display(token)).collect()
}

/// Replaces the symbols of [`display`] with what they stand for.
pub(crate) fn written(token: &str) -> String {
    let character = |c: char| match c {
        '␣' => ' ',
        '⏎' => '\n',
        '⇥' => '\t',
        c => c,
    };
    token.chars().map(character).collect()
}

/// Formats a number with three decimal places.
pub(crate) fn thousandths(value: f64) -> String {
    format!("{value:.3}")
}

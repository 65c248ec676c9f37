//! How tokens and numbers look in reports.

/// A token as it stands on a figure: what cannot be seen has a sign.
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

/// Tokens as they stand on a figure.
pub(crate) fn display_all(tokens: &[String]) -> Vec<String> {
    tokens.iter().map(|token| display(token)).collect()
}

/// What the signs of [`display`] stand for.
pub(crate) fn written(token: &str) -> String {
    let character = |c: char| match c {
        '␣' => ' ',
        '⏎' => '\n',
        '⇥' => '\t',
        c => c,
    };
    token.chars().map(character).collect()
}

/// A number with three digits after the point.
pub(crate) fn thousandths(value: f64) -> String {
    format!("{value:.3}")
}

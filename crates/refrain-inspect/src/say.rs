//! Formatting numbers in sentences.

/// Formats a number with two or three significant digits: `0.861`, `3.1e-14`, `200`.
pub(crate) fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { "beyond f32 range".to_owned() };
    }
    match value.abs() {
        size if !(1e-3..1e5).contains(&size) => format!("{value:.1e}"),
        size if size >= 100.0 => format!("{value:.0}"),
        size => {
            let digits = (2 - size.log10().floor() as i32).max(0) as usize;
            let text = format!("{value:.digits$}");
            if text.contains('.') {
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            } else {
                text
            }
        }
    }
}

/// Formats a share as a percentage: `37 %`.
pub(crate) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent < 9.95 { format!("{} %", number(percent)) } else { format!("{percent:.0} %") }
}

/// Says that none of these sequences has a step.
pub(crate) fn no_steps(sequences: usize) -> String {
    match sequences {
        1 => "the only sequence has no steps".to_owned(),
        n => format!("none of the {n} sequences has any steps"),
    }
}

/// Returns a name as part of a file name: lower-case letters, digits and hyphens.
pub(crate) fn slug(name: &str) -> String {
    let letters = name.to_lowercase();
    let parts = letters.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [(0.0, "0"), (0.8612, "0.861"), (0.5, "0.5"), (3.14e-14, "3.1e-14"), (200.0, "200")];
        let more = [
            (12.345, "12.3"),
            (1.0, "1"),
            (0.00123, "0.00123"),
            (1e6, "1.0e6"),
            (f64::INFINITY, "beyond f32 range"),
        ];
        for (value, text) in cases.into_iter().chain(more) {
            assert_eq!(number(value), text);
        }
        assert_eq!(
            (percent(0.374), percent(0.012), percent(1.0)),
            ("37 %".into(), "1.2 %".into(), "100 %".into())
        );
        assert_eq!(slug("bidirectional/forward_lstm"), "bidirectional-forward-lstm");
    }
}

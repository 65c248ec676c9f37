//! File names that contain an epoch's logs, in the part of Python's format syntax that file names need.

use super::{Logs, RunPlan};
use crate::error::Error;

/// Fills the epoch, counted from 1, and the values of `logs` into a path such as
/// `{epoch:02d}-{val_loss:.2f}.safetensors`.
///
/// A field is `{name}` or `{name:spec}`. The spec is an optional `0` and width, then `d` for the epoch, or an
/// optional `.` and digits followed by `f` or `e` for a number. `{{` and `}}` are literal braces.
pub(super) fn fill(pattern: &str, epoch: usize, logs: &Logs) -> Result<String, Error> {
    replace_fields(pattern, |field| fill_field(field, epoch, logs))
}

/// Checks the syntax of a path, and that the run will have each of its fields.
pub(super) fn check(pattern: &str, run: &RunPlan<'_>) -> Result<(), Error> {
    let filled = replace_fields(pattern, |field| {
        let (name, _) = field.split_once(':').unwrap_or((field, ""));
        if let Some(why) = run.why_missing(name) {
            return Err(wrong(field, format!("a value that `fit` logs ({why})")));
        }
        fill_field(field, 1, &[(name.to_owned(), 0.0)].into_iter().collect())
    });
    filled.map(drop)
}

fn replace_fields(
    pattern: &str,
    mut fill: impl FnMut(&str) -> Result<String, Error>,
) -> Result<String, Error> {
    let mut path = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '}']) {
        path += &rest[..at];
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            path += brace;
            rest = after;
        } else if let ("{", Some((field, after))) = (brace, rest.split_once('}')) {
            path += &fill(field)?;
            rest = after;
        } else {
            return Err(wrong(
                pattern,
                "text with `{name}` fields, with literal braces written as `{{` and `}}`",
            ));
        }
    }
    Ok(path + rest)
}

fn wrong(got: &str, expected: impl Into<String>) -> Error {
    Error::setting("ModelCheckpoint", "path", format!("`{got}`"), expected)
}

fn fill_field(field: &str, epoch: usize, logs: &Logs) -> Result<String, Error> {
    let (name, spec) = field.split_once(':').unwrap_or((field, ""));
    if name == "epoch" {
        let expected = "a field such as {epoch} or {epoch:02d}";
        let spec = Spec::parse(spec).filter(|s| s.precision.is_none() && matches!(s.kind, None | Some('d')));
        return Ok(spec.ok_or_else(|| wrong(field, expected))?.pad(epoch.to_string()));
    }
    let value = logs.get(name).ok_or_else(|| {
        let names = logs.names().collect::<Vec<_>>().join("`, `");
        wrong(field, format!("one of `epoch`, `{names}`"))
    })?;
    let spec = Spec::parse(spec).ok_or_else(|| wrong(field, "a field such as {loss} or {loss:.4f}"))?;
    let text = match (spec.kind, spec.precision) {
        _ if !value.is_finite() => format!("{value}").to_lowercase(),
        (None, None) => format!("{value:?}"),
        (Some('f'), precision) => format!("{value:.*}", precision.unwrap_or(6)),
        (Some('e'), precision) => exponential(value, precision.unwrap_or(6)),
        _ => return Err(wrong(field, "a field such as {loss} or {loss:.4f}")),
    };
    Ok(spec.pad(text))
}

/// Formats as Python's `e`: a signed exponent of at least two digits.
fn exponential(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

struct Spec {
    zeros: bool,
    width: usize,
    precision: Option<usize>,
    kind: Option<char>,
}

impl Spec {
    fn parse(spec: &str) -> Option<Self> {
        let kind = spec.chars().last().filter(|c| !c.is_ascii_digit());
        let numbers = &spec[..spec.len() - kind.map_or(0, char::len_utf8)];
        let (width, precision) = match numbers.split_once('.') {
            Some((width, precision)) => (width, Some(precision)),
            None => (numbers, None),
        };
        // File names are short, so numbers in them are too.
        let number = |text: &str| text.parse::<u8>().ok().map(usize::from);
        Some(Self {
            zeros: width.starts_with('0'),
            width: if width.is_empty() { 0 } else { number(width)? },
            precision: precision.map_or(Some(None), |p| number(p).map(Some))?,
            kind,
        })
    }

    fn pad(&self, text: String) -> String {
        let width = self.width;
        match text.strip_prefix('-') {
            Some(digits) if self.zeros => format!("-{digits:0>0$}", width.saturating_sub(1)),
            None if self.zeros => format!("{text:0>width$}"),
            _ => format!("{text:>width$}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs() -> Logs {
        let entry = |name: &str, value| (name.to_owned(), value);
        [entry("loss", 1.5), entry("val_loss", -0.000_025), entry("bad", f64::NAN)].into_iter().collect()
    }

    /// The expected names are those of Python's `str.format`.
    #[test]
    fn formats_as_python_does() {
        for (pattern, expected) in [
            ("plain.safetensors", "plain.safetensors"),
            ("{epoch:02d}-{loss:.2f}", "07-1.50"),
            ("{{x}}{epoch}-{loss:8.3f}-{loss}", "{x}7-   1.500-1.5"),
            ("{loss:f}|{loss:.2e}|{val_loss:.1e}|{val_loss:09.2f}", "1.500000|1.50e+00|-2.5e-05|-00000.00"),
            ("{epoch:4}|{epoch:04}|{bad:.2f}", "   7|0007|nan"),
        ] {
            assert_eq!(fill(pattern, 7, &logs()).unwrap(), expected);
        }
    }

    #[test]
    fn wrong_patterns_are_named() {
        for pattern in
            ["{", "a}b", "{epoch", "{epoch:.2f}", "{loss:d}", "{loss:.f}", "{loss:999f}", "{loss:ü}"]
        {
            assert!(fill(pattern, 1, &logs()).is_err(), "{pattern}");
        }
        assert_eq!(
            fill("{acc:.2f}", 1, &logs()).unwrap_err().to_string(),
            "ModelCheckpoint: path is `acc:.2f`, but must be one of `epoch`, `loss`, `val_loss`, `bad`"
        );
    }
}

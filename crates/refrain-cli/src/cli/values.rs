//! Parsers of option values.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use refrain::checkpoint::Every;
use refrain::task::Range;
use refrain::thousands;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Returns a parser of whole numbers in a range.
pub(super) fn count(
    range: RangeInclusive<usize>,
) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync + 'static {
    let (low, high) = (*range.start(), *range.end());
    let expected = match high {
        usize::MAX => format!("a whole number of at least {low}"),
        high => format!("a whole number from {low} to {}", thousands(high)),
    };
    move |text| number(text, |n| range.contains(n), &expected)
}

/// Returns the name of a library enum's variant, as model files spell it.
pub(super) fn name<T: Serialize>(choice: &T) -> String {
    match serde_json::to_value(choice) {
        Ok(serde_json::Value::String(name)) => name,
        other => unreachable!("a choice serialises as its name, not as {other:?}"),
    }
}

/// Parses a library enum's variant by the name that model files use.
pub(super) fn choice<T, const N: usize>(names: [&'static str; N]) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).map(|name| {
        serde_json::from_value(serde_json::Value::String(name)).expect("every listed name is a variant")
    })
}

fn number<T: std::str::FromStr + PartialOrd>(
    text: &str,
    fits: impl Fn(&T) -> bool,
    expected: &str,
) -> Result<T, String> {
    text.parse().ok().filter(fits).ok_or_else(|| format!("expected {expected}"))
}

/// Parses a number of bytes, in decimal units (`8G`) or binary ones (`8GiB`).
pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text[digits.len()..].to_ascii_lowercase();
    let (unit, base) = match unit.strip_suffix("ib") {
        Some(unit) => (unit, 1024.0_f64),
        None => (unit.strip_suffix('b').unwrap_or(&unit), 1000.0),
    };
    let power = ["", "k", "m", "g", "t"].iter().position(|known| *known == unit);
    let bytes = digits.parse::<f64>().ok().zip(power).map(|(n, power)| n * base.powi(power as i32));
    let bytes = bytes.filter(|bytes| (1.0..u64::MAX as f64).contains(bytes)).map(|bytes| bytes as u64);
    bytes.ok_or_else(|| "expected a size such as 500M or 8G".to_owned())
}

/// Returns a parser of numbers in a range.
pub(super) fn number_in(
    range: Range,
) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync + 'static {
    move |text| number(text, |&x| range.contains(x), range.expected())
}

pub(super) fn seed(text: &str) -> Result<u64, String> {
    number(text, |_| true, &format!("a whole number from 0 to {}", u64::MAX))
}

pub(super) fn part(text: &str) -> Result<f64, String> {
    number(text, |&x| x > 0.0 && x < 1.0, "a fraction above 0 and below 1")
}

pub(super) fn probability(text: &str) -> Result<f32, String> {
    number(text, |&x| x > 0.0 && x <= 1.0, "a probability above 0 and at most 1")
}

/// The cutoffs of an adaptive softmax.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cutoffs(pub(crate) Vec<usize>);

/// Parses `none` or ascending numbers separated by commas.
pub(super) fn cutoffs(text: &str) -> Result<Cutoffs, String> {
    if text == "none" {
        return Ok(Cutoffs(Vec::new()));
    }
    let numbers: Option<Vec<usize>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
    let ascending = |n: &Vec<usize>| n[0] > 0 && n.is_sorted_by(|a, b| a < b);
    let numbers =
        numbers.filter(ascending).ok_or("expected ascending numbers such as 2000,10000, or none")?;
    Ok(Cutoffs(numbers))
}

pub(super) fn not_negative_f32(text: &str) -> Result<f32, String> {
    number(text, |x: &f32| *x >= 0.0 && x.is_finite(), "a number of at least 0")
}

pub(super) fn at_least_one(text: &str) -> Result<f32, String> {
    number(text, |x: &f32| *x >= 1.0 && x.is_finite(), "a number of at least 1")
}

/// Parses a number of batches, or a time with a unit.
pub(super) fn every(text: &str) -> Result<Every, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number = digits.parse::<u64>().ok().filter(|&n| n > 0 && n <= 1_000_000_000_000);
    let seconds = match &text[digits.len()..] {
        "" => None,
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        _ => return Err(EXPECTED_EVERY.to_owned()),
    };
    let number = number.ok_or(EXPECTED_EVERY)?;
    Ok(seconds.map_or(Every::Batches(number), |unit| Every::Time(Duration::from_secs(number * unit))))
}

const EXPECTED_EVERY: &str = "expected a number of batches such as 500, or a time such as 90s, 10m or 2h";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_times_are_distinguished() {
        let time = |seconds| Every::Time(Duration::from_secs(seconds));
        for (text, expected) in
            [("500", Every::Batches(500)), ("90s", time(90)), ("10m", time(600)), ("2h", time(7200))]
        {
            assert_eq!(every(text), Ok(expected));
        }
        for wrong in ["", "0", "0m", "m", "-5", "1.5h", "10 m", "5d", "10min", "99999999999999h", "é"] {
            assert_eq!(every(wrong), Err(EXPECTED_EVERY.to_owned()), "{wrong}");
        }
    }
}

//! The ranges of numeric settings.

use crate::error::{Error, Result};

/// A range of numbers.
///
/// ```
/// use refrain_task::Range;
///
/// assert!(Range::FRACTION.contains(0.0) && !Range::FRACTION.contains(1.0));
/// let error = Range::FRACTION.check("dropout", 1.5).unwrap_err();
/// assert_eq!(error.to_string(), "dropout is 1.5; expected a number of at least 0 and below 1");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    from: f64,
    to: f64,
    /// Whether `to` is included.
    closed: bool,
    expected: &'static str,
}

impl Range {
    /// At least 1, for counts.
    pub const COUNT: Range = Range::open(1.0, f64::INFINITY, "at least 1");
    /// From 1 to 1024, for stacked layers.
    pub const LAYERS: Range = Range { from: 1.0, to: 1024.0, closed: true, expected: "from 1 to 1024" };
    /// At least 0.
    pub const NOT_NEGATIVE: Range = Range::open(0.0, f64::INFINITY, "a number of at least 0");
    /// Above 0.
    pub const POSITIVE: Range = Range::open(f64::MIN_POSITIVE, f64::INFINITY, "a number above 0");
    /// From 0 to below 1.
    pub const FRACTION: Range = Range::open(0.0, 1.0, "a number of at least 0 and below 1");
    /// Above 0 and at most 1.
    pub const FACTOR: Range =
        Range { from: f64::MIN_POSITIVE, to: 1.0, closed: true, expected: "a number above 0 and at most 1" };

    const fn open(from: f64, to: f64, expected: &'static str) -> Self {
        Self { from, to, closed: false, expected }
    }

    /// Returns whether the range contains a number. No range contains infinity or NaN.
    pub fn contains(&self, value: f64) -> bool {
        value >= self.from && (value < self.to || self.closed && value == self.to)
    }

    /// Returns the range in words: `a number above 0`.
    pub fn expected(&self) -> &'static str {
        self.expected
    }

    /// Checks a setting.
    ///
    /// # Errors
    /// [`Error::Option`] if the value is outside the range.
    pub fn check(&self, option: &'static str, value: f64) -> Result<()> {
        if self.contains(value) { Ok(()) } else { Err(Error::option(option, value, self.expected)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_include_the_documented_bounds() {
        let contained =
            |range: Range| [-1.0, 0.0, 1e-300, 1.0, 2.0, f64::INFINITY, f64::NAN].map(|x| range.contains(x));
        let [no, yes] = [false, true];
        assert_eq!(contained(Range::COUNT), [no, no, no, yes, yes, no, no]);
        assert_eq!(contained(Range::NOT_NEGATIVE), [no, yes, yes, yes, yes, no, no]);
        assert_eq!(contained(Range::POSITIVE), [no, no, yes, yes, yes, no, no]);
        assert_eq!(contained(Range::FRACTION), [no, yes, yes, no, no, no, no]);
        assert_eq!(contained(Range::FACTOR), [no, no, yes, yes, no, no, no]);
    }
}

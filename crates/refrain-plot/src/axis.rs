//! Chart axes: label, unit, scale and ticks.

/// One of a chart's two axes. Its range covers the data and extends to the next tick.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Axis {
    label: String,
    unit: String,
    pub(crate) log: bool,
    pub(crate) binary: bool,
    pub(crate) reversed: bool,
    pub(crate) whole: bool,
}

impl Axis {
    /// Creates a linear axis with a label.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    /// Sets the unit, which is printed in parentheses after the label.
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }

    /// Makes the axis logarithmic.
    #[must_use]
    pub fn log(mut self) -> Self {
        (self.log, self.binary) = (true, false);
        self
    }

    /// Makes the axis logarithmic with ticks at powers of two, for sizes that double.
    #[must_use]
    pub fn log2(mut self) -> Self {
        (self.log, self.binary) = (true, true);
        self
    }

    /// Puts the ticks of a linear axis at whole numbers, for counts such as epochs.
    #[must_use]
    pub fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    /// Reverses the axis: numbers decrease to the right or upwards, as for steps counted back from the last one.
    #[must_use]
    pub fn reversed(mut self) -> Self {
        self.reversed = true;
        self
    }

    /// Returns the label and unit as printed.
    pub(crate) fn name(&self) -> String {
        match (self.label.as_str(), self.unit.as_str()) {
            (label, "") => label.to_owned(),
            ("", unit) => unit.to_owned(),
            (label, unit) => format!("{label} ({unit})"),
        }
    }

    /// Returns the accepted range if the axis does not accept `value`. The bounds leave room for ticks around it.
    pub(crate) fn refuses(&self, value: f64) -> Option<&'static str> {
        let (fits, expected) = if self.log {
            ((SMALLEST..=LARGEST).contains(&value), "1e-300 to 1e300 on a logarithmic axis")
        } else {
            (value.abs() <= LARGEST, FINITE)
        };
        (!fits).then_some(expected)
    }
}

pub(crate) const LARGEST: f64 = 1e300;
pub(crate) const SMALLEST: f64 = 1e-300;
/// The range that a linear axis accepts.
pub(crate) const FINITE: &str = "-1e300 to 1e300";

//! Axes: what stands on them.

/// One of a chart's two axes. It spans the data, widened to the next tick.
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
    /// A linear axis with a label.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    /// The unit of its numbers, which stands after the label in parentheses.
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }

    /// Makes it logarithmic.
    #[must_use]
    pub fn log(mut self) -> Self {
        (self.log, self.binary) = (true, false);
        self
    }

    /// Makes it logarithmic with its ticks at powers of two: for sizes that are doubled.
    #[must_use]
    pub fn log2(mut self) -> Self {
        (self.log, self.binary) = (true, true);
        self
    }

    /// Puts the ticks of a linear axis at whole numbers: for counts, such as epochs.
    #[must_use]
    pub fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    /// Lets the numbers fall to the right, or upwards: for steps counted back from the last one.
    #[must_use]
    pub fn reversed(mut self) -> Self {
        self.reversed = true;
        self
    }

    /// Label and unit as they are printed.
    pub(crate) fn name(&self) -> String {
        match (self.label.as_str(), self.unit.as_str()) {
            (label, "") => label.to_owned(),
            ("", unit) => unit.to_owned(),
            (label, unit) => format!("{label} ({unit})"),
        }
    }

    /// What it takes, when it does not take this number. The bounds leave room for ticks around it.
    pub(crate) fn refuses(&self, value: f64) -> Option<&'static str> {
        let (fits, expected) = if self.log {
            ((SMALLEST..=LARGEST).contains(&value), "1e-300 to 1e300, as the axis is logarithmic")
        } else {
            (value.abs() <= LARGEST, FINITE)
        };
        (!fits).then_some(expected)
    }
}

pub(crate) const LARGEST: f64 = 1e300;
pub(crate) const SMALLEST: f64 = 1e-300;
/// What a linear axis takes.
pub(crate) const FINITE: &str = "-1e300 to 1e300";

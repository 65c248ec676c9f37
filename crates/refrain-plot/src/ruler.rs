//! Maps numbers to positions along an axis, and chooses the ticks.

use crate::axis::{Axis, SMALLEST};

/// Target number of ticks on a linear axis.
const TICKS: f64 = 5.0;
/// A logarithmic axis with fewer decades has labels at 1, 2 and 5, not only at powers of ten.
const FEW_DECADES: f64 = 2.5;
/// A logarithmic axis with more decades has no grid lines between the labels.
const MANY_DECADES: f64 = 7.0;
/// A logarithmic axis within these bounds prints its numbers in full, without exponents.
const SHORTEST: f64 = 0.9e-4;
const LONGEST: f64 = 1.1e5;
/// Maximum number of labels on a logarithmic axis.
const LABELS: f64 = 8.0;
/// An axis in powers of two with at most this many doublings labels each of them …
const LABELLED_OCTAVES: i32 = 9;
/// … and one with more than this many has no grid lines between the labels.
const MANY_OCTAVES: i32 = 40;
/// A span this small relative to its numbers counts as rounding: the axis shows one number.
const FLAT: f64 = 1e-9;
/// How far past a tick a number may lie and still count as on it, as a fraction of the distance between ticks.
const ON_TICK: f64 = 1e-9;

/// A grid line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    /// `None` for a fainter line between labels.
    pub(crate) label: Option<String>,
}

/// Maps numbers to positions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ruler {
    log: bool,
    reversed: bool,
    low: f64,
    high: f64,
    pub(crate) ticks: Vec<Tick>,
}

impl Ruler {
    /// Creates the ruler of an axis over at least one number. The axis must accept all of them.
    pub(crate) fn new(axis: &Axis, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let ruler = match (axis.log, axis.binary) {
            (false, _) => Self::linear(low, high, if axis.whole { 1.0 } else { 0.0 }),
            (true, false) => Self::logarithmic(low, high),
            (true, true) => Self::binary(low, high),
        };
        Self { reversed: axis.reversed, ..ruler }
    }

    /// Creates a linear ruler whose ticks stay between `low` and `high`.
    pub(crate) fn between(low: f64, high: f64) -> Self {
        let mut ruler = Self::linear(low, high, 0.0);
        // Relative to this span: the ruler's own is wider when the ends are nearly equal.
        let slack = ON_TICK * (high / 2.0 - low / 2.0);
        ruler.ticks.retain(|tick| tick.value >= low - slack && tick.value <= high + slack);
        Self { low, high, ..ruler }
    }

    /// Creates a linear ruler with ticks at least `least` apart.
    fn linear(low: f64, high: f64, least: f64) -> Self {
        let largest = low.abs().max(high.abs());
        let (low, high) = if high - low > FLAT * largest && high - low > SMALLEST {
            (low, high)
        } else if largest > SMALLEST {
            (low - largest / 10.0, high + largest / 10.0)
        } else {
            (-1.0, 1.0)
        };
        let wanted = (high / TICKS - low / TICKS).max(least);
        let mut exponent = wanted.log10().floor() as i32;
        let mantissa = [1.0, 2.0, 5.0].into_iter().find(|m| m * power(exponent) >= wanted * (1.0 - ON_TICK));
        let mantissa = mantissa.unwrap_or_else(|| {
            exponent += 1;
            1.0
        });
        let step = mantissa * power(exponent);
        let first = (low / step + ON_TICK).floor();
        let last = (high / step - ON_TICK).ceil();
        let tick = |i: u32| {
            // Multiplied or divided by whole numbers, so that 3 · 0.1 is exactly 0.3.
            let units = (first + f64::from(i)) * mantissa;
            let value = if exponent < 0 { units / power(-exponent) } else { units * power(exponent) };
            Tick { value, label: Some(plain(value, exponent)) }
        };
        let ticks: Vec<Tick> = (0..=(last - first) as u32).map(tick).collect();
        Self { log: false, reversed: false, low: first * step, high: last * step, ticks }
    }

    fn logarithmic(low: f64, high: f64) -> Self {
        let notches = |exponent: i32| [1.0, 2.0, 5.0].map(|mantissa| mantissa * power(exponent));
        let around = |value: f64| {
            let exponent = value.log10().floor() as i32;
            (exponent - 1..=exponent + 1).flat_map(notches)
        };
        let flat = high / low < 1.0 + FLAT;
        let over = 1.0 + ON_TICK;
        let below = |notch: &f64| if flat { *notch * over < low } else { *notch <= low * over };
        let above = |notch: &f64| if flat { *notch > high * over } else { *notch * over >= high };
        let low = around(low).rfind(below).expect("a notch lies below each number");
        let high = around(high).find(above).expect("a notch lies above each number");
        let decades = high.log10() - low.log10();
        let stride = ((decades / LABELS).ceil() as i32).max(1);
        let short = low >= SHORTEST && high <= LONGEST;
        let mut ticks = Vec::new();
        for exponent in low.log10().floor() as i32..=high.log10().ceil() as i32 {
            for mantissa in 1..=9 {
                let value = f64::from(mantissa) * power(exponent);
                let labelled = match mantissa {
                    1 => exponent.rem_euclid(stride) == 0,
                    2 | 5 => decades < FEW_DECADES,
                    _ => false,
                };
                let inside = value * over >= low && value <= high * over;
                if inside && (labelled || decades <= MANY_DECADES) {
                    ticks.push(Tick { value, label: labelled.then(|| decade(mantissa, exponent, short)) });
                }
            }
        }
        Self { log: true, reversed: false, low, high, ticks }
    }

    fn binary(low: f64, high: f64) -> Self {
        let first = (low.log2() + ON_TICK).floor() as i32;
        let last = (high.log2() - ON_TICK).ceil() as i32;
        let (first, last) = if first < last { (first, last) } else { (first - 1, first + 1) };
        let stride = (last - first + LABELLED_OCTAVES - 1) / LABELLED_OCTAVES;
        let between = last - first <= MANY_OCTAVES;
        let ticks = (first..=last).filter_map(|exponent| {
            let labelled = exponent.rem_euclid(stride) == 0;
            let label = labelled.then(|| octave(exponent));
            (labelled || between).then(|| Tick { value: 2_f64.powi(exponent), label })
        });
        Self {
            log: true,
            reversed: false,
            low: 2_f64.powi(first),
            high: 2_f64.powi(last),
            ticks: ticks.collect(),
        }
    }

    /// Returns the position of a number between the axis's ends, 0 to 1.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let place = if self.log {
            (value.log10() - self.low.log10()) / (self.high.log10() - self.low.log10())
        } else {
            // Halved so that the span of the largest numbers stays finite.
            (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0)
        };
        if self.reversed { 1.0 - place } else { place }
    }

    /// Returns the labelled ticks.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (f64, &str)> {
        self.ticks.iter().filter_map(|tick| Some((tick.value, tick.label.as_deref()?)))
    }
}

/// Returns ten to a power.
fn power(exponent: i32) -> f64 {
    // Division is correctly rounded; a product of tenths is not.
    if exponent < 0 { 1.0 / 10_f64.powi(-exponent) } else { 10_f64.powi(exponent) }
}

/// Formats a number for a linear axis whose step has this exponent.
fn plain(value: f64, exponent: i32) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else if (-4..=4).contains(&exponent) && value.abs() < 1e7 {
        format!("{value:.*}", exponent.min(0).unsigned_abs() as usize)
    } else {
        let digits = value.abs().log10().floor() as i32 - exponent;
        format!("{value:.*e}", digits.max(0) as usize)
    }
}

/// Formats a number for a logarithmic axis: 0.002 and 50 if `short`, otherwise 10⁻³ and 10⁻⁹; 1 is always 1.
fn decade(mantissa: i32, exponent: i32, short: bool) -> String {
    if short || exponent == 0 {
        return format!(
            "{:.*}",
            exponent.min(0).unsigned_abs() as usize,
            f64::from(mantissa) * power(exponent)
        );
    }
    let power = format!("10{}", superscript(exponent));
    if mantissa == 1 { power } else { format!("{mantissa}·{power}") }
}

/// Formats a power of two: 0.25, 64, 2²⁰.
fn octave(exponent: i32) -> String {
    if (-4..=16).contains(&exponent) {
        return 2_f64.powi(exponent).to_string();
    }
    format!("2{}", superscript(exponent))
}

fn superscript(exponent: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digit = |c: char| c.to_digit(10).map_or('⁻', |digit| DIGITS[digit as usize]);
    exponent.to_string().chars().map(digit).collect()
}

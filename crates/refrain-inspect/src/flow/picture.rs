//! Curves as charts.

use super::Curve;
use refrain_plot::{Axis, Chart};

/// What stands below every figure of norms.
pub(crate) const READING: &str = "The last step is on the right. A line is the median over the sequences, its band \
    reaches from their 10 % to their 90 % quantile. A straight line is a constant factor a step, a level one is memory; \
    where the norm is 0, or beyond an f32, the line has a gap and the band ends, and both end where fewer than half of the \
    sequences are that long.";

/// An empty chart of norms over the steps before the loss.
pub(crate) fn chart(title: impl Into<String>, state: &str) -> Chart {
    Chart::new(title)
        .x(Axis::new("steps before the loss").whole().reversed())
        .y(Axis::new(format!("norm of dL/d{state}")).log())
}

/// Adds a curve under a name: its median as a line with gaps, its quantiles as a band.
pub(crate) fn add(chart: Chart, name: &str, curve: &Curve) -> Chart {
    let drawn = |norm: f64| norm > 0.0 && norm.is_finite();
    // A median of the few longest sequences is not one of those before it.
    let half = curve.norms.len().div_ceil(2);
    let common =
        (0..curve.median.len()).take_while(|&k| curve.norms.iter().filter(|of| of.len() > k).count() >= half);
    let common = common.count();
    let medians: Vec<(f64, f64)> = (0..).map(f64::from).zip(curve.median[..common].iter().copied()).collect();
    let runs = medians.split(|point| !drawn(point.1)).filter(|run| !run.is_empty());
    let runs: Vec<Vec<_>> = runs.map(<[_]>::to_vec).collect();
    let band = (0..common).map(|k| (k as f64, curve.low[k], curve.high[k]));
    // A band is one area: it ends where an edge has no place on the axis.
    let band: Vec<_> = band.take_while(|&(_, low, high)| drawn(low) && drawn(high)).collect();
    let chart = if runs.is_empty() { chart } else { chart.segments(name, runs) };
    if curve.norms.len() > 1 && band.len() > 1 { chart.band(name, band) } else { chart }
}

/// Whether anything of a curve can be drawn.
pub(crate) fn drawable(curve: &Curve) -> bool {
    curve.median.iter().any(|&norm| norm > 0.0 && norm.is_finite())
}

//! Drawing curves as charts.

use super::Curve;
use refrain_plot::{Axis, Chart};

/// The caption of every figure of norms.
pub(crate) const READING: &str = "The last step is on the right. The line is the median over the sequences, \
    and the band spans their 10 % to 90 % quantiles. A straight line is a constant factor per step; a level line is \
    memory. Where the norm is 0 or beyond f32 range, the line has a gap and the band ends. Both end where fewer than \
    half of the sequences are that long.";

/// Creates an empty chart of norms over the steps before the loss.
pub(crate) fn chart(title: impl Into<String>, state: &str) -> Chart {
    Chart::new(title)
        .x(Axis::new("steps before the loss").whole().reversed())
        .y(Axis::new(format!("norm of dL/d{state}")).log())
}

/// Adds a curve with a name: its median as a line with gaps, its quantiles as a band.
pub(crate) fn add(chart: Chart, name: &str, curve: &Curve) -> Chart {
    let drawn = |norm: f64| norm > 0.0 && norm.is_finite();
    // The median of the few longest sequences is not comparable with that of all sequences.
    let half = curve.norms.len().div_ceil(2);
    let common =
        (0..curve.median.len()).take_while(|&k| curve.norms.iter().filter(|of| of.len() > k).count() >= half);
    let common = common.count();
    let medians: Vec<(f64, f64)> = (0..).map(f64::from).zip(curve.median[..common].iter().copied()).collect();
    let runs = medians.split(|point| !drawn(point.1)).filter(|run| !run.is_empty());
    let runs: Vec<Vec<_>> = runs.map(<[_]>::to_vec).collect();
    let band = (0..common).map(|k| (k as f64, curve.low[k], curve.high[k]));
    // A band is a single area: it ends where an edge cannot be drawn.
    let band: Vec<_> = band.take_while(|&(_, low, high)| drawn(low) && drawn(high)).collect();
    let chart = if runs.is_empty() { chart } else { chart.segments(name, runs) };
    if curve.norms.len() > 1 && band.len() > 1 { chart.band(name, band) } else { chart }
}

/// Returns whether anything of a curve can be drawn.
pub(crate) fn drawable(curve: &Curve) -> bool {
    curve.median.iter().any(|&norm| norm > 0.0 && norm.is_finite())
}

//! Draws the figure: one chart per task.

use crate::tasks::{Task, TaskKind};
use crate::train::Curve;
use refrain::plot::{Axis, Chart, Error, Figure};

/// Returns an SVG of the loss on the test set over training.
pub(crate) fn draw(panels: &[(Task, Vec<Curve>)]) -> Result<String, Error> {
    let chart = |(task, curves): &(Task, Vec<Curve>)| {
        let (title, loss) = match task.kind {
            TaskKind::Adding => ("Adding", "mean squared error"),
            TaskKind::Copy => ("Copy", "cross-entropy, nats"),
        };
        let chart = Chart::new(format!("{title}, T = {}", task.length))
            .x(Axis::new("training steps"))
            .y(Axis::new(loss).log())
            .reference("without memory", task.memoryless());
        curves.iter().fold(chart, |chart, curve| {
            let points = curve.points.iter().map(|&(steps, loss)| (steps as f64, loss));
            chart.line(curve.cell.name(), points)
        })
    };
    let figure = Figure::new("Loss on sequences not seen in training").columns(2);
    panels.iter().map(chart).fold(figure, Figure::add).to_svg()
}

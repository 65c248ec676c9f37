//! `--plot`: the curves of a run as a picture.

use super::curve::{Curve, Point};
use super::{End, Epoch, TaskInfo};
use crate::error::{Failure, Result};
use crate::existing::{Kind, Target};
use crate::writable;
use refrain::file::write_atomically;
use refrain::plot::{Axis, Chart, Figure, Picture, Theme};
use refrain::task::RunBatch;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Pixels of a PNG per unit of the SVG, for high-resolution screens.
const SCALE: f64 = 2.0;
/// Gradient norms whose largest is more than this many times the smallest get a logarithmic axis.
const LINEAR: f64 = 100.0;

/// A picture that is drawn when the run ends.
#[derive(Debug)]
pub(super) struct LossPlot {
    path: PathBuf,
    format: Format,
    title: String,
    task: TaskInfo,
    curve: Curve,
    epochs: Vec<Epoch>,
    /// Batches so far, and the batch after which the first epoch ended.
    batches: f64,
    ended: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Svg,
    Png,
}

impl Format {
    /// Returns the format for a file's extension.
    fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let is_built = cfg!(feature = "png");
        match extension.as_str() {
            "svg" => Ok(Self::Svg),
            "png" if is_built => Ok(Self::Png),
            "png" => Err(Failure::input(format!(
                "--plot {}: this program was built without PNG support; name a .svg file, or build it with `--features \
                 png`",
                path.display()
            ))),
            _ => Err(Failure::input(format!(
                "--plot {}: expected a name that ends in .svg{}",
                path.display(),
                if is_built { " or .png" } else { "" }
            ))),
        }
    }
}

impl LossPlot {
    /// Checks that the file can be written.
    pub(super) fn open(path: &Path, task: TaskInfo) -> Result<Self> {
        let format = Format::of(path)?;
        writable::check(path, "name another file with --plot")?;
        Ok(Self {
            path: path.to_owned(),
            format,
            title: String::new(),
            task,
            curve: Curve::default(),
            epochs: Vec::new(),
            batches: 0.0,
            ended: None,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file that the run replaces when it ends.
    pub(super) fn target(&self, force: bool) -> Target<'_> {
        let kind = match self.format {
            Format::Svg => Kind::Svg,
            Format::Png => Kind::Png,
        };
        Target { option: "--plot", path: &self.path, kind, force }
    }

    pub(super) fn begin(&mut self, name: &str) {
        // The folder means nothing to other readers of the picture.
        let name = Path::new(name).file_name().map_or(name.into(), |name| name.to_string_lossy());
        self.title = format!("Training on {name}");
    }

    pub(super) fn batch(&mut self, batch: &RunBatch<'_>) {
        self.batches = batch.batches_done as f64;
        self.curve.add(Point {
            batch: batch.batches_done as f64,
            loss: batch.model.last_loss(),
            learning_rate: batch.model.last_learning_rate(),
            gradient_norm: batch.model.last_gradient_norm(),
        });
    }

    pub(super) fn epoch(&mut self, epoch: Epoch) {
        self.epochs.push(epoch);
        self.ended.get_or_insert(self.batches);
    }

    /// Draws the run, and returns whether there was anything to draw.
    pub(super) fn draw(&mut self, end: Option<End>) -> Result<bool> {
        let mut best = 0;
        if let Some(end) = end {
            (self.epochs, best) = (end.epochs, end.best_epoch);
        }
        let Some(figure) = self.figure(best) else { return Ok(false) };
        let bytes = match self.format {
            Format::Svg => figure.svg(Theme::Auto).map(String::into_bytes),
            Format::Png => figure.png(Theme::Light, SCALE),
        };
        let failed = |e: &dyn std::fmt::Display| Failure::Work(format!("{}: {e}", self.path.display()));
        let bytes = bytes.map_err(|e| failed(&e))?;
        write_atomically(&self.path, |file| file.write_all(&bytes))
            .map_err(|e| Failure::Work(e.to_string()))?;
        Ok(true)
    }

    /// Draws a point per epoch, or per batch if there is only one epoch.
    fn figure(&self, best: usize) -> Option<Figure> {
        let by_batches = self.epochs.len() <= 1 && self.curve.points().next().is_some();
        let charts = if by_batches { self.by_batches() } else { self.by_epochs(best) };
        let charts: Vec<_> = charts.into_iter().flatten().collect();
        (!charts.is_empty()).then(|| charts.into_iter().fold(self.blank(), Figure::add))
    }

    fn blank(&self) -> Figure {
        let what = "Loss, accuracy, learning rate and gradient norm over a training run.";
        Figure::new(&self.title).description(what).columns(2)
    }

    fn by_batches(&self) -> Vec<Option<Chart>> {
        let points: Vec<_> = self.curve.points().collect();
        let of = |value: fn(&Point) -> f64| points.iter().map(|p| (p.batch, value(p))).collect::<Vec<_>>();
        let validated = self.epochs.first().and_then(|epoch| epoch.number("val_loss"));
        let validated = self.ended.zip(validated).into_iter().collect();
        vec![
            chart("Loss", "batches", [("training", of(|p| p.loss)), ("validation", validated)]),
            chart("Learning rate", "batches", [("training", of(|p| p.learning_rate))]),
            norms("batches", of(|p| p.gradient_norm)),
        ]
    }

    fn by_epochs(&self, best: usize) -> Vec<Option<Chart>> {
        let of = |name: &str| {
            let point = |epoch: &Epoch| Some((epoch.number("epoch")?, epoch.number(name)?));
            self.epochs.iter().filter_map(point).collect::<Vec<_>>()
        };
        let both = |title: &str, name: &str| {
            let validated = of(&format!("val_{name}"));
            let chart = chart(title, "epochs", [("training", of(name)), ("validation", validated.clone())])?;
            // Without validation, the last epoch's model is saved, which needs no line.
            Some(if validated.is_empty() { chart } else { chart.vertical("saved", best as f64) })
        };
        let reported = self.task.metrics.iter().filter(|metric| metric.is_reported());
        let mut charts = vec![both("Loss", "loss")];
        charts.extend(reported.map(|metric| both(&capitalised(metric.label), metric.name)));
        charts.push(chart("Learning rate", "epochs", [("training", of("learning_rate"))]));
        charts.push(norms("epochs", of("gradient_norm")));
        charts
    }
}

fn capitalised(label: &str) -> String {
    let mut letters = label.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// Returns a chart of the finite values of some lines; `None` if there are none.
fn chart<const N: usize>(title: &str, x: &str, lines: [(&str, Vec<(f64, f64)>); N]) -> Option<Chart> {
    let finite = |line: Vec<(f64, f64)>| line.into_iter().filter(|(_, y)| y.is_finite()).collect::<Vec<_>>();
    let lines = lines.map(|(name, line)| (name, finite(line)));
    let some = lines.into_iter().filter(|(_, line)| !line.is_empty());
    some.fold(None, |chart, (name, line)| {
        let chart = chart.unwrap_or_else(|| Chart::new(title).x(Axis::new(x).whole()));
        Some(chart.line(name, line))
    })
}

fn norms(x: &str, norms: Vec<(f64, f64)>) -> Option<Chart> {
    let values = norms.iter().map(|(_, norm)| *norm).filter(|norm| norm.is_finite());
    let (least, most) = values.fold((f64::INFINITY, 0.0_f64), |(a, b), norm| (a.min(norm), b.max(norm)));
    let axis = Axis::default();
    let axis = if least > 0.0 && most > LINEAR * least { axis.log() } else { axis };
    chart("Gradient norm, before clipping", x, [("training", norms)]).map(|chart| chart.y(axis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plot(epochs: &[serde_json::Value]) -> LossPlot {
        let of = |epoch: &serde_json::Value| Epoch(epoch.as_object().unwrap().clone().into_iter().collect());
        let epochs = epochs.iter().map(of).collect();
        LossPlot {
            path: PathBuf::new(),
            format: Format::Svg,
            title: "x".into(),
            task: TaskInfo::of::<refrain::language_model::TextTask>(),
            curve: Curve::default(),
            epochs,
            batches: 0.0,
            ended: None,
        }
    }

    fn svg(plot: &LossPlot) -> String {
        plot.figure(1).unwrap().svg(Theme::Auto).unwrap()
    }

    #[test]
    fn values_that_are_not_numbers_are_not_plotted() {
        assert!(plot(&[]).figure(0).is_none());
        let bad =
            |epoch| json!({ "epoch": epoch, "loss": "NaN", "learning_rate": 1e-3, "gradient_norm": "inf" });
        let drawn = svg(&plot(&[bad(1), bad(2)]));
        assert!(drawn.contains("Learning rate") && !drawn.contains(">Loss<"), "{drawn}");
        assert!(!drawn.contains("NaN") && !drawn.contains("inf\""));
        let one =
            json!({ "epoch": 1, "loss": 2.0, "val_loss": 1.5, "gradient_norm": 0.0, "learning_rate": 0.1 });
        let mut one = plot(&[one]);
        assert!(svg(&one).contains("epochs"), "a run that was resumed at its end has no batches");
        one.ended = Some(1.0);
        one.curve.add(Point { batch: 1.0, loss: f64::INFINITY, learning_rate: 0.1, gradient_norm: 1e-9 });
        one.curve.add(Point { batch: 2.0, loss: 3.0, learning_rate: 0.1, gradient_norm: 1e9 });
        let drawn = svg(&one);
        assert!(drawn.contains("batches") && drawn.contains("validation"), "{drawn}");
        one.ended = None;
        assert!(
            !svg(&one).contains("validation"),
            "an epoch that ended before the run was resumed is not drawn"
        );
    }

    #[test]
    fn a_picture_has_a_supported_file_extension() {
        let of = |name: &str| Format::of(Path::new(name));
        assert_eq!(of("a.SVG").unwrap(), Format::Svg);
        for wrong in ["a", "svg", ".svg", "a.jpg", "a.svg.gz"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        assert_eq!(of("a.png").is_ok(), cfg!(feature = "png"));
    }
}

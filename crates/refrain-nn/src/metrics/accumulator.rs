//! Accumulating a metric over all rows since the last reset.

use super::{DEFAULT_THRESHOLD, Mean, Metric};
use crate::graph::{Kind, Value};
use crate::loss::{Form, RowTargets, Target};
use refrain_kernels::elementwise::activate_rows;
use refrain_kernels::softmax::{argmax, softmax};
use refrain_kernels::{Elementwise, Engine, Rows};

/// A metric and its sums. The buffers keep their largest size.
#[derive(Debug, Clone)]
pub(crate) struct Accumulator {
    metric: Metric,
    mean: Mean,
    predictions: Value,
    columns: Vec<u32>,
}

impl Accumulator {
    pub(crate) fn new(metric: Metric) -> Self {
        Self { metric, mean: Mean::default(), predictions: Value::default(), columns: Vec::new() }
    }

    /// Returns the sums so far.
    pub(crate) fn mean_mut(&mut self) -> &mut Mean {
        &mut self.mean
    }

    /// Returns the sums so far.
    pub(crate) fn mean(&self) -> Mean {
        self.mean
    }

    /// Returns the metric.
    pub(crate) fn metric(&self) -> Metric {
        self.metric
    }

    /// Adds a batch or some of its rows. `losses` are the unweighted losses of
    /// [`crate::loss::Loss::evaluate`], one per row.
    ///
    /// # Panics
    /// Panics if [`Metric::check`] rejects the output and the targets, or if their numbers of rows differ.
    pub(crate) fn update(
        &mut self,
        engine: &Engine,
        form: Form,
        output: &Value,
        targets: &RowTargets,
        losses: &[f32],
    ) {
        assert_eq!(targets.rows, output.rows(), "rows of targets and output");
        assert!(targets.is_ids() || targets.width == output.width(), "widths of targets and output");
        match self.metric {
            Metric::Perplexity => self.update_losses(targets, losses),
            Metric::Accuracy if output.width() > 1 => {
                // Softmax and sigmoid preserve the order of the columns.
                let mut columns = std::mem::take(&mut self.columns);
                columns.resize(output.rows(), 0);
                argmax(engine, output.view(), &mut columns);
                self.update_classes(targets, &columns);
                self.columns = columns;
            }
            Metric::TopK(k) => {
                let (finite, x) = (form == Form::Values, output.view());
                let rows =
                    (0..output.rows()).map(|r| hit(in_top(x.row(r), class(targets.target(r)), k, finite)));
                add_rows(&mut self.mean, targets, rows);
            }
            Metric::Accuracy => self.add_mean(engine, form, output, targets, agrees(DEFAULT_THRESHOLD)),
            Metric::BinaryAccuracy { threshold } => {
                self.add_mean(engine, form, output, targets, agrees(threshold));
            }
            Metric::MeanAbsoluteError => {
                self.add_mean(engine, form, output, targets, |p, t| f64::from((p - t).abs()));
            }
            Metric::MeanSquaredError | Metric::RootMeanSquaredError => {
                self.add_mean(engine, form, output, targets, |p, t| f64::from((p - t) * (p - t)));
            }
        }
    }

    /// Adds losses to [`Metric::Perplexity`], which needs nothing else.
    pub(crate) fn update_losses(&mut self, targets: &RowTargets, losses: &[f32]) {
        assert_eq!(losses.len(), targets.rows, "one loss per row");
        self.mean.add(targets.weighted_sum(losses), losses.len() as f64);
    }

    /// Adds rows to [`Metric::Accuracy`] if the most likely class of each is known.
    pub(crate) fn update_classes(&mut self, targets: &RowTargets, classes: &[u32]) {
        assert_eq!(classes.len(), targets.rows, "one class per row");
        let hits = classes.iter().enumerate().map(|(r, &c)| hit(class(targets.target(r)) == c as usize));
        add_rows(&mut self.mean, targets, hits);
    }

    /// Adds the mean, over the width, of a function of each prediction and target.
    fn add_mean(
        &mut self,
        engine: &Engine,
        form: Form,
        output: &Value,
        targets: &RowTargets,
        element: impl Fn(f32, f32) -> f64,
    ) {
        let width = output.width();
        let p = predictions(engine, form, output, &mut self.predictions);
        let rows = (0..output.rows()).map(|r| {
            let (p, target) = (p.row(r), targets.target(r));
            let sum: f64 = p.iter().enumerate().map(|(v, &p)| element(p, target.element(v, width))).sum();
            sum / width as f64
        });
        add_rows(&mut self.mean, targets, rows);
    }

    /// Returns the metric over all rows since the last reset.
    pub(crate) fn result(&self) -> f64 {
        match self.metric {
            Metric::Perplexity => self.mean.result().exp(),
            Metric::RootMeanSquaredError => self.mean.result().sqrt(),
            _ => self.mean.result(),
        }
    }

    /// Removes all rows.
    pub(crate) fn reset(&mut self) {
        self.mean = Mean::default();
    }
}

fn add_rows(mean: &mut Mean, targets: &RowTargets, rows: impl Iterator<Item = f64>) {
    for (r, value) in rows.enumerate() {
        let weight = f64::from(targets.row_weight(r));
        mean.add(weight * value, weight);
    }
}

/// Returns the model's predictions: the output after the activation that was skipped.
fn predictions<'a>(engine: &Engine, form: Form, output: &'a Value, scratch: &'a mut Value) -> Rows<'a> {
    if form == Form::Values {
        return output.view();
    }
    scratch.shape(output.rows(), Kind::Features(output.width()));
    scratch.data.copy_from_slice(&output.data);
    match form {
        Form::SigmoidLogits => activate_rows(engine, Elementwise::Sigmoid, scratch.view_mut()),
        _ => softmax(engine, scratch.view_mut()),
    }
    scratch.view()
}

fn hit(hit: bool) -> f64 {
    f64::from(u8::from(hit))
}

/// Returns a function that is 1 if `p > threshold` agrees with the target.
fn agrees(threshold: f32) -> impl Fn(f32, f32) -> f64 {
    move |p, t| hit(f32::from(u8::from(p > threshold)) == t)
}

/// Returns the target's class: for values, the column of the largest, the first of equals.
fn class(target: Target<'_>) -> usize {
    match target {
        Target::Class(id) => id,
        Target::Values(values) => {
            let mut best = (0, f32::NEG_INFINITY);
            for (column, &value) in values.iter().enumerate() {
                if value > best.1 {
                    best = (column, value);
                }
            }
            best.0
        }
    }
}

/// Returns whether fewer than `k` columns are larger than that of `class`. A logit may be −∞, for a
/// probability of 0. With `finite`, no value may be infinite.
fn in_top(x: &[f32], class: usize, k: usize, finite: bool) -> bool {
    let of_class = x[class];
    let larger: u32 = x.iter().map(|&x| u32::from(x > of_class)).sum();
    let valid = |x: f32| x.is_finite() || (!finite && x == f32::NEG_INFINITY);
    (larger as usize) < k && x.iter().all(|&x| valid(x))
}

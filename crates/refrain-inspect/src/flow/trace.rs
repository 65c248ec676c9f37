//! Computing the norms of a model's gradient on sequences.

use super::{Curve, LayerFlow};
use crate::error::Result;
use crate::sample::{Sample, goes_backwards, real_steps, unsupported};
use crate::say::no_steps;
use refrain_nn::data::{Batch, BatchTarget};
use refrain_nn::loss::Loss;
use refrain_nn::optim::Sgd;
use refrain_nn::shown::counted;
use refrain_nn::{Activation, Compile, Model, Recurrence, Reduction};

pub(super) const WHAT: &str = "follow the gradient through time";

/// Traces the recurrent layers of a model with its current parameters.
pub(crate) fn trace(model: &Model, sample: &Sample) -> Result<Vec<LayerFlow>> {
    let mut model = prepared(model, sample)?;
    let steps = real_steps(&mut model, &sample.batch)?;
    if steps.iter().all(Vec::is_empty) {
        return Err(unsupported(WHAT, no_steps(steps.len())));
    }
    let end = |of: &[usize]| of.last().copied();
    let mut flows = layers(&mut model, &weighted(&sample.batch, &steps, end))?;
    let per_step = sample.batch.targets[0].steps > 1;
    if per_step && flows.iter().any(|flow| flow.backwards) {
        let start = |of: &[usize]| of.first().copied();
        let from_start = layers(&mut model, &weighted(&sample.batch, &steps, start))?;
        for (flow, back) in flows.iter_mut().zip(from_start).filter(|(flow, _)| flow.backwards) {
            *flow = back;
        }
    }
    match flows.is_empty() {
        true => Err(unsupported(WHAT, "the model has no recurrent layer")),
        false => Ok(flows),
    }
}

/// Copies the model in inference mode, with a loss whose gradient is each sequence's own divided by the number of
/// sequences.
fn prepared(model: &Model, sample: &Sample) -> Result<Model> {
    let (outputs, targets) = (model.output_count(), sample.batch.targets.len());
    if outputs != 1 || targets != 1 {
        let reason = format!(
            "the model has {} and the sample {}; expected one each",
            counted(outputs, "output"),
            counted(targets, "target")
        );
        return Err(unsupported(WHAT, reason));
    }
    let mut copy = model.without_dropout()?;
    // Backward passes skip what no trainable parameter needs.
    copy.set_trainable("", true);
    copy.compile(Compile {
        loss: fitting_loss(model, &sample.batch.targets[0]),
        optimizer: Sgd::default().into(),
        reduction: Reduction::SumOverSteps,
        seed: model.seed(),
        ..Compile::default()
    })?;
    copy.set_gradient_probe(true);
    Ok(copy)
}

/// Returns the loss that fits the output's last activation and the kind of targets.
fn fitting_loss(model: &Model, target: &BatchTarget) -> Loss {
    let ids = !target.ids.is_empty();
    match model.output_activation(0) {
        Some(Activation::Softmax) if ids => Loss::SparseCategoricalCrossentropy,
        Some(Activation::Softmax) => Loss::CategoricalCrossentropy,
        Some(Activation::Sigmoid) => Loss::BinaryCrossentropy,
        _ if ids && model.output_width(0) == 1 => Loss::BinaryCrossentropyFromLogits,
        _ if ids => Loss::SparseCategoricalCrossentropyFromLogits,
        _ => Loss::MeanSquaredError,
    }
}

/// Returns the batch with a loss at only one step of each sequence; unchanged if the output has no time axis.
fn weighted(batch: &Batch, steps: &[Vec<usize>], at: impl Fn(&[usize]) -> Option<usize>) -> Batch {
    let span = batch.targets[0].steps;
    let mut batch = batch.clone();
    batch.weights.clear();
    if span > 1 {
        batch.weights.resize(batch.lanes * span, 0.0);
        for (n, step) in steps.iter().enumerate().filter_map(|(n, of)| Some((n, at(of)?))) {
            if let Some(weight) =
                batch.weights.get_mut(n * span..(n + 1) * span).and_then(|w| w.get_mut(step))
            {
                *weight = 1.0;
            }
        }
    }
    batch
}

/// Runs one backward pass and reads it layer by layer.
fn layers(model: &mut Model, batch: &Batch) -> Result<Vec<LayerFlow>> {
    model.reset_states();
    model.gradient_step(batch, None)?;
    if !model.last_loss().is_finite() {
        let reason = format!(
            "the loss of the sequences is {}; check the data and the parameters for non-finite numbers",
            model.last_loss()
        );
        return Err(unsupported(WHAT, reason));
    }
    Ok(model.recurrences().map(|seen| layer(model, &seen, batch.lanes)).collect())
}

fn layer(model: &Model, seen: &Recurrence<'_>, lanes: usize) -> LayerFlow {
    // The gradient is that of a mean over the sequences.
    let of = |gradient: Option<&[f32]>| gradient.map_or(0.0, |gradient| lanes as f64 * norm(gradient));
    let curve = |at: &dyn Fn(usize) -> f64| {
        let layout = seen.layout();
        let back = |n| (0..layout.length(n)).rev().map(|t| at(layout.row(n, t))).collect();
        Curve::new((0..lanes).map(back).collect())
    };
    LayerFlow {
        layer: seen.layer().to_owned(),
        class_name: seen.class_name(),
        units: seen.units(),
        backwards: goes_backwards(model.architecture(), seen.layer()),
        hidden: curve(&|row| of(seen.hidden_gradient(row))),
        cell: seen.has_cell_state().then(|| curve(&|row| of(seen.cell_gradient(row)))),
    }
}

/// Returns the Euclidean norm, in f64, because squares may exceed the range of f32.
pub(crate) fn norm(of: &[f32]) -> f64 {
    of.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

//! What the parameters are like.

use super::spectrum::{largest_singular_value, spectral_radius};
use crate::activations::gate_name;
use ndarray::Array2;
use refrain_nn::Model;
use serde::Serialize;

/// The most units of a layer whose spectrum is worked out: the work goes with their cube, and takes about two seconds a
/// gate at so many.
const UNITS: usize = 1024;

/// The part of a recurrent kernel that belongs to a gate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KernelBlock {
    /// The gate; of a SimpleRNN `hidden state`.
    pub gate: &'static str,
    /// The largest absolute value among its eigenvalues, within 0.05 %: what it multiplies a state by, step after step.
    pub spectral_radius: Option<f64>,
    /// The most that it multiplies a state by in one step.
    pub largest_singular_value: Option<f64>,
}

/// How a parameter is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParameterHealth {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The root of the sum of its squares.
    pub l2: f64,
    /// The root of the mean of its squares.
    pub rms: f64,
    /// Its largest value either way.
    pub largest: f32,
    /// The share of its values that are 0.
    pub zeros: f64,
    /// Values that are no finite numbers.
    pub not_finite: usize,
}

/// All parameters.
pub(super) fn parameters(model: &Model) -> Vec<ParameterHealth> {
    let params = model.params();
    let of = |(id, span): (refrain_nn::SpanId, &refrain_nn::Span)| {
        let values = params.value(id);
        let finite = || values.iter().filter(|x| x.is_finite());
        let square: f64 = finite().map(|&x| f64::from(x) * f64::from(x)).sum();
        let count = values.len().max(1) as f64;
        ParameterHealth {
            name: span.name.clone(),
            shape: span.shape.clone(),
            l2: square.sqrt(),
            rms: (square / count).sqrt(),
            largest: finite().fold(0.0, |most: f32, x| most.max(x.abs())),
            zeros: values.iter().filter(|&&x| x == 0.0).count() as f64 / count,
            not_finite: values.len() - finite().count(),
        }
    };
    params.ids().zip(params.spans()).map(of).collect()
}

/// A layer's recurrent kernel, gate by gate.
pub(super) fn blocks(model: &Model, layer: &str, class_name: &str, threads: usize) -> Vec<KernelBlock> {
    let gates: &[&'static str] = match class_name {
        "LSTM" => &["i", "f", "c", "o"],
        "GRU" => &["z", "r", "h"],
        _ => &[""],
    };
    let name = format!("{layer}/recurrent_kernel");
    let mut spans = model.params().ids().zip(model.params().spans());
    let Some((id, span)) = spans.find(|(_, span)| span.name == name) else { return Vec::new() };
    let (units, values) = (span.shape[0], model.params().value(id));
    let block = |g: usize| {
        let gate = if gates.len() == 1 { "hidden state" } else { gate_name(class_name, gates[g]) };
        if units > UNITS {
            return KernelBlock { gate, spectral_radius: None, largest_singular_value: None };
        }
        let at = |(row, column)| f64::from(values[row * gates.len() * units + g * units + column]);
        let matrix = Array2::from_shape_fn((units, units), at);
        KernelBlock {
            gate,
            spectral_radius: spectral_radius(&matrix),
            largest_singular_value: largest_singular_value(&matrix),
        }
    };
    let all: Vec<usize> = (0..gates.len()).collect();
    let share = gates.len().div_ceil(threads.max(1));
    std::thread::scope(|scope| {
        let workers: Vec<_> = all
            .chunks(share)
            .map(|part| scope.spawn(|| part.iter().map(|&g| block(g)).collect::<Vec<_>>()))
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic in it")).collect()
    })
}

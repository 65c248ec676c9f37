//! The state of the parameters.

use super::spectrum::{largest_singular_value, spectral_radius};
use crate::activations::gate_name;
use ndarray::Array2;
use refrain_nn::Model;
use serde::Serialize;

/// The maximum number of units for which the spectrum is computed. The time grows with the cube of the units; at
/// this limit it is about two seconds per gate.
const UNITS: usize = 1024;

/// The part of a recurrent kernel that belongs to one gate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KernelBlock {
    /// The gate; `hidden state` for a SimpleRNN.
    pub gate: &'static str,
    /// The largest absolute eigenvalue, within 0.05 %: the factor that repeated steps apply to a state.
    pub spectral_radius: Option<f64>,
    /// The largest factor that one step can apply to a state.
    pub largest_singular_value: Option<f64>,
}

/// The state of a parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParameterHealth {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The square root of the sum of its squares.
    pub l2: f64,
    /// The square root of the mean of its squares.
    pub rms: f64,
    /// The largest absolute value.
    pub largest: f32,
    /// The share of its values that are 0.
    pub zeros: f64,
    /// Number of non-finite values.
    pub not_finite: usize,
}

/// Measures all parameters.
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

/// Measures a layer's recurrent kernel, gate by gate.
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

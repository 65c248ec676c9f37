//! Layers in f32 compared with the plain loops of `refrain_kernels::reference` in f64. The recurrent layers
//! have their own file.

use super::super::*;
use crate::activation::Activation;
use crate::gradcheck::{Bench, Input};
use crate::graph::Mode;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use refrain_kernels::{Elementwise, reference};

/// The largest difference to the f64 reference, relative to the largest value of the array: about 200 f32
/// rounding units, for sums of up to a hundred products and accumulated roundings of a few steps.
pub(super) const TOLERANCE: f64 = 1e-5;

const LENGTHS: [usize; 4] = [2, 5, 0, 3];
/// Larger than one vector and one panel, and a multiple of neither.
const WIDTH: usize = 19;
const OUTPUTS: usize = 67;

/// Returns numbers in ±`scale` that are the same in every run.
pub(super) fn numbers(seed: u64, count: usize, scale: f32) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| (2.0 * rng.random::<f32>() - 1.0) * scale).collect()
}

pub(super) fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().copied().map(f64::from).collect()
}

/// Compares with the reference. The tolerance is [`TOLERANCE`] times the largest value, and 0 if all values
/// are zero.
pub(super) fn assert_close(what: &str, got: &[f32], want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{what}");
    let size = want.iter().fold(0.0f64, |m, w| m.max(w.abs()));
    for (i, (&got, want)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(got) - want).abs();
        // NaN is an error too.
        assert!(
            error <= TOLERANCE * size,
            "{what}[{i}] = {got:e}, reference {want:e}: off by {error:e}, the largest is {size:e}"
        );
    }
}

/// Returns sequences of the lengths [`LENGTHS`].
fn sequences(seed: u64, width: usize, scale: f32) -> Vec<Vec<f32>> {
    LENGTHS.iter().zip(seed..).map(|(&length, seed)| numbers(seed, length * width, scale)).collect()
}

fn steps(width: usize, sequences: &[Vec<f32>]) -> Input {
    Input::steps(width, &sequences.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// Returns the bench after both passes, and the gradient given at its output, flat like the output.
fn run(mut bench: Bench) -> (Bench, Vec<f64>) {
    bench.forward(Mode::Train).unwrap();
    let dy: Vec<Vec<f32>> =
        bench.output(0).iter().zip(50..).map(|(y, seed)| numbers(seed, y.len(), 1.0)).collect();
    bench.backward(std::slice::from_ref(&dy)).unwrap();
    (bench, wide(&dy.concat()))
}

/// Returns the layer's activation for one of the kernels' activations.
pub(super) fn named(activation: Elementwise) -> Activation {
    serde_json::from_value(activation.name().into()).unwrap()
}

fn activations() -> Vec<Activation> {
    Elementwise::ALL.into_iter().map(named).chain([Activation::Softmax]).collect()
}

fn apply(activation: Activation, x: &[f64], width: usize) -> Vec<f64> {
    match activation.elementwise() {
        Some(activation) => x.iter().map(|&x| reference::activation::apply(activation, x)).collect(),
        None => reference::softmax::forward(x, width),
    }
}

fn backward(activation: Activation, y: &[f64], dy: &[f64], width: usize) -> Vec<f64> {
    let slope = reference::activation::derivative_from_output;
    match activation.elementwise() {
        Some(activation) => y.iter().zip(dy).map(|(&y, &dy)| dy * slope(activation, y)).collect(),
        None => reference::softmax::backward(y, dy, width),
    }
}

#[test]
fn activations_match_the_reference() {
    for activation in activations().into_iter().filter(|&a| a != Activation::Linear) {
        let x = sequences(1, WIDTH, 6.0);
        let layer = ActivationLayer::new(activation);
        let (bench, dy) = run(Bench::new(&layer, &[steps(WIDTH, &x)]).unwrap());
        let y = apply(activation, &wide(&x.concat()), WIDTH);
        assert_close(&format!("{activation}"), &bench.output(0).concat(), &y);
        let dx = backward(activation, &y, &dy, WIDTH);
        assert_close(&format!("{activation}, dx"), &bench.input_gradient(0).concat(), &dx);
    }
}

#[test]
fn dense_matches_the_reference() {
    let rows = LENGTHS.iter().sum();
    for (activation, bias) in activations().into_iter().flat_map(|a| [(a, true), (a, false)]) {
        let x = sequences(1, WIDTH, 1.0);
        let kernel = numbers(2, WIDTH * OUTPUTS, 0.5);
        let b = numbers(3, OUTPUTS, 0.5);
        let layer = Dense::new(OUTPUTS).activation(activation).use_bias(bias);
        let mut bench = Bench::new(&layer, &[steps(WIDTH, &x)]).unwrap();
        bench.set_weight("kernel", &kernel).unwrap();
        if bias {
            bench.set_weight("bias", &b).unwrap();
        }
        let (bench, dy) = run(bench);
        let (x, kernel, b) = (wide(&x.concat()), wide(&kernel), wide(&b));
        let weights = reference::dense::Weights {
            inputs: WIDTH,
            outputs: OUTPUTS,
            kernel: &kernel,
            bias: bias.then_some(&b),
        };
        let y = apply(activation, &reference::dense::forward(&weights, rows, &x), OUTPUTS);
        let sum = backward(activation, &y, &dy, OUTPUTS);
        let want = reference::dense::backward(&weights, rows, &x, &sum);
        let what = |part| format!("{activation}, bias {bias}: {part}");
        assert_close(&what("y"), &bench.output(0).concat(), &y);
        assert_close(&what("dx"), &bench.input_gradient(0).concat(), &want.x);
        assert_close(&what("kernel"), bench.weight_gradient("kernel").unwrap(), &want.kernel);
        if let Some(bias) = want.bias {
            assert_close(&what("bias"), bench.weight_gradient("bias").unwrap(), &bias);
        }
    }
}

#[test]
fn embedding_matches_the_reference() {
    const WORDS: usize = 5;
    let ids: [&[u32]; 4] = [&[4, 0], &[1, 4, 4, 4, 0], &[], &[3, 1, 1]];
    let table = numbers(1, WORDS * WIDTH, 1.0);
    let mut bench = Bench::new(&Embedding::new(WORDS, WIDTH), &[Input::ids(&ids)]).unwrap();
    bench.set_weight("embeddings", &table).unwrap();
    let (bench, dy) = run(bench);
    let y = reference::embedding::forward(&ids.concat(), &wide(&table), WIDTH);
    assert_eq!(wide(&bench.output(0).concat()), y);
    let want = reference::embedding::backward(&ids.concat(), &dy, WORDS, WIDTH);
    assert_close("embeddings", bench.weight_gradient("embeddings").unwrap(), &want);
}

#[test]
fn layer_normalization_matches_the_reference() {
    let rows = LENGTHS.iter().sum();
    for (scale, center) in [(true, true), (true, false), (false, true), (false, false)] {
        let x = sequences(1, WIDTH, 2.0);
        let [gamma, beta] = [2, 3].map(|seed| numbers(seed, WIDTH, 1.5));
        let layer = LayerNormalization::new().scale(scale).center(center).epsilon(0.01);
        let mut bench = Bench::new(&layer, &[steps(WIDTH, &x)]).unwrap();
        for (used, name, values) in [(scale, "gamma", &gamma), (center, "beta", &beta)] {
            if used {
                bench.set_weight(name, values).unwrap();
            }
        }
        let (bench, dy) = run(bench);
        let (x, gamma, beta) = (wide(&x.concat()), wide(&gamma), wide(&beta));
        let weights = reference::layer_norm::Weights {
            width: WIDTH,
            gamma: scale.then_some(&gamma[..]),
            beta: center.then_some(&beta[..]),
            epsilon: f64::from(0.01f32),
        };
        let forward = reference::layer_norm::forward(&weights, rows, &x);
        let want = reference::layer_norm::backward(&weights, rows, &forward, &dy);
        let what = |part| format!("scale {scale}, center {center}: {part}");
        assert_close(&what("y"), &bench.output(0).concat(), &forward.y);
        assert_close(&what("dx"), &bench.input_gradient(0).concat(), &want.x);
        for (name, want) in [("gamma", want.gamma), ("beta", want.beta)] {
            if let Some(want) = want {
                assert_close(&what(name), bench.weight_gradient(name).unwrap(), &want);
            }
        }
    }
}

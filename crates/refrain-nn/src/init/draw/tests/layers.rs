//! The initial parameters of a built model, compared with the defaults that its layers document.

use super::*;
use crate::layers::{Dense, Embedding, Gru, LayerNormalization, Lstm, SimpleRnn};
use crate::{Compile, Model, Sequential};

const WORDS: usize = 1000;
const WIDTH: usize = 300;
const UNITS: usize = 64;
const CLASSES: usize = 400;
/// Absolute tolerance of an entry of the Gram matrix of rows of length up to 256, rounded to f32.
const ORTHONORMAL: f64 = 1e-6;

fn model() -> Model {
    Sequential::new()
        .add(Embedding::new(WORDS, WIDTH))
        .add(SimpleRnn::new(UNITS).return_sequences(true))
        .add(Gru::new(UNITS).return_sequences(true))
        .add(Gru::new(UNITS).reset_after(false).return_sequences(true))
        .add(Lstm::new(UNITS).return_sequences(true))
        .add(Lstm::new(UNITS).unit_forget_bias(false))
        .add(LayerNormalization::new())
        .add(Dense::new(CLASSES))
        .compile(Compile::default())
        .unwrap()
}

#[test]
fn kernels_are_glorot_uniform_over_all_gates() {
    let model = model();
    for (name, inputs, outputs) in [
        ("simple_rnn/kernel", WIDTH, UNITS),
        ("gru/kernel", UNITS, 3 * UNITS),
        ("gru_1/kernel", UNITS, 3 * UNITS),
        ("lstm/kernel", UNITS, 4 * UNITS),
        ("lstm_1/kernel", UNITS, 4 * UNITS),
        ("dense/kernel", UNITS, CLASSES),
    ] {
        let limit = (6.0 / (inputs + outputs) as f64).sqrt();
        let values = model.weight(name).unwrap();
        assert_eq!(values.len(), inputs * outputs, "{name}");
        check_uniform_values(name, values, -limit, limit);
    }
    check_uniform_values("embeddings", model.weight("embedding/embeddings").unwrap(), -0.05, 0.05);
}

/// The rows of the whole matrix are orthonormal. Four orthogonal blocks side by side would have rows of
/// length 2.
#[test]
fn recurrent_kernels_are_one_orthogonal_matrix() {
    let model = model();
    for (name, gates) in [("simple_rnn", 1), ("gru", 3), ("gru_1", 3), ("lstm", 4), ("lstm_1", 4)] {
        let values = model.weight(&format!("{name}/recurrent_kernel")).unwrap();
        assert_eq!(values.len(), UNITS * gates * UNITS, "{name}");
        let rows: Vec<&[f32]> = values.chunks_exact(gates * UNITS).collect();
        for (i, a) in rows.iter().enumerate() {
            for (j, b) in rows.iter().enumerate() {
                let product: f64 = a.iter().zip(*b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
                let error = (product - f64::from(u8::from(i == j))).abs();
                assert!(error < ORTHONORMAL, "{name}: rows {i} and {j} have the product {product}");
            }
        }
        // The length of the rows determines the variance; the signs of the entries are free.
        check_moments(name, values, 0.0, 1.0 / (gates * UNITS) as f64, 3.0);
    }
}

#[test]
fn biases_are_zero_except_for_the_forget_gate() {
    let model = model();
    let bias = |name: &str| model.weight(&format!("{name}/bias")).unwrap().to_vec();
    assert_eq!(bias("simple_rnn"), vec![0.0; UNITS]);
    assert_eq!(bias("gru"), vec![0.0; 2 * 3 * UNITS]);
    assert_eq!(bias("gru_1"), vec![0.0; 3 * UNITS]);
    let forget = [vec![0.0; UNITS], vec![1.0; UNITS], vec![0.0; 2 * UNITS]].concat();
    assert_eq!(bias("lstm"), forget);
    assert_eq!(bias("lstm_1"), vec![0.0; 4 * UNITS]);
    assert_eq!(bias("dense"), vec![0.0; CLASSES]);
    assert_eq!(model.weight("layer_normalization/gamma").unwrap(), [1.0; UNITS]);
    assert_eq!(model.weight("layer_normalization/beta").unwrap(), [0.0; UNITS]);
}

#[test]
fn layers_of_one_kind_are_initialised_differently() {
    let model = model();
    for part in ["kernel", "recurrent_kernel"] {
        for layer in ["gru", "lstm"] {
            let [a, b] = [layer.to_owned(), format!("{layer}_1")]
                .map(|l| model.weight(&format!("{l}/{part}")).unwrap());
            let same = a.iter().zip(b).filter(|(a, b)| a == b).count();
            // Of 10⁴ pairs of floats a few may be equal.
            assert!(same < 10, "{layer}: {same} equal values of {}", a.len());
        }
    }
}

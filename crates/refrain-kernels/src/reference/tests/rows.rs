//! Tests of what works row by row: activations, dense, embedding, layer normalisation, softmax, losses, activities.

use super::super::activation::{apply, derivative_from_output};
use super::super::losses::{self, Loss};
use super::super::{PackedShape, activity, dense, embedding, layer_norm, softmax};
use super::{
    DIFFERENCE, GOLDEN, STEP, assert_close, assert_gradient, assert_same_in_f32, cast, dot, golden, numbers,
    probabilities,
};
use crate::Elementwise;

#[test]
fn activations_match_keras() {
    let x = [-4.0, -2.5, -0.5, 0.25, 2.5, 4.0];
    for (activation, expected) in Elementwise::ALL.into_iter().zip(golden::ACTIVATIONS.chunks(x.len())) {
        let y = x.map(|x| apply(activation, x));
        assert_close(activation.name(), &y, expected, GOLDEN, 1.0);
        let single = x.map(|x| apply(activation, x as f32));
        assert_same_in_f32(activation.name(), &single, &y);
    }
}

#[test]
fn derivatives_follow_from_outputs() {
    for activation in Elementwise::ALL {
        for x in [-4.0, -2.5, -0.5, 0.25, 2.5, 4.0] {
            let numeric = (apply(activation, x + STEP) - apply(activation, x - STEP)) / (2.0 * STEP);
            let analytic = derivative_from_output(activation, apply(activation, x));
            assert_close(activation.name(), &[analytic], &[numeric], DIFFERENCE, 1e-2);
        }
    }
}

#[test]
fn activations_keep_nan_and_survive_the_extremes() {
    for activation in Elementwise::ALL {
        assert!(apply(activation, f32::NAN).is_nan(), "{}", activation.name());
        let low = apply(activation, -1e4_f32);
        assert!(low.is_finite(), "{} of −10000 is {low}", activation.name());
    }
    assert_eq!(apply(Elementwise::Softplus, 1e4_f32), 1e4);
}

#[test]
fn dense_gradients() {
    let (rows, inputs, outputs) = (3, 2, 4);
    let dy = numbers(5, rows * outputs);
    for has_bias in [true, false] {
        let mut state = [numbers(1, rows * inputs), numbers(2, inputs * outputs), numbers(3, outputs)];
        fn weights(state: &[Vec<f64>; 3], has_bias: bool) -> dense::Weights<'_, f64> {
            dense::Weights { inputs: 2, outputs: 4, kernel: &state[1], bias: has_bias.then_some(&state[2]) }
        }
        let objective = |s: &[Vec<f64>; 3]| dot(&dense::forward(&weights(s, has_bias), rows, &s[0]), &dy);
        let to = dense::backward(&weights(&state, has_bias), rows, &state[0], &dy);
        assert_eq!(to.bias.is_some(), has_bias);
        let bias = to.bias.unwrap_or_else(|| vec![0.0; outputs]);
        for (k, analytic) in [to.x, to.kernel, bias].iter().enumerate() {
            assert_gradient(&format!("dense {k}"), &mut state, |s| &mut s[k], objective, analytic);
        }
    }
}

#[test]
fn embedding_gathers_and_scatters() {
    let (vocabulary, width) = (4, 2);
    let ids = [3, 1, 3];
    let mut table = numbers(1, vocabulary * width);
    let y = embedding::forward(&ids, &table, width);
    assert_eq!(y, [&table[6..8], &table[2..4], &table[6..8]].concat());
    let dy = numbers(2, ids.len() * width);
    let analytic = embedding::backward(&ids, &dy, vocabulary, width);
    let objective = |table: &Vec<f64>| dot(&embedding::forward(&ids, table, width), &dy);
    assert_gradient("embedding", &mut table, |table| table, objective, &analytic);
}

fn norm_weights(state: &[Vec<f64>; 3], has: [bool; 2]) -> layer_norm::Weights<'_, f64> {
    layer_norm::Weights {
        width: 3,
        gamma: has[0].then_some(&state[1]),
        beta: has[1].then_some(&state[2]),
        epsilon: layer_norm::EPSILON,
    }
}

#[test]
fn layer_norm_and_its_gradients_match_keras() {
    let rows = 2;
    let mut state = [numbers(11, 6), numbers(13, 3), numbers(14, 3)];
    let dy = numbers(15, 6);
    for has in [[true, true], [true, false], [false, true], [false, false]] {
        let forward = layer_norm::forward(&norm_weights(&state, has), rows, &state[0]);
        if has == [true, true] {
            assert_close("layer norm", &forward.y, &golden::LAYER_NORM, GOLDEN, 1.0);
        }
        if has == [false, false] {
            assert_eq!(forward.y, forward.normalized, "without γ and β");
        }
        let objective =
            |s: &[Vec<f64>; 3]| dot(&layer_norm::forward(&norm_weights(s, has), rows, &s[0]).y, &dy);
        let to = layer_norm::backward(&norm_weights(&state, has), rows, &forward, &dy);
        assert_eq!([to.gamma.is_some(), to.beta.is_some()], has);
        let zeros = || vec![0.0; 3];
        let all = [to.x, to.gamma.unwrap_or_else(zeros), to.beta.unwrap_or_else(zeros)];
        for (k, analytic) in all.iter().enumerate() {
            assert_gradient(
                &format!("layer norm {has:?} {k}"),
                &mut state,
                |s| &mut s[k],
                objective,
                analytic,
            );
        }
    }
}

#[test]
fn softmax_and_its_gradient_match_keras() {
    let mut x = numbers(11, 6);
    let dy = numbers(2, 6);
    let y = softmax::forward(&x, 3);
    assert_close("softmax", &y, &golden::SOFTMAX, GOLDEN, 1.0);
    let objective = |x: &Vec<f64>| dot(&softmax::forward(x, 3), &dy);
    assert_gradient("softmax", &mut x, |x| x, objective, &softmax::backward(&y, &dy, 3));
    let far = softmax::forward(&[1000.0_f32, -1000.0], 2);
    assert_eq!(far, [1.0, 0.0]);
}

/// Checks the values against Keras's if given, and the gradient against differences.
fn check_loss(name: &str, mut at: Vec<f64>, expected: Option<&[f64]>, loss: impl Fn(&[f64]) -> Loss<f64>) {
    let Loss { values, gradient } = loss(&at);
    if let Some(expected) = expected {
        assert_close(name, &values, expected, GOLDEN, 1.0);
    }
    assert_gradient(name, &mut at, |at| at, |at| loss(at).values.iter().sum(), &gradient);
}

#[test]
fn losses_and_their_gradients_match_keras() {
    let (p, t) = (numbers(11, 6), numbers(12, 6));
    let some = |golden: &'static [f64; 2]| Some(&golden[..]);
    check_loss("mse", p.clone(), some(&golden::MSE), |p| losses::mean_squared_error(p, &t, 3));
    check_loss("mae", p.clone(), some(&golden::MAE), |p| losses::mean_absolute_error(p, &t, 3));
    let double: Vec<f64> = p.iter().map(|p| 2.0 * p).collect();
    assert!(double.iter().zip(&t).any(|(p, t)| (p - t).abs() > 1.0), "both branches");
    assert!(double.iter().zip(&t).any(|(p, t)| (p - t).abs() < 1.0), "both branches");
    check_loss("huber", double, some(&golden::HUBER), |p| losses::huber(p, &t, 3, 1.0));
    check_loss("huber 0.3", p.clone(), None, |p| losses::huber(p, &t, 3, 0.3));

    let t: Vec<f64> = t.iter().map(|t| (t + 1.0) / 2.0).collect();
    check_loss("bce of logits", p.clone(), some(&golden::BCE_LOGITS), |p| {
        losses::binary_cross_entropy_from_logits(p, &t, 3)
    });
    let inside = probabilities(3, 6);
    check_loss("bce", inside.clone(), None, |p| losses::binary_cross_entropy(p, &t, 3));
    check_loss("cce", inside.clone(), None, |p| losses::categorical_cross_entropy(p, &t, 3));
    check_loss("sce", inside, None, |p| losses::sparse_categorical_cross_entropy(p, &[2, 0], 3));
}

#[test]
fn probabilities_are_clipped_as_in_keras() {
    let t: Vec<f64> = numbers(12, 6).iter().map(|t| (t + 1.0) / 2.0).collect();
    let mut p: Vec<f64> = numbers(11, 6).iter().map(|p| (p + 1.0) / 2.0).collect();
    (p[1], p[5]) = (0.0, 1.0);
    let bce = losses::binary_cross_entropy(&p, &t, 3);
    assert_close("bce", &bce.values, &golden::BCE, GOLDEN, 1.0);
    assert_eq!((bce.gradient[1], bce.gradient[5]), (0.0, 0.0), "no gradient where clipped");
    let cce = losses::categorical_cross_entropy(&p, &t, 3);
    assert_close("cce", &cce.values, &golden::CCE, GOLDEN, 1.0);
    let certain = losses::sparse_categorical_cross_entropy(&[0.0_f32, 4.0], &[1], 2);
    assert_close("certain", &certain.values, &[losses::EPSILON], 0.2, 0.0);
    assert_eq!(certain.gradient, [0.0, 0.0]);
}

#[test]
fn softmax_cross_entropy_and_its_gradients_match_keras() {
    let logits = numbers(11, 6);
    let ones = [1.0; 2];
    check_loss("sparse", logits.clone(), Some(&golden::SCE_LOGITS), |x| {
        softmax::cross_entropy(x, &[2, 0], &ones, 3)
    });
    let t: Vec<f64> = numbers(12, 6).iter().map(|t| (t + 1.0) / 2.0).collect();
    let shares: Vec<f64> =
        t.chunks(3).flat_map(|t| t.iter().map(move |share| share / t.iter().sum::<f64>())).collect();
    check_loss("soft", logits.clone(), Some(&golden::CCE_LOGITS), |x| {
        softmax::categorical_cross_entropy(x, &shares, &ones, 3)
    });
    // Weights, with targets that do not sum to one.
    let weights = [0.7, 0.0];
    check_loss("weighted soft", logits.clone(), None, |x| {
        softmax::categorical_cross_entropy(x, &t, &weights, 3)
    });
    check_loss("weighted sparse", logits.clone(), None, |x| softmax::cross_entropy(x, &[2, 0], &weights, 3));
    let weighted = softmax::cross_entropy(&logits, &[2, 0], &weights, 3);
    assert_close("weighted", &weighted.values, &[0.7 * golden::SCE_LOGITS[0], 0.0], GOLDEN, 1.0);
}

#[test]
fn row_layers_agree_in_f32() {
    let (x, t) = (numbers(11, 6), probabilities(12, 6));
    let (x32, t32) = (cast::<f32>(&x), cast::<f32>(&t));
    let pairs = [
        ("mse", losses::mean_squared_error(&x32, &t32, 3), losses::mean_squared_error(&x, &t, 3)),
        ("mae", losses::mean_absolute_error(&x32, &t32, 3), losses::mean_absolute_error(&x, &t, 3)),
        ("huber", losses::huber(&x32, &t32, 3, 0.5), losses::huber(&x, &t, 3, 0.5)),
        (
            "bce of logits",
            losses::binary_cross_entropy_from_logits(&x32, &t32, 3),
            losses::binary_cross_entropy_from_logits(&x, &t, 3),
        ),
        ("bce", losses::binary_cross_entropy(&t32, &t32, 3), losses::binary_cross_entropy(&t, &t, 3)),
        (
            "cce",
            losses::categorical_cross_entropy(&t32, &t32, 3),
            losses::categorical_cross_entropy(&t, &t, 3),
        ),
        (
            "softmax ce",
            softmax::cross_entropy(&x32, &[1, 2], &[1.0, 0.5], 3),
            softmax::cross_entropy(&x, &[1, 2], &[1.0, 0.5], 3),
        ),
    ];
    for (name, single, double) in pairs {
        assert_same_in_f32(name, &single.values, &double.values);
        // Where prediction and target agree, the gradient is pure rounding, so the floor is 1.
        assert_close(name, &single.gradient, &double.gradient, super::PRECISION, 1.0);
    }
}

#[test]
fn activity_gradients() {
    let packed = PackedShape { active: &[3, 2, 2, 1], sequences: 4 };
    let factors = activity::Factors { square: 0.3, step: 0.7 };
    let mut state = [numbers(1, packed.rows() * 2)];
    let objective = |s: &[Vec<f64>; 1]| activity::forward(&packed, factors, &s[0], 2);
    let analytic = activity::backward(&packed, factors, &state[0], 2);
    assert_gradient("activity", &mut state, |s| &mut s[0], objective, &analytic);
}

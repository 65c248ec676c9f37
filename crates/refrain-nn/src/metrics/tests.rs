use super::*;
use crate::graph::Value;
use crate::loss::testing::{floats, ids, output, values};
use crate::loss::{Form, RowTargets};
use refrain_kernels::{Engine, Isa};

/// The single precision of the predictions.
const TOLERANCE: f64 = 1e-6;

const ALL: [Metric; 8] = [
    Metric::Accuracy,
    Metric::TopK(5),
    Metric::TopK(2),
    Metric::BinaryAccuracy { threshold: 0.5 },
    Metric::Perplexity,
    Metric::MeanAbsoluteError,
    Metric::MeanSquaredError,
    Metric::RootMeanSquaredError,
];

fn of(metric: Metric, form: Form, batches: &[(&Value, &RowTargets, &[f32])]) -> f64 {
    let mut results = Vec::new();
    for isa in Isa::available() {
        let engine = Engine::new(isa, 2);
        let mut accumulator = Accumulator::new(metric);
        for (output, targets, losses) in batches {
            accumulator.update(&engine, form, output, targets, losses);
        }
        results.push(accumulator.result());
        accumulator.reset();
        assert_eq!(accumulator.result(), Accumulator::new(metric).result(), "a reset forgets");
    }
    assert!(results.iter().all(|r| (r - results[0]).abs() < TOLERANCE), "{metric}: {results:?}");
    results[0]
}

fn check(metric: Metric, output: &Value, targets: &RowTargets, want: f64) {
    let got = of(metric, Form::Values, &[(output, targets, &[])]);
    assert!((got - want).abs() < TOLERANCE, "{metric}: got {got}, expected {want}");
}

#[test]
fn accuracy_follows_the_kind_of_target() {
    let scores = [0.1, 0.9, 0.8, 0.05, 0.95, 0.0];
    let x = output(3, &scores);
    check(Metric::Accuracy, &x, &ids(&[2, 1], &[]), 0.5);
    check(Metric::Accuracy, &x, &ids(&[2, 1], &[0.7, 0.3]), 0.3);
    check(Metric::Accuracy, &x, &values(3, &[0.0, 0.0, 1.0, 0.0, 1.0, 0.0], &[]), 0.5);
    check(Metric::Accuracy, &x, &values(3, &[0.0, 0.0, 1.0, 0.0, 1.0, 0.0], &[0.7, 0.3]), 0.3);
    let x = output(1, &[0.98, 1.0, 0.0, 0.6]);
    for metric in [Metric::Accuracy, Metric::BinaryAccuracy { threshold: 0.5 }] {
        check(metric, &x, &values(1, &[1.0, 1.0, 0.0, 0.0], &[]), 0.75);
        check(metric, &x, &values(1, &[1.0, 1.0, 0.0, 0.0], &[1.0, 0.0, 0.0, 1.0]), 0.5);
        check(metric, &x, &ids(&[1, 1, 0, 0], &[]), 0.75);
    }
}

#[test]
fn ties_predict_the_first_column() {
    let x = output(4, &[0.1, 0.4, 0.4, 0.1]);
    check(Metric::Accuracy, &x, &ids(&[1], &[]), 1.0);
    check(Metric::Accuracy, &x, &ids(&[2], &[]), 0.0);
    check(Metric::Accuracy, &x, &values(4, &[0.0, 0.5, 0.5, 0.0], &[]), 1.0);
    check(Metric::Accuracy, &x, &values(4, &[0.0, 0.0, 0.5, 0.5], &[]), 0.0);
}

#[test]
fn binary_accuracy_is_the_mean_over_the_width_and_strict_at_the_threshold() {
    let x = output(4, &[0.5, 0.6, 0.2, 0.9]);
    let t = values(4, &[0.0, 1.0, 1.0, 0.7], &[]);
    check(Metric::BinaryAccuracy { threshold: 0.5 }, &x, &t, 0.5);
    check(Metric::BinaryAccuracy { threshold: 0.1 }, &x, &t, 0.5);
    check(Metric::BinaryAccuracy { threshold: 0.95 }, &x, &values(4, &[0.0; 4], &[]), 1.0);
}

/// The values are those of Keras 3.15.1's `sparse_top_k_categorical_accuracy` on TensorFlow 2.21.
#[test]
fn top_k_matches_keras() {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let rows = [
        [0.1, 0.4, 0.4, 0.1],
        [0.25, 0.25, 0.25, 0.25],
        [0.1, nan, 0.3, 0.2],
        [0.1, 0.5, nan, 0.2],
        [inf, 0.5, 0.1, 0.2],
    ];
    for (row, target, hit) in [(0, 2, 1.0), (1, 3, 1.0), (2, 1, 0.0), (3, 1, 0.0), (4, 0, 0.0)] {
        for k in 1..=3 {
            check(Metric::TopK(k), &output(4, &rows[row]), &ids(&[target], &[]), hit);
        }
    }
    let x = output(4, &[0.1, 0.2, 0.3, 0.4]);
    for (k, hits) in [(1, 0.25), (2, 0.5), (3, 0.75), (4, 1.0), (9, 1.0)] {
        let all: f64 = (0..4).map(|t| of(Metric::TopK(k), Form::Values, &[(&x, &ids(&[t], &[]), &[])])).sum();
        assert_eq!(all / 4.0, hits, "top {k}");
    }
    check(Metric::TopK(2), &x, &values(4, &[0.0, 0.0, 1.0, 0.0], &[]), 1.0);
    check(Metric::TopK(2), &x, &values(4, &[0.0, 1.0, 0.0, 0.0], &[]), 0.0);
    // A logit of −∞ is a probability of 0, which is not a reason to drop the row.
    let masked = output(3, &[f32::NEG_INFINITY, 1.0, 0.0]);
    assert_eq!(of(Metric::TopK(1), Form::SoftmaxLogits, &[(&masked, &ids(&[1], &[]), &[])]), 1.0);
}

#[test]
fn errors_are_means_over_width_then_rows() {
    let x = output(2, &[1.0, 1.0, 0.0, 0.0]);
    let t = [0.0, 1.0, 0.0, 0.0];
    check(Metric::RootMeanSquaredError, &x, &values(2, &t, &[]), 0.5);
    check(Metric::RootMeanSquaredError, &x, &values(2, &t, &[1.0, 0.0]), 0.5f64.sqrt());
    let x = output(2, &[1.0, -3.0, 2.0, 2.0]);
    let zeros = |weights| values(2, &[0.0; 4], weights);
    check(Metric::MeanAbsoluteError, &x, &zeros(&[]), 2.0);
    check(Metric::MeanSquaredError, &x, &zeros(&[]), 4.5);
    check(Metric::MeanSquaredError, &x, &zeros(&[1.0, 3.0]), (5.0 + 3.0 * 4.0) / 4.0);
}

#[test]
fn perplexity_is_weighted_like_the_loss() {
    let x = output(2, &[0.0; 6]);
    let losses = [1.0, 2.0, 6.0];
    let of = |weights| of(Metric::Perplexity, Form::Values, &[(&x, &ids(&[0, 1, 0], weights), &losses)]);
    assert!((of(&[]) - 3f64.exp()).abs() < 1e-12);
    assert!((of(&[1.0, 1.0, 0.0]) - 1f64.exp()).abs() < 1e-12);
}

#[test]
fn unequal_batches_equal_one_batch() {
    let (x, t) = (floats(1, 5 * 6), floats(2, 5 * 6));
    let losses = floats(3, 5);
    let weights = [1.0, 0.5, 2.0, 0.0, 3.0];
    let batch = |from: usize, to: usize| {
        (output(6, &x[from * 6..to * 6]), values(6, &t[from * 6..to * 6], &weights[from..to]))
    };
    let (whole, large, small) = (batch(0, 5), batch(0, 4), batch(4, 5));
    for metric in ALL {
        let once = of(metric, Form::Values, &[(&whole.0, &whole.1, &losses)]);
        let parts = [(&large.0, &large.1, &losses[..4]), (&small.0, &small.1, &losses[4..])];
        let twice = of(metric, Form::Values, &parts);
        assert!((once - twice).abs() < 1e-12, "{metric}: {once} in one batch, {twice} in two");
    }
}

#[test]
fn metrics_read_predictions_where_the_loss_reads_logits() {
    const ROWS: usize = 4;
    for width in [2, 15, 16, 17, 65] {
        let logits: Vec<f32> = floats(width as u64, ROWS * width).iter().map(|x| 4.0 * x).collect();
        let labels: Vec<u32> = (0..ROWS).map(|r| (r * 3 % width) as u32).collect();
        let t: Vec<f32> = floats(9, ROWS * width).iter().map(|t| f32::from(u8::from(*t > 0.5))).collect();
        let sigmoid: Vec<f32> = logits.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect();
        let softmax: Vec<f32> = logits
            .chunks(width)
            .flat_map(|x| {
                let sum: f32 = x.iter().map(|x| x.exp()).sum();
                x.iter().map(move |x| x.exp() / sum)
            })
            .collect();
        for (form, p) in [(Form::SigmoidLogits, &sigmoid), (Form::SoftmaxLogits, &softmax)] {
            let (x, p) = (output(width, &logits), output(width, p));
            for metric in ALL.into_iter().chain([Metric::BinaryAccuracy { threshold: 0.2 }]) {
                for targets in [ids(&labels, &[]), values(width, &t, &[])] {
                    let losses = [0.5; ROWS];
                    let want = of(metric, Form::Values, &[(&p, &targets, &losses)]);
                    let got = of(metric, form, &[(&x, &targets, &losses)]);
                    assert!(
                        (got - want).abs() < TOLERANCE,
                        "{metric} of {form:?}, width {width}: {got}, {want}"
                    );
                }
            }
        }
    }
}

#[test]
fn metrics_without_data_are_zero() {
    for metric in ALL {
        let want = if metric == Metric::Perplexity { 1.0 } else { 0.0 };
        assert_eq!(Accumulator::new(metric).result(), want, "{metric}");
    }
    let mut mean = Mean::default();
    mean.add(6.0, 2.0);
    mean.add(0.0, 2.0);
    assert_eq!((mean.result(), Mean::default().result()), (1.5, 0.0));
}

#[test]
fn names_and_json_round_trip() {
    for metric in ALL {
        assert_eq!(Metric::from_name(&metric.name()), Some(metric));
        let json = serde_json::to_string(&metric).unwrap();
        assert_eq!(serde_json::from_str::<Metric>(&json).unwrap(), metric);
    }
    assert_eq!(Metric::TopK(5).name(), "sparse_top_k_categorical_accuracy");
    assert_eq!(Metric::TopK(3).name(), "sparse_top_3_categorical_accuracy");
    for (name, metric) in [
        ("acc", Some(Metric::Accuracy)),
        ("rmse", Some(Metric::RootMeanSquaredError)),
        ("top_3_accuracy", Some(Metric::TopK(3))),
        ("top_k_categorical_accuracy", Some(Metric::TopK(5))),
        ("top_0_accuracy", None),
        ("top__accuracy", None),
        ("top_accuracy", None),
        ("f1", None),
    ] {
        assert_eq!(Metric::from_name(name), metric, "{name}");
    }
    assert_eq!(serde_json::to_string(&Metric::TopK(3)).unwrap(), r#"{"top_k":3}"#);
}

#[test]
fn mismatches_are_rejected() {
    let lanes = EdgeSpec::lanes;
    let (ce, mse) = (Loss::SparseCategoricalCrossentropy, Loss::MeanSquaredError);
    let none = RowTargets::default();
    let cases: [(Metric, Loss, EdgeSpec, RowTargets, &[&str]); 8] = [
        (Metric::TopK(0), ce, lanes(5), none.clone(), &["k is 0", "at least 1"]),
        (Metric::TopK(5), ce, lanes(1), none.clone(), &["width 1", "binary_accuracy"]),
        (Metric::Perplexity, mse, lanes(5), none.clone(), &["crossentropy", "mean_squared_error"]),
        (Metric::BinaryAccuracy { threshold: 1.0 }, ce, lanes(1), none, &["threshold is 1", "below 1"]),
        (Metric::Accuracy, ce, lanes(5), ids(&[4, 5], &[]), &["sequence 1", "class id 5", "below 5"]),
        (Metric::Accuracy, ce, lanes(1), ids(&[2], &[]), &["class id 2", "0 or 1"]),
        (Metric::MeanAbsoluteError, ce, lanes(5), ids(&[2], &[]), &["class ids", "5 values"]),
        (Metric::BinaryAccuracy { threshold: 0.5 }, ce, lanes(5), ids(&[2], &[]), &["class ids", "5 values"]),
    ];
    for (metric, loss, output, targets, parts) in cases {
        let message = metric.check(&loss, output, &targets).unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "`{message}` does not say `{part}`");
        }
    }
    for metric in ALL {
        metric.check(&ce, lanes(5), &values(5, &[0.0; 10], &[])).unwrap();
    }
    for metric in [Metric::Accuracy, Metric::TopK(5), Metric::Perplexity] {
        metric.check(&ce, lanes(5), &ids(&[4, 0], &[])).unwrap();
    }
}

use super::testing::{floats, ids, output, values};
use super::*;
use crate::graph::{Axis, LayoutId, Value};
use refrain_kernels::{Engine, Isa};

/// Absolute below 1, relative above: single precision through an exponential and a logarithm of a row.
const LOSS_TOLERANCE: f64 = 2e-6;
/// As above, plus the rounding of the central difference.
const GRADIENT_TOLERANCE: f64 = 5e-6;
/// The step of the central differences, which are computed in double precision.
const STEP: f64 = 1e-5;
const ROWS: usize = 7;
const SCALE: f32 = 0.25;

fn close(got: f32, want: f64, tolerance: f64, what: &str) {
    let error = (f64::from(got) - want).abs();
    assert!(error <= tolerance * want.abs().max(1.0), "{what}: got {got}, expected {want}");
}

fn log_sum_exp(x: &[f64]) -> f64 {
    x.iter().map(|x| x.exp()).sum::<f64>().ln()
}

/// Returns the loss of a row, computed with the formulas in the documentation. `t` are values: one-hot for
/// class ids.
fn formula(loss: Loss, form: Form, x: &[f64], t: &[f64]) -> f64 {
    let clip = |p: f64| p.clamp(1e-7, 1.0 - 1e-7);
    let pairs = || x.iter().zip(t);
    let mean = |f: &dyn Fn(f64, f64) -> f64| pairs().map(|(&x, &t)| f(x, t)).sum::<f64>() / x.len() as f64;
    let logits = form != Form::Values || loss.name().ends_with("_from_logits");
    match loss {
        Loss::MeanSquaredError => mean(&|p, t| (p - t).powi(2)),
        Loss::MeanAbsoluteError => mean(&|p, t| (p - t).abs()),
        Loss::Huber { delta } => {
            let d = f64::from(delta);
            mean(&|p, t| {
                let e = (p - t).abs();
                if e <= d { e * e / 2.0 } else { d * e - d * d / 2.0 }
            })
        }
        Loss::BinaryCrossentropy | Loss::BinaryCrossentropyFromLogits => mean(&|x, t| {
            let p = if logits { 1.0 / (1.0 + (-x).exp()) } else { clip(x) };
            -t * p.ln() - (1.0 - t) * (1.0 - p).ln()
        }),
        _ if logits => pairs().map(|(v, t)| t * (log_sum_exp(x) - v)).sum(),
        Loss::SparseCategoricalCrossentropy => {
            let sum: f64 = x.iter().map(|&p| clip(p)).sum();
            pairs().map(|(&p, t)| -t * (clip(p) / sum).ln()).sum()
        }
        _ => {
            let sum: f64 = x.iter().sum();
            pairs().map(|(&p, t)| -t * clip(p / sum).ln()).sum()
        }
    }
}

struct Case {
    loss: Loss,
    form: Form,
    width: usize,
    output: Value,
    targets: RowTargets,
    /// The targets as values.
    dense: Vec<f64>,
}

/// Returns every loss in every form, at widths around the vector lengths, with each kind of target, with and
/// without weights.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let losses = NAMED.into_iter().chain([Loss::Huber { delta: 0.3 }]);
    for loss in losses {
        for form in [Form::Values, Form::SoftmaxLogits, Form::SigmoidLogits] {
            if form != Form::Values && !loss.is_crossentropy() {
                continue;
            }
            let family = loss.family();
            for width in [1, 2, 15, 16, 17, 65] {
                let classes = matches!(family, Family::Sparse | Family::Categorical);
                if classes && width == 1 {
                    continue;
                }
                let seed = width as u64;
                let mut x = floats(seed, ROWS * width);
                let logits = form != Form::Values || loss.takes_logits();
                if loss.is_crossentropy() && !logits {
                    // Probabilities that do not sum to 1.
                    x.iter_mut().for_each(|p| *p = 0.5 + 0.45 * *p);
                } else {
                    x.iter_mut().for_each(|x| *x *= 3.0);
                }
                let labels: Vec<u32> =
                    (0..ROWS).map(|r| (r * 5 % if classes { width } else { 2 }) as u32).collect();
                let soft: Vec<f32> = floats(seed + 99, ROWS * width).iter().map(|t| 0.5 + 0.5 * t).collect();
                let by_id = family == Family::Sparse || (family == Family::Binary && width == 1);
                let weights: Vec<f32> = (0..ROWS).map(|r| [0.5, 0.0, 2.0][r % 3]).collect();
                for weights in [&[][..], &weights] {
                    if by_id {
                        let dense = labels.iter().flat_map(|&id| {
                            (0..width).map(move |v| {
                                if width == 1 { f64::from(id) } else { f64::from(u8::from(v == id as usize)) }
                            })
                        });
                        let (dense, targets) = (dense.collect(), ids(&labels, weights));
                        cases.push(Case { loss, form, width, output: output(width, &x), targets, dense });
                    }
                    if family != Family::Sparse {
                        let dense = soft.iter().map(|&t| f64::from(t)).collect();
                        let targets = values(width, &soft, weights);
                        cases.push(Case { loss, form, width, output: output(width, &x), targets, dense });
                    }
                }
            }
        }
    }
    cases
}

#[test]
fn losses_match_formulas_and_gradients_match_finite_differences() {
    for isa in Isa::available() {
        let engine = Engine::new(isa, 2);
        for case in cases() {
            let Case { loss, form, width, ref output, ref targets, ref dense } = case;
            let what = format!("{isa}: {loss}, {form:?}, width {width}, ids {}", targets.is_ids());
            loss.check(EdgeSpec::lanes(width), targets).unwrap();
            let (mut losses, mut alone) = (vec![f32::NAN; ROWS], vec![f32::NAN; ROWS]);
            let mut gradient = Value::default();
            gradient.shape(ROWS, Kind::Features(width));
            gradient.data.fill(f32::NAN);
            loss.evaluate(&engine, form, output, targets, SCALE, &mut losses, Some(&mut gradient));
            loss.evaluate(&engine, form, output, targets, SCALE, &mut alone, None);
            assert_eq!(losses, alone, "{what}: with and without a gradient");
            let total = targets.weighted_sum(&losses);
            let mut want_total = 0.0;
            for r in 0..ROWS {
                let what = format!("{what}, row {r}");
                let x: Vec<f64> = output.view().row(r).iter().map(|&x| f64::from(x)).collect();
                let t = &dense[r * width..][..width];
                let weight = targets.weights.get(r).map_or(1.0, |&w| f64::from(w));
                let want = formula(loss, form, &x, t);
                close(losses[r], want, LOSS_TOLERANCE, &what);
                want_total += weight * want;
                for v in 0..width {
                    let at = |d: f64| {
                        let mut x = x.clone();
                        x[v] += d;
                        formula(loss, form, &x, t)
                    };
                    let slope = (at(STEP) - at(-STEP)) / (2.0 * STEP) * weight * f64::from(SCALE);
                    close(
                        gradient.view().row(r)[v],
                        slope,
                        GRADIENT_TOLERANCE,
                        &format!("{what}, column {v}"),
                    );
                }
            }
            close(total as f32, want_total, ROWS as f64 * LOSS_TOLERANCE, &what);
        }
    }
}

fn engine() -> Engine {
    Engine::new(Isa::detect(), 1)
}

fn evaluate(loss: Loss, form: Form, output: &Value, targets: &RowTargets) -> (Vec<f32>, Vec<f32>) {
    let (mut losses, mut gradient) = (vec![f32::NAN; output.rows()], Value::default());
    loss.evaluate(&engine(), form, output, targets, 1.0, &mut losses, Some(&mut gradient));
    let rows = (0..output.rows()).flat_map(|r| gradient.view().row(r).to_vec()).collect();
    (losses, rows)
}

/// Losses and gradients from Keras 3.15.1 on TensorFlow 2.21, at probabilities inside, at and outside the
/// bounds of the clipping.
#[test]
fn clipped_probabilities_match_keras() {
    const P: [f32; 12] = [0.7, 0.2, 0.6, 0.0, 0.5, 0.5, 1.0, 0.0, 0.0, 1e-7, 0.3, 0.1];
    const T: [u32; 4] = [2, 0, 0, 0];
    let mut one_hot = [0.0; 12];
    T.iter().enumerate().for_each(|(r, &t)| one_hot[r * 3 + t as usize] = 1.0);
    let third = 2.0 / 3.0;
    let cases = [
        (
            Loss::SparseCategoricalCrossentropy,
            [0.916_290_64, 16.118_095, 2.384_185_5e-7, 15.201_805],
            [third, third, -1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, -9_999_998.0, 2.499_999, 2.499_999],
        ),
        (
            Loss::CategoricalCrossentropy,
            [0.916_290_76, 16.118_095, 1.192_093_e-7, 15.201_805],
            [third, third, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -9_999_998.0, 2.5, 2.5],
        ),
        (
            Loss::BinaryCrossentropy,
            [0.645_980_66, 5.834_796_9, 1.192_093_e-7, 5.526_710_0],
            [
                1.111_111_2,
                0.416_666_7,
                -0.555_555_6,
                0.0,
                third,
                third,
                0.0,
                0.0,
                0.0,
                -3_333_333.5,
                0.476_190_48,
                0.370_370_4,
            ],
        ),
    ];
    for (loss, losses, gradient) in cases {
        let targets = if loss.family() == Family::Sparse { ids(&T, &[]) } else { values(3, &one_hot, &[]) };
        let (got, slopes) = evaluate(loss, Form::Values, &output(3, &P), &targets);
        for (r, (&got, want)) in got.iter().zip(losses).enumerate() {
            close(got, want, 1e-6, &format!("{loss}, row {r}"));
        }
        for (i, (&got, want)) in slopes.iter().zip(gradient).enumerate() {
            close(got, want, 1e-6, &format!("{loss}, gradient {i}"));
        }
    }
}

#[test]
fn nothing_overflows_and_nan_propagates() {
    let large = [1e4, 0.0, -1e4];
    let (losses, slopes) = evaluate(
        Loss::SparseCategoricalCrossentropyFromLogits,
        Form::Values,
        &output(3, &large),
        &ids(&[2], &[]),
    );
    assert_eq!((losses[0], &slopes[..]), (2e4, &[1.0, 0.0, -1.0][..]));
    let (losses, slopes) = evaluate(
        Loss::BinaryCrossentropy,
        Form::SigmoidLogits,
        &output(2, &[500.0, -500.0]),
        &values(2, &[0.0, 1.0], &[]),
    );
    assert_eq!((losses[0], &slopes[..]), (500.0, &[0.5, -0.5][..]));
    for loss in NAMED {
        let targets =
            if loss.family() == Family::Sparse { ids(&[0], &[]) } else { values(2, &[1.0, 0.0], &[]) };
        for x in [[f32::NAN, 1.0], [1.0, f32::NAN]] {
            let (losses, _) = evaluate(loss, Form::Values, &output(2, &x), &targets);
            assert!(losses[0].is_nan(), "{loss} of {x:?} is {}", losses[0]);
        }
    }
}

#[test]
fn equal_values_have_a_gradient_of_zero() {
    for loss in [Loss::MeanSquaredError, Loss::MeanAbsoluteError, Loss::Huber { delta: 1.0 }] {
        let (losses, slopes) =
            evaluate(loss, Form::Values, &output(2, &[3.0, -1.0]), &values(2, &[3.0, -1.0], &[]));
        assert_eq!((losses, slopes), (vec![0.0], vec![0.0; 2]), "{loss}");
    }
}

#[test]
fn weights_scale_the_sum_and_the_gradient_but_not_the_losses() {
    let x = output(2, &[0.0, 1.0, 2.0, -1.0]);
    let loss = Loss::MeanSquaredError;
    let (mut losses, mut gradient) = ([f32::NAN; 2], Value::default());
    let targets = values(2, &[0.0; 4], &[3.0, 0.5]);
    loss.evaluate(&engine(), Form::Values, &x, &targets, 0.5, &mut losses, Some(&mut gradient));
    assert_eq!((targets.weighted_sum(&losses), losses), (3.0 * 0.5 + 0.5 * 2.5, [0.5, 2.5]));
    assert_eq!(gradient.view().row(0), [0.0, 1.5]);
    assert_eq!(gradient.view().row(1), [0.5, -0.25]);
}

#[test]
fn threads_do_not_change_the_result() {
    const LARGE: (usize, usize) = (1031, 257);
    let (rows, width) = LARGE;
    let x = output(width, &floats(3, rows * width));
    let labels: Vec<u32> = (0..rows).map(|r| (r * 7 % width) as u32).collect();
    let targets = ids(&labels, &floats(4, rows));
    let run = |threads| {
        let (mut losses, mut gradient) = (vec![f32::NAN; rows], Value::default());
        let loss = Loss::SparseCategoricalCrossentropy;
        let engine = Engine::new(Isa::detect(), threads);
        let form = Form::SoftmaxLogits;
        loss.evaluate(&engine, form, &x, &targets, 0.5, &mut losses, Some(&mut gradient));
        let slopes: Vec<u32> = (0..rows)
            .flat_map(|r| gradient.view().row(r).iter().map(|g| g.to_bits()).collect::<Vec<_>>())
            .collect();
        (targets.weighted_sum(&losses).to_bits(), losses, slopes)
    };
    let alone = run(1);
    assert_eq!(alone, run(2));
    assert_eq!(alone, run(3));
}

#[test]
fn a_smaller_batch_does_not_allocate() {
    for loss in NAMED {
        let form = if loss.is_crossentropy() { Form::SoftmaxLogits } else { Form::Values };
        let (mut losses, mut gradient) = ([f32::NAN; 9], Value::default());
        let mut places = Vec::new();
        for rows in [9, 4, 9] {
            let x = output(17, &floats(1, rows * 17));
            let targets = if loss.family() == Family::Sparse {
                ids(&vec![16; rows], &[])
            } else {
                values(17, &vec![0.5; rows * 17], &[])
            };
            loss.evaluate(&engine(), form, &x, &targets, 1.0, &mut losses[..rows], Some(&mut gradient));
            places.push(gradient.data.as_ptr());
        }
        assert!(places.iter().all(|p| *p == places[0]), "{loss}");
    }
}

#[test]
fn zero_rows_have_a_loss_of_zero() {
    for loss in NAMED {
        let mut x = Value::default();
        x.shape(0, Kind::Features(3));
        let targets = RowTargets { width: 3, ..RowTargets::default() };
        loss.check(EdgeSpec::lanes(3), &targets).unwrap();
        loss.evaluate(&engine(), Form::Values, &x, &targets, 1.0, &mut [], None);
        assert_eq!(targets.weighted_sum(&[]), 0.0, "{loss}");
    }
}

#[test]
fn names_and_json_round_trip() {
    for loss in NAMED {
        assert_eq!(Loss::from_name(loss.name()), Some(loss));
        let json = serde_json::to_string(&loss).unwrap();
        assert_eq!(serde_json::from_str::<Loss>(&json).unwrap(), loss);
        if !matches!(loss, Loss::Huber { .. }) {
            assert_eq!(json, format!("\"{loss}\""));
        }
    }
    assert_eq!(serde_json::to_string(&Loss::Huber { delta: 2.0 }).unwrap(), r#"{"huber":{"delta":2.0}}"#);
    assert_eq!(Loss::from_name("mse"), Some(Loss::MeanSquaredError));
    assert_eq!(Loss::from_name("MSE "), None);
}

/// As in Keras 3.15.1 on TensorFlow 2.21, every cross-entropy uses the logits of either activation.
#[test]
fn cross_entropies_use_the_logits_of_a_final_softmax_or_sigmoid() {
    for loss in NAMED {
        let skips = |activation| loss.skips(Some(activation));
        let crossentropy = loss.name().contains("crossentropy");
        assert_eq!(skips(Activation::Softmax), crossentropy.then_some(Form::SoftmaxLogits), "{loss}");
        assert_eq!(skips(Activation::Sigmoid), crossentropy.then_some(Form::SigmoidLogits), "{loss}");
        assert_eq!(
            (skips(Activation::Tanh), skips(Activation::Linear), loss.skips(None)),
            (None, None, None)
        );
    }
}

#[test]
fn mismatches_are_rejected_with_advice() {
    let lanes = EdgeSpec::lanes;
    let steps = EdgeSpec::steps(LayoutId(0), 5);
    let three = values(3, &[0.5; 6], &[]);
    let one = values(1, &[0.5; 2], &[]);
    let none = RowTargets::default();
    let (sparse, categorical) = (Loss::SparseCategoricalCrossentropy, Loss::CategoricalCrossentropy);
    let cases: [(Loss, EdgeSpec, RowTargets, &[&str]); 12] = [
        (sparse, lanes(5), ids(&[0, 4, 5, 9], &[]), &["sequence 2", "class id 5", "below 5"]),
        (sparse, steps, ids(&[0, 7], &[]), &["sequence 1 of the batch", "class id 7", "below 5"]),
        (sparse, lanes(3), three.clone(), &["values", "class ids", "categorical_crossentropy"]),
        (sparse, lanes(1), none.clone(), &["width 1", "binary_crossentropy"]),
        (categorical, lanes(1), one, &["width 1", "binary_crossentropy"]),
        (
            categorical,
            lanes(3),
            ids(&[0], &[]),
            &["class ids", "3 values", "sparse_categorical_crossentropy"],
        ),
        (Loss::BinaryCrossentropy, lanes(1), ids(&[0, 1, 2], &[]), &["sequence 2", "class id 2", "0 or 1"]),
        (Loss::BinaryCrossentropyFromLogits, lanes(3), ids(&[0], &[]), &["class ids", "3 values"]),
        (Loss::MeanSquaredError, lanes(1), ids(&[0], &[]), &["class ids", "1 value", "mean_squared_error"]),
        (Loss::Huber { delta: 0.0 }, lanes(3), three.clone(), &["huber", "delta is 0", "above 0"]),
        (Loss::Huber { delta: f32::NAN }, lanes(3), three, &["delta is NaN"]),
        (Loss::MeanAbsoluteError, EdgeSpec { axis: Axis::Lanes, kind: Kind::Ids }, none, &["ids"]),
    ];
    for (loss, output, targets, parts) in cases {
        let message = loss.check(output, &targets).unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "`{message}` does not say `{part}`");
        }
    }
}

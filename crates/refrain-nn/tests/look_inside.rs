//! Reading a model's recurrent layers: gates, states, and the gradient through time.

use refrain_nn::data::{Batch, BatchInput, BatchTarget, Extent};
use refrain_nn::layers::{Bidirectional, Dense, Embedding, Gru, Lstm, SimpleRnn};
use refrain_nn::loss::Loss;
use refrain_nn::optim::Sgd;
use refrain_nn::{
    Activation, Compile, Engine, InputSpec, Isa, Model, Recurrence, Reduction, Sequential, State,
};
use std::ops::Range;

/// Tolerance relative to the largest slope, for f32 differences with [`STEP`]; rounding and curvature
/// contribute equally.
const DIFFERENCES: f64 = 1e-2;
const STEP: f32 = 5e-3;
/// Tolerance of a gate computed by hand: a few roundings of sums of a dozen products.
const GATE: f32 = 2e-6;
/// Tolerance between the same numbers in different batches, relative to the largest.
const SAME: f32 = 1e-6;

const T: usize = 9;
const N: usize = 3;
const H: usize = 21;
const V: u32 = 11;

const CLASSES: [&str; 3] = ["SimpleRNN", "LSTM", "GRU"];

fn model(class: &str) -> Model {
    let embedded = Sequential::new().add(Embedding::new(V as usize, 4));
    let recurrent = match class {
        "SimpleRNN" => embedded.add(SimpleRnn::new(H).return_sequences(true)),
        "LSTM" => embedded.add(Lstm::new(H).return_sequences(true)),
        _ => embedded.add(Gru::new(H).return_sequences(true)),
    };
    recurrent
        .add(Dense::new(V as usize).activation(Activation::Softmax))
        .compile(Compile {
            loss: Loss::SparseCategoricalCrossentropy,
            optimizer: Sgd::default().into(),
            reduction: Reduction::SumOverSteps,
            ..Compile::default()
        })
        .unwrap()
}

/// Returns the steps `range` of a batch whose loss is only that of the last step.
fn batch(range: Range<usize>) -> Batch {
    let id = |n: usize, t: usize, shift: usize| ((n * 5 + t * 3 + t * t + shift) % V as usize) as u32;
    let ids = |shift: usize| (0..N).flat_map(|n| range.clone().map(move |t| id(n, t, shift))).collect();
    let (steps, last) = (range.len(), |t| if t == T - 1 { 1.0 } else { 0.0 });
    Batch {
        lanes: N,
        inputs: vec![BatchInput { steps, ids: ids(0), ..BatchInput::default() }],
        targets: vec![BatchTarget { steps, ids: ids(4), ..BatchTarget::default() }],
        weights: (0..N).flat_map(|_| range.clone().map(last)).collect(),
        ..Batch::default()
    }
}

/// Returns a briefly trained model, so that biases are nonzero and gates differ.
fn trained(class: &str) -> Model {
    let mut model = model(class);
    for _ in 0..5 {
        model.train_step(&batch(0..T), None).unwrap();
    }
    model
}

fn only(model: &Model) -> Recurrence<'_> {
    model.recurrences().next().expect("a recurrent layer")
}

/// Returns the loss of the steps after `t`, summed over the lanes, with the state after `t` modified by `change`.
fn loss_behind(
    model: &mut Model,
    t: usize,
    state: &State,
    change: impl FnOnce(&mut Vec<(String, Vec<f32>)>),
) -> f64 {
    let mut part = state.to_part();
    change(&mut part.tensors);
    let mut state = model.new_state();
    state.set_part(part).unwrap();
    model.test_step(&batch(t + 1..T), Some(&mut state)).unwrap();
    // The mean over all rows of the sum over lanes.
    model.last_loss() * (N * (T - 1 - t)) as f64
}

#[test]
fn gradients_through_time_match_finite_differences() {
    for class in CLASSES {
        let mut model = trained(class);
        model.set_gradient_probe(true);
        model.gradient_step(&batch(0..T), None).unwrap();
        let seen = model.clone();
        let seen = only(&seen);
        for t in 0..T - 1 {
            let mut state = model.new_state();
            model.predict_batch(&batch(0..t + 1), Some(&mut state)).unwrap();
            let row = |n| seen.layout().row(n, t);
            let mut check = |tensor: usize, gradients: Vec<Vec<f64>>| {
                let largest = gradients.iter().flatten().fold(0.0, |m: f64, g| m.max(g.abs()));
                for (n, gradient) in gradients.iter().enumerate() {
                    for (j, gradient) in gradient.iter().enumerate().step_by(4) {
                        let mut at = |step| {
                            loss_behind(&mut model, t, &state, |tensors| tensors[tensor].1[n * H + j] += step)
                        };
                        let slope = (at(STEP) - at(-STEP)) / f64::from(2.0 * STEP);
                        // Training follows the mean over the batch's lanes.
                        let difference = (slope / N as f64 - gradient).abs();
                        let name = ["h", "c"][tensor];
                        assert!(
                            difference <= DIFFERENCES * largest,
                            "{class}: {name}[{j}] of sequence {n} at step {t}: {gradient}, by differences {slope}"
                        );
                    }
                }
            };
            let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            check(0, (0..N).map(|n| wide(seen.hidden_gradient(row(n)).unwrap())).collect());
            if class == "LSTM" {
                let direct = |n| {
                    let c = seen.cell_state(row(n)).unwrap();
                    let (dh, dc) =
                        (seen.hidden_gradient(row(n)).unwrap(), seen.cell_gradient(row(n)).unwrap());
                    // The modified state has h as well as c, so the path through h of the same step is not
                    // included.
                    let through =
                        |(j, o): (usize, f32)| f64::from(dc[j] - dh[j] * o * (1.0 - c[j].tanh().powi(2)));
                    seen.gate(3, row(n)).enumerate().map(through).collect()
                };
                check(1, (0..N).map(direct).collect());
            }
        }
        assert!(seen.cell_gradient(0).is_some() == (class == "LSTM"));
    }
}

/// Compares each gate of each step with Keras's formulas.
#[test]
fn gates_match_the_formulas() {
    for class in CLASSES {
        for probed in [false, true] {
            let mut model = trained(class);
            let names: Vec<_> = model.params().spans().iter().map(|s| s.name.clone()).collect();
            let weights = |end: &str| {
                let name = names.iter().find(|name| name.ends_with(end)).unwrap();
                model.weight(name).unwrap().to_vec()
            };
            let (table, kernel) = (weights("embeddings"), weights("/kernel"));
            let (recurrent, bias) = (weights("/recurrent_kernel"), weights("/bias"));
            if probed {
                model.set_gradient_probe(true);
                model.gradient_step(&batch(0..T), None).unwrap();
            } else {
                model.predict_batch(&batch(0..T), None).unwrap();
            }
            let seen = only(&model);
            assert_eq!((seen.class_name(), seen.units()), (class, H));
            let gates = seen.gate_names().len().max(1);
            let columns = gates * H;
            let ids = &batch(0..T).inputs[0].ids;
            for (n, t) in (0..N).flat_map(|n| (0..T).map(move |t| (n, t))) {
                let row = seen.layout().row(n, t);
                let before = |of: &dyn Fn(usize) -> Vec<f32>| match t {
                    0 => vec![0.0; H],
                    _ => of(seen.layout().row(n, t - 1)),
                };
                let h = before(&|row| seen.hidden(row).to_vec());
                let x = &table[ids[n * T + t] as usize * 4..][..4];
                let product = |left: &[f32], matrix: &[f32], column: usize| -> f32 {
                    left.iter().enumerate().map(|(k, l)| l * matrix[k * columns + column]).sum()
                };
                let input = |g: usize, j: usize| product(x, &kernel, g * H + j) + bias[g * H + j];
                let state = |g: usize, j: usize| product(&h, &recurrent, g * H + j);
                let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
                let gate = |g: usize| seen.gate(g, row).collect::<Vec<_>>();
                for j in 0..H {
                    let expected: Vec<f32> = match class {
                        "SimpleRNN" => vec![(input(0, j) + state(0, j)).tanh()],
                        "LSTM" => (0..4)
                            .map(|g| input(g, j) + state(g, j))
                            .enumerate()
                            .map(|(g, a)| if g == 2 { a.tanh() } else { sigmoid(a) })
                            .collect(),
                        _ => {
                            let recurrent_bias = |g: usize| bias[3 * H + g * H + j];
                            let [z, r] =
                                [0, 1].map(|g| sigmoid(input(g, j) + state(g, j) + recurrent_bias(g)));
                            vec![z, r, (input(2, j) + r * (state(2, j) + recurrent_bias(2))).tanh()]
                        }
                    };
                    let name = format!("{class}, probed {probed}: unit {j} of sequence {n} at step {t}");
                    if class == "SimpleRNN" {
                        assert!((seen.hidden(row)[j] - expected[0]).abs() < GATE, "{name}");
                    }
                    for (g, letter) in seen.gate_names().iter().enumerate() {
                        assert!((gate(g)[j] - expected[g]).abs() < GATE, "{name}: gate {letter}");
                    }
                    if class == "LSTM" {
                        let c_prev = before(&|row| seen.cell_state(row).unwrap().to_vec());
                        let c = expected[1] * c_prev[j] + expected[0] * expected[2];
                        assert!((seen.cell_state(row).unwrap()[j] - c).abs() < GATE, "{name}: c");
                    }
                }
            }
        }
    }
}

#[test]
fn a_probe_changes_nothing_and_is_switched_off() {
    for class in CLASSES {
        let (mut plain, mut probed) = (model(class), model(class));
        assert_eq!(plain.recurrences().count(), 0, "no batch was seen");
        probed.set_gradient_probe(true);
        for step in 0..4 {
            plain.train_step(&batch(0..T), None).unwrap();
            probed.train_step(&batch(0..T), None).unwrap();
            assert_eq!(plain.weights(), probed.weights());
            assert!(only(&plain).hidden_gradient(0).is_none() && !only(&plain).has_gates());
            let on = step < 3;
            assert_eq!(only(&probed).hidden_gradient(0).is_some(), on);
            assert_eq!(only(&probed).has_gates(), on && class != "SimpleRNN");
            probed.set_gradient_probe(step < 2);
        }
        // A forward pass provides gates, and does not return gradients of an earlier batch as its own.
        probed.set_gradient_probe(true);
        probed.train_step(&batch(0..T), None).unwrap();
        probed.predict_batch(&batch(0..T), None).unwrap();
        assert_eq!(only(&probed).has_gates(), class != "SimpleRNN");
        assert!(only(&probed).hidden_gradient(0).is_none());
    }
}

/// Each sequence of a batch of different lengths is reported as if it were alone. Both directions have names,
/// and the number of threads changes no bit.
#[test]
fn each_sequence_is_probed_as_if_alone() {
    let lengths = [4, T, 0, 6];
    let build = |threads| {
        let engine = Engine::new(Isa::detect(), threads);
        let loss = Loss::MeanSquaredError;
        Sequential::new()
            .input(InputSpec::features(2))
            .add(Bidirectional::new(Lstm::new(H).return_sequences(true)))
            .add(Gru::new(5))
            .add(Dense::new(1))
            .compile(Compile {
                loss,
                engine: Some(engine),
                reduction: Reduction::SumOverSteps,
                ..Compile::default()
            })
            .unwrap()
    };
    let value = |n: usize, t: usize, f: usize| ((n * 31 + t * 17 + f * 7) % 13) as f32 / 6.5 - 1.0;
    let batch = |which: &[usize]| {
        let features = which.iter().flat_map(|&n| (0..2 * T).map(move |i| value(n, i / 2, i % 2))).collect();
        let lengths = which.iter().map(|&n| lengths[n]).collect();
        let input =
            BatchInput { steps: T, features, extent: Extent::Lengths, lengths, ..BatchInput::default() };
        let values = which.iter().map(|&n| n as f32).collect();
        let targets = vec![BatchTarget { steps: 1, values, ..BatchTarget::default() }];
        Batch { lanes: which.len(), inputs: vec![input], targets, ..Batch::default() }
    };
    let gradients = |threads: usize, which: &[usize]| {
        let mut model = build(threads);
        model.set_gradient_probe(true);
        model.gradient_step(&batch(which), None).unwrap();
        let of = |seen: Recurrence<'_>, lane: usize| {
            let layout = seen.layout();
            let rows = (0..layout.length(lane)).map(|t| layout.row(lane, t));
            rows.flat_map(|row| [seen.hidden_gradient(row), seen.cell_gradient(row)])
                .flatten()
                .flatten()
                .map(|g| g * which.len() as f32)
                .collect::<Vec<f32>>()
        };
        let layer = |seen: Recurrence<'_>| {
            (seen.layer().to_owned(), (0..which.len()).map(|lane| of(seen, lane)).collect::<Vec<_>>())
        };
        model.recurrences().map(layer).collect::<Vec<_>>()
    };
    let all = gradients(1, &[0, 1, 2, 3]);
    assert_eq!(all, gradients(3, &[0, 1, 2, 3]));
    let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["bidirectional/forward_lstm", "bidirectional/backward_lstm", "gru"]);
    for (n, length) in lengths.into_iter().enumerate() {
        for ((name, all), (_, alone)) in all.iter().zip(gradients(2, &[n])) {
            assert_eq!(alone[0].len() % length.max(1), 0);
            assert_eq!(all[n].len(), alone[0].len());
            let largest = all[n].iter().fold(0.0, |m: f32, g| m.max(g.abs()));
            assert!(length == 0 || largest > 0.0, "{name}");
            for (a, b) in all[n].iter().zip(&alone[0]) {
                assert!((a - b).abs() <= SAME * largest, "{name}: {a} beside others, {b} alone");
            }
        }
    }
}

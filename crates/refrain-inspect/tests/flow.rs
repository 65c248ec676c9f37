//! The gradient through time compared with closed forms and finite differences.

use refrain_inspect::flow::{Flow, Verdict, gradient_flow};
use refrain_inspect::{Error, Sample};
use refrain_nn::data::{Batch, BatchInput, BatchTarget, Extent};
use refrain_nn::layers::{Bidirectional, Dense, Embedding, Gru, Lstm, SimpleRnn};
use refrain_nn::loss::Loss;
use refrain_nn::{Activation, Compile, InputSpec, Model, Sequential};
use std::ops::Range;

/// Relative tolerance of finite differences in f32 with [`STEP`], for rounding and curvature.
const DIFFERENCES: f64 = 1e-2;
const STEP: f32 = 5e-3;
/// Relative tolerance of products of a few dozen rounded factors in f32.
const ROUNDING: f64 = 1e-5;

const T: usize = 9;
const N: usize = 3;
const H: usize = 6;

fn features(lanes: usize, steps: usize) -> Vec<f32> {
    (0..lanes * steps * 2).map(|i| ((i * 37 + i * i) % 23) as f32 / 11.5 - 1.0).collect()
}

/// Returns sequences of two features with one target each.
fn sums(lanes: usize, steps: usize) -> Sample {
    let input = BatchInput { steps, features: features(lanes, steps), ..BatchInput::default() };
    let values = (0..lanes).map(|n| 1.0 + n as f32).collect();
    let targets = vec![BatchTarget { steps: 1, values, ..BatchTarget::default() }];
    Sample::new(Batch { lanes, inputs: vec![input], targets, ..Batch::default() }, "made up")
}

fn chain(layers: Sequential) -> Model {
    layers.compile(Compile { loss: Loss::MeanSquaredError, ..Compile::default() }).unwrap()
}

/// Returns a recurrent layer without a nonlinearity, whose recurrent kernel is `g` times the identity.
fn linear(g: f32) -> Model {
    let layer = SimpleRnn::new(H).activation(Activation::Linear);
    let mut model = chain(Sequential::new().input(InputSpec::features(2)).add(layer).add(Dense::new(1)));
    let identity: Vec<f32> = (0..H * H).map(|i| if i % (H + 1) == 0 { g } else { 0.0 }).collect();
    model.set_weight_flat("simple_rnn/recurrent_kernel", &identity).unwrap();
    model
}

#[test]
fn the_gradient_of_a_linear_layer_decays_by_its_factor() {
    let steps = 40;
    // Powers of two are exact in f32.
    let flow = gradient_flow(&linear(0.5), &sums(N, steps)).unwrap();
    let trend = flow.now[0].hidden.trend.unwrap();
    assert_eq!((flow.sequences, flow.steps, trend.ratio), (N, steps, 0.5f64.powi(39)));
    assert!((trend.factor - 0.5).abs() < ROUNDING, "{}", trend.factor);
    assert_eq!(trend.verdict, Verdict::Vanishes);
    let grown = gradient_flow(&linear(1.25), &sums(N, steps)).unwrap().now[0].hidden.trend.unwrap();
    let expected = 1.25f64.powi(39);
    assert!((grown.ratio / expected - 1.0).abs() < ROUNDING, "{} for {expected}", grown.ratio);
    assert_eq!(grown.verdict, Verdict::Explodes);
    // The newly initialised kernel is orthogonal, which preserves norms.
    let fresh = flow.initial.unwrap()[0].hidden.trend.unwrap();
    assert!((fresh.ratio - 1.0).abs() < ROUNDING && fresh.verdict == Verdict::IsKept, "{}", fresh.ratio);
}

#[test]
fn underflow_is_reported_and_not_counted() {
    let flow = gradient_flow(&linear(1e-3), &sums(N, 30)).unwrap();
    let hidden = &flow.now[0].hidden;
    let trend = hidden.trend.unwrap();
    let zero = trend.zero_from.expect("1e-3 to the 29th is no f32");
    let exact = f64::from(f32::MIN_POSITIVE);
    assert!(
        (12..14).contains(&zero) && hidden.median[zero] < exact && hidden.median[zero - 1] >= exact,
        "{zero}"
    );
    assert_eq!(trend.ratio, 0.0);
    // Norms for which an f32 has fewer digits would raise it.
    assert!((trend.factor / 1e-3 - 1.0).abs() < ROUNDING, "{}", trend.factor);
    let section = flow.section().unwrap();
    assert!(section.findings[0].contains("too small for an f32"), "{:?}", section.findings);
    let exploding = gradient_flow(&linear(20.0), &sums(N, 40));
    // Here the loss itself is beyond f32 range.
    assert!(matches!(exploding, Err(Error::Unsupported { .. })), "{exploding:?}");
}

#[test]
fn an_open_forget_gate_preserves_the_cell_gradient() {
    let mut model =
        chain(Sequential::new().input(InputSpec::features(2)).add(Lstm::new(H)).add(Dense::new(1)));
    let zeros = |model: &mut Model, name: &str| {
        let len = model.weight(name).unwrap().len();
        model.set_weight_flat(name, &vec![0.0; len]).unwrap();
    };
    zeros(&mut model, "lstm/kernel");
    zeros(&mut model, "lstm/recurrent_kernel");
    // Gates i, f, c, o: the sigmoid of 40 is 1 in f32.
    let bias: Vec<f32> = (0..4 * H).map(|i| if i / H == 1 { 40.0 } else { 0.0 }).collect();
    model.set_weight_flat("lstm/bias", &bias).unwrap();
    let flow = gradient_flow(&model, &sums(N, 60)).unwrap();
    let cell = flow.now[0].cell.as_ref().unwrap();
    assert!(cell.norms.iter().all(|of| of.len() == 60 && of[0] > 0.0));
    for of in &cell.norms {
        assert!(of.iter().all(|norm| *norm == of[0]), "{of:?}");
    }
    assert_eq!((cell.trend.unwrap().ratio, cell.trend.unwrap().verdict), (1.0, Verdict::IsKept));
    // There is no path through the hidden state: the gradient only reaches its last step.
    assert_eq!(flow.now[0].hidden.trend.unwrap().zero_from, Some(1));
}

fn text(class: &str) -> Model {
    let embedded = Sequential::new().add(Embedding::new(11, 4));
    let recurrent = match class {
        "SimpleRNN" => embedded.add(SimpleRnn::new(H).return_sequences(true)),
        "LSTM" => embedded.add(Lstm::new(H).return_sequences(true)),
        _ => embedded.add(Gru::new(H).return_sequences(true)),
    };
    let loss = Loss::SparseCategoricalCrossentropy;
    let output = Dense::new(11).activation(Activation::Softmax);
    recurrent.add(output).compile(Compile { loss, ..Compile::default() }).unwrap()
}

/// Returns some steps of some sequences, with a target at each step.
fn excerpt(lanes: Range<usize>, range: Range<usize>) -> Batch {
    let id = |n: usize, t: usize, shift: usize| ((n * 5 + t * 3 + t * t + shift) % 11) as u32;
    let ids = |shift| lanes.clone().flat_map(|n| range.clone().map(move |t| id(n, t, shift))).collect();
    let steps = range.len();
    Batch {
        lanes: lanes.len(),
        inputs: vec![BatchInput { steps, ids: ids(0), ..BatchInput::default() }],
        targets: vec![BatchTarget { steps, ids: ids(4), ..BatchTarget::default() }],
        ..Batch::default()
    }
}

/// Returns the norm of the derivative of one sequence's last loss with respect to its hidden state after step `t`.
fn slope(model: &mut Model, n: usize, t: usize) -> f64 {
    let mut state = model.new_state();
    model.predict_batch(&excerpt(n..n + 1, 0..t + 1), Some(&mut state)).unwrap();
    let mut rest = excerpt(n..n + 1, t + 1..T);
    let rows = T - 1 - t;
    rest.weights = (0..rows).map(|row| if row + 1 == rows { 1.0 } else { 0.0 }).collect();
    let mut loss = |unit: usize, step: f32| {
        let mut part = state.to_part();
        part.tensors[0].1[unit] += step;
        let mut changed = model.new_state();
        changed.set_part(part).unwrap();
        model.test_step(&rest, Some(&mut changed)).unwrap();
        model.last_loss() * rows as f64
    };
    let slopes = (0..H).map(|unit| (loss(unit, STEP) - loss(unit, -STEP)) / f64::from(2.0 * STEP));
    slopes.map(|slope| slope * slope).sum::<f64>().sqrt()
}

#[test]
fn norms_match_finite_differences_per_sequence() {
    for class in ["SimpleRNN", "LSTM", "GRU"] {
        let mut model = text(class);
        let flow = gradient_flow(&model, &Sample::new(excerpt(0..N, 0..T), "made up")).unwrap();
        assert_eq!(flow.now[0].class_name, class);
        assert_eq!((flow.now[0].cell.is_some(), flow.initial.is_none()), (class == "LSTM", true));
        for n in 0..N {
            let norms = &flow.now[0].hidden.norms[n];
            let largest = norms.iter().copied().fold(0.0, f64::max);
            for t in 0..T - 1 {
                let (got, expected) = (norms[T - 1 - t], slope(&mut model, n, t));
                assert!(
                    (got - expected).abs() <= DIFFERENCES * largest,
                    "{class}: sequence {n}, step {t}: {got}, by differences {expected}"
                );
            }
        }
    }
}

fn with_lengths(sample: &Sample, lengths: &[usize]) -> Sample {
    let mut sample = sample.clone();
    sample.batch.inputs[0].extent = Extent::Lengths;
    sample.batch.inputs[0].lengths = lengths.to_vec();
    sample
}

#[test]
fn sequences_of_unequal_lengths_do_not_affect_each_other() {
    let many_to_one =
        chain(Sequential::new().input(InputSpec::features(2)).add(Gru::new(H)).add(Dense::new(1)));
    let lengths = [4, 0, T];
    let all = with_lengths(&sums(3, T), &lengths);
    let flow = gradient_flow(&many_to_one, &all).unwrap();
    let back: Vec<usize> = flow.now[0].hidden.norms.iter().map(Vec::len).collect();
    assert_eq!((back, flow.sequences), (vec![4, T], 2), "the empty one is left out");
    let alone = |n: usize| {
        let Batch { inputs, targets, .. } = &all.batch;
        let features = inputs[0].features[n * T * 2..][..lengths[n] * 2].to_vec();
        let input = BatchInput { steps: lengths[n], features, ..BatchInput::default() };
        let values = vec![targets[0].values[n]];
        let targets = vec![BatchTarget { steps: 1, values, ..BatchTarget::default() }];
        let batch = Batch { lanes: 1, inputs: vec![input], targets, ..Batch::default() };
        gradient_flow(&many_to_one, &Sample::new(batch, "one")).unwrap().now[0].hidden.norms[0].clone()
    };
    for (seen, n) in [(0, 0), (1, 2)] {
        for (a, b) in flow.now[0].hidden.norms[seen].iter().zip(alone(n)) {
            assert!((a - b).abs() <= ROUNDING * b, "sequence {n}: {a} in a batch, {b} alone");
        }
    }
    let empty = gradient_flow(&many_to_one, &with_lengths(&sums(2, T), &[0, 0]));
    assert!(matches!(empty, Err(Error::Unsupported { .. })), "{empty:?}");
    let lasting =
        gradient_flow(&text("LSTM"), &with_lengths(&Sample::new(excerpt(0..3, 0..T), "x"), &lengths));
    let norms = &lasting.unwrap().now[0].hidden.norms;
    assert!(norms[0].len() == 4 && norms[0][0] > 0.0 && norms[0][3] > 0.0, "{norms:?}");
}

/// In a layer with a mask, the last unmasked step counts, wherever it is.
#[test]
fn a_mask_moves_the_last_step() {
    let build = |mask: bool| {
        Sequential::new()
            .add(Embedding::new(11, 4).mask_zero(mask))
            .add(Lstm::new(H).return_sequences(true))
            .add(Dense::new(11).activation(Activation::Softmax))
            .compile(Compile { loss: Loss::SparseCategoricalCrossentropy, ..Compile::default() })
            .unwrap()
    };
    let mut masked = excerpt(0..1, 0..T);
    masked.inputs[0].ids = vec![0, 3, 5, 0, 0, 2, 7, 0, 0];
    let short = |ids: &[u32], targets: &[u32]| {
        let mut batch = excerpt(0..1, 0..ids.len());
        (batch.inputs[0].ids, batch.targets[0].ids) = (ids.to_vec(), targets.to_vec());
        Sample::new(batch, "short")
    };
    let to = masked.targets[0].ids.clone();
    let expected =
        gradient_flow(&build(false), &short(&[3, 5, 2, 7], &[to[1], to[2], to[5], to[6]])).unwrap();
    let got: Flow = gradient_flow(&build(true), &Sample::new(masked, "masked")).unwrap();
    assert_eq!(got.steps, 4);
    for (a, b) in got.now[0].hidden.norms[0].iter().zip(&expected.now[0].hidden.norms[0]) {
        assert!((a - b).abs() <= ROUNDING * b, "{a}, packed by hand {b}");
    }
}

#[test]
fn a_backward_direction_counts_its_own_steps() {
    let model = Sequential::new()
        .add(Embedding::new(11, 4))
        .add(Bidirectional::new(Lstm::new(H).return_sequences(true)))
        .add(Dense::new(11).activation(Activation::Softmax))
        .compile(Compile { loss: Loss::SparseCategoricalCrossentropy, ..Compile::default() })
        .unwrap();
    let flow = gradient_flow(&model, &Sample::new(excerpt(0..N, 0..T), "made up")).unwrap();
    let names: Vec<_> = flow.now.iter().map(|layer| (layer.layer.as_str(), layer.backwards)).collect();
    assert_eq!(names, [("bidirectional/forward_lstm", false), ("bidirectional/backward_lstm", true)]);
    for layer in &flow.now {
        assert!(
            layer.hidden.median.iter().all(|&norm| norm > 0.0),
            "{}: {:?}",
            layer.layer,
            layer.hidden.median
        );
    }
    let section = flow.section().unwrap();
    assert_eq!((section.figures.len(), section.name), (2, "gradient-flow"));
    assert!(
        section.findings.iter().any(|finding| finding.contains("this direction reads last")),
        "{:?}",
        section.findings
    );
}

#[test]
fn invalid_input_is_an_error() {
    let mut model = text("GRU");
    let sample = Sample::new(excerpt(0..N, 0..T), "made up");
    let mut weights = model.weights();
    weights[5] = f32::NAN;
    model.set_weights_flat(&weights).unwrap();
    let error = gradient_flow(&model, &sample).unwrap_err().to_string();
    assert!(error.contains("embedding/embeddings") && error.contains("NaN"), "{error}");
    let flat = chain(Sequential::new().input(InputSpec::flat(2)).add(Dense::new(1)));
    let error = gradient_flow(&flat, &sums(N, 1)).unwrap_err().to_string();
    assert!(error.contains("no recurrent layer"), "{error}");
    let mut nan = sums(N, T);
    nan.batch.inputs[0].features[3] = f32::NAN;
    let error = gradient_flow(&linear(0.5), &nan).unwrap_err().to_string();
    assert!(error.contains("NaN"), "{error}");
    assert!(gradient_flow(&linear(0.5), &sample).is_err(), "ids for a model of features");
}

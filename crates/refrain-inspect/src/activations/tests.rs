//! Activations compared with the layers' own values.

use super::*;
use crate::sample::Sample;
use refrain_nn::data::{Batch, BatchInput, Extent};
use refrain_nn::layers::{Bidirectional, Dense, Embedding, Gru, Lstm, SimpleRnn};
use refrain_nn::{Activation, Compile, InputSpec, Sequential};

const V: usize = 11;
const T: usize = 30;
const N: usize = 3;

fn batch(steps: usize) -> Batch {
    let ids = (0..N * steps).map(|i| ((i * i + 3 * i) % V) as u32).collect();
    Batch { lanes: N, inputs: vec![BatchInput { steps, ids, ..BatchInput::default() }], ..Batch::default() }
}

fn sample(batch: Batch) -> Sample {
    let lanes = batch.lanes;
    let token = |id: &u32| char::from(b'a' + *id as u8).to_string();
    let tokens: Vec<String> = batch.inputs[0].ids.iter().map(token).collect();
    let steps = batch.inputs[0].steps.max(1);
    let tokens = tokens.chunks(steps).map(<[String]>::to_vec).collect::<Vec<_>>();
    Sample { batch, tokens: (tokens.len() == lanes).then_some(tokens), of: "a test".to_owned() }
}

fn stack() -> Model {
    Sequential::new()
        .add(Embedding::new(V, 4))
        .add(Lstm::new(7).return_sequences(true))
        .add(Gru::new(5).return_sequences(true))
        .add(Dense::new(V).activation(Activation::Softmax))
        .compile(Compile::default())
        .unwrap()
}

#[test]
fn rows_are_the_values_of_the_layers() {
    let mut model = stack();
    let sample = sample(batch(T));
    let show = ShowOptions { lane: 1, first: Some(4), steps: 9, units: 3, layers: 2 };
    let seen = Activations::of(&mut model, &sample, &show).unwrap();
    model.predict_batch(&sample.batch, None).unwrap();
    assert_eq!((seen.first, seen.steps, seen.layers.len()), (4, 9, 2));
    assert_eq!(seen.tokens.as_ref().unwrap(), &sample.tokens.as_ref().unwrap()[1][4..13]);
    for (layer, truth) in seen.layers.iter().zip(model.recurrences()) {
        assert_eq!((layer.layer.as_str(), layer.shown.len()), (truth.layer(), 3));
        let row = |t: usize| truth.layout().row(1, 4 + t);
        for (i, state) in layer.states.iter().enumerate() {
            let values = |t: usize| -> Vec<f32> {
                match (state.kind, truth.has_cell_state()) {
                    (StateKind::Hidden, _) => truth.hidden(row(t)).to_vec(),
                    (StateKind::Cell, _) => truth.cell_state(row(t)).unwrap().to_vec(),
                    (_, cell) => truth.gate(i - 1 - usize::from(cell), row(t)).collect(),
                }
            };
            for t in 0..9 {
                for (unit, shown) in layer.shown.iter().zip(&state.rows) {
                    assert_eq!(shown[t], values(t)[*unit], "{}: {} of {unit}", layer.layer, state.name);
                }
                let mean = values(t).iter().sum::<f32>() / layer.units as f32;
                assert!((state.mean[t] - mean).abs() < 1e-6);
            }
        }
    }
    let names: Vec<_> = seen.layers[0].states.iter().map(|s| s.name).collect();
    assert_eq!(
        names,
        ["hidden state", "cell state", "input gate", "forget gate", "candidate", "output gate"]
    );
    let section = seen.section().unwrap();
    assert_eq!(section.figures.len(), 2 + 6 + 4);
    // The forget gate of the LSTM in the findings: where it was lowest.
    let forget = &seen.layers[0].states[3].mean;
    let at = (0..9).min_by(|&a, &b| forget[a].total_cmp(&forget[b])).unwrap();
    let expected = format!("minimum {:.3} after “{}”.", forget[at], seen.tokens.as_ref().unwrap()[at]);
    assert!(section.findings[2].contains(&expected), "{:?}, expected {expected}", section.findings);
    assert!(section.data["layers"][0]["states"][0]["rows"][0][0].is_f64());
}

/// A long sequence in parts gives the same as the whole sequence.
#[test]
fn splitting_a_sequence_changes_nothing() {
    let mut model = stack();
    let whole = batch(100);
    let (mut passes, mut hidden) = (0, vec![0.0; N * 100]);
    walk::walk_in_parts(&mut model, &whole, 16, |pass| {
        passes += 1;
        for lane in (0..N).filter(|_| pass.index == 1) {
            pass.rows(lane).for_each(|(step, row)| hidden[lane * 100 + step] = pass.seen.hidden(row)[2]);
        }
    })
    .unwrap();
    assert_eq!(passes, 2 * 7);
    model.predict_batch(&whole, None).unwrap();
    let truth = model.recurrences().nth(1).unwrap();
    for (i, h) in hidden.iter().enumerate() {
        let row = truth.layout().row(i / 100, i % 100);
        assert_eq!(*h, truth.hidden(row)[2], "sequence {}, step {}", i / 100, i % 100);
    }
}

#[test]
fn backward_layers_and_masked_steps_are_aligned_with_the_input() {
    let mut model = Sequential::new()
        .input(InputSpec::features(2))
        .add(Bidirectional::new(Lstm::new(3).return_sequences(true)))
        .add(SimpleRnn::new(4).return_sequences(true).go_backwards(true))
        .add(SimpleRnn::new(4))
        .add(Dense::new(1))
        .compile(Compile::default())
        .unwrap();
    // Only steps 0, 2, 5 and 6 are unmasked; only step 5 differs between the two.
    let real = [0, 2, 5, 6];
    let make = |at5: f32| {
        let features = (0..14).map(|i| if i / 2 == 5 { at5 } else { 0.1 * i as f32 }).collect();
        let mask = (0..7).map(|t| real.contains(&t)).collect();
        let input = BatchInput { steps: 7, features, extent: Extent::Mask, mask, ..BatchInput::default() };
        Sample {
            batch: Batch { lanes: 1, inputs: vec![input], ..Batch::default() },
            tokens: None,
            of: String::new(),
        }
    };
    let mut read = |at5| {
        let show = ShowOptions { first: Some(0), layers: 4, ..ShowOptions::default() };
        Activations::of(&mut model, &make(at5), &show).unwrap()
    };
    let show_all = |seen: Activations| {
        seen.layers
            .into_iter()
            .map(|l| (l.layer, l.backwards, l.states[0].rows.clone(), l.shown))
            .collect::<Vec<_>>()
    };
    let (a, b) = (show_all(read(0.4)), show_all(read(-0.9)));
    let names: Vec<_> = a.iter().map(|l| (l.0.as_str(), l.1)).collect();
    let halves = [("bidirectional/forward_lstm", false), ("bidirectional/backward_lstm", true)];
    // The last layer reads the output of the one before in that layer's own order.
    assert_eq!(names, [halves[0], halves[1], ("simple_rnn", true), ("simple_rnn_1", true)]);
    // Everything before the changed step is the same; for a backwards layer, everything after it.
    let differs = |layer: usize| {
        let unit = a[layer].3[0];
        let other = b[layer].3.iter().position(|&u| u == unit).unwrap();
        let pairs = a[layer].2[0].iter().zip(&b[layer].2[other]);
        pairs.map(|(a, b)| if a.is_nan() { None } else { Some(a != b) }).collect::<Vec<_>>()
    };
    let forward = [Some(false), None, Some(false), None, None, Some(true), Some(true)];
    assert_eq!(differs(0), forward);
    let backward = [Some(true), None, Some(true), None, None, Some(true), Some(false)];
    assert_eq!(differs(1), backward);
}

#[test]
fn invalid_requests_are_errors() {
    let mut model = stack();
    let mut refused = |sample: &Sample, show: ShowOptions, phrase: &str| {
        let error = Activations::of(&mut model, sample, &show).unwrap_err().to_string();
        assert!(error.contains(phrase), "{error}");
    };
    refused(&Sample::default(), ShowOptions::default(), "below 0");
    refused(&sample(batch(T)), ShowOptions { lane: 3, ..ShowOptions::default() }, "below 3");
    refused(&sample(batch(T)), ShowOptions { units: 0, ..ShowOptions::default() }, "at least 1");
    refused(&sample(batch(T)), ShowOptions { steps: 1001, ..ShowOptions::default() }, "at most 1000");
    refused(&sample(batch(T)), ShowOptions { first: Some(T), ..ShowOptions::default() }, "below 30");
    let mut flat =
        Sequential::new().input(InputSpec::flat(2)).add(Dense::new(1)).compile(Compile::default()).unwrap();
    let input = BatchInput { steps: 1, features: vec![0.0; 2], ..BatchInput::default() };
    let one =
        Sample { batch: Batch { lanes: 1, inputs: vec![input], ..Batch::default() }, ..Sample::default() };
    let error = Activations::of(&mut flat, &one, &ShowOptions::default()).unwrap_err().to_string();
    assert!(error.contains("no recurrent layer"), "{error}");
    // A single step, and NaN parameters, can be shown.
    let spans: Vec<_> = model.params().spans().iter().map(|s| (s.name.clone(), s.len())).collect();
    for (name, len) in spans.iter().filter(|(name, _)| name.starts_with("lstm/")) {
        model.set_weight_flat(name, &vec![f32::NAN; *len]).unwrap();
    }
    let seen = Activations::of(&mut model, &sample(batch(1)), &ShowOptions::default()).unwrap();
    assert_eq!(seen.steps, 1);
    seen.section().unwrap();
}

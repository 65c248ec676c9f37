//! Properties of models in training and use. Properties that hold to the last bit for any model are tested in
//! `bit_for_bit`.

use ndarray::{Array2, Array3, Axis};
use refrain_nn::data::Batch;
use refrain_nn::layers::{Bidirectional, Dense, Dropout, Embedding, Gru, Layer, Lstm, SimpleRnn, TiedDense};
use refrain_nn::loss::Loss;
use refrain_nn::optim::Adam;
use refrain_nn::{Activation, Compile, Engine, Error, InputSpec, Isa, Model, Network, Sequential, State};

fn ids(lanes: usize, steps: usize, vocabulary: u32) -> Array2<u32> {
    Array2::from_shape_fn((lanes, steps), |(n, t)| ((n * 31 + t * t * 7 + t) as u32) % vocabulary)
}

fn compile(threads: usize) -> Compile {
    Compile {
        loss: Loss::SparseCategoricalCrossentropy,
        optimizer: Adam::default().global_clipnorm(1.0).into(),
        engine: Some(Engine::new(Isa::detect(), threads)),
        ..Compile::default()
    }
}

fn language_model(threads: usize) -> Model {
    Sequential::new()
        .add(Embedding::new(30, 24))
        .add(Lstm::new(70).return_sequences(true).recurrent_dropout(0.2))
        .add(Dropout::new(0.2))
        .add(Gru::new(65).return_sequences(true))
        .add(SimpleRnn::new(40).return_sequences(true))
        .add(Dense::new(30).activation(Activation::Softmax))
        .compile(compile(threads))
        .unwrap()
}

fn batch(lanes: usize, steps: usize) -> Batch {
    let mut batch = Batch { lanes, ..Batch::default() };
    batch.inputs.resize_with(1, Default::default);
    batch.targets.resize_with(1, Default::default);
    (batch.inputs[0].steps, batch.targets[0].steps) = (steps, steps);
    batch.inputs[0].ids = ids(lanes, steps, 30).into_raw_vec_and_offset().0;
    batch.targets[0].ids = ids(lanes, steps, 29).into_raw_vec_and_offset().0;
    batch
}

#[test]
fn a_session_state_can_be_saved_and_restored() {
    let mut model = language_model(1);
    let mut session = model.session(1).unwrap();
    session.step_ids(&[3]).unwrap();
    let kept = session.state().clone();
    let first = session.step_ids(&[4]).unwrap().row(0).to_vec();
    session.step_ids(&[5]).unwrap();
    session.set_state(&kept).unwrap();
    assert_eq!(session.step_ids(&[4]).unwrap().row(0), first);
    let other = language_model(1).session(2).unwrap().state().clone();
    assert!(session.set_state(&other).is_ok(), "a fresh state has no lanes yet");
}

#[test]
fn lanes_gathered_from_several_states_continue_as_if_alone() {
    let mut model = language_model(2);
    let mut session = model.session(1).unwrap();
    let fresh = session.state().clone();
    let mut alone = |ids: &[u32]| {
        session.resume(fresh.clone(), 1).unwrap();
        let mut last = Vec::new();
        for &id in ids {
            last = session.step_ids(&[id]).unwrap().row(0).to_vec();
        }
        (session.state().clone(), last)
    };
    let (three, _) = alone(&[3]);
    let (four, _) = alone(&[4, 5]);
    let wanted = [&[4, 5, 6][..], &[3, 7], &[4, 5, 8], &[9]].map(|ids| alone(ids).1);
    let both = State::gather(&[(&four, 0), (&three, 0)]);
    let chosen = State::gather(&[(&both, 0), (&both, 1), (&four, 0), (&fresh, 0)]);
    assert_eq!((both.lanes(), chosen.lanes()), (2, 4));
    session.resume(chosen, 4).unwrap();
    let rows = session.step_ids(&[6, 7, 8, 9]).unwrap();
    for (lane, wanted) in wanted.iter().enumerate() {
        assert_eq!(rows.row(lane), wanted, "lane {lane}");
    }
    let error = session.resume(both.clone(), 3).unwrap_err().to_string();
    assert!(error.contains("2 lanes") && error.contains("3 lanes"), "{error}");
    // A model without recurrent state has states without lanes.
    let mut plain =
        Sequential::new().add(Embedding::new(30, 4)).add(Dense::new(5)).compile(compile(1)).unwrap();
    let mut session = plain.session(1).unwrap();
    let state = State::gather(&[(session.state(), 0); 3]);
    session.resume(state, 3).unwrap();
    assert_eq!(session.step_ids(&[1, 2, 3]).unwrap().count(), 3);
}

#[test]
fn a_non_causal_model_rejects_a_session() {
    fn refused(layer: impl Layer + 'static) -> String {
        let mut model =
            Sequential::new().input(InputSpec::features(2)).add(layer).compile(Compile::default()).unwrap();
        match model.session(1) {
            Err(error @ Error::Unsupported { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }
    assert!(refused(Lstm::new(3)).contains("return_sequences"));
    refused(Lstm::new(3).return_sequences(true).go_backwards(true));
    refused(Bidirectional::new(Gru::new(3).return_sequences(true)));
}

#[test]
fn a_stateful_layer_can_be_reset() {
    let layer = Lstm::new(4).stateful(true).return_sequences(true);
    let mut model =
        Sequential::new().input(InputSpec::features(2)).add(layer).compile(Compile::default()).unwrap();
    let x = Array3::from_shape_fn((2, 3, 2), |(n, t, f)| ((n * 6 + t * 2 + f) as f32).cos());
    let first = model.predict(&x).unwrap();
    assert_ne!(model.predict(&x).unwrap(), first);
    model.reset_states();
    assert_eq!(model.predict(&x).unwrap(), first);
    let other = x.select(Axis(0), &[0]);
    assert!(
        model
            .predict(&other)
            .unwrap_err()
            .to_string()
            .contains("expects 2, which a `stateful` layer continues")
    );
}

#[test]
fn a_tied_output_trains_the_embedding() {
    let mut net = Network::new();
    let x = net.input(InputSpec::ids());
    let e = net.add(Embedding::new(30, 8).name("embedding"), &[x]).unwrap();
    let h = net.add(Gru::new(8).return_sequences(true), &[e]).unwrap();
    let tied = TiedDense::new("embedding/embeddings").activation(Activation::Softmax);
    let y = net.add(tied, &[h]).unwrap();
    let mut model = net.compile(&[y], compile(2)).unwrap();
    assert_eq!(model.params().find("tied_dense/kernel"), None);
    let before = model.weight("embedding/embeddings").unwrap().to_vec();
    let first = model.train_on_batch(&batch(6, 8)).unwrap()[0].1;
    for _ in 0..100 {
        model.train_on_batch(&batch(6, 8)).unwrap();
    }
    let last = model.train_on_batch(&batch(6, 8)).unwrap()[0].1;
    assert!(last < first - 0.2, "{first} {last}");
    // Id 29 is never a target and 30 never an input, but as a class each row of the table has a gradient.
    assert!(before.iter().zip(model.weight("embedding/embeddings").unwrap()).all(|(a, b)| a != b));
}

#[test]
fn frozen_layers_do_not_change() {
    let mut model = language_model(1);
    let frozen = model.set_trainable("lstm/", false);
    assert_eq!(frozen, 3);
    let before = model.weight("lstm/kernel").unwrap().to_vec();
    let other = model.weight("gru/kernel").unwrap().to_vec();
    model.train_step(&batch(4, 5), None).unwrap();
    assert_eq!(model.weight("lstm/kernel").unwrap(), before);
    assert_ne!(model.weight("gru/kernel").unwrap(), other);
}

#[test]
fn mismatched_data_is_named() {
    let mut model = language_model(1);
    let floats = Array3::<f32>::zeros((2, 3, 4));
    let error = model.predict(&floats).unwrap_err().to_string();
    assert!(error.contains("ids (N, T)"), "{error}");
    let error = model.predict(&Array2::from_elem((2, 3), 30u32)).unwrap_err().to_string();
    assert!(error.contains("30"), "{error}");
    let mut wrong = batch(3, 4);
    wrong.targets[0].ids.pop();
    let error = model.train_step(&wrong, None).unwrap_err().to_string();
    assert!(error.contains("11 class ids"), "{error}");
}

#[test]
fn one_frozen_parameter_does_not_freeze_the_others() {
    let mut model = language_model(1);
    assert_eq!(model.set_trainable("lstm/kernel", false), 1);
    let weights = |model: &Model| {
        ["lstm/kernel", "lstm/recurrent_kernel", "lstm/bias"].map(|n| model.weight(n).unwrap().to_vec())
    };
    let before = weights(&model);
    model.train_step(&batch(4, 5), None).unwrap();
    let after = weights(&model);
    assert_eq!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
    assert_ne!(before[2], after[2]);
}

#[test]
fn a_masking_model_rejects_a_session() {
    let mut model = Sequential::new()
        .add(Embedding::new(5, 3).mask_zero(true))
        .add(Lstm::new(4).return_sequences(true))
        .compile(Compile::default())
        .unwrap();
    assert!(model.session(2).unwrap_err().to_string().contains("masked"));
}

#[test]
fn logits_are_the_inputs_of_the_final_softmax() {
    let build = |activation| {
        Sequential::new()
            .input(InputSpec::features(2))
            .add(Lstm::new(3).return_sequences(true))
            .add(Dense::new(3).activation(activation))
            .compile(Compile { loss: Loss::MeanSquaredError, ..Compile::default() })
            .unwrap()
    };
    let run = |activation, logits: bool| {
        let mut model = build(activation);
        let session = model.session(1).unwrap();
        let mut session = if logits { session.logits() } else { session };
        session.step_features(&[0.5, -0.25]).unwrap().row(0).to_vec()
    };
    assert_eq!(run(Activation::Tanh, true), run(Activation::Tanh, false));
    assert_eq!(run(Activation::Softmax, true), run(Activation::Linear, false));
}

#[test]
fn an_inner_softmax_is_run_when_logits_are_requested() -> Result<(), Error> {
    let mut net = Network::new();
    let x = net.input(InputSpec::features(2));
    let probabilities = net.add(Dense::new(3).activation(Activation::Softmax), &[x])?;
    let reader = net.add(Dense::new(2), &[probabilities])?;
    let mut model = net.compile(&[probabilities, reader], Compile::default())?;
    let logits = model.session(1)?.logits().step_features(&[0.5, -0.25])?.row(0).to_vec();
    let shares = model.session(1)?.step_features(&[0.5, -0.25])?.row(0).to_vec();
    // Absolute tolerance of differences of logits against those of the probabilities' logarithms, of numbers
    // near 1 in f32.
    let apart = (logits[0] - logits[1]) - (shares[0].ln() - shares[1].ln());
    assert!(apart.abs() < 1e-5, "{logits:?} and {shares:?}");
    Ok(())
}

#[test]
fn the_state_of_another_model_is_rejected() {
    let mut other = Sequential::new()
        .add(Embedding::new(30, 4))
        .add(Lstm::new(3).return_sequences(true))
        .add(Dense::new(30).activation(Activation::Softmax))
        .compile(compile(1))
        .unwrap()
        .new_state();
    let error = language_model(1).train_step(&batch(2, 3), Some(&mut other)).unwrap_err();
    assert!(error.to_string().contains("state"), "{error}");
}

#[test]
fn a_layer_cannot_be_stateful_and_get_its_state_from_another() {
    let mut net = Network::new();
    let x = net.input(InputSpec::features(2));
    let first = net.add_all(Gru::new(3).return_state(true), &[x]).unwrap();
    let second = Gru::new(3).stateful(true);
    assert!(net.add(second, &[x, first[1]]).unwrap_err().to_string().contains("stateful"));
}

#[test]
fn an_encoder_passes_its_state_to_a_decoder() {
    let mut net = Network::new();
    let source = net.input(InputSpec::features(2).name("source"));
    let target = net.input(InputSpec::features(3).name("target"));
    let encoded = net.add_all(Lstm::new(6).return_state(true), &[source]).unwrap();
    let decoder = Lstm::new(6).return_sequences(true);
    let decoded = net.add(decoder, &[target, encoded[1], encoded[2]]).unwrap();
    let y = net.add(Dense::new(1), &[decoded]).unwrap();
    let compile = Compile { loss: Loss::MeanSquaredError, optimizer: Adam::default().into(), ..compile(2) };
    let mut model = net.compile(&[y], compile).unwrap();
    let mut batch = Batch { lanes: 3, ..Batch::default() };
    batch.inputs.resize_with(2, Default::default);
    batch.targets.resize_with(1, Default::default);
    for (input, (steps, width)) in batch.inputs.iter_mut().zip([(5, 2), (4, 3)]) {
        input.steps = steps;
        input.features = (0..3 * steps * width).map(|i| (i as f32 * 0.37).sin()).collect();
    }
    batch.targets[0].steps = 4;
    batch.targets[0].values = (0..12).map(|i| (i as f32).cos()).collect();
    let first = model.train_on_batch(&batch).unwrap()[0].1;
    for _ in 0..300 {
        model.train_on_batch(&batch).unwrap();
    }
    let last = model.train_on_batch(&batch).unwrap()[0].1;
    assert!(last < first / 2.0, "{first} {last}");
    batch.targets[0].steps = 2;
    assert!(model.train_on_batch(&batch).unwrap_err().to_string().contains("2 steps"));
}

use super::*;
use crate::gradcheck::{Bench, Input};
use crate::graph::{Causality, Mode};
use crate::layers::tests::support::check;

const LENGTHS: [usize; 5] = [3, 5, 0, 1, 5];

fn layers() -> Vec<Box<dyn Layer>> {
    fn of<C: CellConfig>(layers: &mut Vec<Box<dyn Layer>>, base: Recurrent<C>) {
        let base = base.bias_initializer(Initializer::RandomNormal { mean: 0.0, stddev: 0.3 });
        for sequences in [false, true] {
            let base = base.clone().return_sequences(sequences);
            layers.push(Box::new(base.clone()));
            layers.push(Box::new(base.clone().return_state(true)));
            layers.push(Box::new(base.clone().go_backwards(true).use_bias(false)));
            layers.push(Box::new(base.clone().dropout(0.3)));
            layers.push(Box::new(base.clone().recurrent_dropout(0.3)));
            layers.push(Box::new(base.clone().dropout(0.3).recurrent_dropout(0.3)));
            layers.push(Box::new(base.recurrent_dropout(0.3).recurrent_mask(RecurrentMask::Shared)));
        }
    }
    let mut layers = Vec::new();
    of(&mut layers, SimpleRnn::new(5));
    of(&mut layers, Lstm::new(5));
    of(&mut layers, Gru::new(5));
    of(&mut layers, Gru::new(5).reset_after(false));
    layers
}

#[test]
fn gradients_of_every_option_match_finite_differences() {
    for layer in layers() {
        check(&*layer, &[Input::random_steps(3, &LENGTHS)]);
    }
}

#[test]
fn gradients_reach_the_initial_states() {
    let x = Input::random_steps(3, &LENGTHS);
    let state = || Input::random_lanes(4, LENGTHS.len());
    check(&SimpleRnn::new(4).return_state(true), &[x.clone(), state()]);
    check(&Gru::new(4).return_sequences(true), &[x.clone(), state()]);
    check(&Lstm::new(4).return_state(true), &[x, state(), state()]);
}

#[test]
fn a_sequence_of_length_zero_outputs_zero_and_keeps_its_state() {
    let state = Input::lanes(2, &[0.1, 0.2, 0.3, 0.4]);
    let x = Input::steps(1, &[&[], &[0.5]]);
    let mut bench = Bench::new(&Lstm::new(2).return_state(true), &[x, state.clone(), state]).unwrap();
    bench.forward(Mode::Infer).unwrap();
    assert_eq!(bench.output(0)[0], [0.0, 0.0]);
    assert_eq!(bench.output(1)[0], [0.1, 0.2]);
    assert_eq!(bench.output(2)[0], [0.1, 0.2]);
    assert_eq!(bench.output(0)[1], bench.output(1)[1]);
}

#[test]
fn the_last_output_is_the_last_of_the_sequence() {
    for backwards in [false, true] {
        let x = || [Input::random_steps(2, &[4, 2, 3])];
        let layer = Gru::new(3).go_backwards(backwards);
        let mut all = Bench::new(&layer.clone().return_sequences(true), &x()).unwrap();
        let mut last = Bench::new(&layer, &x()).unwrap();
        all.forward(Mode::Infer).unwrap();
        last.forward(Mode::Infer).unwrap();
        for (sequence, row) in all.output(0).iter().zip(last.output(0)) {
            assert_eq!(sequence[sequence.len() - 3..], row);
        }
    }
}

#[test]
fn a_sequence_does_not_depend_on_its_batch() {
    let sequences: Vec<Vec<f32>> =
        (1..9).map(|n| (0..2 * (n % 4 + 1)).map(|i| ((n * 7 + i) as f32).sin()).collect()).collect();
    for layer in layers() {
        let slices: Vec<&[f32]> = sequences.iter().map(Vec::as_slice).collect();
        let mut together = Bench::new(&*layer, &[Input::steps(2, &slices)]).unwrap();
        together.forward(Mode::Infer).unwrap();
        for (n, sequence) in slices.iter().enumerate() {
            let mut alone = Bench::new(&*layer, &[Input::steps(2, &[sequence])]).unwrap();
            alone.forward(Mode::Infer).unwrap();
            assert_eq!(alone.output(0)[0], together.output(0)[n], "{layer:?}, sequence {n}");
        }
    }
}

#[test]
fn dropout_is_off_outside_of_training() {
    let x = || [Input::random_steps(3, &LENGTHS)];
    let plain = Lstm::new(4);
    let dropped = plain.clone().dropout(0.5).recurrent_dropout(0.5);
    let outputs = [Mode::Infer, Mode::Train].map(|mode| {
        let mut bench = Bench::new(&dropped, &x()).unwrap();
        bench.forward(mode).unwrap();
        bench.output(0)
    });
    let mut bench = Bench::new(&plain, &x()).unwrap();
    bench.forward(Mode::Infer).unwrap();
    assert_eq!(bench.output(0), outputs[0]);
    assert_ne!(outputs[0], outputs[1]);
}

#[test]
fn wrong_settings_and_inputs_are_named() {
    let plan = |layer: &dyn Layer, data: &[Input]| Bench::new(layer, data).unwrap_err().to_string();
    let x = || Input::random_steps(3, &[2]);
    assert!(plan(&Lstm::new(0), &[x()]).contains("units"));
    assert!(plan(&Lstm::new(2).dropout(1.0), &[x()]).contains("below 1"));
    assert!(plan(&Lstm::new(2).activation(Activation::Softmax), &[x()]).contains("softmax"));
    assert!(plan(&Gru::new(2), &[Input::random_lanes(3, 2)]).contains("return_sequences"));
    assert!(plan(&Gru::new(2), &[Input::ids(&[&[1]])]).contains("Embedding"));
    assert!(plan(&Lstm::new(2), &[x(), Input::random_lanes(2, 1)]).contains("2 initial states"));
    assert!(plan(&Gru::new(2), &[x(), Input::random_lanes(3, 1)]).contains("2 features"));
}

#[test]
fn only_layers_that_need_no_later_step_are_causal() {
    let causal = |layer: &dyn Layer| {
        Bench::new(layer, &[Input::random_steps(1, &[1])]).unwrap().causality() == Causality::Causal
    };
    assert!(causal(&Lstm::new(2).return_sequences(true)));
    assert!(!causal(&Lstm::new(2)));
    assert!(!causal(&Lstm::new(2).return_sequences(true).go_backwards(true)));
}

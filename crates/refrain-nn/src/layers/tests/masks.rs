//! The distributions of dropout masks, as layers apply them.

use super::super::dropout::InputDropout;
use super::super::*;
use super::support::Lowering;
use crate::activation::Activation;
use crate::gradcheck::{Bench, Input, RANDOM};
use crate::graph::{Mode, RandomKey};

/// The largest deviation of a fraction from its probability, in standard errors. A correct mask exceeds it
/// for less than one key in a million, and the key is fixed.
const STANDARD_ERRORS: f64 = 5.0;
const RATES: [f32; 4] = [0.1, 0.25, 0.5, 0.9];

fn ones(width: usize, lanes: usize, steps: usize) -> Input {
    let sequence = vec![1.0; steps * width];
    Input::steps(width, &vec![&sequence[..]; lanes])
}

fn assert_share(what: &str, count: usize, of: usize, probability: f64) {
    let error = (probability * (1.0 - probability) / of as f64).sqrt();
    let off = (count as f64 / of as f64 - probability).abs() / error;
    assert!(off < STANDARD_ERRORS, "{what}: {count} of {of} for {probability}, {off:.1} standard errors off");
}

/// Checks that every value is 0 or exactly 1 / (1 − rate), and that the fraction of zeros matches the rate.
fn check_rate(what: &str, mask: &[f32], rate: f32) {
    let kept = (1.0 / (1.0 - f64::from(rate))) as f32;
    assert!(mask.len() >= 100_000, "{what}: {} values are too few", mask.len());
    let bad = mask.iter().find(|&&m| m != 0.0 && m != kept);
    assert!(bad.is_none(), "{what}: {bad:?}, expected 0 or {kept}");
    assert_share(what, mask.iter().filter(|&&m| m == 0.0).count(), mask.len(), rate.into());
}

/// Checks that two masks drop the same element as often as independent ones would.
fn check_independent(what: &str, a: &[f32], b: &[f32], rate: f32) {
    assert_eq!(a.len(), b.len(), "{what}");
    let both = a.iter().zip(b).filter(|&(&a, &b)| a == 0.0 && b == 0.0).count();
    assert_share(what, both, a.len(), f64::from(rate).powi(2));
}

/// Returns the key of the batch after the bench's.
fn next_batch() -> RandomKey {
    RandomKey { counter: RANDOM.counter + 1, ..RANDOM }
}

#[test]
fn dropout_draws_a_new_mask_for_every_element() {
    let (width, lanes, steps) = (100, 64, 20);
    for rate in RATES {
        let twice = move |plan: &mut Plan<'_>, x: &[EdgeId]| {
            let layer = Dropout::new(rate);
            Ok([layer.lower(plan, x)?, layer.lower(plan, x)?].concat())
        };
        let mut bench = Bench::new(&Lowering(twice), &[ones(width, lanes, steps)]).unwrap();
        bench.forward(Mode::Train).unwrap();
        let [mask, second] = [0, 1].map(|i| bench.output(i).concat());
        check_rate("dropout", &mask, rate);
        check_independent("neighbouring steps", &mask[width..], &mask[..mask.len() - width], rate);
        check_independent("neighbouring elements", &mask[1..], &mask[..mask.len() - 1], rate);
        let lane = steps * width;
        check_independent("neighbouring sequences", &mask[lane..], &mask[..mask.len() - lane], rate);
        check_independent("two layers", &mask, &second, rate);
        bench.forward_batch(Mode::Train, next_batch()).unwrap();
        check_independent("two batches", &mask, &bench.output(0).concat(), rate);
    }
}

#[test]
fn input_dropout_keeps_its_masks_over_time() {
    let (width, lanes, steps, groups) = (256, 400, 3, 4);
    for rate in RATES {
        let lower =
            move |plan: &mut Plan<'_>, x: &[EdgeId]| Ok(InputDropout::lower(plan, x[0], rate, groups));
        let mut bench = Bench::new(&Lowering(lower), &[ones(width, lanes, steps)]).unwrap();
        bench.forward(Mode::Train).unwrap();
        let first_step = |bench: &Bench, group: usize| -> Vec<f32> {
            let sequences = bench.output(group);
            for sequence in &sequences {
                assert!(sequence.chunks_exact(width).all(|row| row == &sequence[..width]), "not constant");
            }
            sequences.iter().flat_map(|s| &s[..width]).copied().collect()
        };
        let masks: Vec<_> = (0..groups).map(|group| first_step(&bench, group)).collect();
        for (k, mask) in masks.iter().enumerate() {
            check_rate("input dropout", mask, rate);
            check_independent("neighbouring sequences", &mask[width..], &mask[..mask.len() - width], rate);
            for other in &masks[..k] {
                check_independent("two gates", mask, other, rate);
            }
        }
        bench.forward_batch(Mode::Train, next_batch()).unwrap();
        check_independent("two batches", &masks[0], &first_step(&bench, 0), rate);
    }
}

const UNITS: usize = 64;
const LANES: usize = 1600;

/// Returns the recurrent mask of one gate. To make it visible, all activations are linear, the state starts
/// at 1, the gate's recurrent block is the identity and the others are zero, and `bias` sets the other gates
/// so that the first step's output is the gate. Checks that later steps drop the same units.
fn seen<C: CellConfig>(layer: &Recurrent<C>, gate: usize, bias: &[f32], batch: RandomKey) -> Vec<f32> {
    const STEPS: usize = 3;
    let layer = layer.clone().return_sequences(true);
    let cell = layer.cell.kernel("layer").unwrap();
    let states = 1 + usize::from(cell.has_cell_state());
    let state = Input::lanes(UNITS, &vec![1.0; LANES * UNITS]);
    let inputs = [vec![ones(1, LANES, STEPS)], vec![state; states]].concat();
    let mut bench = Bench::new(&layer, &inputs).unwrap();
    let columns = cell.gates() * UNITS;
    let mut recurrent = vec![0.0; UNITS * columns];
    (0..UNITS).for_each(|j| recurrent[j * columns + gate * UNITS + j] = 1.0);
    bench.set_weight("kernel", &vec![0.0; columns]).unwrap();
    bench.set_weight("recurrent_kernel", &recurrent).unwrap();
    let bias: Vec<f32> = bias.iter().flat_map(|&b| [b; UNITS]).collect();
    bench.set_weight("bias", &bias).unwrap();
    bench.forward_batch(Mode::Train, batch).unwrap();
    let outputs = bench.output(0);
    for sequence in &outputs {
        let dropped = |t: usize| (0..UNITS).map(move |j| sequence[t * UNITS + j] == 0.0);
        assert!((1..STEPS).all(|t| dropped(t).eq(dropped(0))), "gate {gate}: not constant");
    }
    outputs.iter().flat_map(|s| &s[..UNITS]).copied().collect()
}

/// Runs [`seen`] for every gate, with the biases that make it visible.
fn check_recurrent<C: CellConfig>(layer: &Recurrent<C>, biases: &[&[f32]]) {
    for rate in RATES {
        let layer = layer.clone().recurrent_dropout(rate);
        let name = C::CLASS_NAME;
        let masks: Vec<_> =
            biases.iter().enumerate().map(|(gate, bias)| seen(&layer, gate, bias, RANDOM)).collect();
        for (gate, mask) in masks.iter().enumerate() {
            check_rate(&format!("{name}, gate {gate}"), mask, rate);
            check_independent("neighbouring sequences", &mask[UNITS..], &mask[..mask.len() - UNITS], rate);
            for (other, mask2) in masks[..gate].iter().enumerate() {
                check_independent(&format!("{name}, gates {gate} and {other}"), mask, mask2, rate);
            }
        }
        check_independent("two batches", &masks[0], &seen(&layer, 0, biases[0], next_batch()), rate);
        let shared = layer.recurrent_mask(RecurrentMask::Shared);
        for (gate, bias) in biases.iter().enumerate() {
            assert_eq!(seen(&shared, gate, bias, RANDOM), masks[0], "{name}, gate {gate}: not shared");
        }
    }
}

#[test]
fn recurrent_dropout_keeps_a_mask_for_each_gate_over_time() {
    let linear = Activation::Linear;
    check_recurrent(&SimpleRnn::new(UNITS).activation(linear), &[&[0.0]]);
    // i, f, g, o: c = f + i·g, h = o·c.
    let gates: [&[f32]; 4] =
        [&[0.0, 0.0, 1.0, 1.0], &[0.0, 0.0, 0.0, 1.0], &[1.0, 0.0, 0.0, 1.0], &[0.0, 1.0, 0.0, 0.0]];
    check_recurrent(&Lstm::new(UNITS).activation(linear).recurrent_activation(linear), &gates);
    // z, r, h for the input, then for the state: h = z + (1 − z)·(b + r·(h·U + b′)).
    let gates: [&[f32]; 3] = [&[0.0; 6], &[0.0, 0.0, 0.0, 0.0, 0.0, 1.0], &[0.0, 1.0, 0.0, 0.0, 0.0, 0.0]];
    check_recurrent(&Gru::new(UNITS).activation(linear).recurrent_activation(linear), &gates);
}

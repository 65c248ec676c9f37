//! The number of threads changes nothing; the instruction set changes the last digits.

use crate::architecture::{ANY, Architecture, Choice, Input, TRAINABLE, architecture};
use crate::sample::{Sample, Shape, prefix, shapes_of};
use crate::{config, flat, predict, same_array, same_training};
use proptest::prelude::*;
use proptest::sample::select;
use refrain_nn::data::Extent;
use refrain_nn::{Activation, Engine, Isa};
use std::sync::LazyLock;

const THREADS: [usize; 5] = [1, 2, 3, 5, 8];

static GANGS: LazyLock<Vec<Engine>> =
    LazyLock::new(|| THREADS.iter().map(|&threads| Engine::new(Isa::detect(), threads)).collect());

/// A kernel shares its work between threads from 2²⁰ operations on. The recurrent products of these units
/// reach that, as does the norm over a table of 640,000 numbers.
const WIDE: Choice = Choice {
    units: || select(vec![63_usize, 64, 65, 96, 127, 128, 130]).boxed(),
    layers: 2,
    inputs: || {
        let features = select(vec![5_usize, 64]).prop_map(Input::Features);
        prop_oneof![features, Just(Input::Ids { vocabulary: 40_000, width: 16, dropout: 0.3 })].boxed()
    },
    ..TRAINABLE
};

/// Many rows of few units, so that the sums over rows are shared between threads.
const LONG: Choice = Choice { units: || select(vec![31_usize, 33]).boxed(), layers: 1, ..TRAINABLE };

fn ragged(lanes: std::ops::RangeInclusive<usize>, steps: usize) -> impl Strategy<Value = Shape> {
    let shape = move |real| Shape { extent: Extent::Lengths, steps, real };
    lanes.prop_flat_map(move |lanes| prop::collection::vec(prefix(steps), lanes)).prop_map(shape)
}

fn threads_change_nothing(net: &Architecture, shape: &Shape, seed: u64) -> Result<(), TestCaseError> {
    let model = net.model(&GANGS[0], seed);
    let batch = Sample::new(net, &model, shape, seed).batch();
    let run = |engine: &Engine| {
        let mut model = model.clone();
        model.set_engine(engine.clone());
        let first = predict(&mut model, &batch);
        (0..3).for_each(|_| model.train_step(&batch, None).unwrap());
        let last = predict(&mut model, &batch);
        (model, first, last)
    };
    let (one, first, last) = run(&GANGS[0]);
    for (engine, threads) in GANGS.iter().zip(THREADS).skip(1) {
        let (many, y, trained) = run(engine);
        same_array(format!("outputs on {threads} threads"), &y, &first)?;
        same_training(format!("{threads} threads"), &many, &one)?;
        same_array(format!("outputs after training on {threads} threads"), &trained, &last)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(12))]

    #[test]
    fn threads_do_not_change_wide_layers(
        net in architecture(WIDE),
        shape in ragged(9..=70, 12),
        seed in 0..1000_u64,
    ) {
        threads_change_nothing(&net, &shape, seed)?;
    }
}

proptest! {
    #![proptest_config(config(6))]

    #[test]
    fn threads_do_not_change_long_batches(
        net in architecture(LONG),
        shape in ragged(130..=140, 150),
        seed in 0..1000_u64,
    ) {
        threads_change_nothing(&net, &shape, seed)?;
    }
}

/// Without jumps in the derivative, at which the last digit of a state would change a whole gradient.
const SMOOTH: Choice = Choice {
    activations: &[Activation::Tanh, Activation::Sigmoid, Activation::Softsign, Activation::Softplus],
    ..ANY
};

/// The largest difference between two instruction sets, relative to the largest output (at least 1) or the
/// model's largest gradient: a few hundred roundings, which a normalised row of nearly equal numbers makes
/// thirty times as large.
const ISA_TOLERANCE: f32 = 2e-5;

/// Fails if two arrays differ by more, relative to the largest number but at least `least`.
fn close(what: &str, got: &[f32], want: &[f32], least: f32) -> Result<(), TestCaseError> {
    let scale = want.iter().fold(least, |max, x| max.max(x.abs()));
    prop_assert_eq!(got.len(), want.len(), "{}", what);
    // A NaN on one side only is the largest possible difference.
    let apart = |(g, w): (&f32, &f32)| if g.is_nan() && w.is_nan() { 0.0 } else { (g - w).abs() };
    let worst = got.iter().zip(want).map(apart).max_by(f32::total_cmp).unwrap_or(0.0);
    prop_assert!(worst <= ISA_TOLERANCE * scale, "{what}: {worst:e} apart, the largest is {scale:e}");
    Ok(())
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn instruction_sets_agree(net in architecture(SMOOTH), shape in shapes_of(1..=9), seed in 0..1000_u64) {
        let run = |isa| {
            let mut model = net.model(&Engine::new(isa, 1), seed);
            let batch = Sample::new(&net, &model, &shape, seed).batch();
            let y = predict(&mut model, &batch);
            model.train_step(&batch, None).unwrap();
            let gradients: Vec<f32> = model
                .params()
                .spans()
                .iter()
                .flat_map(|s| model.params().gradient(model.params().find(&s.name).unwrap()).to_vec())
                .collect();
            (y, gradients)
        };
        let (y, gradients) = run(Isa::detect());
        for isa in Isa::available().into_iter().skip(1) {
            let (other, slopes) = run(isa);
            close(&format!("outputs on {isa}"), flat(&other), flat(&y), 1.0)?;
            close(&format!("gradients on {isa}"), &slopes, &gradients, 0.0)?;
        }
    }
}

//! `memory` predicts what is allocated. This is a program without the test harness, because the allocator
//! counts for all threads. Every buffer is below 4 MB: larger ones get their own pages, which the allocator
//! does not see.

use refrain_nn::data::{Batch, Extent};
use refrain_nn::layers::{
    ActivityPenalty, AdaptiveSoftmax, Bidirectional, Concatenate, Dense, Dropout, Embedding, Gru,
    LayerNormalization, Lstm, RecurrentMask, RepeatVector, SimpleRnn, SpatialDropout1D, TiedDense,
};
use refrain_nn::loss::Loss;
use refrain_nn::metrics::Metric;
use refrain_nn::optim::{Adam, Optimizer, RmsProp, Sgd};
use refrain_nn::{
    Activation, Averaging, Compile, Engine, Error, InputSpec, Isa, MemoryUse, Network, PlannedModel, Tensor,
    Work,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How much lower than the allocation the prediction may be, as a fraction: names, shapes and the rest of a
/// model's description, which do not grow with a batch.
const BELOW: f64 = 0.02;
/// How much higher it may be, as a fraction: it may include a buffer of the output that the loss does not
/// fill, and a first layer includes what a shorter batch would make it allocate.
const ABOVE: f64 = 0.05;

/// Batches, as lanes and steps.
const SHAPES: [(usize, usize); 3] = [(32, 24), (3, 200), (300, 2)];

/// A model's inputs and outputs.
#[derive(Debug, Clone, Copy)]
enum Data {
    /// Ids below the first number become classes below the second, at each step.
    Classes(usize, usize),
    /// This many features become one class per sequence.
    Label(usize, usize),
    /// This many features become others, with a given number of steps.
    Values(usize, usize, Option<usize>),
}

struct Case {
    name: &'static str,
    data: Data,
    optimizer: Optimizer,
    build: fn(&mut Network, Tensor) -> Result<Tensor, Error>,
}

fn softmax(units: usize) -> Dense {
    Dense::new(units).activation(Activation::Softmax)
}

fn cases() -> Vec<Case> {
    let adam = || Adam::default().into();
    let case = |name, data, optimizer, build| Case { name, data, optimizer, build };
    vec![
        case("SimpleRNN", Data::Classes(30, 30), adam(), |net, x| {
            let x = net.add(Embedding::new(30, 40), &[x])?;
            let x = net.add(SimpleRnn::new(200).return_sequences(true), &[x])?;
            net.add(softmax(30), &[x])
        }),
        case("stacked LSTM", Data::Classes(90, 90), adam(), |net, x| {
            let x = net.add(Embedding::new(90, 32), &[x])?;
            let x = net.add(Lstm::new(128).return_sequences(true), &[x])?;
            let x = net.add(Lstm::new(100).return_sequences(true), &[x])?;
            net.add(softmax(90), &[x])
        }),
        case("GRU on features", Data::Values(24, 5, None), RmsProp::default().into(), |net, x| {
            let x = net.add(Gru::new(96).return_sequences(true), &[x])?;
            net.add(Dense::new(5), &[x])
        }),
        case("GRU, reset before", Data::Label(24, 7), adam(), |net, x| {
            let x = net.add(Gru::new(150).reset_after(false), &[x])?;
            net.add(softmax(7), &[x])
        }),
        case("bidirectional", Data::Label(40, 3), adam(), |net, x| {
            let x = net.add(Bidirectional::new(Lstm::new(64).return_sequences(true)), &[x])?;
            let x = net.add(Bidirectional::new(Gru::new(48)), &[x])?;
            net.add(softmax(3), &[x])
        }),
        case("large vocabulary", Data::Classes(1_300, 1_300), adam(), |net, x| {
            let x = net.add(Embedding::new(1_300, 48), &[x])?;
            let x = net.add(Lstm::new(64).return_sequences(true), &[x])?;
            net.add(softmax(1_300), &[x])
        }),
        case("rows of a table", Data::Classes(9_000, 20), Sgd::default().into(), |net, x| {
            let x = net.add(Embedding::new(9_000, 64).dropout(0.2), &[x])?;
            let x = net.add(Gru::new(64).return_sequences(true), &[x])?;
            net.add(softmax(20), &[x])
        }),
        case("tied", Data::Classes(1_100, 1_100), adam(), |net, x| {
            let x = net.add(Embedding::new(1_100, 80).name("table"), &[x])?;
            let x = net.add(Lstm::new(80).return_sequences(true), &[x])?;
            let tied = TiedDense::new("table/embeddings").activation(Activation::Softmax);
            net.add(tied, &[x])
        }),
        case("adaptive", Data::Classes(1_500, 1_500), adam(), |net, x| {
            let x = net.add(Embedding::new(1_500, 32), &[x])?;
            let x = net.add(Lstm::new(96).return_sequences(true), &[x])?;
            net.add(AdaptiveSoftmax::new(1_500).cutoffs([150, 500]), &[x])
        }),
        case("noise", Data::Classes(60, 60), adam(), |net, x| {
            let x = net.add(Embedding::new(60, 40).dropout(0.1), &[x])?;
            let x = net.add(SpatialDropout1D::new(0.3), &[x])?;
            let lstm = Lstm::new(90).return_sequences(true).recurrent_dropout(0.2).dropout(0.2);
            let x = net.add(lstm.recurrent_mask(RecurrentMask::PerGate), &[x])?;
            let x = net.add(ActivityPenalty::new(1.0, 1.0), &[x])?;
            let x = net.add(LayerNormalization::new(), &[x])?;
            let x = net.add(Dropout::new(0.4), &[x])?;
            let x = net.add(Gru::new(70).return_sequences(true).recurrent_weight_dropout(0.5), &[x])?;
            net.add(softmax(60), &[x])
        }),
        case("masked", Data::Classes(500, 6), adam(), |net, x| {
            let x = net.add(Embedding::new(500, 32).mask_zero(true), &[x])?;
            let x = net.add(Lstm::new(64).return_sequences(true), &[x])?;
            net.add(softmax(6), &[x])
        }),
        case("encoder and decoder", Data::Values(16, 9, Some(8)), adam(), |net, x| {
            let x = net.add(Lstm::new(64), &[x])?;
            let x = net.add(RepeatVector::new(8), &[x])?;
            let one = net.add(Lstm::new(48).return_sequences(true), &[x])?;
            let other = net.add(SimpleRnn::new(32).return_sequences(true), &[x])?;
            let x = net.add(Concatenate::new(), &[one, other])?;
            net.add(Dense::new(9), &[x])
        }),
    ]
}

impl Case {
    fn plan(&self, engine: &Engine) -> PlannedModel {
        let mut net = Network::new();
        let input = match self.data {
            Data::Classes(..) => InputSpec::ids(),
            Data::Label(width, _) | Data::Values(width, ..) => InputSpec::features(width),
        };
        let x = net.input(input);
        let y = (self.build)(&mut net, x).expect("layers that fit");
        let (loss, metrics) = match self.data {
            Data::Classes(..) | Data::Label(..) => {
                (Loss::SparseCategoricalCrossentropy, vec![Metric::Accuracy])
            }
            Data::Values(..) => (Loss::MeanSquaredError, vec![Metric::MeanAbsoluteError]),
        };
        let (optimizer, engine) = (self.optimizer.clone(), Some(engine.clone()));
        net.plan(&[y], Compile { loss, metrics, optimizer, engine, ..Compile::default() }).expect("a model")
    }

    /// Returns a full batch. Ids start at 1, so none is masked.
    fn batch(&self, lanes: usize, steps: usize) -> Batch {
        let mut batch = Batch { lanes, ..Batch::default() };
        batch.inputs.resize_with(1, Default::default);
        batch.targets.resize_with(1, Default::default);
        let (input, target) = (&mut batch.inputs[0], &mut batch.targets[0]);
        (input.steps, target.steps, input.extent) = (steps, steps, Extent::Full);
        let ids = |n: usize, below: usize| (0..n).map(move |i| 1 + (i * 7 % (below - 1)) as u32);
        let floats = |n: usize| (0..n).map(|i| (i as f32 * 0.37).sin());
        match self.data {
            Data::Classes(from, to) => {
                input.ids.extend(ids(lanes * steps, from));
                target.ids.extend(ids(lanes * steps, to));
            }
            Data::Label(width, to) => {
                target.steps = 1;
                input.features.extend(floats(lanes * steps * width));
                target.ids.extend(ids(lanes, to));
            }
            Data::Values(width, to, made) => {
                target.steps = made.unwrap_or(steps);
                input.features.extend(floats(lanes * steps * width));
                target.values.extend(floats(lanes * target.steps * to));
            }
        }
        batch
    }
}

/// Returns the number of bytes allocated since the region began.
fn held(region: &Region<'_, System>) -> f64 {
    let change = region.change();
    change.bytes_allocated as f64 - change.bytes_deallocated as f64
}

fn compare(what: &str, said: u64, truth: f64) {
    let ratio = said as f64 / truth;
    let right = (1.0 - BELOW..=1.0 + ABOVE).contains(&ratio);
    assert!(right, "{what}: {said} bytes said, {truth} allocated, {ratio:.3} of them");
}

fn trained(case: &Case, engine: &Engine, lanes: usize, steps: usize) {
    let region = Region::new(ALLOCATOR);
    let planned = case.plan(engine);
    let of = MemoryUse::new(Work::Train, lanes, steps);
    let before = held(&region);
    let said = planned.memory(&[of]);
    assert!(held(&region) - before < 4_096.0, "{}: to answer allocates", case.name);
    let mut model = planned.allocate().expect("initial weights");
    let batch = case.batch(lanes, steps);
    let mut state = model.new_state();
    for _ in 0..3 {
        model.train_step(&batch, Some(&mut state)).expect("a step");
    }
    assert_eq!(model.memory(&[of]), said, "{}: planned and allocated", case.name);
    let what = format!("{}, training {lanes} x {steps}", case.name);
    compare(&what, said.total(), held(&region));

    // Then evaluated and run with other shapes, in the same buffers.
    let (wide, long) = (MemoryUse::new(Work::Evaluate, 20, 35), MemoryUse::new(Work::Predict, 2, 50));
    model.test_step(&case.batch(20, 35), None).expect("a step");
    let outputs = model.predict_batch(&case.batch(2, 50), None).expect("a prediction");
    let said = model.memory(&[of, wide, long]).total();
    compare(&format!("{what}, scored and run"), said, held(&region));
    drop(outputs);

    model.start_averaging(Averaging::Mean).expect("a compiled model");
    let parameters = model.memory(&[of]).of("parameters");
    assert_eq!(model.memory(&[of]).of("averages"), parameters);
}

fn grows(case: &Case, engine: &Engine) {
    let planned = case.plan(engine);
    let total = |work, lanes, steps| planned.memory(&[MemoryUse::new(work, lanes, steps)]).total();
    for work in [Work::Train, Work::Evaluate, Work::Predict] {
        let (mut lanes, mut steps) = (1, 1);
        while lanes < 100_000 {
            let at = total(work, lanes, steps);
            for (more_lanes, more_steps) in [(1, 0), (0, 1), (lanes, 0), (0, steps)] {
                let larger = total(work, lanes + more_lanes, steps + more_steps);
                assert!(
                    larger >= at,
                    "{}: {work:?} of {lanes} x {steps} takes {at}, and {more_lanes} x {more_steps} more {larger}",
                    case.name
                );
            }
            (lanes, steps) = (lanes + lanes / 3 + 1, (steps * 5 + 3) % 301 + 1);
        }
        assert_eq!(total(work, usize::MAX, usize::MAX), u64::MAX, "{}: {work:?} saturates", case.name);
    }
}

fn main() {
    let engine = Engine::new(Isa::detect(), 2);
    for case in cases() {
        grows(&case, &engine);
        for (lanes, steps) in SHAPES {
            trained(&case, &engine, lanes, steps);
        }
    }
}

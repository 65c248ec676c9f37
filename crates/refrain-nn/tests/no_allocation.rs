//! A training step no larger than an earlier one allocates nothing. This is a program without the test
//! harness, because the allocator counts for all threads.

use refrain_nn::data::{Batch, Extent};
use refrain_nn::layers::{
    ActivityPenalty, AdaptiveSoftmax, Bidirectional, Dense, Dropout, Embedding, Gru, Layer,
    LayerNormalization, Lstm, SimpleRnn, SpatialDropout1D,
};
use refrain_nn::loss::Loss;
use refrain_nn::metrics::Metric;
use refrain_nn::optim::Adam;
use refrain_nn::{Activation, Averaging, Compile, Engine, Isa, Model, Sequential};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const VOCABULARY: usize = 20;
/// Enough units for the layers to share their work between threads. A worker thread that first runs in a
/// measured step would allocate when it starts.
const UNITS: usize = 64;

/// Returns a model that ends in `output`.
fn model(output: impl Layer + 'static, gradient_accumulation_steps: u32) -> Model {
    Sequential::new()
        .add(Embedding::new(VOCABULARY, 12).mask_zero(true).dropout(0.1))
        .add(Dropout::new(0.1))
        .add(SpatialDropout1D::new(0.1))
        .add(Bidirectional::new(Lstm::new(UNITS).return_sequences(true)))
        .add(LayerNormalization::new())
        .add(Gru::new(UNITS).return_sequences(true).recurrent_dropout(0.2).recurrent_weight_dropout(0.2))
        .add(ActivityPenalty::new(2.0, 1.0))
        .add(SimpleRnn::new(UNITS).return_sequences(true))
        .add(output)
        .compile(Compile {
            loss: Loss::SparseCategoricalCrossentropy,
            optimizer: Adam::default().global_clipnorm(1.0).into(),
            metrics: vec![Metric::Accuracy],
            gradient_accumulation_steps,
            engine: Some(Engine::new(Isa::detect(), 2)),
            ..Compile::default()
        })
        .expect("a model")
}

fn fill(batch: &mut Batch, lanes: usize, steps: usize, salt: usize) {
    batch.lanes = lanes;
    batch.inputs.resize_with(1, Default::default);
    batch.targets.resize_with(1, Default::default);
    let (input, target) = (&mut batch.inputs[0], &mut batch.targets[0]);
    (input.steps, target.steps, input.extent) = (steps, steps, Extent::Lengths);
    input.ids.clear();
    input.ids.extend((0..lanes * steps).map(|i| ((i * 7 + salt) % VOCABULARY) as u32));
    input.lengths.clear();
    input.lengths.extend((0..lanes).map(|n| (n * 5 + salt) % (steps + 1)));
    target.ids.clear();
    target.ids.extend((0..lanes * steps).map(|i| ((i * 3 + salt) % VOCABULARY) as u32));
}

fn main() {
    let dense = || Dense::new(VOCABULARY).activation(Activation::Softmax);
    check("dense", model(dense(), 1));
    let mut averaging = model(dense(), 3);
    averaging.start_averaging(Averaging::Mean).expect("a compiled model");
    check("dense, averaged and stepping after three batches", averaging);
    check("adaptive", model(AdaptiveSoftmax::new(VOCABULARY).cutoffs([4, 9]), 1));
}

fn check(output: &str, mut model: Model) {
    let mut batch = Batch::default();
    fill(&mut batch, 16, 12, 1);
    batch.inputs[0].lengths.fill(12);
    batch.inputs[0].ids.fill(3);
    for _ in 0..3 {
        model.train_step(&batch, None).expect("a step");
    }
    for salt in 0..10 {
        fill(&mut batch, 16 - salt, 12 - salt % 3, salt);
        // All targets are in one cluster of classes, a different one in each step.
        batch.targets[0].ids.fill((salt * 2) as u32);
        let region = Region::new(ALLOCATOR);
        model.train_step(&batch, None).expect("a step");
        let change = region.change();
        assert_eq!((change.allocations, change.reallocations), (0, 0), "{output}: in step {salt}");
    }
}

//! What must hold to the last bit, whatever the model: random architectures, weights, data, lengths, masks.
//!
//! Two results are the same when their bits are, so that -0 is not 0. NaN is NaN whatever its payload, which
//! depends on the order of an instruction's operands. Between instruction sets no bit is promised: there a
//! bound holds.
//!
//! Every run draws the same cases. `PROPTEST_RNG_SEED=7 PROPTEST_CASES=1000 cargo test -p refrain-nn --test
//! bit_for_bit` draws others, and more.

mod architecture;
mod batches;
mod engines;
mod files;
mod fit_goes_on;
mod masks;
mod resume;
mod sample;
mod time;

use ndarray::ArrayD;
use proptest::prelude::{Strategy, TestCaseError};
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed};
use refrain_nn::data::Batch;
use refrain_nn::{Engine, Isa, Model, State};
use std::fmt::Display;
use std::sync::LazyLock;

/// One for each instruction set, of two threads, of which small models use one.
static ENGINES: LazyLock<Vec<Engine>> =
    LazyLock::new(|| Isa::available().into_iter().map(|isa| Engine::new(isa, 2)).collect());

/// Any instruction set: their tiles have different heights.
fn engine() -> impl Strategy<Value = Engine> {
    select(ENGINES.clone())
}

/// `cases` cases of a fixed seed; the environment, which proptest reads after this, may say otherwise.
fn config(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default() }
}

/// Fails where a float of `got` has not the bits of its like in `want`.
fn same(what: impl Display, got: &[f32], want: &[f32]) -> Result<(), TestCaseError> {
    if got.len() != want.len() {
        return Err(TestCaseError::fail(format!("{what}: {} floats, not {}", got.len(), want.len())));
    }
    let differs = |(g, w): (&f32, &f32)| g.to_bits() != w.to_bits() && !(g.is_nan() && w.is_nan());
    match got.iter().zip(want).position(differs) {
        Some(i) => Err(TestCaseError::fail(format!("{what}: float {i} is {:e}, not {:e}", got[i], want[i]))),
        None => Ok(()),
    }
}

/// Fails where two arrays differ in shape or in a bit.
fn same_array(what: impl Display, got: &ArrayD<f32>, want: &ArrayD<f32>) -> Result<(), TestCaseError> {
    if got.shape() != want.shape() {
        return Err(TestCaseError::fail(format!("{what}: {:?}, not {:?}", got.shape(), want.shape())));
    }
    same(what, flat(got), flat(want))
}

/// Fails where two states differ.
fn same_state(got: &State, want: &State) -> Result<(), TestCaseError> {
    for (layer, (got, want)) in got.layers().zip(want.layers()).enumerate() {
        for lane in 0..want.lanes() {
            same(format!("h of lane {lane}, layer {layer}"), got.hidden(lane), want.hidden(lane))?;
            same(format!("c of lane {lane}, layer {layer}"), got.cell(lane), want.cell(lane))?;
        }
    }
    Ok(())
}

/// Fails where two models have not learnt the same from the same loss.
fn same_training(what: impl Display, got: &Model, want: &Model) -> Result<(), TestCaseError> {
    same(format!("weights, {what}"), &got.weights(), &want.weights())?;
    let numbers = |m: &Model| [m.last_loss(), m.last_gradient_norm(), m.totals()[0].1, m.weighted_loss()];
    let (got, want) = (numbers(got), numbers(want));
    if got.map(f64::to_bits) != want.map(f64::to_bits) {
        let names = "loss, gradient norm, mean loss, weighted loss";
        return Err(TestCaseError::fail(format!("{names}, {what}: {got:?}, not {want:?}")));
    }
    Ok(())
}

fn predict(model: &mut Model, batch: &Batch) -> ArrayD<f32> {
    model.predict_batch(batch, None).unwrap().swap_remove(0)
}

fn flat(y: &ArrayD<f32>) -> &[f32] {
    y.as_slice().expect("outputs are row-major")
}

/// All that an output holds of a sequence.
fn of_lane(y: &ArrayD<f32>, lane: usize) -> &[f32] {
    let floats = y.shape()[1..].iter().product();
    &flat(y)[lane * floats..][..floats]
}

/// One step of a sequence of an output with a time axis.
fn of_step(y: &ArrayD<f32>, lane: usize, step: usize) -> &[f32] {
    let width = y.shape()[2];
    &of_lane(y, lane)[step * width..][..width]
}

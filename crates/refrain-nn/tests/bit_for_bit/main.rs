//! Properties that hold to the last bit for any model: random architectures, weights, data, lengths and
//! masks.
//!
//! Two results are equal if their bits are, so -0 is not 0. NaN equals NaN with any payload, because the
//! payload depends on the order of an instruction's operands. Results of different instruction sets may
//! differ within a bound.
//!
//! Every run draws the same cases. `PROPTEST_RNG_SEED=7 PROPTEST_CASES=1000 cargo test -p refrain-nn --test
//! bit_for_bit` draws other and more cases.

mod architecture;
mod batches;
mod engines;
mod files;
mod fit_resumes;
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

/// An engine with two threads for each instruction set. Small models use only one thread.
static ENGINES: LazyLock<Vec<Engine>> =
    LazyLock::new(|| Isa::available().into_iter().map(|isa| Engine::new(isa, 2)).collect());

/// Returns any instruction set; their tiles have different heights.
fn engine() -> impl Strategy<Value = Engine> {
    select(ENGINES.clone())
}

/// Runs `cases` cases of a fixed seed. Environment variables, which proptest reads afterwards, can override
/// both.
fn config(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default() }
}

/// Fails if a float of `got` does not have the same bits as in `want`.
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

/// Fails if two arrays differ in shape or in any bit.
fn same_array(what: impl Display, got: &ArrayD<f32>, want: &ArrayD<f32>) -> Result<(), TestCaseError> {
    if got.shape() != want.shape() {
        return Err(TestCaseError::fail(format!("{what}: {:?}, not {:?}", got.shape(), want.shape())));
    }
    same(what, flat(got), flat(want))
}

/// Fails if two states differ.
fn same_state(got: &State, want: &State) -> Result<(), TestCaseError> {
    for (layer, (got, want)) in got.layers().zip(want.layers()).enumerate() {
        for lane in 0..want.lanes() {
            same(format!("h of lane {lane}, layer {layer}"), got.hidden(lane), want.hidden(lane))?;
            same(format!("c of lane {lane}, layer {layer}"), got.cell(lane), want.cell(lane))?;
        }
    }
    Ok(())
}

/// Fails if two models have different weights or losses after training.
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

/// Returns the part of an output that belongs to a sequence.
fn of_lane(y: &ArrayD<f32>, lane: usize) -> &[f32] {
    let floats = y.shape()[1..].iter().product();
    &flat(y)[lane * floats..][..floats]
}

/// Returns one step of a sequence of an output with a time axis.
fn of_step(y: &ArrayD<f32>, lane: usize, step: usize) -> &[f32] {
    let width = y.shape()[2];
    &of_lane(y, lane)[step * width..][..width]
}

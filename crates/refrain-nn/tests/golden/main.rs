//! Layers, whole models and optimisers compared with results of Keras and PyTorch in f64. `fixtures/` has the
//! scripts and their results. Each case's options are in the file, so script and test cannot drift apart.

mod adaptive;
mod build;
mod close;
#[path = "../fixture/mod.rs"]
mod fixture;
mod layers;
mod models;
mod optimizers;
mod torch;

use refrain_nn::{Engine, Isa};
use serde_json::Value;

/// Returns an engine for each instruction set of this machine, with two threads, so that work is split.
fn engines() -> Vec<Engine> {
    Isa::available().into_iter().map(|isa| Engine::new(isa, 2)).collect()
}

fn size(value: &Value) -> usize {
    usize::try_from(value.as_u64().expect("a size")).expect("a size")
}

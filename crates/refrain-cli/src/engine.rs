//! The instruction set and the number of threads to use.

use crate::error::{Failure, Result};
use refrain::{Engine, Isa};

/// The environment variable that forces an instruction set.
pub(crate) const ISA_VARIABLE: &str = "REFRAIN_ISA";

/// Returns the engine for `--threads` and the environment.
pub(crate) fn from_options(threads: Option<usize>) -> Result<Engine> {
    let threads =
        threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let isa = match std::env::var_os(ISA_VARIABLE) {
        None => Isa::detect(),
        // `REFRAIN_ISA= refrain …` is how a shell unsets a variable for one command.
        Some(name) if name.is_empty() => Isa::detect(),
        Some(name) => named(&name.to_string_lossy())?,
    };
    Ok(Engine::new(isa, threads))
}

fn named(name: &str) -> Result<Isa> {
    Isa::by_name(name).ok_or_else(|| {
        let problem = if Isa::NAMES.contains(&name) {
            "this processor does not support it"
        } else {
            "unknown instruction set"
        };
        let available: Vec<_> = Isa::available().iter().map(|isa| isa.name()).collect();
        Failure::input(format!(
            "{ISA_VARIABLE} is `{name}`: {problem}; set it to one of {}, or unset it to use the fastest",
            available.join(", ")
        ))
    })
}

//! `refrain train`: one command for every task.

mod checkpoints;
pub(crate) mod classify;
mod command;
mod end;
mod labelled;
mod logging;
mod memory;
mod origin;
mod progress;
mod tag;
#[cfg(test)]
mod tests;
pub(crate) mod text;
mod unknown;

pub(crate) use command::run;

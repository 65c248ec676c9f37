//! Why does a plain RNN forget? Two tasks that need a long memory and nothing else, for three cells.
//!
//! The adding problem and the copy task, as Arjovsky, Shah & Bengio (2016) state them; `tasks.rs` has the exact
//! definitions. A SimpleRNN, an LSTM and a GRU of the same size are trained with the same settings. A table and a
//! figure compare the loss of each on a fixed test set with the loss of a model without memory.
//!
//! `cargo run --release -p long-memory` takes well under a minute for the adding problem at 100 steps;
//! `-- --full` takes a few minutes for both tasks at two lengths each.
#![forbid(unsafe_code)]

mod figure;
mod tasks;
mod train;

use clap::Parser;
use refrain::file::check_writable;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use tasks::{Task, TaskKind};
use train::{CellKind, EVERY, Settings, train};

/// Why does a plain RNN forget? Trains three cells on tasks that need a long memory.
#[derive(Debug, Parser)]
struct Options {
    /// Run both tasks at two lengths each: adding at 100 and 200, copy at 30 and 100
    #[arg(long, conflicts_with_all = ["task", "length", "steps", "lr"])]
    full: bool,

    /// Task to train on
    #[arg(long, value_enum, default_value_t = TaskKind::Adding)]
    task: TaskKind,

    /// Numbers in the adding problem; steps before the repetition in the copy task
    #[arg(long, default_value_t = 100, value_parser = at_least::<2>)]
    length: usize,

    /// Training steps, a multiple of 50; the test set is scored after every 50
    #[arg(long, default_value_t = 1500, value_parser = multiple_of_every)]
    steps: usize,

    /// Cell to train; may be repeated [default: all three]
    #[arg(long, value_enum)]
    cell: Vec<CellKind>,

    /// Hidden units
    #[arg(long, default_value_t = 64, value_parser = at_least::<1>)]
    units: usize,

    /// Sequences per training step
    #[arg(long, default_value_t = 32, value_parser = at_least::<1>)]
    batch: usize,

    /// Adam's learning rate [default: 0.01 for adding, 0.005 for copy]
    #[arg(long)]
    lr: Option<f64>,

    /// Maximum norm of the gradient
    #[arg(long, default_value_t = 1.0)]
    clip: f64,

    /// Seed of the weights and the training sequences
    #[arg(long, default_value_t = refrain::DEFAULT_SEED)]
    seed: u64,

    /// File for the figure
    #[arg(long, default_value = "long-memory.svg")]
    out: PathBuf,
}

/// The learning rate of the adding problem. At this rate an LSTM's forget gate opens over hundreds of Adam steps; at a
/// tenth of it, over thousands.
const ADDING_RATE: f64 = 0.01;
/// The learning rate of the copy task.
const COPY_RATE: f64 = 0.005;

fn at_least<const MIN: usize>(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number >= MIN => Ok(number),
        _ => Err(format!("expected a whole number of at least {MIN}")),
    }
}

fn multiple_of_every(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(steps) if steps > 0 && steps % EVERY == 0 => Ok(steps),
        _ => Err(format!("expected a multiple of {EVERY}")),
    }
}

/// Returns each task with its training steps and its learning rate.
fn experiments(options: &Options) -> Vec<(Task, usize, f64)> {
    let task = |kind, length| Task { kind, length };
    if options.full {
        vec![
            (task(TaskKind::Adding, 100), 2000, ADDING_RATE),
            (task(TaskKind::Adding, 200), 3000, ADDING_RATE),
            (task(TaskKind::Copy, 30), 4000, COPY_RATE),
            (task(TaskKind::Copy, 100), 4000, COPY_RATE),
        ]
    } else {
        let rate = match options.task {
            TaskKind::Adding => ADDING_RATE,
            TaskKind::Copy => COPY_RATE,
        };
        vec![(task(options.task, options.length), options.steps, options.lr.unwrap_or(rate))]
    }
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    check_writable(&options.out)?;
    let cells = if options.cell.is_empty() { CellKind::ALL.to_vec() } else { options.cell.clone() };
    let mut panels = Vec::new();
    println!("task              cell       steps  test loss  no memory  solved after  seconds");
    for (task, steps, learning_rate) in experiments(options) {
        let settings = Settings {
            units: options.units,
            batch_size: options.batch,
            scores: steps / EVERY,
            learning_rate,
            clip: options.clip,
            seed: options.seed,
        };
        let mut curves = Vec::new();
        for &cell in &cells {
            let curve = train(task, cell, &settings)?;
            let (steps, loss) = curve.last();
            let solved = curve.solved(task).map_or("-".to_owned(), |steps| steps.to_string());
            println!(
                "{:16}  {:9}  {steps:5}  {loss:9.5}  {:9.5}  {solved:>12}  {:7.1}",
                task.to_string(),
                cell.name(),
                task.memoryless(),
                curve.seconds,
            );
            curves.push(curve);
        }
        panels.push((task, curves));
    }
    std::fs::write(&options.out, figure::draw(&panels)?)?;
    println!("the figure is in {}", options.out.display());
    Ok(())
}

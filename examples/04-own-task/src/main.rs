//! A custom task, trained like the library's own tasks: `cargo run --release -p own-task`.
//!
//! `parity.rs` defines the task. The library provides everything that this file uses: validation, early stopping, a
//! log, checkpoints, resuming after the process was killed, a memory limit.

mod parity;

use parity::{Parity, ParityRecipe};
use refrain::callbacks::CsvLogger;
use refrain::checkpoint::{CheckpointFolder, Every};
use refrain::{Answer, RunEvent, SavedRun, Trained, TrainingRun};
use std::error::Error;
use std::path::Path;
use std::process;
use tempfile::TempDir;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let (recipe, task) = (ParityRecipe::default(), Parity::of(10));
    // The program starts itself with a folder as argument; that process aborts during training.
    if let Some(folder) = std::env::args().nth(1) {
        return train(&recipe, &task, Path::new(&folder), true).map(drop);
    }
    let (one, other) = (TempDir::new()?, TempDir::new()?);
    println!("An uninterrupted run:");
    let straight = train(&recipe, &task, one.path(), false)?;
    println!("\nThe same run, killed in its fifth epoch:");
    let lost = process::Command::new(std::env::current_exe()?).arg(other.path()).status()?;
    println!("{lost}; resumed:");
    let resumed = train(&recipe, &task, other.path(), false)?;
    assert_eq!(resumed.model.model().weights(), straight.model.model().weights());
    let log = |folder: &TempDir| std::fs::read_to_string(folder.path().join("log.csv"));
    assert_eq!(log(&one)?, log(&other)?);
    println!("Both have the same weights, bit for bit, and the same log.");

    let giant = ParityRecipe { units: 5_000, ..recipe };
    let run = TrainingRun::new(&giant, &task).memory_limit(Some(50_000_000));
    let refused = run.train(&mut |_| Answer::Continue).expect_err("it needs far more");
    println!("\nWith 5,000 units, in 50 MB: {refused}");
    Ok(())
}

/// Trains, resuming an earlier run in this folder if there is one. If `abort_midway`, the process aborts in the fifth epoch.
fn train(recipe: &ParityRecipe, task: &Parity, folder: &Path, abort_midway: bool) -> Result<Trained<Parity>> {
    let mut checkpoints = CheckpointFolder::new(folder.join("checkpoints")).every(Every::Batches(20));
    let saved = SavedRun::<Parity>::newest(&mut checkpoints)?;
    let log = CsvLogger::new(folder.join("log.csv").to_string_lossy());
    let run = TrainingRun::new(recipe, task).checkpoints(&mut checkpoints).callback(log).resume(saved);
    let trained = run.train(&mut |event| {
        match event {
            RunEvent::Batch(batch) if abort_midway && (batch.epoch, batch.done) == (5, 7) => process::abort(),
            RunEvent::Epoch(epoch) => println!("{}", epoch.record),
            _ => {}
        }
        Answer::Continue
    })?;
    let Trained { stopped, epochs, best_epoch, .. } = &trained;
    println!("{stopped:?} after epoch {}; the best was {best_epoch}", epochs.len());
    Ok(trained)
}

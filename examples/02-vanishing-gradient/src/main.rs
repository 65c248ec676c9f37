//! Where does the gradient go? Follows the gradient of the last step's loss back to the first step of a long sequence:
//! for cells at initialisation, after training, and when it explodes.
//!
//! `cargo run --release -p vanishing-gradient` takes under a minute and writes its figures to `vanishing-gradient/`;
//! `-- --full` takes a few minutes and draws the figures of docs/gradients.md, with the same lengths and steps.
#![forbid(unsafe_code)]

use clap::Parser;
use refrain::inspect::flow::{
    ClippingOptions, CompareOptions, ComparedCell, Progress, clipping_on_adding, compare_on_adding,
};
use refrain::inspect::{Section, Structure};
use refrain::optim::Sgd;
use refrain::plot::{Picture, Theme};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where does the gradient go? Follows it back through time, for three cells.
#[derive(Debug, Parser)]
struct Options {
    /// Use 200 steps, 3000 batches and 6000 with clipping, instead of 100, 1000 and 3000
    #[arg(long)]
    full: bool,

    /// Seed of the parameters and the training sequences
    #[arg(long, default_value_t = refrain::DEFAULT_SEED)]
    seed: u64,

    /// Folder for the figures
    #[arg(long, default_value = "vanishing-gradient")]
    out: PathBuf,
}

/// The gain of PyTorch's default recurrent kernel: uniform in ±1/√units has a standard deviation of 0.577/√units.
const PYTORCH_GAIN: f32 = 0.577;

/// Cells that differ in their initialisation.
const INITIALISATIONS: [ComparedCell; 5] = [
    ComparedCell::SimpleRnnNormal { gain: PYTORCH_GAIN },
    ComparedCell::SimpleRnn { gain: 1.0 },
    ComparedCell::LstmWithoutForgetBias,
    ComparedCell::Lstm,
    ComparedCell::Gru,
];

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
    fs::create_dir_all(&options.out)?;
    let (steps, train_steps, clipped) = if options.full { (200, 3000, 6000) } else { (100, 1000, 3000) };
    let seed = options.seed;
    let quiet = &mut |_: &Progress| {};

    let unrolled = ComparedCell::CELLS[0].model(64, Sgd::default().into(), seed)?;
    if let Some(drawing) = Structure::of(&unrolled).unrolled() {
        fs::write(options.out.join("unrolled.svg"), drawing.svg(Theme::Auto)?)?;
    }

    let begin = CompareOptions { cells: INITIALISATIONS.to_vec(), steps, seed, ..Default::default() };
    show(&compare_on_adding(&begin, quiet)?.section()?, "begin", &options.out)?;

    let trained = CompareOptions { steps, train_steps, seed, ..Default::default() };
    show(&compare_on_adding(&trained, quiet)?.section()?, "trained", &options.out)?;

    let clipping = ClippingOptions { train_steps: clipped, seed, ..Default::default() };
    show(&clipping_on_adding(&clipping, quiet)?.section()?, "clipped", &options.out)?;

    println!("the figures are in {}", options.out.display());
    Ok(())
}

/// Prints the findings and writes the figures, with names that start with `prefix`.
fn show(section: &Section, prefix: &str, out: &Path) -> Result<(), Box<dyn Error>> {
    println!("{}\n{}\n", section.title, section.intro);
    for finding in &section.findings {
        println!("- {finding}");
    }
    println!();
    for figure in &section.figures {
        fs::write(out.join(format!("{prefix}-{}.svg", figure.name)), figure.sheet.svg(Theme::Auto))?;
    }
    Ok(())
}

//! The `refrain` command: trains and runs recurrent neural networks.
//!
//! Results go to stdout, progress and logs to stderr. Exit codes: 0 for success, 1 if the work failed, 2 if the
//! command line or the input was invalid, 130, 143 or 129 if interrupted, with the model saved.
#![forbid(unsafe_code)]

mod array;
mod bar;
mod bench;
mod classify;
mod cli;
mod confusion_table;
mod engine;
mod error;
mod evaluate;
mod existing;
mod folders;
mod format;
mod generate;
mod info;
mod inspect;
mod inspection_data;
mod interactive;
mod interruption;
mod labelled;
mod manual;
mod model;
mod npy;
mod output;
mod predict;
mod reading;
mod shell;
mod songbook;
mod suggest;
mod tag;
mod tasks;
mod tensors;
mod text_input;
mod train;
mod unknown;
mod writable;

use clap::Parser;
use cli::{Cli, Command, Train};
use error::{Failure, Result};
use output::Output;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::command_line_error(&error),
    };
    let mut output = Output::new(cli.global.json, cli.global.verbosity());
    match run(&cli, &mut output) {
        Ok(()) | Err(Failure::ReaderGone) => ExitCode::SUCCESS,
        Err(Failure::Interrupted(code)) => ExitCode::from(code),
        Err(failure) => {
            output.error(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: &Cli, output: &mut Output) -> Result<()> {
    let engine = engine::from_options(cli.global.threads)?;
    match &cli.command {
        Command::Train { what: Train::Text(options) } => train::run(&**options, engine, output),
        Command::Train { what: Train::Classify(options) } => train::run(&**options, engine, output),
        Command::Train { what: Train::Tag(options) } => train::run(&**options, engine, output),
        Command::Tag(options) => tag::run(options, engine, output),
        Command::Classify(options) => classify::run(options, engine, output),
        Command::Generate(options) => generate::run(options, engine, output),
        Command::Suggest(options) => suggest::run(options, engine, output),
        Command::Evaluate(options) => evaluate::run(options, engine, output),
        Command::Inspect(options) => inspect::run(options, engine, output),
        Command::Info(options) => info::run(options, engine, output),
        Command::Predict(options) => predict::run(options, engine, output),
        Command::Bench(options) => bench::run(options, engine, output),
        Command::Completions { shell } => manual::completions(*shell),
        Command::Man { folder, force } => manual::pages(folder.as_deref(), *force, output),
    }
}

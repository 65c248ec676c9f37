//! The command line.

mod checkpoint;
mod classify;
mod generate;
mod inspect;
mod logging;
mod reader_options;
mod run_options;
mod tag;
mod train_text;
mod values;

pub(crate) use checkpoint::CheckpointOptions;
pub(crate) use classify::{Classify, TrainClassify};
pub(crate) use generate::{Generate, Suggest};
pub(crate) use inspect::{Inspect, Topic, Write as InspectWrite};
pub(crate) use logging::LoggingOptions;
pub(crate) use run_options::{ModelFiles, RunOptions, ScoredData, TrainOptions};
pub(crate) use tag::{Tag, TrainTag};
pub(crate) use train_text::TrainText;

use crate::output::Verbosity;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use refrain::Corpus;
use refrain::language_model::DynamicEvaluation;
use refrain::task::Range;
use std::path::PathBuf;
use values::{count, number_in, part, size};

/// Train and run recurrent neural networks.
#[derive(Debug, Parser)]
#[command(name = "refrain", version, max_term_width = 100)]
#[command(
    after_help = "Getting started:\n  refrain train text               train on the built-in songbook\n  \
    refrain train text poem.txt      train on your own text\n  \
    refrain generate model.safetensors --prompt \"The sea\""
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that all commands share.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Number of threads; does not change the results [default: all cores]
    #[arg(long, global = true, value_name = "N", value_parser = count(1..=1024))]
    pub(crate) threads: Option<usize>,
    /// Print results and progress as JSON, one object per line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print only results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print more: gradient norm, learning rate, all findings and tables
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

impl Global {
    /// Returns how much to print.
    pub(crate) fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a model
    Train {
        #[command(subcommand)]
        what: Train,
    },
    /// Generate text
    Generate(Generate),
    /// Show the most likely next words (or characters)
    Suggest(Suggest),
    /// Label texts
    Classify(Classify),
    /// Label each word of a text
    Tag(Tag),
    /// Score a model on text, labelled texts or tagged sentences
    Evaluate(Evaluate),
    /// Look inside a model: gradient through time, gates, memory
    #[command(after_help = inspect::HELP)]
    Inspect(Box<Inspect>),
    /// Show what a model file contains
    Info(Info),
    /// Run a model on arrays: .npy or .safetensors in and out
    #[command(after_help = PREDICT_HELP)]
    Predict(Predict),
    /// Benchmark this machine and each cell on it
    Bench(Bench),
    /// Print a shell completion script
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// Shell to write the script for
        shell: Shell,
    },
    /// Print the manual page, or write one per command to a folder
    #[command(after_help = "Read it with:\n  refrain man | man -l -")]
    Man {
        /// Folder for the pages: refrain.1, refrain-train-text.1 and so on
        folder: Option<PathBuf>,
        /// Replace files of these names even if they are not manual pages of refrain
        #[arg(long, requires = "folder")]
        force: bool,
    },
}

const COMPLETIONS_HELP: &str = "To install for your user only (create the folder if it is missing):\n  \
    refrain completions bash > ~/.local/share/bash-completion/completions/refrain\n  \
    refrain completions zsh > ~/.zfunc/_refrain            # ~/.zfunc must be in fpath\n  \
    refrain completions fish > ~/.config/fish/completions/refrain.fish";

const PREDICT_HELP: &str = "Arrays are batch-first. For a model with one input, IN can be a .npy file: ids (N, T) as \
    integers or features (N, T, F) as floats. A .safetensors IN holds one tensor per input, named after the input \
    (`refrain info` lists the names; with a single input and a single tensor, any name will do), and optionally \
    `<name>.lengths` (N) or `<name>.mask` (N, T). IN may be a pipe. Outputs are float32; in .safetensors they are named output_0, \
    output_1 and so on.";

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Hidden units (and inputs) of the layers to time
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "64,128,256,512,1024",
        value_parser = count(1..=16_384))]
    pub(crate) units: Vec<usize>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Train {
    /// Train a language model to continue text and suggest what comes next
    Text(Box<TrainText>),
    /// Train a classifier that gives each text a label
    Classify(Box<TrainClassify>),
    /// Train a tagger that gives each word a label
    Tag(Box<TrainTag>),
}

/// How much memory a run may use.
#[derive(Debug, Args)]
pub(crate) struct MemoryLimit {
    /// Memory limit, such as 500M or 8G; a run that needs more is refused [default: all that the machine has]
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Training")]
    pub(crate) memory: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// Language model, classifier or tagger
    pub(crate) model: PathBuf,
    /// UTF-8 text to score: files (joined), directories (all their .txt and .txt.gz files) or `-` for stdin; for a
    /// classifier or a tagger, data as `train classify` or `train tag` reads it
    #[arg(required = true)]
    pub(crate) data: Vec<PathBuf>,
    /// Score only the part that training held out with this fraction [default: all data]
    #[arg(long, value_name = "FRACTION", allow_negative_numbers = true, value_parser = part)]
    pub(crate) validation: Option<f64>,
    /// Score the text as one sequence, not in pieces of 8,192 tokens (language models only)
    #[arg(long)]
    pub(crate) stream: bool,
    #[command(flatten)]
    pub(crate) dynamic: Dynamic,
}

/// Dynamic evaluation (Krause et al. 2018).
#[derive(Debug, Args)]
#[command(next_help_heading = "Dynamic evaluation (language models only)")]
pub(crate) struct Dynamic {
    /// Keep training on the text as it is scored, as one sequence; leaves the model file unchanged
    #[arg(long, conflicts_with = "stream")]
    pub(crate) dynamic: bool,
    /// Training text of the model, to scale each weight's step by its usual gradient there
    #[arg(long, value_name = "FILE", requires = "dynamic")]
    pub(crate) dynamic_statistics: Option<PathBuf>,
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, requires = "dynamic", value_parser = number_in(Range::NOT_NEGATIVE),
        help = of_dynamic("Learning rate", |d| d.learning_rate.to_string()))]
    pub(crate) dynamic_lr: Option<f64>,
    #[arg(long, value_name = "FRACTION", allow_negative_numbers = true, requires = "dynamic", value_parser = number_in(Range::FRACTION),
        help = of_dynamic("Fraction by which weights move back to the trained ones after each chunk", |d| d.decay.to_string()))]
    pub(crate) dynamic_decay: Option<f64>,
    #[arg(long, value_name = "N", requires = "dynamic", value_parser = count(1..=65_536),
        help = of_dynamic("Tokens per chunk", |d| d.steps.to_string()))]
    pub(crate) dynamic_steps: Option<usize>,
}

/// Appends the defaults without and with statistics to a help text.
fn of_dynamic(help: &str, value: impl Fn(&DynamicEvaluation<'_>) -> String) -> String {
    let text = Corpus::default();
    let (plain, scaled) = (value(&DynamicEvaluation::plain()), value(&DynamicEvaluation::scaled(&text)));
    let with = if plain == scaled { String::new() } else { format!(", with statistics: {scaled}") };
    format!("{help} [default: {plain}{with}]")
}

#[derive(Debug, Args)]
pub(crate) struct Info {
    /// Model file
    pub(crate) model: PathBuf,
    /// Write the tokenizer of a `--level bpe` model in Hugging Face's tokenizer.json format
    #[arg(long, value_name = "FILE")]
    pub(crate) tokenizer: Option<PathBuf>,
    /// Replace the file of --tokenizer, whatever it holds
    #[arg(long, requires = "tokenizer")]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Predict {
    /// Model file
    pub(crate) model: PathBuf,
    /// Arrays to read, .npy or .safetensors
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// File to write the outputs to, .npy or .safetensors
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// Replace OUT even if it does not hold the outputs of a model
    #[arg(long)]
    pub(crate) force: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_valid() {
        Cli::command().debug_assert();
    }
}

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
#[cfg(test)]
pub(crate) use run_options::RunOptions;
pub(crate) use run_options::{ScoredData, TrainOptions};
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

/// Trains recurrent neural networks, and runs them.
#[derive(Debug, Parser)]
#[command(name = "refrain", version, max_term_width = 100)]
#[command(after_help = "First steps:\n  refrain train text               learn the built-in songbook\n  \
    refrain train text poem.txt      learn a text of your own\n  \
    refrain generate model.safetensors --prompt \"The sea\"")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Threads to compute with; the results do not depend on it [default: every core]
    #[arg(long, global = true, value_name = "N", value_parser = count(1..=1024))]
    pub(crate) threads: Option<usize>,
    /// Print results and progress as JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print results and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print more: gradient norm and learning rate, all findings and tables
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

impl Global {
    /// How much is said.
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
    /// Show the likeliest next words (or characters)
    Suggest(Suggest),
    /// Label texts
    Classify(Classify),
    /// Label each word of a text
    Tag(Tag),
    /// Measure how well a model predicts a text, or labels texts or words
    Evaluate(Evaluate),
    /// Look inside a model: the gradient through time, gates, memory
    #[command(after_help = inspect::HELP)]
    Inspect(Box<Inspect>),
    /// Show what a model file holds
    Info(Info),
    /// Run a model on arrays: .npy or .safetensors in and out
    #[command(after_help = PREDICT_HELP)]
    Predict(Predict),
    /// Measure this machine, and each cell's speed against it
    Bench(Bench),
    /// Print completions for a shell
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write one for each command into a folder
    #[command(after_help = "Read it with:\n  refrain man | man -l -")]
    Man {
        /// Where the pages go: refrain.1, refrain-train-text.1 and so on
        folder: Option<PathBuf>,
    },
}

const COMPLETIONS_HELP: &str = "For this user alone (make the folder if it is missing):\n  \
    refrain completions bash > ~/.local/share/bash-completion/completions/refrain\n  \
    refrain completions zsh > ~/.zfunc/_refrain            with ~/.zfunc in fpath\n  \
    refrain completions fish > ~/.config/fish/completions/refrain.fish";

const PREDICT_HELP: &str = "Arrays are batch first. A .npy IN is the model's only input: ids (N, T) as integers, or \
    features (N, T, F) as floats. A .safetensors IN holds a tensor for each input under the input's name (`refrain \
    info` shows them; the only tensor of an only input may have any name), and optionally `<name>.lengths` (N) or \
    `<name>.mask` (N, T). Outputs are float32; in .safetensors they are output_0, output_1 and so on.";

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Hidden units (and inputs) of the layers that are timed
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "64,128,256,512,1024",
        value_parser = count(1..=16_384))]
    pub(crate) units: Vec<usize>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Train {
    /// Train a language model: it continues a text and suggests what comes next
    Text(Box<TrainText>),
    /// Train a classifier: a label for each text
    Classify(Box<TrainClassify>),
    /// Train a tagger: a label for each word
    Tag(Box<TrainTag>),
}

/// What a run may take.
#[derive(Debug, Args)]
pub(crate) struct MemoryLimit {
    /// Memory that the run may take, such as 500M or 8G; one that needs more is refused [default: what the machine has]
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Training")]
    pub(crate) memory: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// A model of text, a classifier or a tagger
    pub(crate) model: PathBuf,
    /// Text to score, in UTF-8: files are joined, of a directory all .txt files, `-` is stdin; for a classifier or a
    /// tagger what `train classify` or `train tag` reads
    #[arg(required = true)]
    pub(crate) data: Vec<PathBuf>,
    /// Score only what training held out with this share [default: all of it]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = part)]
    pub(crate) validation: Option<f64>,
    /// Score in one lane from beginning to end, not in lanes of 8,192 tokens (models of text only)
    #[arg(long)]
    pub(crate) stream: bool,
    #[command(flatten)]
    pub(crate) dynamic: Dynamic,
}

/// Dynamic evaluation (Krause et al. 2018).
#[derive(Debug, Args)]
#[command(next_help_heading = "Dynamic evaluation (models of text only)")]
pub(crate) struct Dynamic {
    /// Keep learning from the text that was scored, in one lane; the file does not change
    #[arg(long, conflicts_with = "stream")]
    pub(crate) dynamic: bool,
    /// The text that the model was trained on: each weight's step is measured against its usual gradient there
    #[arg(long, value_name = "FILE", requires = "dynamic")]
    pub(crate) dynamic_statistics: Option<PathBuf>,
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, requires = "dynamic", value_parser = number_in(Range::NOT_NEGATIVE),
        help = of_dynamic("Learning rate", |d| d.learning_rate.to_string()))]
    pub(crate) dynamic_lr: Option<f64>,
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, requires = "dynamic", value_parser = number_in(Range::SHARE),
        help = of_dynamic("Share of the way back to the trained weights after each chunk", |d| d.decay.to_string()))]
    pub(crate) dynamic_decay: Option<f64>,
    #[arg(long, value_name = "N", requires = "dynamic", value_parser = count(1..=65_536),
        help = of_dynamic("Tokens of a chunk", |d| d.steps.to_string()))]
    pub(crate) dynamic_steps: Option<usize>,
}

/// Help with the default without and with statistics.
fn of_dynamic(help: &str, value: impl Fn(&DynamicEvaluation<'_>) -> String) -> String {
    let text = Corpus::default();
    let (plain, scaled) = (value(&DynamicEvaluation::plain()), value(&DynamicEvaluation::scaled(&text)));
    let with = if plain == scaled { String::new() } else { format!(", with statistics: {scaled}") };
    format!("{help} [default: {plain}{with}]")
}

#[derive(Debug, Args)]
pub(crate) struct Info {
    /// A model
    pub(crate) model: PathBuf,
    /// Write the tokenizer of a model with --level bpe, as Hugging Face's tokenizer.json
    #[arg(long, value_name = "FILE")]
    pub(crate) tokenizer: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Predict {
    /// A model
    pub(crate) model: PathBuf,
    /// Arrays to read, .npy or .safetensors
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// Where to write the outputs, .npy or .safetensors
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}

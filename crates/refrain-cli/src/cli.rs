//! The command line.

use crate::train_text::songbook_recipe;
use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use refrain::TextRecipe;
use refrain::language_model::{CellKind, Generate as GenerateOptions, Level, RateSchedule};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::RangeInclusive;
use std::path::PathBuf;

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
    /// Print more: gradient norm and learning rate
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a model
    Train {
        #[command(subcommand)]
        what: Train,
    },
    /// Let a model of text write
    Generate(Generate),
    /// Show the likeliest next words (or characters)
    Suggest(Suggest),
    /// Measure how well a model predicts a text
    Evaluate(Evaluate),
    /// Show what a model file holds
    Info(Info),
    /// Run a model on arrays: .npy or .safetensors in and out
    #[command(after_help = PREDICT_HELP)]
    Predict(Predict),
    /// Measure this machine, and each cell's speed against it
    Bench(Bench),
}

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
    /// Train a model of text, which continues it and suggests what comes next
    Text(Box<TrainText>),
}

#[derive(Debug, Args)]
pub(crate) struct TrainText {
    /// Text to learn, in UTF-8: files are joined, of a directory all .txt files, `-` is stdin; none: the
    /// built-in songbook
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) shape: Shape,
    #[command(flatten)]
    pub(crate) fit: FitOptions,
    /// Go on from a trained model, with its vocabulary and layers
    #[arg(long, value_name = "MODEL", conflicts_with_all = SHAPE_OPTIONS)]
    pub(crate) init: Option<PathBuf>,
    /// Where to save the model
    #[arg(long, value_name = "FILE", default_value = "model.safetensors")]
    pub(crate) out: PathBuf,
}

/// The ids of [`Shape`]'s options, which a model given with `--init` has decided already.
const SHAPE_OPTIONS: [&str; 9] =
    ["level", "cell", "units", "layers", "embedding", "dropout", "recurrent_dropout", "tie", "min_count"];

/// What the model is.
#[derive(Debug, Args)]
pub(crate) struct Shape {
    /// What a step is
    #[arg(long, default_value = name(&recipe().level), value_parser = choice::<Level, 2>(["char", "word"]))]
    pub(crate) level: Level,
    /// The recurrence
    #[arg(long, default_value = name(&recipe().cell), value_parser = choice::<CellKind, 3>(["rnn", "lstm", "gru"]))]
    pub(crate) cell: CellKind,
    /// Hidden units of each layer
    #[arg(long, value_name = "N", default_value_t = recipe().units, value_parser = count(1..=16_384))]
    pub(crate) units: usize,
    /// Recurrent layers
    #[arg(long, value_name = "N", default_value_t = recipe().layers, value_parser = count(1..=64))]
    pub(crate) layers: usize,
    #[arg(long, value_name = "N", value_parser = count(1..=16_384),
        help = format!("Width of the embedding [default: {}, with --tie as --units]", recipe().embedding))]
    pub(crate) embedding: Option<usize>,
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = share,
        help = or_songbook("Dropout before, between and behind the recurrent layers, fresh each step", |r| r.dropout.to_string()))]
    pub(crate) dropout: Option<f64>,
    /// Dropout of the hidden state, the same units at every step
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, default_value_t = recipe().recurrent_dropout, value_parser = share)]
    pub(crate) recurrent_dropout: f64,
    /// Use the embedding's weights in the output layer too
    #[arg(long)]
    pub(crate) tie: bool,
    /// Words that occur less often become the unknown one (words only)
    #[arg(long, value_name = "N", default_value_t = recipe().min_count, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) min_count: u64,
}

/// How it is trained.
#[derive(Debug, Args)]
pub(crate) struct FitOptions {
    /// Sequences trained side by side [default: 64, on a small text as many as leave 50 updates an epoch]
    #[arg(long, value_name = "N", value_parser = count(1..=65_536))]
    pub(crate) batch: Option<usize>,
    /// Steps of truncated backpropagation through time
    #[arg(long, value_name = "N", default_value_t = recipe().steps, value_parser = count(1..=65_536))]
    pub(crate) steps: usize,
    /// Passes over the text
    #[arg(long, value_name = "N", default_value_t = recipe().epochs, value_parser = count(1..=1_000_000))]
    pub(crate) epochs: usize,
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = positive,
        help = or_songbook("Learning rate", |r| r.learning_rate.to_string()))]
    pub(crate) lr: Option<f64>,
    #[arg(long, help = or_songbook("How the learning rate goes over the run", |r| name(&r.schedule)),
        value_parser = choice::<RateSchedule, 3>(["constant", "cosine", "exponential"]))]
    pub(crate) schedule: Option<RateSchedule>,
    /// Optimiser
    #[arg(long, default_value = recipe().optimizer, ignore_case = true, value_parser = PossibleValuesParser::new(
        ["sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamw", "adamax", "nadam"]))]
    pub(crate) optimizer: String,
    /// Global norm that gradients are clipped to; 0: not at all
    #[arg(long, value_name = "NORM", allow_negative_numbers = true, default_value_t = recipe().clip, value_parser = not_negative)]
    pub(crate) clip: f64,
    /// Share of the text, at its end, that is held out to validate on; 0: none
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, default_value_t = recipe().validation, value_parser = share,
        conflicts_with = "validation_file")]
    pub(crate) validation: f64,
    /// A text to validate on; nothing is held out then
    #[arg(long, value_name = "FILE")]
    pub(crate) validation_file: Option<PathBuf>,
    /// Seed of the initial weights and of dropout
    #[arg(long, value_name = "N", default_value_t = recipe().seed)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// A model of text
    pub(crate) model: PathBuf,
    /// What to continue; without it the model begins a new line
    #[arg(
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) prompt: String,
    /// Characters (or words) to write
    #[arg(long, value_name = "N", default_value_t = GenerateOptions::default().length, value_parser = count(0..=u64::MAX))]
    pub(crate) length: usize,
    /// Below 1 the likely gets likelier; 0: always the likeliest
    #[arg(long, value_name = "T", allow_negative_numbers = true, default_value_t = GenerateOptions::default().sampling.temperature,
        value_parser = not_negative_f32)]
    pub(crate) temperature: f32,
    /// Draw from the K likeliest only [default: from all]
    #[arg(long, value_name = "K", value_parser = count(1..=u64::MAX))]
    pub(crate) top_k: Option<usize>,
    /// Draw from the likeliest only that together have this probability [default: from all]
    #[arg(long, value_name = "P", allow_negative_numbers = true, value_parser = probability)]
    pub(crate) top_p: Option<f32>,
    /// Search for the likeliest text with N hypotheses side by side instead of drawing
    #[arg(long, value_name = "N", value_parser = count(1..=1024),
        conflicts_with_all = ["temperature", "top_k", "top_p", "seed"])]
    pub(crate) beam: Option<usize>,
    /// Seed of the draws
    #[arg(long, value_name = "N", default_value_t = GenerateOptions::default().seed)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Suggest {
    /// A model of text
    pub(crate) model: PathBuf,
    /// What comes before
    #[arg(allow_hyphen_values = true)]
    pub(crate) text: String,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = count(1..=1_000_000))]
    pub(crate) top: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// A model of text
    pub(crate) model: PathBuf,
    /// Text to score, in UTF-8: files are joined, of a directory all .txt files, `-` is stdin
    #[arg(required = true)]
    pub(crate) data: Vec<PathBuf>,
    /// Score only this share of the text, at its end: what training held out [default: all of it]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = part)]
    pub(crate) validation: Option<f64>,
    /// Score in one lane from beginning to end, not in lanes of 8,192 tokens
    #[arg(long)]
    pub(crate) stream: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Info {
    /// A model
    pub(crate) model: PathBuf,
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

fn recipe() -> TextRecipe {
    TextRecipe::default()
}

/// Help for an option whose default is another for the songbook.
fn or_songbook(help: &str, value: impl Fn(&TextRecipe) -> String) -> String {
    format!("{help} [default: {}, the songbook: {}]", value(&recipe()), value(&songbook_recipe()))
}

fn count(range: RangeInclusive<u64>) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(range)
}

/// The name of a library's choice, as its files have it.
fn name<T: Serialize>(choice: &T) -> String {
    match serde_json::to_value(choice) {
        Ok(serde_json::Value::String(name)) => name,
        other => unreachable!("a choice is written as its name, not as {other:?}"),
    }
}

/// Takes one of the names that the library's choice has in files.
fn choice<T, const N: usize>(names: [&'static str; N]) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).map(|name| {
        serde_json::from_value(serde_json::Value::String(name))
            .expect("every name listed is one of the choice's")
    })
}

fn number<T: std::str::FromStr + PartialOrd>(
    text: &str,
    fits: impl Fn(&T) -> bool,
    expected: &str,
) -> Result<T, String> {
    text.parse().ok().filter(fits).ok_or_else(|| format!("expected {expected}"))
}

fn share(text: &str) -> Result<f64, String> {
    number(text, |x| (0.0..1.0).contains(x), "a share from 0 and below 1")
}

fn part(text: &str) -> Result<f64, String> {
    number(text, |&x| x > 0.0 && x < 1.0, "a share above 0 and below 1")
}

fn probability(text: &str) -> Result<f32, String> {
    number(text, |&x| x > 0.0 && x <= 1.0, "a probability above 0 and at most 1")
}

fn positive(text: &str) -> Result<f64, String> {
    number(text, |x: &f64| *x > 0.0 && x.is_finite(), "a number above 0")
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text, |x: &f64| *x >= 0.0 && x.is_finite(), "a number of at least 0")
}

fn not_negative_f32(text: &str) -> Result<f32, String> {
    number(text, |x: &f32| *x >= 0.0 && x.is_finite(), "a number of at least 0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    fn parse(arguments: &[&str]) -> TrainText {
        let all = ["refrain", "train", "text"].iter().chain(arguments);
        let Command::Train { what: Train::Text(options) } = Cli::try_parse_from(all).unwrap().command else {
            panic!("not train text");
        };
        *options
    }

    #[test]
    fn without_options_the_recipe_is_the_library_s() {
        assert_eq!(parse(&["poem.txt"]).recipe(), TextRecipe::default());
        assert_eq!(parse(&[]).recipe(), songbook_recipe());
    }

    #[test]
    fn every_choice_is_accepted() {
        for level in ["char", "word"] {
            assert_eq!(name(&parse(&["--level", level]).shape.level), level);
        }
        for cell in ["rnn", "lstm", "gru"] {
            assert_eq!(name(&parse(&["--cell", cell]).shape.cell), cell);
        }
        for schedule in ["constant", "cosine", "exponential"] {
            assert_eq!(name(&parse(&["--schedule", schedule]).fit.schedule), schedule);
        }
        for optimizer in ["sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamw", "adamax", "nadam"] {
            parse(&["--optimizer", optimizer]).recipe().check().unwrap();
        }
    }

    #[test]
    fn the_options_of_the_shape_are_all_refused_with_init() {
        let shape = Shape::augment_args(clap::Command::new("shape"));
        let ids: Vec<_> = shape.get_arguments().map(|a| a.get_id().to_string()).collect();
        assert_eq!(ids, SHAPE_OPTIONS);
    }

    #[test]
    fn tied_embeddings_are_as_wide_as_the_layers() {
        assert_eq!(parse(&["--tie", "--units", "32"]).recipe().embedding, 32);
        assert!(parse(&["--tie", "--embedding", "8"]).recipe().check().is_err());
    }
}

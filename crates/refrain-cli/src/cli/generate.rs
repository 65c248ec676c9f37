//! Options of `generate` and `suggest`.

use super::values::{at_least_one, count, not_negative_f32, number_in, probability, seed};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use refrain::language_model::{BeamSearch, Generate as GenerateOptions};
use refrain::task::Range;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub(crate) struct Generate {
    /// Language model
    pub(crate) model: PathBuf,
    /// Text to continue [default: start a new line]
    #[arg(
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) prompt: String,
    /// Number of characters (or words) to generate
    #[arg(long, value_name = "N", default_value_t = GenerateOptions::default().length, value_parser = count(0..=usize::MAX))]
    pub(crate) length: usize,
    /// Sampling temperature; below 1 favours likely tokens, 0 always takes the most likely
    #[arg(long, value_name = "T", allow_negative_numbers = true, default_value_t = GenerateOptions::default().sampling.temperature,
        value_parser = not_negative_f32)]
    pub(crate) temperature: f32,
    /// Always take the most likely token, like --temperature 0
    #[arg(long, conflicts_with_all = ["temperature", "top_k", "top_p", "seed", "beam"])]
    pub(crate) greedy: bool,
    /// Stop before TEXT; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) stop: Vec<String>,
    /// Penalise recent tokens: divide their positive logits by P and multiply their negative ones; 1 to disable
    #[arg(long, value_name = "P", allow_negative_numbers = true,
        default_value_t = GenerateOptions::default().sampling.repetition_penalty, value_parser = at_least_one)]
    pub(crate) repetition_penalty: f32,
    /// Number of recent tokens to penalise
    #[arg(long, value_name = "N", requires = "repetition_penalty",
        default_value_t = GenerateOptions::default().sampling.repetition_window,
        value_parser = count(1..=1_000_000))]
    pub(crate) repetition_window: usize,
    /// Sample only from the K most likely tokens [default: all]
    #[arg(long, value_name = "K", value_parser = count(1..=usize::MAX))]
    pub(crate) top_k: Option<usize>,
    /// Sample only from the most likely tokens that together reach probability P [default: all]
    #[arg(long, value_name = "P", allow_negative_numbers = true, value_parser = probability)]
    pub(crate) top_p: Option<f32>,
    /// Use beam search with N hypotheses instead of sampling
    #[arg(long, value_name = "N", value_parser = count(1..=1024),
        conflicts_with_all = ["temperature", "top_k", "top_p", "seed", "repetition_penalty", "repetition_window"])]
    pub(crate) beam: Option<usize>,
    /// Beam search's length normalisation of texts that end at a stop text; 0 takes the most likely, usually a short one
    #[arg(long, value_name = "A", allow_negative_numbers = true, requires_all = ["beam", "stop"],
        default_value_t = BeamSearch::default().length_penalty, value_parser = number_in(Range::NOT_NEGATIVE))]
    pub(crate) length_penalty: f64,
    /// Sampling seed
    #[arg(long, value_name = "N", default_value_t = GenerateOptions::default().seed, value_parser = seed)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Suggest {
    /// Language model
    pub(crate) model: PathBuf,
    /// Text so far; after a space or punctuation, shows the next words, otherwise completes its last word
    #[arg(allow_hyphen_values = true, required_unless_present = "interactive")]
    pub(crate) text: Option<String>,
    /// Number of suggestions
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = count(1..=1_000_000))]
    pub(crate) top: usize,
    /// Suggest tokens of the model's vocabulary instead: characters, words, punctuation and line breaks
    #[arg(long, conflicts_with = "interactive")]
    pub(crate) tokens: bool,
    /// Edit a line in the terminal, with suggestions after each key
    #[arg(short, long)]
    pub(crate) interactive: bool,
}

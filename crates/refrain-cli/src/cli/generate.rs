//! The options of `generate` and `suggest`.

use super::values::{at_least_one, count, not_negative_f32, number_in, probability};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use refrain::language_model::{BeamSearch, Generate as GenerateOptions};
use refrain::task::Range;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
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
    /// Always take the likeliest: as --temperature 0
    #[arg(long, conflicts_with_all = ["temperature", "top_k", "top_p", "seed", "beam"])]
    pub(crate) greedy: bool,
    /// End the text before TEXT; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) stop: Vec<String>,
    /// Make tokens that were there lately less likely: their logits are divided by P where positive, else multiplied;
    /// 1: off
    #[arg(long, value_name = "P", allow_negative_numbers = true,
        default_value_t = GenerateOptions::default().sampling.repetition_penalty, value_parser = at_least_one)]
    pub(crate) repetition_penalty: f32,
    /// How many of the last tokens the penalty looks at
    #[arg(long, value_name = "N", requires = "repetition_penalty",
        default_value_t = GenerateOptions::default().sampling.repetition_window,
        value_parser = count(1..=1_000_000))]
    pub(crate) repetition_window: usize,
    /// Draw from the K likeliest only [default: from all]
    #[arg(long, value_name = "K", value_parser = count(1..=u64::MAX))]
    pub(crate) top_k: Option<usize>,
    /// Draw from the likeliest only that together have this probability [default: from all]
    #[arg(long, value_name = "P", allow_negative_numbers = true, value_parser = probability)]
    pub(crate) top_p: Option<f32>,
    /// Search for the likeliest text with N hypotheses side by side instead of drawing
    #[arg(long, value_name = "N", value_parser = count(1..=1024),
        conflicts_with_all = ["temperature", "top_k", "top_p", "seed", "repetition_penalty", "repetition_window"])]
    pub(crate) beam: Option<usize>,
    /// How far a beam makes up for the length of a text that ends at a stop text; 0: the likeliest wins, mostly a
    /// short one
    #[arg(long, value_name = "A", allow_negative_numbers = true, requires_all = ["beam", "stop"],
        default_value_t = BeamSearch::default().length_penalty, value_parser = number_in(Range::NOT_NEGATIVE))]
    pub(crate) length_penalty: f64,
    /// Seed of the draws
    #[arg(long, value_name = "N", default_value_t = GenerateOptions::default().seed)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Suggest {
    /// A model of text
    pub(crate) model: PathBuf,
    /// What comes before. After a blank or a mark the next words are shown, else words that begin with its last one
    #[arg(allow_hyphen_values = true, required_unless_present = "interactive")]
    pub(crate) text: Option<String>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = count(1..=1_000_000))]
    pub(crate) top: usize,
    /// Show the next tokens of the model's vocabulary instead: characters, words, marks and line breaks
    #[arg(long, conflicts_with = "interactive")]
    pub(crate) tokens: bool,
    /// Write a line in the terminal, with suggestions at every key
    #[arg(short, long)]
    pub(crate) interactive: bool,
}

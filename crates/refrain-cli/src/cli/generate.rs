//! The options of `generate` and `suggest`.

use super::values::{count, not_negative_f32, probability};
use clap::Args;
use refrain::language_model::Generate as GenerateOptions;
use std::path::PathBuf;

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

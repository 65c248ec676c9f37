//! The options of `inspect`.

use super::values::{count, number_in, part};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, ValueEnum};
use refrain::inspect::flow::{CompareOptions, ComparedCell};
use refrain::inspect::memory::SHARE;
use refrain::plot::Theme as PlotTheme;
use refrain::task::Range;
use std::path::PathBuf;

pub(crate) const HELP: &str = "Findings go to stdout, in words and numbers; with --json all numbers. Files are written \
    only where --html and --out say so. Examples:\n  \
    refrain inspect model.safetensors poem.txt --html inside.html\n  \
    refrain inspect --cell rnn,lstm,gru --units 64 --train 500 --html cells.html";

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// A model; without one, fresh cells side by side on the adding problem
    pub(crate) model: Option<PathBuf>,
    /// What it is looked at with, by the model's task: a text (files are joined, of a directory all .txt files, `-` is
    /// stdin), what `train classify` or `train tag` reads, or arrays as `predict` reads them, in .safetensors with the
    /// targets as `target` [default: a text that the model writes itself; random inputs for other models]
    #[arg(value_name = "DATA")]
    pub(crate) data: Vec<PathBuf>,
    /// Look at these only [default: all]
    #[arg(long, value_name = "TOPIC,…", value_delimiter = ',', requires = "model")]
    pub(crate) only: Vec<Topic>,
    /// Steps of the sequences, if they have as many [default: 200; of labelled texts and arrays all]
    #[arg(long, value_name = "T", value_parser = count(2..=10_000))]
    pub(crate) steps: Option<usize>,
    /// Sequences that are looked at, spread evenly over the data
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = count(1..=1024))]
    pub(crate) sequences: usize,
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, requires = "model", value_parser = part,
        help = format!("A step is remembered as far as it moves the output by at least this share of what the last one \
            does [default: {SHARE}]"))]
    pub(crate) share: Option<f64>,
    /// Follow the gradient in the same network with each of the three cells too, freshly initialised
    #[arg(long, requires = "model")]
    pub(crate) compare: bool,
    /// Seed of what is drawn: fresh parameters, a text that the model writes, random inputs
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) fresh: Fresh,
    #[command(flatten)]
    pub(crate) write: Write,
}

/// Cells without a model.
#[derive(Debug, Args)]
#[command(next_help_heading = "Fresh cells (without MODEL)")]
pub(crate) struct Fresh {
    /// Which, and how their recurrent kernels begin: rnn-normal and rnn-glorot draw other ones than the orthogonal, irnn
    /// is the identity under ReLU
    #[arg(long, value_name = "CELL,…", value_delimiter = ',', conflicts_with = "model", default_value = "rnn,lstm,gru",
        value_parser = cell())]
    pub(crate) cell: Vec<ComparedCell>,
    /// Hidden units of each
    #[arg(long, value_name = "N", conflicts_with = "model", default_value_t = default().units, value_parser = count(1..=4096))]
    pub(crate) units: usize,
    /// Train each with this many batches of --sequences, and look again; 0: look at them as they begin
    #[arg(long, value_name = "N", conflicts_with = "model", default_value_t = default().train_steps,
        value_parser = count(0..=1_000_000))]
    pub(crate) train: usize,
    /// Learning rate of Adam
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, requires = "train",
        default_value_t = default().learning_rate, value_parser = number_in(Range::POSITIVE))]
    pub(crate) lr: f64,
    /// Gradients with a larger norm are scaled down to it; 0: off
    #[arg(long, value_name = "NORM", allow_negative_numbers = true, requires = "train",
        default_value_t = default().clip.unwrap_or(0.0), value_parser = number_in(Range::NOT_NEGATIVE))]
    pub(crate) clip: f64,
    /// Train a cell whose gradient explodes, with clipping and without (about a minute)
    #[arg(long, conflicts_with = "model")]
    pub(crate) clipping: bool,
}

fn default() -> CompareOptions {
    CompareOptions::default()
}

fn cell() -> impl TypedValueParser<Value = ComparedCell> {
    let names: Vec<_> = ComparedCell::names().collect();
    PossibleValuesParser::new(names).map(|name| name.parse().expect("every name listed is a cell's"))
}

/// What is written beside the findings.
#[derive(Debug, Args)]
#[command(next_help_heading = "Figures", group = ArgGroup::new("files").multiple(true))]
pub(crate) struct Write {
    /// Write a page with all findings, figures and tables: one file, which loads nothing
    #[arg(long, value_name = "FILE", group = "files")]
    pub(crate) html: Option<PathBuf>,
    /// Write each figure as SVG into this folder, which is made if there is none
    #[arg(long, value_name = "DIR", group = "files")]
    pub(crate) out: Option<PathBuf>,
    /// Write each figure as PNG too (with the feature `png` of this program)
    #[arg(long, requires = "out")]
    pub(crate) png: bool,
    /// Ground of the page and the figures: auto follows the reader's setting, light in PNG
    #[arg(long, default_value = "auto", requires = "files")]
    pub(crate) theme: Theme,
}

/// What can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Topic {
    /// The gradient of the last step's loss at each earlier step
    Gradient,
    /// How far back an input moves the output
    Memory,
    /// Gates and states, step by step
    Gates,
    /// Units that follow something in the text
    Units,
    /// Saturation, dead units, recurrent kernels
    Health,
    /// The network, unrolled over time
    Network,
}

/// The ground of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Theme {
    Auto,
    Light,
    Dark,
}

impl Inspect {
    /// Whether a topic is wanted.
    pub(crate) fn wants(&self, topic: Topic) -> bool {
        self.only.is_empty() || self.only.contains(&topic)
    }
}

impl From<Theme> for PlotTheme {
    fn from(theme: Theme) -> Self {
        match theme {
            Theme::Auto => Self::Auto,
            Theme::Light => Self::Light,
            Theme::Dark => Self::Dark,
        }
    }
}

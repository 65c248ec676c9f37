//! Options of `inspect`.

use super::values::{count, number_in, part, seed};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, ValueEnum};
use refrain::inspect::flow::{CompareOptions, ComparedCell};
use refrain::inspect::memory::SHARE;
use refrain::plot::Theme as PlotTheme;
use refrain::task::Range;
use std::path::PathBuf;

pub(crate) const HELP: &str = "Findings are printed as text, or with --json as JSON with all numbers. Files are written \
    only with --html and --out. Examples:\n  \
    refrain inspect model.safetensors poem.txt --html inside.html\n  \
    refrain inspect --cell rnn,lstm,gru --units 64 --train 500 --html cells.html";

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Model file; without one, compares freshly initialised cells on the adding problem
    pub(crate) model: Option<PathBuf>,
    /// Data to run the model on, depending on its task: text (files are joined, directories stand for their .txt and
    /// .txt.gz files, `-` is stdin), data as `train classify` or `train tag` reads it, or arrays as `predict` reads them, with targets
    /// as `target` in .safetensors [default: text that the model generates; random inputs for other models]
    #[arg(value_name = "DATA")]
    pub(crate) data: Vec<PathBuf>,
    /// Inspect only these topics [default: all]
    #[arg(long, value_name = "TOPIC,…", value_delimiter = ',', requires = "model")]
    pub(crate) only: Vec<Topic>,
    /// Maximum steps per sequence [default: 200; all for labelled texts and arrays]
    #[arg(long, value_name = "T", value_parser = count(2..=10_000))]
    pub(crate) steps: Option<usize>,
    /// Number of sequences, spread evenly over the data
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = count(1..=1024))]
    pub(crate) sequences: usize,
    #[arg(long, value_name = "FRACTION", allow_negative_numbers = true, requires = "model", value_parser = part,
        help = format!("Count a step as remembered if it moves the output at least this fraction as far as the last \
            step does [default: {SHARE}]"))]
    pub(crate) share: Option<f64>,
    /// Also follow the gradient in the same network with each of the three cells, freshly initialised
    #[arg(long, requires = "model")]
    pub(crate) compare: bool,
    /// Seed for fresh parameters, generated text and random inputs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = seed)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) fresh: Fresh,
    #[command(flatten)]
    pub(crate) write: Write,
}

/// Options for cells without a model.
#[derive(Debug, Args)]
#[command(next_help_heading = "Freshly initialised cells (without MODEL)")]
pub(crate) struct Fresh {
    /// Cells to compare; rnn-normal and rnn-glorot replace the orthogonal initialisation of the recurrent kernel, irnn
    /// starts from the identity with ReLU
    #[arg(long, value_name = "CELL,…", value_delimiter = ',', conflicts_with = "model", default_value = "rnn,lstm,gru",
        value_parser = cell())]
    pub(crate) cell: Vec<ComparedCell>,
    /// Hidden units per cell
    #[arg(long, value_name = "N", conflicts_with = "model", default_value_t = default().units, value_parser = count(1..=4096))]
    pub(crate) units: usize,
    /// Train each cell on this many batches of --sequences, then inspect it again; 0 for no training
    #[arg(long, value_name = "N", conflicts_with = "model", default_value_t = default().train_steps,
        value_parser = count(0..=1_000_000))]
    pub(crate) train: usize,
    /// Learning rate of Adam
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, requires = "train",
        default_value_t = default().learning_rate, value_parser = number_in(Range::POSITIVE))]
    pub(crate) lr: f64,
    /// Clip gradients to this norm; 0 to disable
    #[arg(long, value_name = "NORM", allow_negative_numbers = true, requires = "train",
        default_value_t = default().clip.unwrap_or(0.0), value_parser = number_in(Range::NOT_NEGATIVE))]
    pub(crate) clip: f64,
    /// Also train a cell whose gradient explodes, with and without clipping (about a minute)
    #[arg(long, conflicts_with = "model")]
    pub(crate) clipping: bool,
}

fn default() -> CompareOptions {
    CompareOptions::default()
}

fn cell() -> impl TypedValueParser<Value = ComparedCell> {
    let names: Vec<_> = ComparedCell::names().collect();
    PossibleValuesParser::new(names).map(|name| name.parse().expect("every listed name is a cell"))
}

/// The files to write.
#[derive(Debug, Args)]
#[command(next_help_heading = "Figures", group = ArgGroup::new("files").multiple(true))]
pub(crate) struct Write {
    /// Write a self-contained page with all findings, figures and tables
    #[arg(long, value_name = "FILE", group = "files")]
    pub(crate) html: Option<PathBuf>,
    /// Write each figure as SVG to this folder, created if missing
    #[arg(long, value_name = "DIR", group = "files")]
    pub(crate) out: Option<PathBuf>,
    /// Also write each figure as PNG (needs a build with the `png` feature)
    #[arg(long, requires = "out")]
    pub(crate) png: bool,
    /// Replace files even if they are not pages and figures of refrain
    #[arg(long, requires = "files")]
    pub(crate) force: bool,
    /// Colours of the page and the figures; auto follows the reader's setting, and is light in PNG
    #[arg(long, default_value = "auto", requires = "files")]
    pub(crate) theme: Theme,
}

/// A topic to inspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Topic {
    /// Gradient of the last step's loss at each earlier step
    Gradient,
    /// How far back an input affects the output
    Memory,
    /// Gates and states, step by step
    Gates,
    /// Units that track something in the text
    Units,
    /// Saturation, dead units, recurrent kernels
    Health,
    /// The network, unrolled over time
    Network,
}

/// The colours of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Theme {
    Auto,
    Light,
    Dark,
}

impl Inspect {
    /// Returns whether a topic was asked for.
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

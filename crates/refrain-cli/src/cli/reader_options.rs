//! Options of networks that read whole texts: classifiers and taggers.

use super::run_options::{TrainOptions, default};
use super::values::{choice, count, name, number_in};
use clap::Args;
use refrain::classifier::{ReaderSettings, ReadsTexts};
use refrain::task::Range;
use refrain::{CellKind, Level};
use std::marker::PhantomData;

/// A command with `--max-length`, whose help depends on what happens to long texts.
pub(crate) trait ReadsLongTexts: TrainOptions<Recipe: ReadsTexts> {
    const MAX_LENGTH: &'static str;
}

/// The ids of [`ReaderOptions`].
pub(crate) const READER_OPTIONS: [&str; 10] = [
    "level",
    "cell",
    "units",
    "layers",
    "embedding",
    "bidirectional",
    "one_direction",
    "dropout",
    "min_count",
    "max_length",
];

/// Options of the model.
#[derive(Debug, Args)]
#[command(next_help_heading = "Model")]
pub(crate) struct ReaderOptions<D: ReadsLongTexts> {
    #[arg(long, help = reads::<D>("Unit of text that a step reads", |r| name(&r.level)), value_parser = choice::<Level, 3>(["char", "word", "bpe"]))]
    level: Option<Level>,
    #[arg(long, help = reads::<D>("Recurrent cell", |r| name(&r.cell)), value_parser = choice::<CellKind, 3>(["rnn", "lstm", "gru"]))]
    cell: Option<CellKind>,
    #[arg(long, value_name = "N", value_parser = count(1..=16_384),
        help = reads::<D>("Hidden units per layer and direction", |r| r.units.to_string()))]
    units: Option<usize>,
    #[arg(long, value_name = "N", value_parser = count(1..=64), help = reads::<D>("Number of recurrent layers", |r| r.layers.to_string()))]
    layers: Option<usize>,
    #[arg(long, value_name = "N", value_parser = count(1..=16_384),
        help = reads::<D>("Embedding size", |r| r.embedding.to_string()))]
    embedding: Option<usize>,
    /// Read texts in both directions [default]
    #[arg(long, overrides_with = "one_direction")]
    bidirectional: bool,
    /// Read texts forwards only
    #[arg(long)]
    one_direction: bool,
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = number_in(Range::FRACTION),
        help = reads::<D>("Dropout before, between and after the recurrent layers, drawn anew each step", |r| r.dropout.to_string()))]
    dropout: Option<f64>,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..),
        help = reads::<D>("Treat words that occur less often as unknown (word level only)", |r| r.min_count.to_string()))]
    min_count: Option<u64>,
    #[arg(long, value_name = "N", value_parser = count(1..=1_000_000),
        help = reads::<D>(D::MAX_LENGTH, |r| r.max_length.to_string()))]
    max_length: Option<usize>,
    #[arg(skip)]
    defaults: PhantomData<D>,
}

fn reads<D: ReadsLongTexts>(help: &str, value: impl Fn(&ReaderSettings) -> String) -> String {
    default::<D>(help, |recipe| value(recipe.reader()))
}

impl<D: ReadsLongTexts> ReaderOptions<D> {
    /// Returns the reader settings: those given as options, and the others from `base`.
    pub(crate) fn settings(&self, base: &ReaderSettings) -> ReaderSettings {
        ReaderSettings {
            level: self.level.unwrap_or(base.level),
            cell: self.cell.unwrap_or(base.cell),
            units: self.units.unwrap_or(base.units),
            layers: self.layers.unwrap_or(base.layers),
            embedding: self.embedding.unwrap_or(base.embedding),
            bidirectional: !self.one_direction && (self.bidirectional || base.bidirectional),
            dropout: self.dropout.unwrap_or(base.dropout),
            min_count: self.min_count.unwrap_or(base.min_count),
            max_length: self.max_length.unwrap_or(base.max_length),
        }
    }
}

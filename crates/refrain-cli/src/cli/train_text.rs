//! The options of `train text`.

use super::values::{choice, count, name, not_negative, positive, share};
use crate::train_text::songbook_recipe;
use clap::Args;
use clap::builder::PossibleValuesParser;
use refrain::TextRecipe;
use refrain::language_model::{CellKind, Level, RateSchedule};
use std::path::PathBuf;

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

fn recipe() -> TextRecipe {
    TextRecipe::default()
}

/// Help for an option whose default is another for the songbook.
fn or_songbook(help: &str, value: impl Fn(&TextRecipe) -> String) -> String {
    format!("{help} [default: {}, the songbook: {}]", value(&recipe()), value(&songbook_recipe()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command, Train};
    use clap::Parser;

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

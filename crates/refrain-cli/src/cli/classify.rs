//! The options of `train classify` and `classify`.

use super::values::{choice, count, name, not_negative, positive, share};
use super::{CheckpointOptions, LoggingOptions, MemoryLimit};
use clap::Args;
use clap::builder::PossibleValuesParser;
use refrain::ClassifierRecipe;
use refrain::classifier::{ClassWeight, Identical};
use refrain::language_model::{CellKind, Level, RateSchedule};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct TrainClassify {
    /// Texts to learn, in UTF-8: a file with a label, a tab and a text a line (`-` is stdin), or a folder of
    /// <label>.txt files with a text a line
    #[arg(value_name = "FILE|DIR", required = true)]
    pub(crate) data: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) shape: ClassifierShape,
    #[command(flatten)]
    pub(crate) fit: ClassifierFit,
    #[command(flatten)]
    pub(crate) limit: MemoryLimit,
    #[command(flatten)]
    pub(crate) checkpoints: CheckpointOptions,
    #[command(flatten)]
    pub(crate) logging: LoggingOptions,
    /// Where to save the model
    #[arg(long, value_name = "FILE", help_heading = "Model files", default_value = "model.safetensors")]
    pub(crate) out: PathBuf,
}

/// What the model is.
#[derive(Debug, Args)]
#[command(next_help_heading = "The model")]
pub(crate) struct ClassifierShape {
    /// What a step is
    #[arg(long, default_value = name(&recipe().level), value_parser = choice::<Level, 3>(["char", "word", "bpe"]))]
    pub(crate) level: Level,
    /// The recurrence
    #[arg(long, default_value = name(&recipe().cell), value_parser = choice::<CellKind, 3>(["rnn", "lstm", "gru"]))]
    pub(crate) cell: CellKind,
    /// Hidden units of each layer, in each direction
    #[arg(long, value_name = "N", default_value_t = recipe().units, value_parser = count(1..=16_384))]
    pub(crate) units: usize,
    /// Recurrent layers
    #[arg(long, value_name = "N", default_value_t = recipe().layers, value_parser = count(1..=64))]
    pub(crate) layers: usize,
    /// Width of the embedding
    #[arg(long, value_name = "N", default_value_t = recipe().embedding, value_parser = count(1..=16_384))]
    pub(crate) embedding: usize,
    /// Read texts in both directions [default]
    #[arg(long, overrides_with = "one_direction")]
    pub(crate) bidirectional: bool,
    /// Read texts from their beginning only
    #[arg(long)]
    pub(crate) one_direction: bool,
    /// Dropout before, between and behind the recurrent layers, fresh each step
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, default_value_t = recipe().dropout, value_parser = share)]
    pub(crate) dropout: f64,
    /// Words that occur less often become the unknown one (words only)
    #[arg(long, value_name = "N", default_value_t = recipe().min_count, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) min_count: u64,
    /// Steps of a text that are read; what follows is cut
    #[arg(long, value_name = "N", default_value_t = recipe().max_length, value_parser = count(1..=1_000_000))]
    pub(crate) max_length: usize,
}

/// How it is trained.
#[derive(Debug, Args)]
#[command(next_help_heading = "Training")]
pub(crate) struct ClassifierFit {
    /// Texts of a batch
    #[arg(long, value_name = "N", default_value_t = recipe().batch, value_parser = count(1..=65_536))]
    pub(crate) batch: usize,
    /// Passes over the texts
    #[arg(long, value_name = "N", default_value_t = recipe().epochs, value_parser = count(1..=1_000_000))]
    pub(crate) epochs: usize,
    /// Learning rate
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, default_value_t = recipe().learning_rate, value_parser = positive)]
    pub(crate) lr: f64,
    /// How the learning rate goes over the run
    #[arg(long, default_value = name(&recipe().schedule),
        value_parser = choice::<RateSchedule, 3>(["constant", "cosine", "exponential"]))]
    pub(crate) schedule: RateSchedule,
    /// Optimiser
    #[arg(long, default_value = recipe().optimizer, ignore_case = true, value_parser = PossibleValuesParser::new(
        ["sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamw", "adamax", "nadam"]))]
    pub(crate) optimizer: String,
    /// Global norm that gradients are clipped to; 0: not at all
    #[arg(long, value_name = "NORM", allow_negative_numbers = true, default_value_t = recipe().clip, value_parser = not_negative)]
    pub(crate) clip: f64,
    /// How much the texts of each label count: all the same, or rare labels more
    #[arg(long, default_value = name(&recipe().class_weight),
        value_parser = choice::<ClassWeight, 2>(["none", "balanced"]))]
    pub(crate) class_weight: ClassWeight,
    /// Share of each label's texts, drawn by the seed, that is held out to validate on; 0: none
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, default_value_t = recipe().validation, value_parser = share,
        conflicts_with = "validation_file")]
    pub(crate) validation: f64,
    /// Whether texts that are the same, label and all, are held out together, or each is drawn for itself: then what
    /// was learned by heart is validated on too
    #[arg(long, conflicts_with = "validation_file", default_value = name(&recipe().identical), value_parser = choice::<Identical, 2>(["together", "apart"]))]
    pub(crate) identical: Identical,
    /// Labelled texts to validate on, a file or a folder; nothing is held out then
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) validation_file: Option<PathBuf>,
    /// Seed of the initial weights, of dropout, of the order of the texts, and of which are held out
    #[arg(long, value_name = "N", default_value_t = recipe().seed)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Classify {
    /// A classifier
    pub(crate) model: PathBuf,
    /// Texts to classify; `-` is stdin, a text a line
    #[arg(value_name = "TEXT", required = true)]
    pub(crate) texts: Vec<String>,
    /// How many labels to show of each text
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = count(1..=1_000_000))]
    pub(crate) top: usize,
}

fn recipe() -> ClassifierRecipe {
    ClassifierRecipe::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command, Train};
    use clap::Parser;

    fn parse(arguments: &[&str]) -> TrainClassify {
        let all = ["refrain", "train", "classify", "names.tsv"].iter().chain(arguments);
        let Command::Train { what: Train::Classify(options) } = Cli::try_parse_from(all).unwrap().command
        else {
            panic!("not train classify");
        };
        *options
    }

    #[test]
    fn without_options_the_recipe_is_the_library_s() {
        assert_eq!(parse(&[]).recipe(), ClassifierRecipe::default());
    }

    #[test]
    fn every_choice_is_accepted() {
        for weight in ["none", "balanced"] {
            assert_eq!(name(&parse(&["--class-weight", weight]).recipe().class_weight), weight);
        }
        for level in ["char", "word", "bpe"] {
            assert_eq!(name(&parse(&["--level", level]).recipe().level), level);
        }
        for identical in ["together", "apart"] {
            assert_eq!(name(&parse(&["--identical", identical]).recipe().identical), identical);
        }
        for (directions, both) in [("--bidirectional", true), ("--one-direction", false)] {
            assert_eq!(parse(&[directions]).recipe().bidirectional, both);
        }
        assert!(!parse(&["--bidirectional", "--one-direction"]).recipe().bidirectional);
        assert_eq!(parse(&["--validation-file", "other.tsv"]).recipe().validation, 0.0);
    }
}

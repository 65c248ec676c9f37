//! Options of `train classify` and `classify`.

use super::reader_options::{READER_OPTIONS, ReaderOptions, ReadsLongTexts};
use super::run_options::{RunOptions, TrainOptions, default};
use super::values::{choice, count, name};
use clap::Args;
use refrain::ClassifierRecipe;
use refrain::classifier::{ClassWeight, Identical, ReadsTexts};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct TrainClassify {
    /// UTF-8 texts to train on: a file (`-` for stdin) with a label, a tab and a text per line; a folder of <label>.txt
    /// files with one text per line; or a folder with a folder per label, with one text per .txt file. A file may be
    /// compressed with gzip (.txt.gz in a folder)
    #[arg(value_name = "FILE|DIR", required = true)]
    pub(crate) data: Vec<PathBuf>,
    #[command(flatten)]
    reader: ReaderOptions<TrainClassify>,
    #[command(flatten)]
    labels: Labels,
    #[command(flatten)]
    run: RunOptions<TrainClassify>,
}

/// Options for label weights and held-out texts.
#[derive(Debug, Args)]
struct Labels {
    #[arg(long, help_heading = "Training", value_parser = choice::<ClassWeight, 2>(["none", "balanced"]),
        help = default::<TrainClassify>("Label weights: none (all equal) or balanced (rare labels count more)", |r| name(&r.class_weight)))]
    class_weight: Option<ClassWeight>,
    #[arg(long, help_heading = "Validation and test", conflicts_with = "validation_file",
        value_parser = choice::<Identical, 2>(["together", "apart"]),
        help = default::<TrainClassify>("Hold out identical texts together, or each on its own", |r| name(&r.identical)))]
    identical: Option<Identical>,
}

impl TrainOptions for TrainClassify {
    type Recipe = ClassifierRecipe;

    const BATCH: &'static str = "Texts per batch";
    const VALIDATION: &'static str =
        "Fraction of each label's texts to hold out for validation, drawn by the seed; 0 for none";
    const VALIDATION_FILE: &'static str =
        "Labelled texts to validate on (file or folder), instead of held-out texts";
    const TEST_FILE: &'static str = "Labelled texts to score the finished model on (file or folder)";
    const SEED: &'static str =
        "Seed for the initial weights, dropout, the order of the texts, and which of them are held out";
    const PATH: &'static str = "FILE|DIR";
    const SHAPE: &'static [&'static str] = &READER_OPTIONS;

    fn default_batch() -> String {
        ClassifierRecipe::default().batch().to_string()
    }

    fn run(&self) -> &RunOptions<Self> {
        &self.run
    }

    fn recipe(&self) -> ClassifierRecipe {
        let base = ClassifierRecipe::default();
        self.recipe_for(ClassifierRecipe { reader: self.reader.settings(&base.reader), ..base })
    }

    fn recipe_for(&self, network: ClassifierRecipe) -> ClassifierRecipe {
        let base = ClassifierRecipe::default();
        ClassifierRecipe {
            class_weight: self.labels.class_weight.unwrap_or(base.class_weight),
            identical: self.labels.identical.unwrap_or(base.identical),
            training: self.run.settings(&base.training),
            ..network
        }
    }
}

impl ReadsLongTexts for TrainClassify {
    const MAX_LENGTH: &'static str = "Maximum steps of a text; the rest is cut off";
}

#[derive(Debug, Args)]
pub(crate) struct Classify {
    /// Classifier model
    pub(crate) model: PathBuf,
    /// Texts to classify; `-` reads one text per line from stdin and answers line by line
    #[arg(value_name = "TEXT", required = true)]
    pub(crate) texts: Vec<String>,
    /// Number of labels to show per text
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = count(1..=1_000_000))]
    pub(crate) top: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command, Train};
    use clap::Parser;
    use refrain::{Average, Level, RateSchedule};

    fn parse(arguments: &[&str]) -> TrainClassify {
        let all = ["refrain", "train", "classify", "names.tsv"].iter().chain(arguments);
        let Command::Train { what: Train::Classify(options) } = Cli::try_parse_from(all).unwrap().command
        else {
            panic!("not train classify");
        };
        *options
    }

    #[test]
    fn without_options_the_recipe_is_the_library_default() {
        assert_eq!(parse(&[]).recipe(), ClassifierRecipe::default());
    }

    #[test]
    fn every_option_reaches_the_recipe() {
        let recipe = |option: &str, value: &str| parse(&[option, value]).recipe();
        assert_eq!(recipe("--class-weight", "balanced").class_weight, ClassWeight::Balanced);
        assert_eq!(recipe("--identical", "together").identical, Identical::Together);
        let reader = |option: &str, value: &str| recipe(option, value).reader;
        assert_eq!(reader("--level", "bpe").level, Level::Bpe);
        assert_eq!((reader("--units", "7").units, reader("--layers", "3").layers), (7, 3));
        assert_eq!((reader("--dropout", "0.5").dropout, reader("--max-length", "9").max_length), (0.5, 9));
        assert_eq!(reader("--min-count", "4").min_count, 4);
        for (directions, both) in [("--bidirectional", true), ("--one-direction", false)] {
            assert_eq!(parse(&[directions]).recipe().reader.bidirectional, both);
        }
        assert!(!parse(&["--bidirectional", "--one-direction"]).recipe().reader.bidirectional);
        assert_eq!(parse(&["--validation-file", "other.tsv"]).recipe().training.validation, 0.0);
        let training = |option: &str, value: &str| recipe(option, value).training;
        assert_eq!(training("--batch", "9").batch, Some(9));
        assert_eq!(training("--average", "triggered").average, Average::Triggered);
        assert_eq!(training("--schedule", "plateau").schedule, RateSchedule::Plateau);
        assert_eq!(training("--early-stopping", "4").early_stopping, Some(4));
        assert_eq!((training("--accumulate", "3").accumulate, training("--seed", "9").seed), (3, 9));
        assert_eq!(training("--weight-decay", "0.5").weight_decay, 0.5);
    }

    #[test]
    fn all_options_of_the_network_conflict_with_init() {
        let command = ReaderOptions::<TrainClassify>::augment_args(clap::Command::new("reader"));
        let ids: Vec<_> = command.get_arguments().map(|a| a.get_id().to_string()).collect();
        assert_eq!(ids, READER_OPTIONS);
    }
}

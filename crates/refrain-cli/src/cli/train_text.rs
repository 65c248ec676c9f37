//! The options of `train text`.

use super::values::{choice, count, cutoffs, decay, name, not_negative, positive, share};
use super::{CheckpointOptions, LoggingOptions, MemoryLimit};
use crate::train_text::songbook_recipe;
use clap::Args;
use clap::builder::PossibleValuesParser;
use refrain::language_model::{CellKind, Level, NamedRecipe, ParameterAverage, RateSchedule};
use refrain::{Reduction, TextRecipe, WordSplit};
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
    pub(crate) noise: Noise,
    #[command(flatten)]
    pub(crate) fit: FitOptions,
    #[command(flatten)]
    pub(crate) limit: MemoryLimit,
    #[command(flatten)]
    pub(crate) score: ScoreOptions,
    #[command(flatten)]
    pub(crate) checkpoints: CheckpointOptions,
    #[command(flatten)]
    pub(crate) logging: LoggingOptions,
    /// Go on from a trained model, with its vocabulary and layers
    #[arg(long, value_name = "MODEL", help_heading = "Model files", conflicts_with_all = SHAPE_OPTIONS, conflicts_with_all = NOISE_OPTIONS)]
    pub(crate) init: Option<PathBuf>,
    /// Where to save the model
    #[arg(long, value_name = "FILE", help_heading = "Model files", default_value = "model.safetensors")]
    pub(crate) out: PathBuf,
}

/// The ids of [`Shape`]'s options, which a model given with `--init` has decided already.
const SHAPE_OPTIONS: [&str; 13] = [
    "recipe",
    "level",
    "words",
    "vocab",
    "min_count",
    "cell",
    "units",
    "layers",
    "embedding",
    "tie",
    "adaptive",
    "init_range",
    "forget_bias",
];

/// The ids of [`Noise`]'s options, likewise.
const NOISE_OPTIONS: [&str; 9] = [
    "dropout",
    "input_dropout",
    "output_dropout",
    "locked_dropout",
    "embedding_dropout",
    "recurrent_dropout",
    "weight_drop",
    "activation_penalty",
    "temporal_penalty",
];

/// What the model is.
#[derive(Debug, Args)]
#[command(next_help_heading = "The model")]
pub(crate) struct Shape {
    /// Published recipe that the other options start from: of Zaremba et al. 2014 or of Merity et al. 2017
    #[arg(long, value_name = "NAME", default_value = name(&NamedRecipe::default()),
        value_parser = choice::<NamedRecipe, 4>(["plain", "zaremba-small", "zaremba-medium", "awd"]))]
    pub(crate) recipe: NamedRecipe,
    #[arg(long, help = default("What a step is", |r| name(&r.level)), value_parser = choice::<Level, 3>(["char", "word", "bpe"]))]
    pub(crate) level: Option<Level>,
    /// How words are cut: with their punctuation, at blanks as in the Penn Treebank, or as Keras's tokenizer does
    /// [default: whitespace if the text has the word <unk>, else punctuation]
    #[arg(long, value_name = "SPLIT", value_parser = choice::<WordSplit, 3>(["punctuation", "whitespace", "keras"]))]
    pub(crate) words: Option<WordSplit>,
    /// At most so many tokens; the rarest words become the unknown one [default: every word; bpe: 8000]
    #[arg(long, value_name = "N", value_parser = count(2..=16_000_000))]
    pub(crate) vocab: Option<usize>,
    /// Words that occur less often become the unknown one (words only)
    #[arg(long, value_name = "N", default_value_t = plain().min_count, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) min_count: u64,
    #[arg(long, help = default("The recurrence", |r| name(&r.cell)), value_parser = choice::<CellKind, 3>(["rnn", "lstm", "gru"]))]
    pub(crate) cell: Option<CellKind>,
    #[arg(long, value_name = "N", help = default("Hidden units of each layer", |r| r.units.to_string()), value_parser = count(1..=16_384))]
    pub(crate) units: Option<usize>,
    #[arg(long, value_name = "N", help = default("Recurrent layers", |r| r.layers.to_string()), value_parser = count(1..=64))]
    pub(crate) layers: Option<usize>,
    #[arg(long, value_name = "N", value_parser = count(1..=16_384),
        help = default("Width of the embedding; where only tying is asked for, as wide as a layer", |r| r.embedding.to_string()))]
    pub(crate) embedding: Option<usize>,
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        help = default("Use the embedding's weights in the output layer too, and its width in the last layer", |r| r.tie.to_string()))]
    pub(crate) tie: Option<bool>,
    /// Where an adaptive softmax cuts the vocabulary, by frequency: 2000,10000; none: an ordinary one
    /// [default: none below 30000 tokens, else at a tenth and at a third]
    #[arg(long, value_name = "N,…|none", value_parser = cutoffs)]
    pub(crate) adaptive: Option<Cutoffs>,
    #[arg(long, value_name = "RANGE", allow_negative_numbers = true, value_parser = positive,
        help = default("Matrices begin uniform within +- this", |r| r.init_range.map_or("Glorot and orthogonal ones".to_owned(), |x| x.to_string())))]
    pub(crate) init_range: Option<f64>,
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        help = default("Whether an LSTM's forget gate begins with a bias of 1", |r| r.forget_bias.to_string()))]
    pub(crate) forget_bias: Option<bool>,
}

/// What keeps it from learning the text by heart.
#[derive(Debug, Args)]
#[command(next_help_heading = "Dropout and other noise")]
pub(crate) struct Noise {
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = share,
        help = default("Dropout before, between and behind the recurrent layers", |r| r.dropout.to_string()))]
    pub(crate) dropout: Option<f64>,
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = share,
        help = default("Dropout before the first layer", |r| or_dropout(r.input_dropout)))]
    pub(crate) input_dropout: Option<f64>,
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = share,
        help = default("Dropout behind the last layer", |r| or_dropout(r.output_dropout)))]
    pub(crate) output_dropout: Option<f64>,
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        help = default("Drop the same units at every step of a chunk", |r| r.locked_dropout.to_string()))]
    pub(crate) locked_dropout: Option<bool>,
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = share,
        help = default("Tokens whose embedding is dropped for a batch", |r| r.embedding_dropout.to_string()))]
    pub(crate) embedding_dropout: Option<f64>,
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = share,
        help = default("Dropout of the hidden state, the same units at every step", |r| r.recurrent_dropout.to_string()))]
    pub(crate) recurrent_dropout: Option<f64>,
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = share,
        help = default("Dropout of the recurrent kernel's weights, for a batch", |r| r.weight_drop.to_string()))]
    pub(crate) weight_drop: Option<f64>,
    #[arg(long, value_name = "WEIGHT", allow_negative_numbers = true, value_parser = not_negative,
        help = default("Penalty on the mean square of what the output layer reads", |r| r.activation_penalty.to_string()))]
    pub(crate) activation_penalty: Option<f64>,
    #[arg(long, value_name = "WEIGHT", allow_negative_numbers = true, value_parser = not_negative,
        help = default("Penalty on the last layer's mean square change from step to step", |r| r.temporal_penalty.to_string()))]
    pub(crate) temporal_penalty: Option<f64>,
}

/// How it is trained.
#[derive(Debug, Args)]
#[command(next_help_heading = "Training")]
pub(crate) struct FitOptions {
    /// Sequences trained side by side [default: 64, on a small text as many as leave 50 updates an epoch; the
    /// published recipes: 20]
    #[arg(long, value_name = "N", value_parser = count(1..=65_536))]
    pub(crate) batch: Option<usize>,
    #[arg(long, value_name = "N", value_parser = count(1..=65_536),
        help = default("Steps of truncated backpropagation through time", |r| r.steps.to_string()))]
    pub(crate) steps: Option<usize>,
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        help = default("Vary the steps from chunk to chunk, the rate with them", |r| r.variable_steps.to_string()))]
    pub(crate) variable_steps: Option<bool>,
    #[arg(long, value_name = "N", value_parser = count(1..=65_536),
        help = default("Batches whose gradients make one update", |r| r.accumulate.to_string()))]
    pub(crate) accumulate: Option<usize>,
    #[arg(long, value_name = "N", value_parser = count(1..=1_000_000), help = default("Passes over the text", |r| r.epochs.to_string()))]
    pub(crate) epochs: Option<usize>,
    #[arg(long, ignore_case = true, help = default("Optimiser", |r| r.optimizer.clone()), value_parser = PossibleValuesParser::new(
        ["sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamw", "adamax", "nadam"]))]
    pub(crate) optimizer: Option<String>,
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = positive,
        help = default("Learning rate", |r| r.learning_rate.to_string()))]
    pub(crate) lr: Option<f64>,
    #[arg(long, help = default("How the learning rate goes over the run", |r| name(&r.schedule)),
        value_parser = choice::<RateSchedule, 5>(["constant", "cosine", "exponential", "step", "plateau"]))]
    pub(crate) schedule: Option<RateSchedule>,
    #[arg(long, value_name = "FACTOR", allow_negative_numbers = true, value_parser = decay,
        help = default("What the schedules step (each epoch) and plateau (an epoch without progress) multiply the rate by", |r| short(r.decay)))]
    pub(crate) decay: Option<f64>,
    #[arg(long, value_name = "EPOCHS", value_parser = count(0..=1_000_000),
        help = default("Epochs before the schedule step begins", |r| r.decay_after.to_string()))]
    pub(crate) decay_after: Option<usize>,
    #[arg(long, value_name = "DECAY", allow_negative_numbers = true, value_parser = not_negative,
        help = default("Share of the rate by which weights shrink each update", |r| r.weight_decay.to_string()))]
    pub(crate) weight_decay: Option<f64>,
    #[arg(long, help = default("What the gradient is of: the mean over all steps, or the sum over a sequence's steps", |r| name(&r.reduction)),
        value_parser = choice::<Reduction, 2>(["mean", "sum_over_steps"]))]
    pub(crate) reduction: Option<Reduction>,
    #[arg(long, value_name = "NORM", allow_negative_numbers = true, value_parser = not_negative,
        help = default("Global norm that gradients are clipped to; 0: not at all", |r| r.clip.to_string()))]
    pub(crate) clip: Option<f64>,
    #[arg(long, help = default("Average of the parameters that is validated and kept: of all steps so far, or (triggered) \
        since the validation loss stopped falling", |r| name(&r.average)),
        value_parser = choice::<ParameterAverage, 3>(["none", "exponential", "triggered"]))]
    pub(crate) average: Option<ParameterAverage>,
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = share,
        help = default("How much of an exponential average is kept each step", |r| r.average_momentum.to_string()))]
    pub(crate) average_momentum: Option<f64>,
    #[arg(long, value_name = "EPOCHS", value_parser = count(1..=1_000_000),
        help = default("Epochs without a better validation loss that trigger an average", |r| r.patience.to_string()))]
    pub(crate) patience: Option<usize>,
    /// Seed of the initial weights, of dropout and of varying steps
    #[arg(long, value_name = "N", default_value_t = plain().seed)]
    pub(crate) seed: u64,
}

/// What it is measured on.
#[derive(Debug, Args)]
#[command(next_help_heading = "Validation and test")]
pub(crate) struct ScoreOptions {
    /// Share of the text, at its end, that is held out to validate on; 0: none
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, default_value_t = plain().validation, value_parser = share,
        conflicts_with = "validation_file")]
    pub(crate) validation: f64,
    /// A text to validate on after each epoch; nothing is held out then
    #[arg(long, value_name = "FILE")]
    pub(crate) validation_file: Option<PathBuf>,
    /// A text to score the finished model on
    #[arg(long, value_name = "FILE")]
    pub(crate) test_file: Option<PathBuf>,
    /// Score in one lane from beginning to end, as published figures are, not in lanes of 8,192 tokens
    #[arg(long)]
    pub(crate) stream: bool,
}

/// Where an adaptive softmax cuts a vocabulary.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cutoffs(pub(crate) Vec<usize>);

fn plain() -> TextRecipe {
    TextRecipe::default()
}

/// Help with the default of the plain recipe, and those of the songbook and of the published recipes where they are
/// others.
fn default(help: &str, value: impl Fn(&TextRecipe) -> String) -> String {
    let plain = value(&plain());
    let others = [NamedRecipe::ZarembaSmall, NamedRecipe::ZarembaMedium, NamedRecipe::Awd];
    let others = others.map(|recipe| (name(&recipe), value(&TextRecipe::named(recipe))));
    let songbook = ("the songbook".to_owned(), value(&songbook_recipe()));
    let mut told = format!("{help} [default: {plain}");
    for (name, value) in std::iter::once(songbook).chain(others).filter(|(_, value)| *value != plain) {
        told += &format!(", {name}: {value}");
    }
    told + "]"
}

fn or_dropout(rate: Option<f64>) -> String {
    rate.map_or("as --dropout".to_owned(), |rate| rate.to_string())
}

/// A factor in a few digits.
fn short(x: f64) -> String {
    format!("{x:.3}").trim_end_matches('0').to_owned()
}

impl TrainText {
    /// The recipe that the options describe.
    pub(crate) fn recipe(&self) -> TextRecipe {
        let (shape, noise, base) = (&self.shape, &self.noise, self.base());
        let units = shape.units.unwrap_or(base.units);
        let tied_now = shape.tie == Some(true) && !base.tie;
        let narrow = if tied_now { units } else { base.embedding };
        self.recipe_with(TextRecipe {
            level: shape.level.unwrap_or(base.level),
            words: shape.words.or(base.words.filter(|_| shape.level.unwrap_or(base.level) == base.level)),
            vocabulary: shape.vocab.or(base.vocabulary),
            min_count: shape.min_count,
            cell: shape.cell.unwrap_or(base.cell),
            units,
            layers: shape.layers.unwrap_or(base.layers),
            embedding: shape.embedding.unwrap_or(narrow),
            tie: shape.tie.unwrap_or(base.tie),
            adaptive: shape.adaptive.as_ref().map(|c| c.0.clone()).or(base.adaptive.clone()),
            init_range: shape.init_range.or(base.init_range),
            forget_bias: shape.forget_bias.unwrap_or(base.forget_bias),
            dropout: noise.dropout.unwrap_or(base.dropout),
            input_dropout: noise.input_dropout.or(base.input_dropout),
            output_dropout: noise.output_dropout.or(base.output_dropout),
            locked_dropout: noise.locked_dropout.unwrap_or(base.locked_dropout),
            embedding_dropout: noise.embedding_dropout.unwrap_or(base.embedding_dropout),
            recurrent_dropout: noise.recurrent_dropout.unwrap_or(base.recurrent_dropout),
            weight_drop: noise.weight_drop.unwrap_or(base.weight_drop),
            activation_penalty: noise.activation_penalty.unwrap_or(base.activation_penalty),
            temporal_penalty: noise.temporal_penalty.unwrap_or(base.temporal_penalty),
            ..base
        })
    }

    /// What is to be said of options that change nothing under the recipe.
    pub(crate) fn without_effect(&self, recipe: &TextRecipe) -> Vec<String> {
        let (shape, noise, fit, score) = (&self.shape, &self.noise, &self.fit, &self.score);
        let falls = matches!(recipe.schedule, RateSchedule::Step | RateSchedule::Plateau);
        let drops = recipe.dropout > 0.0
            || [recipe.input_dropout, recipe.output_dropout].iter().flatten().any(|&rate| rate > 0.0);
        let scores = recipe.validation > 0.0 || score.validation_file.is_some() || score.test_file.is_some();
        [
            ("--decay", fit.decay.is_some() && !falls, "--schedule step or plateau"),
            (
                "--decay-after",
                fit.decay_after.is_some() && recipe.schedule != RateSchedule::Step,
                "--schedule step",
            ),
            (
                "--average-momentum",
                fit.average_momentum.is_some() && recipe.average != ParameterAverage::Exponential,
                "--average exponential",
            ),
            (
                "--patience",
                fit.patience.is_some() && recipe.average != ParameterAverage::Triggered,
                "--average triggered",
            ),
            ("--forget-bias", shape.forget_bias.is_some() && recipe.cell != CellKind::Lstm, "--cell lstm"),
            ("--locked-dropout", noise.locked_dropout == Some(true) && !drops, "--dropout"),
            ("--stream", score.stream && !scores, "a text to validate or to test on"),
        ]
        .into_iter()
        .filter(|(_, useless, _)| *useless)
        .map(|(option, _, needs)| format!("{option} changes nothing without {needs}"))
        .collect()
    }

    /// What holds where the options say nothing.
    fn base(&self) -> TextRecipe {
        if self.files.is_empty() && self.shape.recipe == NamedRecipe::Plain {
            songbook_recipe()
        } else {
            TextRecipe::named(self.shape.recipe)
        }
    }

    /// A recipe's shape, trained as the options say.
    pub(crate) fn recipe_with(&self, shape: TextRecipe) -> TextRecipe {
        let (fit, score, base) = (&self.fit, &self.score, self.base());
        TextRecipe {
            batch: fit.batch.or(base.batch),
            steps: fit.steps.unwrap_or(base.steps),
            variable_steps: fit.variable_steps.unwrap_or(base.variable_steps),
            accumulate: fit.accumulate.unwrap_or(base.accumulate),
            epochs: fit.epochs.unwrap_or(base.epochs),
            optimizer: fit.optimizer.as_ref().map_or(base.optimizer, |name| name.to_ascii_lowercase()),
            learning_rate: fit.lr.unwrap_or(base.learning_rate),
            schedule: fit.schedule.unwrap_or(base.schedule),
            decay: fit.decay.unwrap_or(base.decay),
            decay_after: fit.decay_after.unwrap_or(base.decay_after),
            weight_decay: fit.weight_decay.unwrap_or(base.weight_decay),
            reduction: fit.reduction.unwrap_or(base.reduction),
            clip: fit.clip.unwrap_or(base.clip),
            average: fit.average.unwrap_or(base.average),
            average_momentum: fit.average_momentum.unwrap_or(base.average_momentum),
            patience: fit.patience.unwrap_or(base.patience),
            validation: if score.validation_file.is_some() { 0.0 } else { score.validation },
            stream: score.stream,
            seed: fit.seed,
            ..shape
        }
    }
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
        for named in [NamedRecipe::ZarembaSmall, NamedRecipe::ZarembaMedium, NamedRecipe::Awd] {
            let options = parse(&["ptb.txt", "--recipe", &name(&named)]);
            assert_eq!(options.recipe(), TextRecipe::named(named));
        }
    }

    #[test]
    fn every_option_reaches_the_recipe() {
        // A value other than the default for each, under the recipe's name for it.
        let cases = [
            ("--level", "word", "level"),
            ("--vocab", "99", "vocabulary"),
            ("--min-count", "3", "min_count"),
            ("--cell", "gru", "cell"),
            ("--units", "7", "units"),
            ("--layers", "5", "layers"),
            ("--embedding", "9", "embedding"),
            ("--init-range", "0.25", "init_range"),
            ("--dropout", "0.125", "dropout"),
            ("--input-dropout", "0.125", "input_dropout"),
            ("--output-dropout", "0.125", "output_dropout"),
            ("--embedding-dropout", "0.125", "embedding_dropout"),
            ("--recurrent-dropout", "0.125", "recurrent_dropout"),
            ("--weight-drop", "0.125", "weight_drop"),
            ("--activation-penalty", "2.5", "activation_penalty"),
            ("--temporal-penalty", "2.5", "temporal_penalty"),
            ("--batch", "3", "batch"),
            ("--steps", "3", "steps"),
            ("--accumulate", "3", "accumulate"),
            ("--epochs", "3", "epochs"),
            ("--optimizer", "sgd", "optimizer"),
            ("--lr", "0.5", "learning_rate"),
            ("--schedule", "plateau", "schedule"),
            ("--decay", "0.25", "decay"),
            ("--decay-after", "3", "decay_after"),
            ("--weight-decay", "0.25", "weight_decay"),
            ("--reduction", "sum_over_steps", "reduction"),
            ("--clip", "0.25", "clip"),
            ("--average", "exponential", "average"),
            ("--average-momentum", "0.25", "average_momentum"),
            ("--patience", "3", "patience"),
            ("--validation", "0.25", "validation"),
            ("--seed", "3", "seed"),
        ];
        let default = serde_json::to_value(TextRecipe::default()).unwrap();
        for (option, value, field) in cases {
            let recipe = serde_json::to_value(parse(&["poem.txt", option, value]).recipe()).unwrap();
            let got = &recipe[field];
            let got = got.as_str().map_or_else(|| got.to_string(), str::to_owned);
            assert_eq!(got, value, "{option}");
            let others = |recipe: &serde_json::Value| {
                recipe.as_object().unwrap().iter().filter(|(k, _)| *k != field).count()
            };
            assert_eq!(others(&recipe), others(&default));
            for (key, value) in default.as_object().unwrap().iter().filter(|(k, _)| *k != field) {
                assert_eq!(&recipe[key], value, "{option} changes {key}");
            }
        }
        for (option, field) in [
            ("--tie", "tie"),
            ("--locked-dropout", "locked_dropout"),
            ("--variable-steps", "variable_steps"),
            ("--forget-bias", "forget_bias"),
        ] {
            for value in [true, false] {
                let option = format!("{option}={value}");
                let recipe = serde_json::to_value(parse(&["poem.txt", &option]).recipe()).unwrap();
                assert_eq!(recipe[field], value, "{option}");
            }
        }
        assert!(parse(&["poem.txt", "--stream"]).recipe().stream);
        let adaptive = |value| parse(&["poem.txt", "--adaptive", value]).recipe().adaptive;
        assert_eq!(adaptive("20,300"), Some(vec![20, 300]));
        assert_eq!(adaptive("none"), Some(vec![]));
        let words = parse(&["poem.txt", "--level", "word", "--words", "keras"]).recipe().words;
        assert_eq!(words, Some(WordSplit::Keras));
    }

    #[test]
    fn options_that_change_nothing_are_named() {
        let told = |arguments: &[&str]| {
            let options = parse(&[&["poem.txt"], arguments].concat());
            options.without_effect(&options.recipe())
        };
        let useless = ["--decay", "--decay-after", "--average-momentum", "--patience"];
        for option in useless {
            let value = if option == "--decay" || option == "--average-momentum" { "0.5" } else { "3" };
            assert_eq!(told(&[option, value]).len(), 1, "{option}");
        }
        assert_eq!(
            told(&["--forget-bias=false", "--cell", "gru"]),
            ["--forget-bias changes nothing without --cell lstm"]
        );
        assert_eq!(told(&["--locked-dropout"]).len(), 1);
        assert_eq!(told(&["--stream", "--validation", "0"]).len(), 1);
        let useful = [
            "--schedule",
            "step",
            "--decay",
            "0.5",
            "--decay-after",
            "2",
            "--locked-dropout",
            "--dropout",
            "0.1",
        ];
        assert!(told(&useful).is_empty() && told(&[]).is_empty());
        for recipe in ["zaremba-small", "zaremba-medium", "awd"] {
            assert!(told(&["--recipe", recipe]).is_empty());
        }
    }

    #[test]
    fn every_choice_is_accepted() {
        for level in ["char", "word", "bpe"] {
            assert_eq!(name(&parse(&["--level", level]).recipe().level), level);
        }
        for cell in ["rnn", "lstm", "gru"] {
            assert_eq!(name(&parse(&["--cell", cell]).recipe().cell), cell);
        }
        for schedule in ["constant", "cosine", "exponential", "step", "plateau"] {
            assert_eq!(name(&parse(&["--schedule", schedule]).recipe().schedule), schedule);
        }
        for optimizer in ["sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamw", "adamax", "nadam"] {
            parse(&["--optimizer", optimizer]).recipe().check().unwrap();
        }
    }

    #[test]
    fn the_options_of_the_shape_are_all_refused_with_init() {
        let ids = |command: clap::Command| -> Vec<String> {
            command.get_arguments().map(|a| a.get_id().to_string()).collect()
        };
        assert_eq!(ids(Shape::augment_args(clap::Command::new("shape"))), SHAPE_OPTIONS);
        assert_eq!(ids(Noise::augment_args(clap::Command::new("noise"))), NOISE_OPTIONS);
    }

    #[test]
    fn tied_embeddings_are_as_wide_as_the_last_layer() {
        assert_eq!(parse(&["--tie", "--units", "32"]).recipe().embedding, 32);
        parse(&["--tie", "--embedding", "8"]).recipe().check().unwrap();
        assert!(parse(&["--tie", "--embedding", "8", "--layers", "1"]).recipe().check().is_err());
        let awd = parse(&["ptb.txt", "--recipe", "awd", "--units", "300"]).recipe();
        assert_eq!((awd.units, awd.embedding, awd.tie), (300, 400, true));
    }
}

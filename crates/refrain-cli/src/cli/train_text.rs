//! Options of `train text`.

use super::run_options::{RunOptions, TrainOptions, default};
use super::values::{Cutoffs, choice, count, cutoffs, name, number_in};
use crate::songbook::songbook_recipe;
use clap::Args;
use refrain::language_model::NamedRecipe;
use refrain::task::Range;
use refrain::{CellKind, Level, Reduction, TextRecipe, WordSplit};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct TrainText {
    /// UTF-8 text to train on: files (joined), directories (all their .txt and .txt.gz files) or `-` for
    /// stdin
    /// [default: the built-in songbook]
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    shape: Shape,
    #[command(flatten)]
    regularisation: Regularisation,
    #[command(flatten)]
    steps: Steps,
    #[command(flatten)]
    run: RunOptions<TrainText>,
}

/// The ids of the options in [`Shape`] and [`Regularisation`], which conflict with `--init`.
const SHAPE_OPTIONS: &[&str] = &[
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

impl TrainOptions for TrainText {
    type Recipe = TextRecipe;

    const BATCH: &'static str = "Sequences per batch";
    const VALIDATION: &'static str =
        "Fraction of the text, at its end, to hold out for validation; 0 for none";
    const VALIDATION_FILE: &'static str = "Text to validate on after each epoch, instead of held-out text";
    const TEST_FILE: &'static str = "Text to score the finished model on";
    const SEED: &'static str = "Seed for the initial weights, dropout and variable steps";
    const PATH: &'static str = "FILE";
    const SHAPE: &'static [&'static str] = SHAPE_OPTIONS;

    fn recipes() -> (TextRecipe, Vec<(String, TextRecipe)>) {
        let named = [NamedRecipe::ZarembaSmall, NamedRecipe::ZarembaMedium, NamedRecipe::Awd];
        let named = named.map(|recipe| (name(&recipe), TextRecipe::named(recipe)));
        let songbook = ("the songbook".to_owned(), songbook_recipe());
        (TextRecipe::default(), std::iter::once(songbook).chain(named).collect())
    }

    fn default_batch() -> String {
        "64, or fewer so that a small text gives 50 updates per epoch; published recipes: 20".to_owned()
    }

    fn run(&self) -> &RunOptions<Self> {
        &self.run
    }

    fn recipe(&self) -> TextRecipe {
        let (shape, regularisation, base) = (&self.shape, &self.regularisation, self.base());
        let units = shape.units.unwrap_or(base.units);
        let tied_now = shape.tie == Some(true) && !base.tie;
        let narrow = if tied_now { units } else { base.embedding };
        self.recipe_for(TextRecipe {
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
            dropout: regularisation.dropout.unwrap_or(base.dropout),
            input_dropout: regularisation.input_dropout.or(base.input_dropout),
            output_dropout: regularisation.output_dropout.or(base.output_dropout),
            locked_dropout: regularisation.locked_dropout.unwrap_or(base.locked_dropout),
            embedding_dropout: regularisation.embedding_dropout.unwrap_or(base.embedding_dropout),
            recurrent_dropout: regularisation.recurrent_dropout.unwrap_or(base.recurrent_dropout),
            weight_drop: regularisation.weight_drop.unwrap_or(base.weight_drop),
            activation_penalty: regularisation.activation_penalty.unwrap_or(base.activation_penalty),
            temporal_penalty: regularisation.temporal_penalty.unwrap_or(base.temporal_penalty),
            ..base
        })
    }

    fn recipe_for(&self, network: TextRecipe) -> TextRecipe {
        let (steps, base) = (&self.steps, self.base());
        TextRecipe {
            steps: steps.steps.unwrap_or(base.steps),
            variable_steps: steps.variable_steps.unwrap_or(base.variable_steps),
            reduction: steps.reduction.unwrap_or(base.reduction),
            stream: steps.stream,
            training: self.run.settings(&base.training),
            ..network
        }
    }

    fn without_effect(&self, recipe: &TextRecipe) -> Vec<(&'static str, &'static str)> {
        let (shape, regularisation, scored) = (&self.shape, &self.regularisation, &self.run.scored);
        let drops = recipe.dropout > 0.0
            || [recipe.input_dropout, recipe.output_dropout].iter().flatten().any(|&rate| rate > 0.0);
        let scores = recipe.training.validation > 0.0
            || scored.validation_file.is_some()
            || scored.test_file.is_some();
        let own = [
            ("--forget-bias", shape.forget_bias.is_some() && recipe.cell != CellKind::Lstm, "--cell lstm"),
            ("--locked-dropout", regularisation.locked_dropout == Some(true) && !drops, "--dropout"),
            ("--stream", self.steps.stream && !scores, "a text to validate or test on"),
        ];
        let own =
            own.into_iter().filter(|(_, useless, _)| *useless).map(|(option, _, needs)| (option, needs));
        self.run.without_effect(&recipe.training).into_iter().chain(own).collect()
    }
}

/// Options of the model.
#[derive(Debug, Args)]
#[command(next_help_heading = "Model")]
struct Shape {
    /// Recipe that sets the defaults: plain, or one of Zaremba et al. 2014 (zaremba-…) or Merity et al. 2017 (awd)
    #[arg(long, value_name = "NAME", default_value = name(&NamedRecipe::default()),
        value_parser = choice::<NamedRecipe, 4>(["plain", "zaremba-small", "zaremba-medium", "awd"]))]
    recipe: NamedRecipe,
    #[arg(long, help = text("Unit of text that a step reads", |r| name(&r.level)), value_parser = choice::<Level, 3>(["char", "word", "bpe"]))]
    level: Option<Level>,
    /// How to split words: punctuation marks as tokens, at whitespace as in the Penn Treebank, or as Keras's tokenizer
    /// does [default: whitespace if the text has the word <unk>, otherwise punctuation]
    #[arg(long, value_name = "SPLIT", value_parser = choice::<WordSplit, 3>(["punctuation", "whitespace", "keras"]))]
    words: Option<WordSplit>,
    /// Maximum vocabulary size, in tokens [default: all words; bpe: 8000]
    #[arg(long, value_name = "N", value_parser = count(2..=16_000_000))]
    vocab: Option<usize>,
    /// Treat words that occur less often as unknown (word level only)
    #[arg(long, value_name = "N", default_value_t = plain().min_count, value_parser = clap::value_parser!(u64).range(1..))]
    min_count: u64,
    #[arg(long, help = text("Recurrent cell", |r| name(&r.cell)), value_parser = choice::<CellKind, 3>(["rnn", "lstm", "gru"]))]
    cell: Option<CellKind>,
    #[arg(long, value_name = "N", help = text("Hidden units per layer", |r| r.units.to_string()), value_parser = count(1..=16_384))]
    units: Option<usize>,
    #[arg(long, value_name = "N", help = text("Number of recurrent layers", |r| r.layers.to_string()), value_parser = count(1..=64))]
    layers: Option<usize>,
    #[arg(long, value_name = "N", value_parser = count(1..=16_384),
        help = text("Embedding size; if tied, defaults to the hidden units", |r| r.embedding.to_string()))]
    embedding: Option<usize>,
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        help = text("Tie the output layer's weights to the embedding; the last layer gets the embedding size", |r| r.tie.to_string()))]
    tie: Option<bool>,
    /// Cutoffs of an adaptive softmax by token frequency, such as 2000,10000; none for a full softmax
    /// [default: none below 30000 tokens, otherwise a tenth and a third of the vocabulary]
    #[arg(long, value_name = "N,…|none", value_parser = cutoffs)]
    adaptive: Option<Cutoffs>,
    #[arg(long, value_name = "RANGE", allow_negative_numbers = true, value_parser = number_in(Range::POSITIVE),
        help = text("Initialise matrices uniformly within +- this", |r| r.init_range.map_or("Glorot and orthogonal".to_owned(), |x| x.to_string())))]
    init_range: Option<f64>,
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        help = text("Initialise the bias of the LSTM forget gate to 1", |r| r.forget_bias.to_string()))]
    forget_bias: Option<bool>,
}

/// Options of regularisation.
#[derive(Debug, Args)]
#[command(next_help_heading = "Regularisation")]
struct Regularisation {
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = number_in(Range::FRACTION),
        help = text("Dropout before, between and after the recurrent layers", |r| r.dropout.to_string()))]
    dropout: Option<f64>,
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = number_in(Range::FRACTION),
        help = text("Dropout before the first layer", |r| or_dropout(r.input_dropout)))]
    input_dropout: Option<f64>,
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = number_in(Range::FRACTION),
        help = text("Dropout after the last layer", |r| or_dropout(r.output_dropout)))]
    output_dropout: Option<f64>,
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        help = text("Drop the same units at every step of a chunk", |r| r.locked_dropout.to_string()))]
    locked_dropout: Option<bool>,
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = number_in(Range::FRACTION),
        help = text("Dropout of whole token embeddings, drawn once per batch", |r| r.embedding_dropout.to_string()))]
    embedding_dropout: Option<f64>,
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = number_in(Range::FRACTION),
        help = text("Dropout of the hidden state, the same units at every step", |r| r.recurrent_dropout.to_string()))]
    recurrent_dropout: Option<f64>,
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = number_in(Range::FRACTION),
        help = text("Dropout of the recurrent weights, drawn once per batch", |r| r.weight_drop.to_string()))]
    weight_drop: Option<f64>,
    #[arg(long, value_name = "WEIGHT", allow_negative_numbers = true, value_parser = number_in(Range::NOT_NEGATIVE),
        help = text("Penalty on the mean square of the output layer's input", |r| r.activation_penalty.to_string()))]
    activation_penalty: Option<f64>,
    #[arg(long, value_name = "WEIGHT", allow_negative_numbers = true, value_parser = number_in(Range::NOT_NEGATIVE),
        help = text("Penalty on the mean square change of the last layer between steps", |r| r.temporal_penalty.to_string()))]
    temporal_penalty: Option<f64>,
}

/// Options of truncated backpropagation and scoring.
#[derive(Debug, Args)]
#[command(next_help_heading = "Backpropagation through time")]
struct Steps {
    #[arg(long, value_name = "N", value_parser = count(1..=65_536),
        help = text("Steps of truncated backpropagation through time", |r| r.steps.to_string()))]
    steps: Option<usize>,
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        help = text("Vary the steps from chunk to chunk, and the learning rate with them", |r| r.variable_steps.to_string()))]
    variable_steps: Option<bool>,
    #[arg(long, help = text("Loss reduction: mean over all steps, or sum over the steps of each sequence", |r| name(&r.reduction)),
        value_parser = choice::<Reduction, 2>(["mean", "sum_over_steps"]))]
    reduction: Option<Reduction>,
    /// Score each text as one sequence, as published results do, not in pieces of 8,192 tokens
    #[arg(long, help_heading = "Validation and test")]
    stream: bool,
}

/// Appends the defaults of `train text` to a help text.
fn text(help: &str, value: impl Fn(&TextRecipe) -> String) -> String {
    default::<TrainText>(help, value)
}

fn plain() -> TextRecipe {
    TextRecipe::default()
}

fn or_dropout(rate: Option<f64>) -> String {
    rate.map_or("same as --dropout".to_owned(), |rate| rate.to_string())
}

impl TrainText {
    /// Returns the recipe that the options modify.
    fn base(&self) -> TextRecipe {
        if self.files.is_empty() && self.shape.recipe == NamedRecipe::Plain {
            songbook_recipe()
        } else {
            TextRecipe::named(self.shape.recipe)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command, Train};
    use clap::Parser;
    use refrain::task::Recipe;

    fn parse(arguments: &[&str]) -> TrainText {
        let all = ["refrain", "train", "text"].iter().chain(arguments);
        let Command::Train { what: Train::Text(options) } = Cli::try_parse_from(all).unwrap().command else {
            panic!("not train text");
        };
        *options
    }

    #[test]
    fn without_options_the_recipe_is_the_library_default() {
        assert_eq!(parse(&["poem.txt"]).recipe(), TextRecipe::default());
        assert_eq!(parse(&[]).recipe(), songbook_recipe());
        for named in [NamedRecipe::ZarembaSmall, NamedRecipe::ZarembaMedium, NamedRecipe::Awd] {
            let options = parse(&["ptb.txt", "--recipe", &name(&named)]);
            assert_eq!(options.recipe(), TextRecipe::named(named));
        }
    }

    #[test]
    fn every_option_reaches_the_recipe() {
        // Each option with a value other than its default, and the recipe's field.
        let flat = |recipe: TextRecipe| {
            let mut recipe = serde_json::to_value(recipe).unwrap();
            let training = recipe.as_object_mut().unwrap().remove("training").unwrap();
            recipe.as_object_mut().unwrap().extend(training.as_object().unwrap().clone());
            recipe
        };
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
            ("--early-stopping", "3", "early_stopping"),
            ("--validation", "0.25", "validation"),
            ("--seed", "3", "seed"),
        ];
        let default = flat(TextRecipe::default());
        for (option, value, field) in cases {
            let recipe = flat(parse(&["poem.txt", option, value]).recipe());
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
                let recipe = flat(parse(&["poem.txt", &option]).recipe());
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
        let useless_of = |arguments: &[&str]| {
            let options = parse(&[&["poem.txt"], arguments].concat());
            options.without_effect(&options.recipe())
        };
        let useless = ["--decay", "--decay-after", "--average-momentum", "--patience"];
        for option in useless {
            let value = if option == "--decay" || option == "--average-momentum" { "0.5" } else { "3" };
            assert_eq!(useless_of(&[option, value]).len(), 1, "{option}");
        }
        assert_eq!(useless_of(&["--forget-bias=false", "--cell", "gru"]), [("--forget-bias", "--cell lstm")]);
        assert_eq!(useless_of(&["--locked-dropout"]).len(), 1);
        assert_eq!(useless_of(&["--stream", "--validation", "0"]).len(), 1);
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
        assert!(useless_of(&useful).is_empty() && useless_of(&[]).is_empty());
        for recipe in ["zaremba-small", "zaremba-medium", "awd"] {
            assert!(useless_of(&["--recipe", recipe]).is_empty());
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
            assert_eq!(name(&parse(&["--schedule", schedule]).recipe().training.schedule), schedule);
        }
        for optimizer in ["sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamw", "adamax", "nadam"] {
            parse(&["--optimizer", optimizer]).recipe().check().unwrap();
        }
    }

    #[test]
    fn all_options_of_the_shape_conflict_with_init() {
        let ids = |command: clap::Command| -> Vec<String> {
            command.get_arguments().map(|a| a.get_id().to_string()).collect()
        };
        let shape = Shape::augment_args(clap::Command::new("shape"));
        assert_eq!(ids(Regularisation::augment_args(shape)), SHAPE_OPTIONS);
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

//! Options that all `train` commands share.

use super::values::{choice, count, name, number_in, seed};
use super::{CheckpointOptions, LoggingOptions, MemoryLimit};
use clap::Args;
use clap::builder::PossibleValuesParser;
use refrain::task::{Range, Recipe};
use refrain::{Average, RateSchedule, TrainingSettings};
use std::marker::PhantomData;
use std::path::PathBuf;

/// The options of one `train` command: their defaults, the wording of their help, and the recipe they describe.
pub(crate) trait TrainOptions: Sized {
    /// The recipe that the options describe.
    type Recipe: Recipe;

    const BATCH: &'static str;
    const VALIDATION: &'static str;
    const VALIDATION_FILE: &'static str;
    const TEST_FILE: &'static str;
    const SEED: &'static str;
    /// The value name of a path: `FILE`.
    const PATH: &'static str;
    /// The ids of the options that conflict with `--init`.
    const SHAPE: &'static [&'static str];

    /// Returns the default recipe, and other recipes with the names under which help lists the defaults that differ.
    fn recipes() -> (Self::Recipe, Vec<(String, Self::Recipe)>) {
        (Self::Recipe::default(), Vec::new())
    }

    /// Describes the batch size that is used if the recipe sets none.
    fn default_batch() -> String;

    /// Returns the options that all `train` commands share.
    fn run(&self) -> &RunOptions<Self>;

    /// Returns the recipe that the options describe.
    fn recipe(&self) -> Self::Recipe;

    /// Returns the recipe of the given network with the training options applied.
    fn recipe_for(&self, network: Self::Recipe) -> Self::Recipe;

    /// Returns the options that were given but have no effect with this recipe, each with what it needs.
    fn without_effect(&self, recipe: &Self::Recipe) -> Vec<(&'static str, &'static str)> {
        self.run().without_effect(recipe.training())
    }
}

/// Appends an option's default to a help text, and the defaults of other recipes that differ.
pub(crate) fn default<D: TrainOptions>(help: &str, value: impl Fn(&D::Recipe) -> String) -> String {
    let (plain, others) = D::recipes();
    let plain = value(&plain);
    let mut shown = format!("{help} [default: {plain}");
    for (name, other) in others.iter().map(|(name, recipe)| (name, value(recipe))) {
        if other != plain {
            shown += &format!(", {name}: {other}");
        }
    }
    shown + "]"
}

/// Does the same for a training setting.
fn training<D: TrainOptions>(help: &str, value: impl Fn(&TrainingSettings) -> String) -> String {
    default::<D>(help, |recipe| value(recipe.training()))
}

/// The options that all `train` commands share.
#[derive(Debug, Args)]
pub(crate) struct RunOptions<D: TrainOptions> {
    #[command(flatten)]
    pub(crate) training: TrainingOptions<D>,
    #[command(flatten)]
    pub(crate) limit: MemoryLimit,
    #[command(flatten)]
    pub(crate) scored: ScoredData<D>,
    #[command(flatten)]
    pub(crate) checkpoints: CheckpointOptions,
    #[command(flatten)]
    pub(crate) logging: LoggingOptions,
    #[command(flatten)]
    pub(crate) files: ModelFiles<D>,
}

/// The model files that a run reads and writes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Model files")]
pub(crate) struct ModelFiles<D: TrainOptions> {
    /// Train this model further, with its vocabulary and layers
    #[arg(long, value_name = "MODEL", conflicts_with_all = D::SHAPE)]
    pub(crate) init: Option<PathBuf>,
    /// File to save the model to
    #[arg(long, value_name = "FILE", default_value = "model.safetensors")]
    pub(crate) out: PathBuf,
    /// Replace output files even if they are not from an earlier run of this kind
    #[arg(long)]
    pub(crate) force: bool,
    #[arg(skip)]
    defaults: PhantomData<D>,
}

/// How a model is trained.
#[derive(Debug, Args)]
#[command(next_help_heading = "Training")]
pub(crate) struct TrainingOptions<D: TrainOptions> {
    #[arg(long, value_name = "N", help = format!("{} [default: {}]", D::BATCH, D::default_batch()), value_parser = count(1..=65_536))]
    batch: Option<usize>,
    #[arg(long, value_name = "N", value_parser = count(1..=65_536),
        help = training::<D>("Batches to accumulate gradients over per update", |t| t.accumulate.to_string()))]
    accumulate: Option<usize>,
    #[arg(long, value_name = "N", value_parser = count(1..=1_000_000),
        help = training::<D>("Passes over the data", |t| t.epochs.to_string()))]
    epochs: Option<usize>,
    #[arg(long, value_name = "EPOCHS", value_parser = count(1..=1_000_000),
        help = training::<D>("Stop after this many epochs without a lower validation loss",
            |t| t.early_stopping.map_or("never".to_owned(), |epochs| epochs.to_string())))]
    early_stopping: Option<usize>,
    #[arg(long, ignore_case = true, help = training::<D>("Optimiser", |t| t.optimizer.clone()), value_parser = PossibleValuesParser::new(
        ["sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamw", "adamax", "nadam"]))]
    optimizer: Option<String>,
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = number_in(Range::POSITIVE),
        help = training::<D>("Learning rate", |t| t.learning_rate.to_string()))]
    lr: Option<f64>,
    #[arg(long, help = training::<D>("Learning rate schedule", |t| name(&t.schedule)),
        value_parser = choice::<RateSchedule, 5>(["constant", "cosine", "exponential", "step", "plateau"]))]
    schedule: Option<RateSchedule>,
    #[arg(long, value_name = "FACTOR", allow_negative_numbers = true, value_parser = number_in(Range::FACTOR),
        help = training::<D>("Learning rate factor of `step` (every epoch) and `plateau` (after an epoch without improvement)",
            |t| short(t.decay)))]
    decay: Option<f64>,
    #[arg(long, value_name = "EPOCHS", value_parser = count(0..=1_000_000),
        help = training::<D>("Epochs before the `step` schedule starts to decay", |t| t.decay_after.to_string()))]
    decay_after: Option<usize>,
    #[arg(long, value_name = "DECAY", allow_negative_numbers = true, value_parser = number_in(Range::NOT_NEGATIVE),
        help = training::<D>("Decoupled weight decay", |t| t.weight_decay.to_string()))]
    weight_decay: Option<f64>,
    #[arg(long, value_name = "NORM", allow_negative_numbers = true, value_parser = number_in(Range::NOT_NEGATIVE),
        help = training::<D>("Clip gradients to this global norm; 0 to disable", |t| t.clip.to_string()))]
    clip: Option<f64>,
    #[arg(long, help = training::<D>("Parameter average to validate and save", |t| name(&t.average)),
        value_parser = choice::<Average, 3>(["none", "exponential", "triggered"]))]
    average: Option<Average>,
    #[arg(long, value_name = "MOMENTUM", allow_negative_numbers = true, value_parser = number_in(Range::FRACTION),
        help = training::<D>("Momentum of the exponential average", |t| t.average_momentum.to_string()))]
    average_momentum: Option<f64>,
    #[arg(long, value_name = "EPOCHS", value_parser = count(1..=1_000_000),
        help = training::<D>("Epochs without a lower validation loss before triggered averaging starts", |t| t.patience.to_string()))]
    patience: Option<usize>,
    #[arg(long, value_name = "N", help = training::<D>(D::SEED, |t| t.seed.to_string()), value_parser = seed)]
    seed: Option<u64>,
    #[arg(skip)]
    defaults: PhantomData<D>,
}

/// The data for validation and test.
#[derive(Debug, Args)]
#[command(next_help_heading = "Validation and test")]
pub(crate) struct ScoredData<D: TrainOptions> {
    #[arg(long, value_name = "FRACTION", allow_negative_numbers = true, value_parser = number_in(Range::FRACTION),
        help = training::<D>(D::VALIDATION, |t| t.validation.to_string()), conflicts_with = "validation_file")]
    validation: Option<f64>,
    #[arg(long, value_name = D::PATH, help = D::VALIDATION_FILE)]
    pub(crate) validation_file: Option<PathBuf>,
    #[arg(long, value_name = D::PATH, help = D::TEST_FILE)]
    pub(crate) test_file: Option<PathBuf>,
    #[arg(skip)]
    defaults: PhantomData<D>,
}

/// Formats a factor with at most three decimals.
fn short(x: f64) -> String {
    format!("{x:.3}").trim_end_matches('0').to_owned()
}

impl<D: TrainOptions> RunOptions<D> {
    /// Returns the training settings: those given as options, and the others from `base`.
    pub(crate) fn settings(&self, base: &TrainingSettings) -> TrainingSettings {
        let (training, scored) = (&self.training, &self.scored);
        let optimizer = training.optimizer.as_ref().map(|name| name.to_ascii_lowercase());
        TrainingSettings {
            epochs: training.epochs.unwrap_or(base.epochs),
            batch: training.batch.or(base.batch),
            accumulate: training.accumulate.unwrap_or(base.accumulate),
            optimizer: optimizer.unwrap_or_else(|| base.optimizer.clone()),
            learning_rate: training.lr.unwrap_or(base.learning_rate),
            schedule: training.schedule.unwrap_or(base.schedule),
            decay: training.decay.unwrap_or(base.decay),
            decay_after: training.decay_after.unwrap_or(base.decay_after),
            weight_decay: training.weight_decay.unwrap_or(base.weight_decay),
            clip: training.clip.unwrap_or(base.clip),
            average: training.average.unwrap_or(base.average),
            average_momentum: training.average_momentum.unwrap_or(base.average_momentum),
            patience: training.patience.unwrap_or(base.patience),
            early_stopping: training.early_stopping.or(base.early_stopping),
            validation: match scored.validation_file {
                Some(_) => 0.0,
                None => scored.validation.unwrap_or(base.validation),
            },
            seed: training.seed.unwrap_or(base.seed),
        }
    }

    /// Returns the options that were given but have no effect with these settings, each with what it needs.
    pub(super) fn without_effect(&self, settings: &TrainingSettings) -> Vec<(&'static str, &'static str)> {
        let options = &self.training;
        let falls = matches!(settings.schedule, RateSchedule::Step | RateSchedule::Plateau);
        let steps = settings.schedule == RateSchedule::Step;
        let averages = |kind| settings.average == kind;
        let given = [
            ("--decay", options.decay.is_some() && !falls, "--schedule step or plateau"),
            ("--decay-after", options.decay_after.is_some() && !steps, "--schedule step"),
            (
                "--average-momentum",
                options.average_momentum.is_some() && !averages(Average::Exponential),
                "--average exponential",
            ),
            (
                "--patience",
                options.patience.is_some() && !averages(Average::Triggered),
                "--average triggered",
            ),
        ];
        given
            .into_iter()
            .filter(|(_, useless, _)| *useless)
            .map(|(option, _, needs)| (option, needs))
            .collect()
    }
}

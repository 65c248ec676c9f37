//! What an application tells the library of itself, and its trained model.

mod fingerprint;
mod model;

pub use fingerprint::{Fingerprint, Fingerprints};
pub(crate) use model::{Record, assets_json, parse_assets};
pub use model::{TaskModel, task_of};

use crate::error::Result;
use crate::metric::{MetricInfo, Unit};
use crate::recipe::{Recipe, ReducibleSetting};
use crate::score::Score;
use refrain_nn::data::BatchSource;
use refrain_nn::loss::Loss;
use refrain_nn::metrics::Metric;
use refrain_nn::{MemoryUse, Model, Network, Reduction, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fmt;

/// A kind of model that can be trained, and the data to train it on.
///
/// The functions without `self` say what such a model is: its network, its loss, what it takes. The methods are of the
/// data of one run. From these, [`TrainingRun`](crate::TrainingRun) makes training with validation, the best epoch,
/// early stopping, checkpoints, resuming and a limit of memory, and [`TaskModel`] makes the model's file.
pub trait Task: Sized {
    /// The task's name in files and on the command line: `text`.
    const NAME: &'static str;
    /// What a model of it is, for errors: `a language model`.
    const TITLE: &'static str;
    /// What is counted and whose speed is reported.
    const UNIT: Unit;
    /// What is reported besides the loss, in the order of columns.
    const METRICS: &'static [MetricInfo];

    /// Everything that decides a trained model, besides the data.
    type Recipe: Recipe;
    /// All that running a trained model needs besides its network: a vocabulary, labels, a scaler. It is written as a
    /// JSON object, in which the field `task` is taken.
    type Assets: Clone + fmt::Debug + Serialize + DeserializeOwned;
    /// All that the network and a run's memory depend on, besides the recipe.
    type Sizes: Clone + fmt::Debug + Serialize + DeserializeOwned;
    /// What a model comes to on data.
    type Score: Score;
    /// A trained model. [`TaskModel<Self>`](TaskModel) itself, or a type of the application's own around it.
    type Model: From<TaskModel<Self>>;

    /// The untrained network and its outputs. A pure function: it is asked for a run, for its memory, and for smaller
    /// recipes that fit.
    ///
    /// # Errors
    /// If a setting does not fit the sizes.
    fn network(recipe: &Self::Recipe, sizes: &Self::Sizes) -> Result<(Network, Vec<Tensor>)>;

    /// What training lowers, and what it reports.
    fn objective(recipe: &Self::Recipe) -> Objective;

    /// Whether metrics are computed while a model is trained. By default they are; those of validation always are.
    fn has_training_metrics(_model: &Model) -> bool {
        true
    }

    /// Checks that assets, which may come from a stranger's file, fit their network. By default anything fits.
    ///
    /// # Errors
    /// The reason why they do not.
    fn check_assets(_assets: &Self::Assets, _model: &mut Model) -> std::result::Result<(), String> {
        Ok(())
    }

    /// The largest batches that a run trains on and scores, for its memory.
    fn memory_uses(recipe: &Self::Recipe, sizes: &Self::Sizes) -> Vec<MemoryUse>;

    /// What a run keeps in memory besides, in bytes by name. By default nothing.
    fn kept_in_memory(_sizes: &Self::Sizes) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// Settings to turn down when memory is short. By default none.
    fn reducible_settings(
        _recipe: &Self::Recipe,
        _sizes: &Self::Sizes,
    ) -> Vec<ReducibleSetting<Self::Recipe>> {
        Vec::new()
    }

    /// The sizes that the same data has with another recipe. By default the same.
    fn sizes_with(_recipe: &Self::Recipe, sizes: &Self::Sizes) -> Self::Sizes {
        sizes.clone()
    }

    /// What running a trained model takes at a time.
    fn use_to_run(assets: &Self::Assets) -> MemoryUse;

    /// The batch and the steps of the largest training batch, to be shown.
    fn largest_batch(recipe: &Self::Recipe, sizes: &Self::Sizes) -> (usize, usize) {
        Self::memory_uses(recipe, sizes).first().map_or((0, 0), |largest| (largest.lanes, largest.steps))
    }

    /// What is worth knowing of a model's assets. By default nothing.
    fn describe(_assets: &Self::Assets) -> Description {
        Description::default()
    }

    /// The sizes of a run as a model file of an earlier version recorded them. By default they are not known.
    fn sizes_of_old_record(
        _record: &Value,
        _recipe: &Self::Recipe,
        _assets: &Self::Assets,
    ) -> Option<Self::Sizes> {
        None
    }

    /// What running the trained model will need.
    fn assets(&self) -> &Self::Assets;

    /// The sizes of the data.
    fn sizes(&self) -> Self::Sizes;

    /// What tells whether a resumed run has the same data.
    fn fingerprints(&self) -> Fingerprints;

    /// The batches to train on.
    ///
    /// # Errors
    /// If a setting does not fit the data.
    fn batches<'a>(&'a self, recipe: &'a Self::Recipe) -> Result<Box<dyn BatchSource + 'a>>;

    /// Scores a compiled model on one part of the data, which [`Task::fingerprints`] says there is.
    ///
    /// # Errors
    /// If the data cannot be read.
    fn score(&self, recipe: &Self::Recipe, model: &mut Model, split: Split) -> Result<Self::Score>;
}

/// A part of the data that is scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// After each epoch.
    Validation,
    /// Once, with the finished model.
    Test,
}

/// How a network is compiled.
#[derive(Debug, Clone)]
pub struct Objective {
    /// What training lowers.
    pub loss: Loss,
    /// What is reported besides.
    pub metrics: Vec<Metric>,
    /// What the gradient is of.
    pub reduction: Reduction,
}

impl Objective {
    /// The mean of a loss, and what is reported besides.
    pub fn new(loss: Loss, metrics: impl IntoIterator<Item = Metric>) -> Self {
        Self { loss, metrics: metrics.into_iter().collect(), reduction: Reduction::Mean }
    }
}

/// What is worth knowing of a model's assets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Description {
    /// By name, for `--json`.
    pub fields: Map<String, Value>,
    /// In lines, for a person.
    pub lines: Vec<String>,
}

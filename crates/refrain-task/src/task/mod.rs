//! What an application implements, and its trained model.

mod fingerprint;
mod model;

pub use fingerprint::{Fingerprint, Fingerprints};
pub(crate) use model::{Record, assets_json, parse_assets};
pub use model::{TaskModel, task_of};

use crate::error::Result;
use crate::metric::{MetricInfo, Unit};
use crate::recipe::{Recipe, ReducibleSetting};
use crate::score::{Score, Scoring};
use refrain_nn::data::BatchSource;
use refrain_nn::layers::LayerRegistry;
use refrain_nn::loss::Loss;
use refrain_nn::metrics::Metric;
use refrain_nn::{MemoryUse, Model, Network, Reduction, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fmt;

/// A kind of model that can be trained, and the data to train it on.
///
/// The functions without `self` describe the kind of model: its network, its loss, its memory. The methods describe
/// the data of one run. [`TrainingRun`](crate::TrainingRun) uses them to train with validation, the best epoch,
/// early stopping, checkpoints, resuming and a memory limit, and [`TaskModel`] to read and write the model file.
pub trait Task: Sized {
    /// The task's name in files and on the command line: `text`.
    const NAME: &'static str;
    /// The model's title in error messages: `a language model`.
    const TITLE: &'static str;
    /// The unit that is counted and in which speed is reported.
    const UNIT: Unit;
    /// The metrics reported in addition to the loss, in column order.
    const METRICS: &'static [MetricInfo];

    /// Everything that determines a trained model, apart from the data.
    type Recipe: Recipe;
    /// Everything that running a trained model needs in addition to its network, such as a vocabulary, labels or a
    /// scaler. It is written as a JSON object, in which the field `task` is reserved.
    type Assets: Clone + fmt::Debug + Serialize + DeserializeOwned;
    /// Everything that the network and a run's memory depend on, apart from the recipe.
    type Sizes: Clone + fmt::Debug + Serialize + DeserializeOwned;
    /// The score of a model on data.
    type Score: Score;
    /// A trained model: [`TaskModel<Self>`](TaskModel) itself, or the application's own type around it.
    type Model: From<TaskModel<Self>>;

    /// Builds the untrained network and its outputs. It must be a pure function: it is called for a run, for its
    /// memory, and for smaller recipes that fit.
    ///
    /// # Errors
    /// If a setting does not fit the sizes.
    fn network(recipe: &Self::Recipe, sizes: &Self::Sizes) -> Result<(Network, Vec<Tensor>)>;

    /// Returns the custom layers of the network, with which model files and checkpoints are read. The default is none.
    fn layers() -> LayerRegistry {
        LayerRegistry::default()
    }

    /// Returns the loss and the metrics.
    fn objective(recipe: &Self::Recipe) -> Objective;

    /// Returns whether metrics are computed during training. The default is `true`. Validation metrics are always
    /// computed.
    fn has_training_metrics(_model: &Model) -> bool {
        true
    }

    /// Checks that the assets, which may come from an untrusted file, fit their network. The default accepts
    /// anything.
    ///
    /// # Errors
    /// The reason why they do not fit.
    fn check_assets(_assets: &Self::Assets, _model: &mut Model) -> std::result::Result<(), String> {
        Ok(())
    }

    /// Returns the largest batches that a run trains on and scores, to compute its memory.
    fn memory_uses(recipe: &Self::Recipe, sizes: &Self::Sizes) -> Vec<MemoryUse>;

    /// Returns what else a run keeps in memory, in bytes by name. The default is nothing.
    fn kept_in_memory(_sizes: &Self::Sizes) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// Returns the settings to lower when memory is short. The default is none.
    fn reducible_settings(
        _recipe: &Self::Recipe,
        _sizes: &Self::Sizes,
    ) -> Vec<ReducibleSetting<Self::Recipe>> {
        Vec::new()
    }

    /// Returns the sizes that the same data has with another recipe. The default is the same sizes.
    fn sizes_with(_recipe: &Self::Recipe, sizes: &Self::Sizes) -> Self::Sizes {
        sizes.clone()
    }

    /// Returns the largest batch that running a trained model uses.
    fn inference_use(assets: &Self::Assets) -> MemoryUse;

    /// Returns the batch size and the steps of the largest training batch, for display.
    fn largest_batch(recipe: &Self::Recipe, sizes: &Self::Sizes) -> (usize, usize) {
        Self::memory_uses(recipe, sizes).first().map_or((0, 0), |largest| (largest.lanes, largest.steps))
    }

    /// Describes a model's assets. The default is empty.
    fn describe(_assets: &Self::Assets) -> Description {
        Description::default()
    }

    /// Reads the sizes of a run from a model file of an earlier version. By default they are unknown.
    fn sizes_of_old_record(
        _record: &Value,
        _recipe: &Self::Recipe,
        _assets: &Self::Assets,
    ) -> Option<Self::Sizes> {
        None
    }

    /// Returns what running the trained model will need.
    fn assets(&self) -> &Self::Assets;

    /// Returns the sizes of the data.
    fn sizes(&self) -> Self::Sizes;

    /// Returns the fingerprints that tell whether a resumed run has the same data.
    fn fingerprints(&self) -> Fingerprints;

    /// Returns the training batches.
    ///
    /// # Errors
    /// If a setting does not fit the data.
    fn batches<'a>(&'a self, recipe: &'a Self::Recipe) -> Result<Box<dyn BatchSource + 'a>>;

    /// Scores a compiled model on one part of the data, which must be present in [`Task::fingerprints`]. It calls
    /// [`Scoring::batch_done`] after each batch, so that a run can be stopped while it is scored.
    ///
    /// # Errors
    /// If the data cannot be read, or the run is stopped.
    fn score(
        &self,
        recipe: &Self::Recipe,
        model: &mut Model,
        scoring: &mut Scoring<'_>,
    ) -> Result<Self::Score>;
}

/// The loss and the metrics that a network is compiled with.
#[derive(Debug, Clone)]
pub struct Objective {
    /// The loss that training minimises.
    pub loss: Loss,
    /// The metrics reported in addition.
    pub metrics: Vec<Metric>,
    /// How the loss of a batch is reduced.
    pub reduction: Reduction,
}

impl Objective {
    /// Creates an objective with the mean of a loss, and metrics.
    pub fn new(loss: Loss, metrics: impl IntoIterator<Item = Metric>) -> Self {
        Self { loss, metrics: metrics.into_iter().collect(), reduction: Reduction::Mean }
    }
}

/// A description of a model's assets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Description {
    /// The fields for `--json`, by name.
    pub fields: Map<String, Value>,
    /// The lines for a person.
    pub lines: Vec<String>,
}

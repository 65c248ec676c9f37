//! A small task for this crate's tests: whether a row of bits has an odd number of ones.

use crate::error::Result;
use crate::metric::{MetricInfo, Unit};
use crate::recipe::{Recipe, ReducibleSetting};
use crate::score::{MeanScore, Scoring, Split};
use crate::settings::TrainingSettings;
use crate::task::{Fingerprints, Objective, Task, TaskModel};
use refrain_nn::data::{Batch, BatchInput, BatchSource, BatchTarget};
use refrain_nn::layers::{Dense, Dropout, Gru};
use refrain_nn::loss::Loss;
use refrain_nn::metrics::Metric;
use refrain_nn::{Activation, Error as NnError, InputSpec, MemoryUse, Model, Network, Tensor, Work};
use serde::{Deserialize, Serialize};

/// Rows of bits: how many in each part of the data.
#[derive(Debug, Clone)]
pub(crate) struct Parity {
    pub(crate) assets: Bits,
    pub(crate) training: usize,
    pub(crate) validation: usize,
    pub(crate) test: usize,
    /// The index of a batch that cannot be read.
    pub(crate) unreadable: Option<usize>,
    /// The first epoch, from 0, whose rows are NaN.
    pub(crate) poisoned: Option<usize>,
}

impl Default for Parity {
    fn default() -> Self {
        Self {
            assets: Bits { bits: 5 },
            training: 60,
            validation: 20,
            test: 0,
            unreadable: None,
            poisoned: None,
        }
    }
}

/// What running a model needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bits {
    pub(crate) bits: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ParityRecipe {
    pub(crate) units: usize,
    pub(crate) training: TrainingSettings,
}

impl Default for ParityRecipe {
    fn default() -> Self {
        let training =
            TrainingSettings { epochs: 3, batch: Some(16), learning_rate: 0.02, ..Default::default() };
        Self { units: 9, training }
    }
}

impl Recipe for ParityRecipe {
    fn training(&self) -> &TrainingSettings {
        &self.training
    }

    fn check_own(&self) -> Result<()> {
        crate::Range::COUNT.check("units", self.units as f64)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rows {
    pub(crate) bits: usize,
    pub(crate) rows: usize,
}

/// Rows of the data, starting from one of them, in batches with different learning rates.
struct Batches<'a> {
    of: &'a Parity,
    rows: std::ops::Range<usize>,
    batch: usize,
}

impl BatchSource for Batches<'_> {
    fn len(&self, _epoch: usize) -> usize {
        self.rows.len().div_ceil(self.batch)
    }

    fn fill(&self, seed: u64, epoch: usize, i: usize, batch: &mut Batch) -> std::result::Result<(), NnError> {
        if self.of.unreadable == Some(i) {
            return Err(crate::Error::Task("the rows are gone".into()).into());
        }
        let bits = self.of.assets.bits;
        let rows = self.rows.clone().skip(i * self.batch).take(self.batch);
        let rows: Vec<u64> =
            rows.map(|row| (row as u64 * 2_654_435_761 + seed + epoch as u64) >> 3).collect();
        let ones = |row: &u64| (0..bits).filter(|bit| row >> bit & 1 == 1).count();
        let poison = if self.of.poisoned.is_some_and(|from| epoch >= from) { f32::NAN } else { 0.0 };
        let features =
            rows.iter().flat_map(|row| (0..bits).map(move |bit| (row >> bit & 1) as f32 + poison)).collect();
        batch.lanes = rows.len();
        batch.inputs = vec![BatchInput { steps: bits, features, ..Default::default() }];
        let values = rows.iter().map(|row| (ones(row) % 2) as f32).collect();
        batch.targets = vec![BatchTarget { steps: 1, values, ..Default::default() }];
        Ok(())
    }

    fn rate_factor(&self, _seed: u64, _epoch: usize, i: usize) -> f64 {
        1.0 / (1 + i % 2) as f64
    }
}

impl Task for Parity {
    const NAME: &'static str = "parity";
    const TITLE: &'static str = "a parity model";
    const UNIT: Unit = Unit::Samples { plural: "rows" };
    const METRICS: &'static [MetricInfo] = &[MetricInfo::ACCURACY];

    type Recipe = ParityRecipe;
    type Assets = Bits;
    type Sizes = Rows;
    type Score = MeanScore;
    type Model = TaskModel<Self>;

    fn network(recipe: &ParityRecipe, _sizes: &Rows) -> Result<(Network, Vec<Tensor>)> {
        let mut net = Network::new();
        let x = net.input(InputSpec::features(1).name("bits"));
        let x = net.add(Gru::new(recipe.units), &[x])?;
        let x = net.add(Dropout::new(0.1), &[x])?;
        let y = net.add(Dense::new(1).activation(Activation::Sigmoid).name("odd"), &[x])?;
        Ok((net, vec![y]))
    }

    fn objective(_recipe: &ParityRecipe) -> Objective {
        Objective::new(Loss::BinaryCrossentropy, [Metric::Accuracy])
    }

    fn check_assets(assets: &Bits, model: &mut Model) -> std::result::Result<(), String> {
        if assets.bits == 0 || model.output_count() != 1 || model.output_width(0) != 1 {
            return Err(format!("{} bits, {} outputs", assets.bits, model.output_count()));
        }
        Ok(())
    }

    fn memory_uses(recipe: &ParityRecipe, sizes: &Rows) -> Vec<MemoryUse> {
        vec![MemoryUse::new(Work::Train, recipe.training.batch.unwrap_or(16), sizes.bits)]
    }

    fn kept_in_memory(sizes: &Rows) -> Vec<(&'static str, u64)> {
        vec![("rows", sizes.rows as u64)]
    }

    fn reducible_settings(recipe: &ParityRecipe, _sizes: &Rows) -> Vec<ReducibleSetting<ParityRecipe>> {
        let batch = recipe.training.batch.unwrap_or(16);
        vec![
            ReducibleSetting::of_training("batch", batch, 1, |recipe, n| recipe.training.batch = Some(n)),
            ReducibleSetting::of_network("units", recipe.units, 2, |recipe, n| recipe.units = n),
        ]
    }

    fn inference_use(assets: &Bits) -> MemoryUse {
        MemoryUse::new(Work::Predict, 1, assets.bits)
    }

    fn assets(&self) -> &Bits {
        &self.assets
    }

    fn sizes(&self) -> Rows {
        Rows { bits: self.assets.bits, rows: self.training }
    }

    fn fingerprints(&self) -> Fingerprints {
        let of = |rows: usize| (rows > 0).then(|| format!("{rows} rows"));
        Fingerprints {
            validation: of(self.validation),
            test: of(self.test),
            ..Fingerprints::of_training(format!("{} rows", self.training))
        }
    }

    fn batches<'a>(&'a self, recipe: &'a ParityRecipe) -> Result<Box<dyn BatchSource + 'a>> {
        let batch = recipe.training.batch.unwrap_or(16);
        Ok(Box::new(Batches { of: self, rows: 0..self.training, batch }))
    }

    fn score(
        &self,
        _recipe: &ParityRecipe,
        model: &mut Model,
        scoring: &mut Scoring<'_>,
    ) -> Result<MeanScore> {
        let from = self.training;
        let rows = match scoring.split {
            Split::Validation => from..from + self.validation,
            Split::Test => from + self.validation..from + self.validation + self.test,
        };
        let source = Batches {
            of: &Parity { unreadable: None, poisoned: None, ..self.clone() },
            rows: rows.clone(),
            batch: 16,
        };
        MeanScore::of(model, &source, scoring)
    }
}

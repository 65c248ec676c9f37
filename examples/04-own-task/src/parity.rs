//! The task: predict at each step whether the row of bits has had an odd number of ones so far.

use refrain::data::{Arrays, BatchSource};
use refrain::layers::{Dense, Embedding, Gru};
use refrain::loss::Loss;
use refrain::metrics::Metric;
use refrain::ndarray::{Array2, Array3};
use refrain::task::score::MeanScore;
use refrain::task::{
    Fingerprints, MetricInfo, Objective, Range, Recipe, ReducibleSetting, Result, Scoring, Task, TaskModel,
    Unit,
};
use refrain::{Activation, InputSpec, MemoryUse, Model, Network, Tensor, TrainingSettings, Work};
use serde::{Deserialize, Serialize};

/// Rows per batch, if the recipe does not set it.
const BATCH: usize = 32;

/// Everything that determines a trained model besides the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ParityRecipe {
    pub(crate) units: usize,
    pub(crate) training: TrainingSettings,
}

impl Default for ParityRecipe {
    fn default() -> Self {
        let training =
            TrainingSettings { learning_rate: 0.02, early_stopping: Some(3), ..Default::default() };
        Self { units: 16, training }
    }
}

impl Recipe for ParityRecipe {
    fn training(&self) -> &TrainingSettings {
        &self.training
    }

    fn check_own(&self) -> Result<()> {
        Range::COUNT.check("units", self.units as f64)
    }
}

/// What running a model needs besides its network, and what a run's memory depends on besides its recipe.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Bits {
    bits: usize,
}

/// The data of a run: rows of bits, and the parity of each.
#[derive(Debug)]
pub(crate) struct Parity {
    bits: Bits,
    training: (Array2<u32>, Array3<f32>),
    validation: (Array2<u32>, Array3<f32>),
}

impl Parity {
    /// Returns all rows of `bits` bits: three quarters for training, one quarter for validation.
    pub(crate) fn of(bits: usize) -> Self {
        let part = |validates: bool| {
            let is_in = |row: &u32| (row.wrapping_mul(2_654_435_761) >> 30 == 0) == validates;
            let rows: Vec<u32> = (0..1 << bits).filter(is_in).collect();
            let x = Array2::from_shape_fn((rows.len(), bits), |(row, bit)| rows[row] >> bit & 1);
            let y = Array3::from_shape_fn((rows.len(), bits, 1), |(row, bit, _)| {
                let ones = (rows[row] & ((2 << bit) - 1)).count_ones();
                // One label in eleven is wrong, so that a model that trains too long memorises the wrong ones.
                ((ones + u32::from((rows[row] as usize * 31 + bit).is_multiple_of(11))) % 2) as f32
            });
            (x, y)
        };
        Self { bits: Bits { bits }, training: part(false), validation: part(true) }
    }
}

impl Task for Parity {
    const NAME: &'static str = "parity";
    const TITLE: &'static str = "a parity model";
    const UNIT: Unit = Unit::Samples { plural: "rows" };
    const METRICS: &'static [MetricInfo] = &[MetricInfo::ACCURACY];

    type Recipe = ParityRecipe;
    type Assets = Bits;
    type Sizes = Bits;
    type Score = MeanScore;
    type Model = TaskModel<Self>;

    fn network(recipe: &ParityRecipe, _sizes: &Bits) -> Result<(Network, Vec<Tensor>)> {
        let mut net = Network::new();
        let x = net.input(InputSpec::ids().name("bits"));
        let x = net.add(Embedding::new(2, 4), &[x])?;
        let x = net.add(Gru::new(recipe.units).return_sequences(true), &[x])?;
        let x = net.add(Dense::new(1).activation(Activation::Sigmoid), &[x])?;
        Ok((net, vec![x]))
    }

    fn objective(_recipe: &ParityRecipe) -> Objective {
        Objective::new(Loss::BinaryCrossentropy, [Metric::Accuracy])
    }

    fn memory_uses(recipe: &ParityRecipe, sizes: &Bits) -> Vec<MemoryUse> {
        vec![MemoryUse::new(Work::Train, recipe.training.batch.unwrap_or(BATCH), sizes.bits)]
    }

    fn reducible_settings(recipe: &ParityRecipe, _sizes: &Bits) -> Vec<ReducibleSetting<ParityRecipe>> {
        vec![ReducibleSetting::of_network("units", recipe.units, 1, |recipe, units| recipe.units = units)]
    }

    fn inference_use(bits: &Bits) -> MemoryUse {
        MemoryUse::new(Work::Predict, 1, bits.bits)
    }

    fn assets(&self) -> &Bits {
        &self.bits
    }

    fn sizes(&self) -> Bits {
        self.bits
    }

    fn fingerprints(&self) -> Fingerprints {
        let bits = format!("{} bits", self.bits.bits);
        Fingerprints { validation: Some(bits.clone()), ..Fingerprints::of_training(bits) }
    }

    fn batches<'a>(&'a self, recipe: &'a ParityRecipe) -> Result<Box<dyn BatchSource + 'a>> {
        let rows = Arrays::new((&self.training.0, &self.training.1))?.shuffle(true);
        Ok(Box::new(rows.batch_size(recipe.training.batch.unwrap_or(BATCH))?))
    }

    fn score(
        &self,
        _recipe: &ParityRecipe,
        model: &mut Model,
        scoring: &mut Scoring<'_>,
    ) -> Result<MeanScore> {
        MeanScore::of(model, &Arrays::new((&self.validation.0, &self.validation.1))?, scoring)
    }
}

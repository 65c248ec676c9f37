//! One batch, and where batches come from.

use crate::error::Error;

/// Which steps of an input's array are real.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extent {
    /// All of them.
    #[default]
    Full,
    /// The first `lengths[n]` of each sequence.
    Lengths,
    /// Those where `mask` is true.
    Mask,
}

/// One input of a batch, row-major and batch first. Vectors are reused from batch to batch.
#[derive(Debug, Clone, Default)]
pub struct BatchInput {
    /// Steps `T` of the array; 1 for an input without a time axis.
    pub steps: usize,
    /// Ids `(N, T)`; empty for features.
    pub ids: Vec<u32>,
    /// Features `(N, T, F)`; empty for ids.
    pub features: Vec<f32>,
    /// Which steps are real.
    pub extent: Extent,
    /// `(N)`, for [`Extent::Lengths`].
    pub lengths: Vec<usize>,
    /// `(N, T)`, for [`Extent::Mask`].
    pub mask: Vec<bool>,
}

/// The target of one output of a batch, row-major and batch first.
#[derive(Debug, Clone, Default)]
pub struct BatchTarget {
    /// Steps `T` of the array; 1 for an output without a time axis.
    pub steps: usize,
    /// Class ids `(N, T)`; empty for values.
    pub ids: Vec<u32>,
    /// Values `(N, T, width of the output)`; empty for ids.
    pub values: Vec<f32>,
}

/// A batch of examples.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Sequences `N`.
    pub lanes: usize,
    /// One for each input of the model.
    pub inputs: Vec<BatchInput>,
    /// One for each output of the model; empty for prediction.
    pub targets: Vec<BatchTarget>,
    /// Weights of the loss: empty, `(N)`, or `(N, T)` of the first target.
    pub weights: Vec<f32>,
}

/// Where `fit` and `evaluate` draw batches from.
///
/// `fill` is a pure function of its arguments, so that a place in the data is the pair (epoch, i).
pub trait BatchSource: Sync {
    /// Batches of an epoch.
    fn len(&self, epoch: usize) -> usize;

    /// Whether an epoch has no batch.
    fn is_empty(&self, epoch: usize) -> bool {
        self.len(epoch) == 0
    }

    /// Writes batch `i` of an epoch.
    ///
    /// # Errors
    /// When the data cannot be read.
    fn fill(&self, seed: u64, epoch: usize, i: usize, batch: &mut Batch) -> Result<(), Error>;

    /// What the learning rate of batch `i` is multiplied by, besides the schedule and what callbacks set. Where several
    /// batches make a step, the factor of the last one counts.
    fn rate_factor(&self, _seed: u64, _epoch: usize, _i: usize) -> f64 {
        1.0
    }

    /// Whether the state is carried from batch `i` to the next one of the same epoch: true for the chunks of a
    /// stream.
    fn carries_state(&self) -> bool {
        false
    }
}

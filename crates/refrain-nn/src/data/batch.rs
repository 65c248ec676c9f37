//! Batches, and the sources they come from.

use crate::error::Error;

/// Which steps of an input's array are real.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extent {
    /// All steps.
    #[default]
    Full,
    /// The first `lengths[n]` steps of each sequence.
    Lengths,
    /// The steps where `mask` is true.
    Mask,
}

/// One input of a batch, row-major and batch first. The vectors are reused from batch to batch.
#[derive(Debug, Clone, Default)]
pub struct BatchInput {
    /// The number of steps `T` of the array; 1 for an input without a time axis.
    pub steps: usize,
    /// Ids `(N, T)`; empty for features.
    pub ids: Vec<u32>,
    /// Features `(N, T, F)`; empty for ids.
    pub features: Vec<f32>,
    /// Which steps are real.
    pub extent: Extent,
    /// Lengths `(N)`, for [`Extent::Lengths`].
    pub lengths: Vec<usize>,
    /// The mask `(N, T)`, for [`Extent::Mask`].
    pub mask: Vec<bool>,
}

/// The target of one output of a batch, row-major and batch first.
#[derive(Debug, Clone, Default)]
pub struct BatchTarget {
    /// The number of steps `T` of the array; 1 for an output without a time axis.
    pub steps: usize,
    /// Class ids `(N, T)`; empty for values.
    pub ids: Vec<u32>,
    /// Values `(N, T, width of the output)`; empty for ids.
    pub values: Vec<f32>,
}

/// A batch of examples.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The number of sequences `N`.
    pub lanes: usize,
    /// The inputs, one for each input of the model.
    pub inputs: Vec<BatchInput>,
    /// The targets, one for each output of the model; empty for prediction.
    pub targets: Vec<BatchTarget>,
    /// The loss weights: empty, `(N)`, or `(N, T)` of the first target.
    pub weights: Vec<f32>,
    /// The number of each sequence in the caller's data, for errors; empty if it is not known.
    pub rows: Vec<usize>,
}

/// A source of batches for `fit` and `evaluate`.
///
/// `fill` must be a pure function of its arguments, so the pair (epoch, i) identifies a position in the data.
pub trait BatchSource: Sync {
    /// Returns the number of batches in an epoch.
    fn len(&self, epoch: usize) -> usize;

    /// Returns whether an epoch has no batches.
    fn is_empty(&self, epoch: usize) -> bool {
        self.len(epoch) == 0
    }

    /// Writes batch `i` of an epoch.
    ///
    /// # Errors
    /// Returns an error if the data cannot be read.
    fn fill(&self, seed: u64, epoch: usize, i: usize, batch: &mut Batch) -> Result<(), Error>;

    /// Returns a factor for the learning rate of batch `i`, in addition to the schedule and what callbacks
    /// set. If a step accumulates several batches, the factor of the last batch applies.
    fn rate_factor(&self, _seed: u64, _epoch: usize, _i: usize) -> f64 {
        1.0
    }

    /// Returns whether the state is carried from batch `i` to the next batch of the same epoch, as it is for
    /// the chunks of a stream.
    fn carries_state(&self) -> bool {
        false
    }
}

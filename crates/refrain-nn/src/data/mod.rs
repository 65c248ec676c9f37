//! Data: arrays, batches and sources of batches.

mod arrays;
mod batch;
mod border;

pub use arrays::{Arrays, Examples};
pub use batch::{Batch, BatchInput, BatchSource, BatchTarget, Extent};
pub use border::{Data, Sequences};

//! Networks that read labelled texts: what classifiers and taggers share.
//!
//! [`ReaderSettings`] say how a text is read, [`LabelAssets`] are what running such a network needs, [`LabelledData`] is
//! what one is trained on.

mod assets;
mod data;
mod encoded;
mod settings;
mod task;

pub use assets::LabelAssets;
pub use data::{LabelledData, LabelledSizes};
pub use settings::{ReaderSettings, ReadsTexts};

pub use task::{HasTexts, LabelTask, Labelling};

pub(crate) use encoded::Encoded;

/// The place of the largest; of equals the first.
pub(crate) fn likeliest(probabilities: impl Iterator<Item = f32>) -> (usize, f32) {
    let larger = |best: (usize, f32), (i, p): (usize, f32)| if p > best.1 { (i, p) } else { best };
    probabilities.enumerate().fold((0, f32::NEG_INFINITY), larger)
}

/// Bytes that a string takes, with what an allocator adds to it.
pub(crate) fn string_bytes(string: &String) -> u64 {
    /// The least that an allocator hands out; it gives multiples of half of it.
    const LEAST: usize = 32;
    let allocated = (string.capacity() + size_of::<usize>()).next_multiple_of(LEAST / 2).max(LEAST);
    (size_of_val(string) + if string.capacity() > 0 { allocated } else { 0 }) as u64
}

//! Networks that read labelled texts: code shared by classifiers and taggers.
//!
//! [`ReaderSettings`] are the settings for reading a text, [`LabelAssets`] is what running such a network needs,
//! and [`LabelledData`] is the data to train it on.

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

use std::collections::BTreeMap;

/// The line on which each label of a file first occurs, counted from 1.
pub type LabelLines = BTreeMap<String, usize>;

/// Notes the line of a label, unless it has occurred before.
pub(crate) fn note_line(lines: &mut LabelLines, label: &str, number: usize) {
    if !lines.contains_key(label) {
        lines.insert(label.to_owned(), number);
    }
}

/// Checks that a label has no control character, because models with such labels cannot be opened.
pub(crate) fn refuse_control_characters(label: &str) -> std::result::Result<(), String> {
    if label.contains(char::is_control) {
        return Err(format!("the label `{}` contains a control character", label.escape_debug()));
    }
    Ok(())
}

/// Returns the index of the largest value, and the value; ties go to the first.
pub(crate) fn argmax(probabilities: impl Iterator<Item = f32>) -> (usize, f32) {
    let larger = |best: (usize, f32), (i, p): (usize, f32)| if p > best.1 { (i, p) } else { best };
    probabilities.enumerate().fold((0, f32::NEG_INFINITY), larger)
}

/// Returns the bytes that a string takes, including allocator overhead.
pub(crate) fn string_bytes(string: &String) -> u64 {
    /// The smallest block of the allocator; larger blocks are multiples of half of it.
    const MIN_BLOCK: usize = 32;
    let allocated = (string.capacity() + size_of::<usize>()).next_multiple_of(MIN_BLOCK / 2).max(MIN_BLOCK);
    (size_of_val(string) + if string.capacity() > 0 { allocated } else { 0 }) as u64
}

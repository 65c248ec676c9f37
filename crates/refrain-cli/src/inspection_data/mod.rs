//! The data that `refrain inspect` runs models on: sequences of texts and sentences.

pub(crate) mod labelled;
pub(crate) mod tagged;
pub(crate) mod text;

use refrain::inspect::{Sample, Search};
use std::borrow::Cow;
use std::path::PathBuf;

/// Default steps of sequences from a text or random inputs.
pub(crate) const STEPS: usize = 200;

/// The data that a model is inspected on.
#[derive(Debug)]
pub(crate) struct InspectionData {
    /// Some sequences.
    pub(crate) sample: Sample,
    /// A long text to search for units that track something; `None` if there is no text.
    pub(crate) reading: Option<Sample>,
    /// How to search for them.
    pub(crate) search: Search,
}

/// Returns the name of the data in sentences: a file name without its folder.
fn short_name<'a>(data: &[PathBuf], name: &'a str) -> Cow<'a, str> {
    match data {
        [one] if one.as_os_str() == "-" => "stdin".into(),
        [one] => one.file_name().map_or(name.into(), |file| file.to_string_lossy().into_owned().into()),
        _ => name.into(),
    }
}

//! What `refrain inspect` looks at models with: sequences of texts and sentences.

pub(crate) mod labelled;
pub(crate) mod tagged;
pub(crate) mod text;

use refrain::inspect::{Sample, Search};
use std::borrow::Cow;
use std::path::PathBuf;

/// Sequences of a text and of random inputs.
pub(crate) const STEPS: usize = 200;

/// What a model is looked at with.
#[derive(Debug)]
pub(crate) struct Material {
    /// Some sequences.
    pub(crate) sample: Sample,
    /// One long text, in which units are looked for that follow something; none if there is no text.
    pub(crate) reading: Option<Sample>,
    /// How they are looked for.
    pub(crate) search: Search,
}

/// What data is called in sentences: the name of a file without its folder.
fn short_name<'a>(data: &[PathBuf], name: &'a str) -> Cow<'a, str> {
    match data {
        [one] if one.as_os_str() == "-" => "stdin".into(),
        [one] => one.file_name().map_or(name.into(), |file| file.to_string_lossy().into_owned().into()),
        _ => name.into(),
    }
}

//! Code shared by training on labelled texts and on tagged sentences.

use super::command::Input;
use crate::cli::{ScoredData, TrainOptions};
use crate::error::Result;
use crate::labelled::Labelled;
use refrain::classifier::LabelledSizes;
use refrain::thousands;
use serde_json::{Map, Value};
use std::path::PathBuf;

/// The examples of a run.
#[derive(Debug)]
pub(crate) struct Parts<E> {
    /// For training; a part is held out for validation if `validation` is `None`.
    pub(super) training: Vec<E>,
    pub(super) validation: Option<Vec<E>>,
    pub(super) test: Vec<E>,
}

impl<E> Default for Parts<E> {
    fn default() -> Self {
        Self { training: Vec::new(), validation: None, test: Vec::new() }
    }
}

/// Reads the data for training, validation and test.
pub(super) fn read<E, D: TrainOptions>(
    data: &[PathBuf],
    scored: &ScoredData<D>,
    read: impl Fn(&[PathBuf]) -> Result<Labelled<E>>,
) -> Result<Input<Parts<E>>> {
    let training = read(data)?;
    let (name, mut files) = (training.name, training.files);
    let mut of = |file: &Option<PathBuf>| -> Result<Option<Vec<E>>> {
        let Some(file) = file else { return Ok(None) };
        let read = read(std::slice::from_ref(file))?;
        files.extend(read.files);
        Ok(Some(read.texts))
    };
    let (validation, test) = (of(&scored.validation_file)?, of(&scored.test_file)?.unwrap_or_default());
    Ok(Input { name, files, data: Parts { training: training.texts, validation, test } })
}

/// Returns the lines about the data that are printed before training; `what` is `texts` or `sentences`.
pub(super) fn headline(name: &str, sizes: &LabelledSizes, what: &'static str) -> Vec<(&'static str, String)> {
    let validate = match sizes.validation_texts {
        0 => "none for validation".to_owned(),
        n => format!("{} for validation", thousands(n)),
    };
    let test = match sizes.test_texts {
        0 => String::new(),
        n => format!(", {} for test", thousands(n)),
    };
    vec![
        (what, format!("{name}: {} for training, {validate}{test}", thousands(sizes.texts))),
        ("labels", format!("{}; vocabulary of {}", sizes.labels, thousands(sizes.vocabulary))),
    ]
}

/// Returns the fields of the JSON event `start`.
pub(super) fn start_fields(name: &str, sizes: &LabelledSizes, what: &str) -> Map<String, Value> {
    Map::from_iter([
        ("data".to_owned(), name.into()),
        (what.to_owned(), sizes.texts.into()),
        (format!("validation_{what}"), sizes.validation_texts.into()),
        (format!("test_{what}"), sizes.test_texts.into()),
        ("labels".to_owned(), sizes.labels.into()),
        ("vocabulary".to_owned(), sizes.vocabulary.into()),
    ])
}

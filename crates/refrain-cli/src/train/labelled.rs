//! Code shared by training on labelled texts and on tagged sentences.

use super::command::Input;
use crate::cli::{ScoredData, TrainOptions};
use crate::error::{Failure, Result};
use crate::labelled::{Labelled, Origin};
use crate::output::Output;
use refrain::classifier::LabelledSizes;
use refrain::task::Split;
use refrain::thousands;
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::hash::Hash;
use std::path::PathBuf;

/// The examples of a run.
#[derive(Debug)]
pub(crate) struct Parts<E> {
    /// For training; a part is held out for validation if `validation` is `None`.
    pub(super) training: Vec<E>,
    pub(super) validation: Option<Vec<E>>,
    pub(super) test: Vec<E>,
    /// Where they came from.
    pub(super) origins: Origins,
}

/// Where the examples of a run came from.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    training: Origin,
    /// `None` if a part of the training data is held out.
    validation: Option<Origin>,
    test: Option<Origin>,
}

impl Origins {
    /// Adds to the error of preparing a run's data which file and line it is about. `split` and `label` are what is at
    /// fault, `held_out` the fraction held out for validation if errors should mention it.
    pub(super) fn locate(
        &self,
        failure: Failure,
        split: Option<Split>,
        label: Option<&str>,
        held_out: Option<f64>,
    ) -> Failure {
        let (origin, is_own_file) = match split {
            None => (&self.training, false),
            Some(Split::Validation) => {
                (self.validation.as_ref().unwrap_or(&self.training), self.validation.is_some())
            }
            Some(Split::Test) => (self.test.as_ref().unwrap_or(&self.training), true),
        };
        let place = origin.place(label);
        match held_out.filter(|&share| share > 0.0 && !is_own_file) {
            None => failure.context(place),
            Some(share) if split.is_some() => {
                failure.context(format_args!("{place}, in the fraction of {share} held out for validation"))
            }
            Some(share) => failure
                .context(format_args!("{place}, without the fraction of {share} held out for validation")),
        }
    }
}

/// Warns if examples to score are also training examples with the same labels; `warn_from` is the smallest number that is
/// worth a warning.
pub(super) fn warn_of_duplicates<E: Eq + Hash>(
    training: &[E],
    (part, scored): (&str, &[E]),
    (warn_from, advice): (usize, &str),
    (what, output): (&str, &Output),
) {
    let known: HashSet<&E> = training.iter().collect();
    let duplicates = scored.iter().filter(|example| known.contains(example)).count();
    if duplicates >= warn_from.max(1) {
        output.warning(format_args!(
            "{duplicates} of the {} {part} {what} are also training {what} with the same label, which makes the score too \
             good; {advice}",
            scored.len(),
        ));
    }
}

impl<E> Default for Parts<E> {
    fn default() -> Self {
        Self { training: Vec::new(), validation: None, test: Vec::new(), origins: Origins::default() }
    }
}

/// Reads the data for training, validation and test.
pub(super) fn read<E, D: TrainOptions>(
    data: &[PathBuf],
    scored: &ScoredData<D>,
    read: impl Fn(&[PathBuf]) -> Result<Labelled<E>>,
) -> Result<Input<Parts<E>>> {
    let training = read(data)?;
    let (name, mut files) = (training.origin.name.clone(), training.files);
    let mut of = |file: &Option<PathBuf>| -> Result<(Option<Vec<E>>, Option<Origin>)> {
        let Some(file) = file else { return Ok((None, None)) };
        let read = read(std::slice::from_ref(file))?;
        files.extend(read.files);
        Ok((Some(read.texts), Some(read.origin)))
    };
    let (validation, validation_origin) = of(&scored.validation_file)?;
    let (test, test_origin) = of(&scored.test_file)?;
    let origins = Origins { training: training.origin, validation: validation_origin, test: test_origin };
    let data = Parts { training: training.texts, validation, test: test.unwrap_or_default(), origins };
    Ok(Input { name, files, data })
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

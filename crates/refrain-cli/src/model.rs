//! Opening model files.

use crate::error::{Failure, Result};
use crate::output::Output;
use crate::text_input::{self, must_exist};
use refrain::{Classifier, Engine, LanguageModel, Opened, open};
use std::path::Path;

/// Opens any model.
pub(crate) fn open_any(path: &Path, engine: Engine, output: &Output) -> Result<Opened> {
    must_exist(path)?;
    text_input::must_be_a_file(path)?;
    let opened = open(path, engine)?;
    for warning in opened.warnings() {
        output.warning(format_args!("{}: {warning}", path.display()));
    }
    Ok(opened)
}

/// Opens a model that labels texts.
pub(crate) fn open_classifier(path: &Path, engine: Engine, output: &Output) -> Result<Classifier> {
    let opened = open_any(path, engine, output)?;
    let task = opened.task().map(str::to_owned);
    match opened {
        Opened::Classifier { model, .. } => Ok(*model),
        _ => Err(other_task(path, task, "a classifier, as `refrain train classify` makes it")),
    }
}

/// Opens a model of text.
pub(crate) fn open_text(path: &Path, engine: Engine, output: &Output) -> Result<LanguageModel> {
    let opened = open_any(path, engine, output)?;
    let task = opened.task().map(str::to_owned);
    match opened {
        Opened::Text { model, .. } => Ok(*model),
        _ => Err(other_task(path, task, "a model of text, as `refrain train text` makes it")),
    }
}

/// A model is not what the command works with.
pub(crate) fn other_task(path: &Path, task: Option<String>, expected: &str) -> Failure {
    let what = task.map_or("a network without a task".to_owned(), |task| format!("a model for `{task}`"));
    Failure::input(format!(
        "{} is {what}; expected {expected} (`refrain predict` runs any model on arrays)",
        path.display()
    ))
}

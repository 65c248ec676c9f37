//! Opening model files.

use crate::error::{Failure, Result};
use crate::output::Output;
use crate::text_input::{self, must_exist};
use refrain::task::{HasTaskModel, Task};
use refrain::{Engine, Opened, open};
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

/// Opens a model of one task.
pub(crate) fn open_as<M: HasTaskModel>(path: &Path, engine: Engine, output: &Output) -> Result<M> {
    open_any(path, engine, output)?.downcast().map_err(|other| {
        let expected = format!("{}, as `refrain train {}` makes it", M::Task::TITLE, M::Task::NAME);
        other_task(path, &other, &expected)
    })
}

/// A model is not what the command works with.
pub(crate) fn other_task(path: &Path, opened: &Opened, expected: &str) -> Failure {
    let what = opened.task().map_or("a network without a task".to_owned(), |t| format!("a model for `{t}`"));
    Failure::input(format!(
        "{} is {what}; expected {expected} (`refrain predict` runs any model on arrays)",
        path.display()
    ))
}

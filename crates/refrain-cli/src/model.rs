//! Opening model files.

use crate::error::{Failure, Result};
use crate::output::Output;
use crate::text_input::read_bytes;
use refrain::file::{self, ModelFile};
use refrain::task::{HasTaskModel, Task, TaskModel, task_of};
use refrain::{Engine, Error, Opened};
use std::path::Path;

/// Opens any model.
pub(crate) fn open_any(path: &Path, engine: Engine, output: &Output) -> Result<Opened> {
    Ok(Opened::from_file(load(path, engine, output)?)?)
}

/// Opens a model of one task.
pub(crate) fn open_as<M>(path: &Path, engine: Engine, output: &Output) -> Result<M>
where
    M: HasTaskModel + From<TaskModel<M::Task>>,
{
    let file = load(path, engine, output)?;
    if task_of(&file) == Some(M::Task::NAME) {
        return Ok(TaskModel::from_file(file).map_err(Error::from)?.into());
    }
    let expected = format!("{}, trained with `refrain train {}`", M::Task::TITLE, M::Task::NAME);
    Err(other_task(path, &Opened::from_file(file)?, &expected))
}

fn load(path: &Path, engine: Engine, output: &Output) -> Result<ModelFile> {
    let bytes = read_bytes(path)?;
    let mut file = file::read(&bytes, &path.display().to_string(), engine).map_err(Error::from)?;
    for warning in std::mem::take(&mut file.warnings) {
        output.warning(format_args!("{}: {warning}", path.display()));
    }
    Ok(file)
}

/// Returns the error for a model of a task that the command does not work with.
pub(crate) fn other_task(path: &Path, opened: &Opened, expected: &str) -> Failure {
    let what = opened.task().map_or("a network without a task".to_owned(), |t| format!("a model for `{t}`"));
    Failure::input(format!(
        "{} is {what}; expected {expected} (`refrain predict` runs any model on arrays)",
        path.display()
    ))
}

//! Opening model files.

use crate::error::{Failure, Result};
use crate::output::Output;
use crate::text_input::{self, must_exist};
use refrain::{Engine, LanguageModel, Opened, open};
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

/// Opens a model of text.
pub(crate) fn open_text(path: &Path, engine: Engine, output: &Output) -> Result<LanguageModel> {
    let opened = open_any(path, engine, output)?;
    let task = opened.task().map(str::to_owned);
    match opened {
        Opened::Text { model, .. } => Ok(*model),
        _ => {
            let what =
                task.map_or("a network without a task".to_owned(), |task| format!("a model for `{task}`"));
            Err(Failure::input(format!(
                "{} is {what}; expected a model of text, as `refrain train text` makes it (`refrain predict` runs \
                 any model on arrays)",
                path.display()
            )))
        }
    }
}

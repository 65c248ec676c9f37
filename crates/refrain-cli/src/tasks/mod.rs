//! Commands that work on models of any task, implemented per task.

mod classify;
pub(crate) mod tag;
mod text;

use crate::cli::{Evaluate, Inspect};
use crate::error::{Failure, Result};
use crate::inspection_data::InspectionData;
use crate::output::Output;
use refrain::task::Recipe;
use refrain::{Application, Classifier, LanguageModel, Opened, Tagger};

/// A model of a task that the commands support.
pub(crate) trait TaskCommands: Application {
    /// Runs `refrain evaluate`.
    fn evaluate(&mut self, options: &Evaluate, output: &Output) -> Result<()>;
    /// Prepares the data that `refrain inspect` runs the model on.
    fn inspection_data(&mut self, options: &Inspect, output: &Output) -> Result<InspectionData>;
    /// Describes the model in a few words: `text: 75 characters`.
    fn subject(&self) -> String;
}

/// Returns the commands of a model's task, or the model itself if its task has none.
pub(crate) fn commands_of(opened: Opened) -> std::result::Result<Box<dyn TaskCommands>, Box<Opened>> {
    let opened = match opened.downcast::<LanguageModel>() {
        Ok(model) => return Ok(Box::new(model)),
        Err(opened) => opened,
    };
    let opened = match opened.downcast::<Classifier>() {
        Ok(model) => return Ok(Box::new(model)),
        Err(opened) => opened,
    };
    opened.downcast::<Tagger>().map(|model| Box::new(model) as Box<dyn TaskCommands>)
}

/// Warns if training held out another fraction than the one that is scored.
fn warn_of_share<R: Recipe>(asked: Option<f64>, recipe: Option<&R>, output: &Output) {
    let held_out = recipe.map(|recipe| recipe.training().validation);
    if let (Some(asked), Some(held_out)) = (asked, held_out)
        && asked != held_out
    {
        output.warning(format_args!(
            "the model was trained with --validation {held_out}, so it may have seen data that is scored here"
        ));
    }
}

/// Refuses options that only language models have; `what` is the model: `a tagger`.
fn without_options_for_text(options: &Evaluate, what: &str) -> Result<()> {
    for (given, option) in [(options.stream, "--stream"), (options.dynamic.dynamic, "--dynamic")] {
        if given {
            return Err(Failure::input(format!(
                "{} is {what}, but {option} is for language models; leave it out",
                options.model.display()
            )));
        }
    }
    Ok(())
}

/// Returns an error if none of the `total` examples is left to score.
fn ensure_not_empty<E>(texts: &[E], name: &str, (total, what): (usize, &str)) -> Result<()> {
    if !texts.is_empty() {
        return Ok(());
    }
    Err(Failure::input(format!("{name}: none of its {total} {what} is left to score; use a larger fraction")))
}

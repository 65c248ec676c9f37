//! What the commands that take any model do with it, by its task.

mod classify;
pub(crate) mod tag;
mod text;

use crate::cli::{Evaluate, Inspect};
use crate::error::{Failure, Result};
use crate::material::Material;
use crate::output::Output;
use refrain::task::Recipe;
use refrain::{Application, Classifier, LanguageModel, Opened, Tagger};

/// A model of a task that commands know what to do with.
pub(crate) trait TaskCommands: Application {
    /// `refrain evaluate`
    fn evaluate(&mut self, options: &Evaluate, output: &Output) -> Result<()>;
    /// What `refrain inspect` looks at it with.
    fn material(&mut self, options: &Inspect, output: &Output) -> Result<Material>;
    /// What it is, in a few words: `text: 75 characters`.
    fn subject(&self) -> String;
}

/// The commands of a model's task; the model again if its task has none.
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

/// Says that another share was held out in training than the one that is scored.
fn warn_of_share<R: Recipe>(asked: Option<f64>, recipe: Option<&R>, output: &Output) {
    let held_out = recipe.map(|recipe| recipe.training().validation);
    if let (Some(asked), Some(held_out)) = (asked, held_out)
        && asked != held_out
    {
        output.warning(format_args!(
            "the model was trained with --validation {held_out}, so that it may have learned what is scored here"
        ));
    }
}

/// Refuses options that only models of text have; `what` is the model: `a tagger`.
fn without_options_for_text(options: &Evaluate, what: &str) -> Result<()> {
    for (given, option) in [(options.stream, "--stream"), (options.dynamic.dynamic, "--dynamic")] {
        if given {
            return Err(Failure::input(format!(
                "{} is {what}, and {option} is for models of text; leave it out",
                options.model.display()
            )));
        }
    }
    Ok(())
}

/// An error where nothing of the data is left to score, of which there was `total`.
fn must_be_some<E>(texts: &[E], name: &str, (total, what): (usize, &str)) -> Result<()> {
    if !texts.is_empty() {
        return Ok(());
    }
    Err(Failure::input(format!(
        "{name}: nothing is left of its {total} {what} to score; give a larger share"
    )))
}

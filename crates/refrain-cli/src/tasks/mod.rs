//! What the commands that take any model do with it, by its task.

mod classify;
mod text;

use crate::cli::{Evaluate, Inspect};
use crate::error::Result;
use crate::inspect::Material;
use crate::output::Output;
use refrain::task::Recipe;
use refrain::{Application, Classifier, LanguageModel, Opened};

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
    opened.downcast::<Classifier>().map(|model| Box::new(model) as Box<dyn TaskCommands>)
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

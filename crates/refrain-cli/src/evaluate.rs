//! `refrain evaluate`: scores a model on data.

use crate::cli::Evaluate as Options;
use crate::error::Result;
use crate::model::{open_any, other_task};
use crate::output::Output;
use crate::tasks::commands_of;
use refrain::Engine;

pub(crate) fn run(options: &Options, engine: Engine, output: &mut Output) -> Result<()> {
    let opened = open_any(&options.model, engine, output)?;
    let mut model = commands_of(opened).map_err(|opened| {
        other_task(&options.model, &opened, "a language model, a classifier or a tagger")
    })?;
    model.evaluate(options, output)
}

//! `refrain inspect`: the gradient, the gates and the memory of a model.

mod arrays;
mod delivery;
mod fresh;
mod topics;

use crate::cli::{Inspect as Options, Topic};
use crate::error::{Failure, Result};
use crate::format::shape;
use crate::inspection_data::InspectionData;
use crate::model::open_any;
use crate::output::Output;
use crate::tasks::{TaskCommands, commands_of};
use delivery::Delivery;
use refrain::inspect::{Report, Sample};
use refrain::thousands;
use refrain::{Engine, Model};
use std::path::{Path, PathBuf};

pub(crate) fn run(options: &Options, engine: Engine, output: &mut Output) -> Result<()> {
    let Some(path) = &options.model else {
        return fresh::run(options, engine, output);
    };
    let alone = [
        ("--compare", options.compare, Topic::Gradient, "gradient"),
        ("--share", options.share.is_some(), Topic::Memory, "memory"),
    ];
    if let Some((option, _, _, topic)) =
        alone.iter().find(|(_, given, topic, _)| *given && !options.wants(*topic))
    {
        let reason = format!(
            "{option} belongs to `{topic}`, which is not in --only; add `{topic}` to it, or leave out {option}"
        );
        return Err(Failure::input(reason));
    }
    let opened = open_any(path, engine, output)?;
    let read: Vec<_> = std::iter::once(path).chain(&options.data).cloned().collect();
    let delivery = Delivery::new(&options.write, &read)?;
    match commands_of(opened) {
        Ok(mut model) => {
            let inspection_data = model.inspection_data(options, output)?;
            let task = TaskCommands::subject(&*model);
            report(path, options, (model.model_mut(), task), inspection_data, delivery, output)
        }
        Err(mut opened) => {
            let inspection_data = arrays::inspection_data(opened.model_mut(), options, output)?;
            let task = opened.task().unwrap_or("none").to_owned();
            report(path, options, (opened.model_mut(), task), inspection_data, delivery, output)
        }
    }
}

/// Inspects a model on some data and delivers the report; `task` describes the model's task.
fn report(
    path: &Path,
    options: &Options,
    (model, task): (&mut Model, String),
    inspection_data: InspectionData,
    delivery: Delivery,
    output: &Output,
) -> Result<()> {
    let subject = subject(path, &options.data, (model, task), &inspection_data.sample);
    let sections = topics::sections(model, &inspection_data, options, output)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    delivery.deliver(&Report { title: format!("Inside {name}"), subject, sections }, output)
}

/// Describes the model and the data in full.
fn subject(
    path: &Path,
    data: &[PathBuf],
    (model, task): (&Model, String),
    sample: &Sample,
) -> Vec<(String, String)> {
    let mut subject = vec![
        ("Model", path.display().to_string()),
        ("Task", task),
        ("Layers", shape(model)),
        ("Parameters", thousands(model.summary().total)),
    ];
    let data: Vec<_> = data.iter().map(|path| path.display().to_string()).collect();
    if !data.is_empty() {
        subject.push(("Data", data.join(", ")));
    }
    subject.push(("Looked at with", sample.of.clone()));
    subject.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

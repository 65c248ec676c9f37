//! The sections of a report, topic by topic.

use crate::bar::bar_for;
use crate::cli::{Inspect as Options, Topic};
use crate::error::{self, Failure};
use crate::inspection_data::InspectionData;
use crate::output::Output;
use refrain::inspect::memory::SHARE;
use refrain::inspect::{
    self, Activations, Health, Readable, Sample, Section, ShowOptions, Structure, flow, memory_length,
};
use refrain::{Error, ErrorKind, Model};

/// The topics in a report's order.
const ALL: [Topic; 6] =
    [Topic::Network, Topic::Gradient, Topic::Memory, Topic::Units, Topic::Gates, Topic::Health];

/// Returns the sections of the topics that were asked for. A topic that the model does not support is left out with a
/// warning; if it was named in `--only`, it is an error.
pub(super) fn sections(
    model: &mut Model,
    inspection_data: &InspectionData,
    options: &Options,
    output: &Output,
) -> error::Result<Vec<Section>> {
    let wanted: Vec<_> = ALL.into_iter().filter(|&topic| options.wants(topic)).collect();
    let bar = bar_for(output, wanted.len() as u64);
    let mut found = Vec::new();
    let mut refused = None;
    for topic in wanted {
        bar.set_message(name(topic));
        match sections_of(topic, model, inspection_data, options) {
            Ok(sections) => found.extend(sections),
            Err(error) => {
                let error = Error::from(error);
                if !options.only.is_empty() || error.kind() != ErrorKind::Unsupported {
                    bar.finish_and_clear();
                    return Err(Failure::from(error).context(format_args!("--only {}", name(topic))));
                }
                bar.suspend(|| output.warning(format_args!("left out {}: {error}", name(topic))));
                refused = Some(error);
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    match refused {
        Some(error) if found.is_empty() => Err(error.into()),
        _ => Ok(found),
    }
}

fn name(topic: Topic) -> &'static str {
    match topic {
        Topic::Gradient => "gradient",
        Topic::Memory => "memory",
        Topic::Gates => "gates",
        Topic::Units => "units",
        Topic::Health => "health",
        Topic::Network => "network",
    }
}

fn sections_of(
    topic: Topic,
    model: &mut Model,
    inspection_data: &InspectionData,
    options: &Options,
) -> inspect::Result<Vec<Section>> {
    let sample = &inspection_data.sample;
    Ok(match topic {
        Topic::Gradient if options.compare => {
            vec![flow::gradient_flow(model, sample)?.section()?, compare(model, sample, options)?]
        }
        Topic::Gradient => vec![flow::gradient_flow(model, sample)?.section()?],
        Topic::Memory => vec![memory_length(model, sample, options.share.unwrap_or(SHARE))?.section()?],
        Topic::Units => match &inspection_data.reading {
            Some(reading) => vec![Readable::of(model, reading, &inspection_data.search)?.section()?],
            None => return Err(no_text()),
        },
        Topic::Gates => vec![Activations::of(model, sample, &ShowOptions::default())?.section()?],
        Topic::Health => vec![Health::of(model, sample)?.section()?],
        Topic::Network => vec![Structure::of(model).section()?],
    })
}

/// Returns the gradient in the same network with each of the three cells, freshly initialised.
fn compare(model: &Model, sample: &Sample, options: &Options) -> inspect::Result<Section> {
    let cells = ["SimpleRNN", "LSTM", "GRU"];
    let fresh = cells.map(|cell| Ok((cell.to_owned(), model.with_cell(cell, options.seed)?)));
    let fresh = fresh.into_iter().collect::<Result<Vec<_>, refrain::ModelError>>()?;
    let models: Vec<_> =
        fresh.iter().map(|(name, model)| (format!("{name}, freshly initialised"), model)).collect();
    flow::compare(&models, sample)?.section()
}

fn no_text() -> inspect::Error {
    inspect::Error::Unsupported {
        what: "look for readable units".to_owned(),
        reason: "this needs a text; name one after the model".to_owned(),
    }
}

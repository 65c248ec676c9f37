//! Taggers.

use super::{TaskCommands, ensure_not_empty, warn_of_share, without_options_for_text};
use crate::cli::{Evaluate, Inspect};
use crate::confusion_table;
use crate::error::{Failure, Result};
use crate::format::percent;
use crate::inspection_data::{self, InspectionData};
use crate::labelled;
use crate::output::Output;
use crate::unknown;
use refrain::shown::counted;
use refrain::tagger::{TaggerScore, split_tagged};
use refrain::task::Score;
use refrain::{Error, Tagger};
use std::fmt::Write;

impl TaskCommands for Tagger {
    fn evaluate(&mut self, options: &Evaluate, output: &Output) -> Result<()> {
        without_options_for_text(options, "a tagger")?;
        let data = labelled::sentences(&options.data, output)?;
        let sentences = match options.validation {
            Some(share) => split_tagged(&data.texts, share).1,
            None => &data.texts,
        };
        ensure_not_empty(sentences, &data.origin.name, (data.texts.len(), "sentences"))?;
        warn_of_share(options.validation, self.recipe().as_ref(), output);
        let score = Tagger::evaluate(self, sentences);
        let score = score.map_err(|e| {
            let place = data.origin.place(e.label_at_fault()).to_owned();
            Failure::from(Error::from(e)).context(place)
        })?;
        unknown::warn_of_share(score.unknown, "tokens", output);
        output.result(score.details(), || {
            let mut out = format!("{:9} {:.4}\n", "loss", score.loss);
            for (name, value) in scores(&score) {
                let _ = writeln!(out, "{name:9} {value}");
            }
            let _ = writeln!(out, "{:9} {}", "words", score.words());
            let _ = writeln!(out, "{:9} {} of the tokens\n", "unknown", percent(score.unknown));
            out + &tables(&score)
        })
    }

    fn inspection_data(&mut self, options: &Inspect, output: &Output) -> Result<InspectionData> {
        inspection_data::tagged::inspection_data(self, options, output)
    }

    fn subject(&self) -> String {
        format!("tag: {}", counted(self.labels().len(), "label"))
    }
}

/// Returns the metrics of a score by name, without the loss.
pub(crate) fn scores(score: &TaggerScore) -> impl Iterator<Item = (&'static str, String)> {
    let spans = score.span_f1().map(|f1| ("span F1", format!("{f1:.4}")));
    [
        ("accuracy", format!("{:.2} %", score.accuracy() * 100.0)),
        ("macro-F1", format!("{:.4}", score.macro_f1())),
    ]
    .into_iter()
    .chain(spans)
}

/// Formats the scores of each kind of span and each label.
pub(crate) fn tables(score: &TaggerScore) -> String {
    let labels = confusion_table::show(&score.confusion);
    match &score.spans {
        Some(spans) => format!("{}\n{labels}", confusion_table::scores("span", spans.kinds().iter())),
        None => labels,
    }
}

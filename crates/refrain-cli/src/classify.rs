//! `refrain classify`: labels texts.

use crate::cli::Classify as Options;
use crate::error::{Failure, Result};
use crate::model::open_as;
use crate::output::Output;
use crate::text_input::{self, STDIN, work_if_io};
use refrain::classifier::LabelProbability;
use refrain::shown::{counted, escaped, fitted};
use refrain::task::input::Line;
use refrain::{Classifier, Engine, Level};
use serde_json::json;
use std::fmt::Write;

/// The id of unknown tokens.
const UNKNOWN: u32 = 0;
/// Columns of a text that are shown above its labels.
const SHOWN: usize = 60;

pub(crate) fn run(options: &Options, engine: Engine, output: &mut Output) -> Result<()> {
    let mut model: Classifier = open_as(&options.model, engine, output)?;
    let texts = read(&options.texts)?;
    warn(&model, &texts, output);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let ranked = model.classify(&texts).map_err(refrain::Error::from)?;
    for (text, mut labels) in texts.iter().zip(ranked) {
        labels.truncate(options.top);
        output.result(json!({ "text": text, "labels": labels }), || table(text, &labels))?;
    }
    Ok(())
}

/// Returns the texts on the command line, with the lines of stdin in place of `-`.
fn read(arguments: &[String]) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for argument in arguments {
        if argument != STDIN {
            texts.push(argument.trim().to_owned());
            if argument.trim().is_empty() {
                return Err(Failure::input(format!(
                    "text {} is empty; expected at least one character",
                    texts.len()
                )));
            }
            continue;
        }
        for line in text_input::open(None)?.lines() {
            let Line { number, text } = line.map_err(|e| work_if_io(e.into()))?;
            if text.trim().is_empty() {
                let problem = format!("stdin, line {number} is empty; expected one text per line");
                return Err(Failure::input(problem));
            }
            texts.push(text.trim().to_owned());
        }
    }
    Ok(texts)
}

/// Warns of texts that are cut off and of tokens that the model does not know.
fn warn(model: &Classifier, texts: &[String], output: &Output) {
    let cut = texts.iter().filter(|text| model.cuts(text)).count();
    if cut > 0 {
        output.warning(cut_warning(cut, model.max_length(), model.codec().level()));
    }
    let ids = texts.iter().flat_map(|text| model.codec().encode(text));
    let unknown = ids.filter(|&id| id == UNKNOWN).count();
    if unknown > 0 {
        let what = steps(model.codec().level());
        output.warning(format_args!("the model does not know {unknown} of the texts' {what}"));
    }
}

/// Returns the warning about texts that are longer than a model reads.
pub(crate) fn cut_warning(texts: usize, max_length: usize, level: Level) -> String {
    too_long(texts, "text", max_length, level) + "; only the beginning is read"
}

/// Returns the warning about words that are longer than a model reads.
pub(crate) fn cut_words_warning(words: usize, max_length: usize, level: Level) -> String {
    too_long(words, "word", max_length, level) + "; only the beginning is read"
}

/// Says how many of something are longer than a model reads: `2 texts are longer than 100 tokens`.
pub(crate) fn too_long(count: usize, noun: &str, max_length: usize, level: Level) -> String {
    let are = if count == 1 { "is" } else { "are" };
    let step = if level == Level::Char { "character" } else { "token" };
    format!("{} {are} longer than {}", counted(count, noun), counted(max_length, step))
}

/// Returns what a model of this level reads.
pub(crate) fn steps(level: Level) -> &'static str {
    match level {
        Level::Char => "characters",
        _ => "tokens",
    }
}

fn table(text: &str, labels: &[LabelProbability]) -> String {
    let text = escaped(text);
    let shown = fitted(&text, SHOWN);
    let mut out = if shown.len() < text.len() { format!("{shown}…\n") } else { format!("{shown}\n") };
    for LabelProbability { label, probability } in labels {
        let _ = writeln!(out, "  {:5.1} %  {label}", probability * 100.0);
    }
    out
}

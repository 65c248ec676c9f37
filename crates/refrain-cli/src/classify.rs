//! `refrain classify`: labels texts.

use crate::cli::Classify as Options;
use crate::error::{Failure, Result};
use crate::model::open_as;
use crate::output::Output;
use crate::shell::quoted;
use crate::text_input::{STDIN, batches_of_stdin, warn_of_file_name};
use crate::unknown::warn_of_count;
use refrain::classifier::LabelProbability;
use refrain::shown::{counted, escaped, fitted};
use refrain::{Classifier, Engine, Level, UnknownTokens};
use serde_json::json;
use std::fmt::Write;

/// Maximum lines classified at a time.
const BATCH: usize = 64;
/// Columns of a text that are shown above its labels.
const SHOWN: usize = 60;

pub(crate) fn run(options: &Options, engine: Engine, output: &mut Output) -> Result<()> {
    if let Some(empty) = options.texts.iter().position(|text| text.trim().is_empty()) {
        return Err(Failure::input(format!("text {} is empty; expected at least one character", empty + 1)));
    }
    let mut model: Classifier = open_as(&options.model, engine, output)?;
    let model_path = options.model.display().to_string();
    for text in &options.texts {
        let read = |file: &str| {
            format!("`refrain classify {} - < {file}` classifies its lines", quoted(&model_path))
        };
        warn_of_file_name(text, read, output);
    }
    for (i, texts) in options.texts.split(|text| text == STDIN).enumerate() {
        // Each but the first follows a `-`.
        if i > 0 {
            let mut unread = Unread::default();
            for lines in batches_of_stdin(BATCH)? {
                let lines: Vec<String> = lines?.into_iter().map(|line| line.text).collect();
                classify(&mut model, &lines, &mut unread, options, output)?;
            }
            unread.warn(&model, output);
        }
        let mut unread = Unread::default();
        classify(&mut model, texts, &mut unread, options, output)?;
        unread.warn(&model, output);
    }
    Ok(())
}

/// Prints the labels of each text. A text without tokens has none, but keeps its place.
fn classify(
    model: &mut Classifier,
    texts: &[String],
    unread: &mut Unread,
    options: &Options,
    output: &Output,
) -> Result<()> {
    let texts: Vec<&str> = texts.iter().map(|text| text.trim()).collect();
    let counts: Vec<_> = texts.iter().map(|text| UnknownTokens::of(&model.codec().encode(text))).collect();
    let solid = texts.iter().zip(&counts).filter(|(_, counts)| counts.tokens > 0);
    let solid: Vec<&str> = solid.map(|(text, _)| *text).collect();
    let mut ranked = model.classify(&solid).map_err(refrain::Error::from)?.into_iter();
    for (text, counts) in texts.into_iter().zip(counts) {
        unread.cut += usize::from(counts.tokens > model.max_length());
        unread.unknown += counts.unknown;
        let mut labels = if counts.tokens > 0 { ranked.next().unwrap_or_default() } else { Vec::new() };
        labels.truncate(options.top);
        let json = json!({ "text": text, "labels": labels, "unknown": counts.share() });
        output.result(json, || table(text, &labels))?;
    }
    Ok(())
}

/// What the model cannot read of some texts.
#[derive(Debug, Default)]
struct Unread {
    /// Texts that are cut off.
    cut: usize,
    /// Tokens that the model does not know.
    unknown: usize,
}

impl Unread {
    fn warn(&self, model: &Classifier, output: &Output) {
        let level = model.codec().level();
        if self.cut > 0 {
            output.warning(cut_warning(self.cut, model.max_length(), level));
        }
        warn_of_count(self.unknown, level, output);
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

fn table(text: &str, labels: &[LabelProbability]) -> String {
    let text = escaped(text);
    let shown = fitted(&text, SHOWN);
    let mut out = if shown.len() < text.len() { format!("{shown}…\n") } else { format!("{shown}\n") };
    for LabelProbability { label, probability } in labels {
        let _ = writeln!(out, "  {:5.1} %  {label}", probability * 100.0);
    }
    out
}

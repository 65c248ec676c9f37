//! `refrain generate`: a model writes.

use crate::cli::Generate as Options;
use crate::error::Result;
use crate::model::open_text;
use crate::output::{Output, write_stdout};
use refrain::language_model::{Generate, Level};
use refrain::{Engine, LanguageModel, Sampling};
use serde_json::json;

/// The id of what the vocabulary does not have.
const UNKNOWN: u32 = 0;

pub(crate) fn run(options: &Options, engine: Engine, output: &mut Output) -> Result<()> {
    let mut model = open_text(&options.model, engine, output)?;
    let sampling = Sampling { temperature: options.temperature, top_k: options.top_k, top_p: options.top_p };
    warn_of_unknown(&model, &options.prompt, output);
    let generate =
        Generate { prompt: options.prompt.clone(), length: options.length, sampling, seed: options.seed };
    write(&mut model, &generate, output)
}

/// Writes a prompt and its continuation, piece by piece as it is sampled; with `--json` all at once.
pub(crate) fn write(model: &mut LanguageModel, options: &Generate, output: &Output) -> Result<()> {
    let mut text = String::new();
    // The space that belongs before a word may stand at the prompt's end already.
    let mut ends_blank = model.codec().level() == Level::Word
        && options.prompt.chars().next_back().is_none_or(char::is_whitespace);
    let mut emit = |piece: &str| {
        text.push_str(piece);
        if output.json() { Ok(()) } else { write_stdout(piece) }
    };
    emit(&options.prompt)?;
    for piece in model.generate(options).map_err(refrain::Error::from)? {
        let piece = piece.map_err(refrain::Error::from)?;
        emit(if ends_blank { piece.trim_start_matches(' ') } else { &piece })?;
        ends_blank = false;
    }
    if !output.json() && !text.ends_with('\n') {
        write_stdout("\n")?;
    }
    output.event("result", json!({ "prompt": options.prompt, "text": text }))
}

/// Says what of a text the model has never seen.
pub(crate) fn warn_of_unknown(model: &LanguageModel, text: &str, output: &Output) {
    let unknown = model.codec().encode(text).iter().filter(|&&id| id == UNKNOWN).count();
    if unknown > 0 {
        let what = match model.codec().level() {
            Level::Char => "characters",
            Level::Word => "words or marks",
        };
        output.warning(format_args!("{unknown} of the text's {what} are unknown to the model"));
    }
}

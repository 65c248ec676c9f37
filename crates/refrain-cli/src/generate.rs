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
    if let Some(width) = options.beam {
        let level = model.codec().level();
        let text = model.beam_search(&options.prompt, options.length, width);
        return write_pieces(level, &options.prompt, std::iter::once(text), output);
    }
    let generate =
        Generate { prompt: options.prompt.clone(), length: options.length, sampling, seed: options.seed };
    write(&mut model, &generate, output)
}

/// Writes a prompt and its continuation, piece by piece as it is sampled; with `--json` all at once.
pub(crate) fn write(model: &mut LanguageModel, options: &Generate, output: &Output) -> Result<()> {
    let level = model.codec().level();
    let pieces = model.generate(options).map_err(refrain::Error::from)?;
    write_pieces(level, &options.prompt, pieces, output)
}

fn write_pieces<E>(
    level: Level,
    prompt: &str,
    pieces: impl Iterator<Item = std::result::Result<String, E>>,
    output: &Output,
) -> Result<()>
where
    refrain::Error: From<E>,
{
    let mut text = String::new();
    // The space that belongs before a word may stand at the prompt's end already.
    let mut ends_blank = level == Level::Word && prompt.chars().next_back().is_none_or(char::is_whitespace);
    let mut emit = |piece: &str| {
        text.push_str(piece);
        if output.json() { Ok(()) } else { write_stdout(piece) }
    };
    emit(prompt)?;
    for piece in pieces {
        let piece = piece.map_err(refrain::Error::from)?;
        emit(if ends_blank { piece.trim_start_matches(' ') } else { &piece })?;
        ends_blank = false;
    }
    if !output.json() && !text.ends_with('\n') {
        write_stdout("\n")?;
    }
    output.event("result", json!({ "prompt": prompt, "text": text }))
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

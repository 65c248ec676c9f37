//! `refrain generate`: generates text.

use crate::cli::Generate as Options;
use crate::error::Result;
use crate::model::open_as;
use crate::output::Output;
use crate::text_input::warn_of_file_name;
use crate::unknown::warn_of_count;
use refrain::language_model::{BeamSearch, Generate};
use refrain::{Engine, LanguageModel, Sampling, UnknownTokens};
use serde_json::json;

pub(crate) fn run(options: &Options, engine: Engine, output: &mut Output) -> Result<()> {
    let mut model: LanguageModel = open_as(&options.model, engine, output)?;
    let read = |file: &str| format!("`--prompt \"$(cat {file})\"` continues its text");
    warn_of_file_name(&options.prompt, read, output);
    warn_of_unknown(&model, &options.prompt, output);
    let Options { prompt, length, stop, .. } = options.clone();
    if let Some(width) = options.beam {
        let search = BeamSearch { prompt, length, width, stop, length_penalty: options.length_penalty };
        let text = model.beam_search(&search).map(|found| found.text);
        return write_pieces(&options.prompt, std::iter::once(text), output);
    }
    let sampling = Sampling {
        repetition_penalty: options.repetition_penalty,
        repetition_window: options.repetition_window,
        temperature: if options.greedy { 0.0 } else { options.temperature },
        top_k: options.top_k,
        top_p: options.top_p,
    };
    write(&mut model, &Generate { prompt, length, sampling, seed: options.seed, stop }, output)
}

/// Writes a prompt and its continuation, piece by piece as it is sampled, or all at once with `--json`.
pub(crate) fn write(model: &mut LanguageModel, options: &Generate, output: &Output) -> Result<()> {
    let pieces = model.generate(options).map_err(refrain::Error::from)?;
    write_pieces(&options.prompt, pieces, output)
}

fn write_pieces<E>(
    prompt: &str,
    pieces: impl Iterator<Item = std::result::Result<String, E>>,
    output: &Output,
) -> Result<()>
where
    refrain::Error: From<E>,
{
    let mut text = String::new();
    let mut emit = |piece: &str| {
        text.push_str(piece);
        if output.json() { Ok(()) } else { output.write_text(piece) }
    };
    emit(prompt)?;
    for piece in pieces {
        emit(&piece.map_err(refrain::Error::from)?)?;
    }
    if !output.json() && !text.ends_with('\n') {
        output.write_text("\n")?;
    }
    output.event("result", json!({ "prompt": prompt, "text": text }))
}

/// Warns of the tokens in a text that the model does not know.
pub(crate) fn warn_of_unknown(model: &LanguageModel, text: &str, output: &Output) {
    let codec = model.codec();
    warn_of_count(UnknownTokens::of(&codec.encode(text)).unknown, codec.level(), output);
}

//! `refrain tag`: labels each word of a text.

use crate::classify::cut_words_warning;
use crate::cli::Tag as Options;
use crate::error::Result;
use crate::model::open_as;
use crate::output::Output;
use crate::shell::quoted;
use crate::text_input::{STDIN, batches_of_stdin, warn_of_file_name};
use crate::unknown::warn_of_count;
use refrain::tagger::WordLabel;
use refrain::{Engine, Error, Tagger, UnknownTokens};
use serde_json::json;

/// Maximum lines labelled at a time.
const BATCH: usize = 64;

pub(crate) fn run(options: &Options, engine: Engine, output: &mut Output) -> Result<()> {
    let mut model: Tagger = open_as(&options.model, engine, output)?;
    for text in &options.texts {
        if text != STDIN {
            let model_path = options.model.display().to_string();
            let read =
                |file: &str| format!("`refrain tag {} - < {file}` tags its lines", quoted(&model_path));
            warn_of_file_name(text, read, output);
            let unknown = tag(&mut model, &[text], options, output)?;
            warn_of_count(unknown, model.codec().level(), output);
            continue;
        }
        let mut unknown = 0;
        for lines in batches_of_stdin(BATCH)? {
            let lines = lines?;
            let lines: Vec<&str> = lines.iter().map(|line| &*line.text).collect();
            unknown += tag(&mut model, &lines, options, output)?;
        }
        warn_of_count(unknown, model.codec().level(), output);
    }
    Ok(())
}

/// Prints the labels of each line's words, and returns how many tokens the model does not know.
fn tag(model: &mut Tagger, lines: &[&str], options: &Options, output: &Output) -> Result<usize> {
    let words = lines.iter().flat_map(|line| line.split_whitespace());
    let cut = words.filter(|word| model.cuts(word)).count();
    if cut > 0 {
        output.warning(cut_words_warning(cut, model.assets().max_length, model.codec().level()));
    }
    let tagged = model.tag(lines).map_err(Error::from)?;
    let mut unknown = 0;
    for (line, words) in lines.iter().zip(tagged) {
        let counts = UnknownTokens::of(&model.codec().encode(line));
        unknown += counts.unknown;
        let written = || if options.columns { columns(&words) } else { with_slashes(&words) };
        output.result(json!({ "text": line, "words": words, "unknown": counts.share() }), written)?;
    }
    Ok(unknown)
}

fn columns(words: &[WordLabel]) -> String {
    let lines = words.iter().map(|word| format!("{}\t{}\n", word.word, word.label));
    lines.chain(["\n".to_owned()]).collect()
}

fn with_slashes(words: &[WordLabel]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("{}/{}", word.word, word.label)).collect();
    words.join(" ") + "\n"
}

//! `refrain suggest`: suggests what comes next.

use crate::cli::Suggest as Options;
use crate::error::Result;
use crate::generate::warn_of_unknown;
use crate::interactive;
use crate::model::open_as;
use crate::output::Output;
use crate::text_input::warn_of_file_name;
use refrain::language_model::Suggestion;
use refrain::shown::escaped;
use refrain::{Engine, LanguageModel};
use serde_json::json;
use std::fmt::Write;

pub(crate) fn run(options: &Options, engine: Engine, output: &mut Output) -> Result<()> {
    if options.interactive {
        interactive::needs_a_terminal()?;
    }
    let mut model: LanguageModel = open_as(&options.model, engine, output)?;
    let text = options.text.as_deref().unwrap_or_default();
    let read = |file: &str| format!("`\"$(cat {file})\"` stands for its text");
    warn_of_file_name(text, read, output);
    // The word being typed may be incomplete, so it does not count as unknown.
    let typed = match options.tokens {
        true => 0,
        false => model.suggester().map_err(refrain::Error::from)?.typed(text).len(),
    };
    warn_of_unknown(&model, &text[..text.len() - typed], output);
    if options.interactive {
        return interactive::run(&mut model, text, options.top, output);
    }
    let suggestions =
        if options.tokens { model.next_tokens(text, options.top) } else { model.suggest(text, options.top) };
    let suggestions = suggestions.map_err(refrain::Error::from)?;
    if suggestions.is_empty() {
        output.warning("the model knows no word that could follow");
    }
    output.result(json!({ "suggestions": suggestions }), || table(&suggestions))
}

fn table(suggestions: &[Suggestion]) -> String {
    suggestions.iter().fold(String::new(), |mut out, s| {
        let _ = writeln!(out, "{:5.1} %  {}", s.probability * 100.0, visible(&s.text));
        out
    })
}

/// Quotes a token that contains whitespace or control characters, so that they are visible.
fn visible(text: &str) -> String {
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        format!("{text:?}")
    } else {
        escaped(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_visible() {
        for (text, shown) in [("sea", "sea"), ("\n", "\"\\n\""), (" ", "\" \""), ("\"", "\"")] {
            assert_eq!(visible(text), shown);
        }
    }
}

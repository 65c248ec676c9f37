//! `refrain evaluate`: how well a model predicts.

use crate::cli::Evaluate as Options;
use crate::error::{Failure, Result};
use crate::model::open_text;
use crate::output::Output;
use crate::text_input;
use refrain::Engine;
use refrain::language_model::{Score, score_split};

pub(crate) fn run(options: &Options, engine: Engine, output: &mut Output) -> Result<()> {
    let mut model = open_text(&options.model, engine, output)?;
    let data = text_input::read(&options.data)?;
    let text = score_split(&data.text, options.validation, model.codec().level());
    if text.is_empty() {
        return Err(Failure::input(format!(
            "{}: nothing is left of its {} characters to score; give a larger share",
            data.name,
            data.text.chars().count()
        )));
    }
    let score = model
        .evaluate(text, options.stream)
        .map_err(|e| Failure::from(refrain::Error::from(e)).context(&data.name))?;
    output.result(score, || table(&score))
}

fn table(score: &Score) -> String {
    let Score { loss, perplexity, bits_per_token, bits_per_character, accuracy, tokens } = score;
    format!(
        "loss                {loss:.4}\n\
         perplexity          {perplexity:.4}\n\
         bits per token      {bits_per_token:.4}\n\
         bits per character  {bits_per_character:.4}\n\
         accuracy            {:.2} %\n\
         tokens              {tokens}\n",
        accuracy * 100.0
    )
}

//! Language models.

use super::{TaskCommands, warn_of_share};
use crate::bar::bar_for;
use crate::cli::{Dynamic, Evaluate, Inspect};
use crate::error::{Failure, Result};
use crate::format::percent;
use crate::inspection_data::{self, InspectionData};
use crate::output::Output;
use crate::reading::Reading;
use crate::text_input::{self, token_file, work_if_io};
use crate::unknown;
use indicatif::ProgressBar;
use refrain::language_model::{DynamicEvaluation, TextScore};
use refrain::{Corpus, Error, LanguageModel, Store};

impl TaskCommands for LanguageModel {
    fn evaluate(&mut self, options: &Evaluate, output: &Output) -> Result<()> {
        evaluate(self, options, output)
    }

    fn inspection_data(&mut self, options: &Inspect, output: &Output) -> Result<InspectionData> {
        inspection_data::text::inspection_data(self, options, output)
    }

    fn subject(&self) -> String {
        format!("text: {}", self.codec().level().counted(self.codec().vocab_size()))
    }
}

fn evaluate(model: &mut LanguageModel, options: &Evaluate, output: &Output) -> Result<()> {
    let folder = std::env::temp_dir();
    let data = text_input::read(&options.data, &folder, output)?;
    let text = match options.validation {
        Some(share) => data.split(share, model.codec().level())?.1,
        None => data.corpus.clone(),
    };
    if text.is_empty() {
        return Err(Failure::input(format!(
            "{}: none of its {} characters is left to score; use a larger fraction",
            data.name,
            data.corpus.characters()
        )));
    }
    if options.dynamic.dynamic {
        warn_of_share(options.validation, model.recipe().as_ref(), output);
        return evaluate_dynamically(model, &text, &options.dynamic, &data.name, output);
    }
    let reading = Reading::new(output, "tokenizing", text.bytes());
    let tokens = model.codec().encode_corpus(&text, &Store::in_folder(&folder), &mut |n| reading.advance(n));
    drop(reading);
    let tokens = tokens.map_err(|e| work_if_io(Error::from(e)))?;
    if let Some((folder, bytes)) = tokens.file() {
        output.log(token_file(folder, bytes));
    }
    let score = model
        .evaluate_tokens(&tokens, text.characters(), options.stream)
        .map_err(|e| work_if_io(Error::from(e)).context(&data.name))?;
    warn_of_share(options.validation, model.recipe().as_ref(), output);
    unknown::warn_of_share(score.unknown, "tokens", output);
    output.result(score, || table(&score))
}

/// Scores a text while the model learns from it.
fn evaluate_dynamically(
    model: &LanguageModel,
    text: &Corpus,
    options: &Dynamic,
    name: &str,
    output: &Output,
) -> Result<()> {
    let folder = std::env::temp_dir();
    let file = options.dynamic_statistics.as_ref();
    let statistics = file.map(|f| text_input::read(std::slice::from_ref(f), &folder, output)).transpose()?;
    let statistics = statistics.map(|text| text.corpus);
    let base = statistics.as_ref().map_or(DynamicEvaluation::plain(), DynamicEvaluation::scaled);
    let options = DynamicEvaluation {
        learning_rate: options.dynamic_lr.unwrap_or(base.learning_rate),
        decay: options.dynamic_decay.unwrap_or(base.decay),
        steps: options.dynamic_steps.unwrap_or(base.steps),
        ..base
    };
    let mut bar = ProgressBar::hidden();
    let score = model.evaluate_dynamically(text, &options, &folder, &mut |done, of| {
        if done == 1 {
            bar = bar_for(output, of as u64);
        }
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let score = score.map_err(|e| work_if_io(Error::from(e)).context(name))?;
    unknown::warn_of_share(score.unknown, "tokens", output);
    output.result(score, || table(&score))
}

fn table(score: &TextScore) -> String {
    let TextScore { loss, perplexity, bits_per_token, bits_per_character, accuracy, tokens, unknown } = score;
    format!(
        "loss                {loss:.4}\n\
         perplexity          {perplexity:.4}\n\
         bits per token      {bits_per_token:.4}\n\
         bits per character  {bits_per_character:.4}\n\
         accuracy            {:.2} %\n\
         tokens              {tokens}\n\
         unknown             {}\n",
        accuracy * 100.0,
        percent(*unknown)
    )
}

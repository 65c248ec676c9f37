//! `refrain evaluate`: how well a model predicts a text, or labels texts.

use crate::cli::{Dynamic, Evaluate as Options};
use crate::confusion_table;
use crate::error::{Failure, Result};
use crate::labelled;
use crate::model::{open_any, other_task};
use crate::output::{Level as Loudness, Output};
use crate::progress::{self, token_file};
use crate::reading::Reading;
use crate::text_input::{self, work_if_io};
use indicatif::ProgressBar;
use refrain::classifier::{ClassifierScore, split_labelled};
use refrain::language_model::{DynamicEvaluation, Score};
use refrain::{Classifier, Corpus, Engine, Error, LanguageModel, Opened, Store};
use std::io::{IsTerminal, stderr};

pub(crate) fn run(options: &Options, engine: Engine, output: &mut Output) -> Result<()> {
    let opened = open_any(&options.model, engine, output)?;
    let task = opened.task().map(str::to_owned);
    match opened {
        Opened::Text { model, .. } => run_text(*model, options, output),
        Opened::Classifier { model, .. } => run_classifier(*model, options, output),
        _ => Err(other_task(
            &options.model,
            task,
            "a model of text or a classifier, as `refrain train` makes them",
        )),
    }
}

fn run_text(mut model: LanguageModel, options: &Options, output: &Output) -> Result<()> {
    let folder = std::env::temp_dir();
    let data = text_input::read(&options.data, &folder, output)?;
    let text = match options.validation {
        Some(share) => data.split(share, model.codec().level())?.1,
        None => data.corpus.clone(),
    };
    if text.is_empty() {
        return Err(Failure::input(format!(
            "{}: nothing is left of its {} characters to score; give a larger share",
            data.name,
            data.corpus.characters()
        )));
    }
    if options.dynamic.dynamic {
        warn_of_share(options.validation, model.training(), output);
        return run_dynamic(&model, &text, &options.dynamic, &data.name, output);
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
    warn_of_share(options.validation, model.training(), output);
    output.result(score, || table(&score))
}

/// Says that another share was held out in training than the one that is scored.
fn warn_of_share(asked: Option<f64>, training: Option<&serde_json::Value>, output: &Output) {
    let held_out = training.and_then(|training| training["recipe"]["validation"].as_f64());
    if let (Some(asked), Some(held_out)) = (asked, held_out)
        && asked != held_out
    {
        output.warning(format_args!(
            "the model was trained with --validation {held_out}, so that it may have learned what is scored here"
        ));
    }
}

/// Scores a text while the model learns from it.
fn run_dynamic(
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
        if done == 1 && output.level() >= Loudness::Normal && stderr().is_terminal() {
            bar = progress::bar(of as u64);
        }
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let score = score.map_err(|e| work_if_io(Error::from(e)).context(name))?;
    output.result(score, || table(&score))
}

fn run_classifier(mut model: Classifier, options: &Options, output: &Output) -> Result<()> {
    for (given, option) in [(options.stream, "--stream"), (options.dynamic.dynamic, "--dynamic")] {
        if given {
            return Err(Failure::input(format!(
                "{} is a classifier, and {option} is for models of text; leave it out",
                options.model.display()
            )));
        }
    }
    let data = labelled::read(&options.data)?;
    let mut texts = data.texts;
    if let Some(share) = options.validation {
        let recipe = model.recipe().ok_or_else(|| {
            Failure::input(format!(
                "{} does not say how it was trained, so what was held out is not known; leave out --validation",
                options.model.display()
            ))
        })?;
        let total = texts.len();
        texts = split_labelled(texts, share, recipe.identical, recipe.seed).1;
        if texts.is_empty() {
            return Err(Failure::input(format!(
                "{}: nothing is left of its {total} texts to score; give a larger share",
                data.name
            )));
        }
    }
    warn_of_share(options.validation, model.training(), output);
    let score =
        model.evaluate(&texts).map_err(|e| Failure::from(refrain::Error::from(e)).context(&data.name))?;
    output.result(&score, || classifier_table(&score))
}

fn classifier_table(score: &ClassifierScore) -> String {
    let ClassifierScore { loss, accuracy, macro_f1, texts, confusion } = score;
    format!(
        "loss      {loss:.4}\n\
         accuracy  {:.2} %\n\
         macro-F1  {macro_f1:.4}\n\
         texts     {texts}\n\n{}",
        accuracy * 100.0,
        confusion_table::show(confusion)
    )
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

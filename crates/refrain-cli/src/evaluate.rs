//! `refrain evaluate`: how well a model predicts a text, or labels texts.

use crate::cli::Evaluate as Options;
use crate::confusion_table;
use crate::error::{Failure, Result};
use crate::labelled;
use crate::model::{open_any, other_task};
use crate::output::Output;
use crate::progress::token_file;
use crate::reading::Reading;
use crate::text_input::{self, work_if_io};
use refrain::classifier::{ClassifierScore, split_labelled};
use refrain::language_model::Score;
use refrain::{Classifier, Engine, Error, LanguageModel, Opened, Store};

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
    output.result(score, || table(&score))
}

fn run_classifier(mut model: Classifier, options: &Options, output: &Output) -> Result<()> {
    if options.stream {
        return Err(Failure::input(format!(
            "{} is a classifier, and --stream is for models of text; leave it out",
            options.model.display()
        )));
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

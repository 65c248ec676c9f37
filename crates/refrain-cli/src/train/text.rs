//! `refrain train text`: trains a language model on a text.

use super::command::{Headline, Input, Preparation, TrainCommand};
use crate::cli::{TrainOptions, TrainText};
use crate::error::Result;
use crate::generate::write;
use crate::output::Output;
use crate::reading::Reading;
use crate::songbook::SONGBOOK;
use crate::text_input::{self, Text, token_file, work_if_io};
use refrain::language_model::{Generate, PrepareEvent, TextScore, TextSizes, TextTask, TrainingData};
use refrain::shown::counted;
use refrain::task::{Split, Task};
use refrain::thousands;
use refrain::{Codec, Corpus, Error, LanguageModel, Level, Model, TextRecipe, UnknownParts};
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Tokens of the sample that `--log-dir` records per epoch.
const LOGGED: [(Level, usize); 3] = [(Level::Char, 300), (Level::Word, 60), (Level::Bpe, 100)];

/// Tokens of the verse that is printed after training on the songbook.
const VERSE: [(Level, usize); 3] = [(Level::Char, 600), (Level::Word, 120), (Level::Bpe, 200)];

/// The texts of a run.
pub(crate) struct Texts {
    /// For training; a part is held out for validation if `validation` is `None`.
    training: Text,
    validation: Option<Text>,
    test: Option<Text>,
}

impl Texts {
    /// Describes a part of the texts, or the training text, for errors about it; `share` is held out for validation.
    fn in_words(&self, split: Option<Split>, share: f64) -> String {
        let training = &self.training.name;
        match (split, &self.validation, &self.test) {
            (Some(Split::Validation), Some(text), _) | (Some(Split::Test), _, Some(text)) => {
                text.name.clone()
            }
            (None, ..) if share > 0.0 => {
                format!("{training}, without the fraction of {share} held out for validation")
            }
            (Some(Split::Validation), None, _) if share > 0.0 => {
                format!("{training}, the fraction of {share} held out for validation")
            }
            _ => training.clone(),
        }
    }

    /// Warns of texts to score that the model is trained on: the same files, or the same content.
    fn warn_of_training_text(&self, output: &Output) -> Result<()> {
        let canonical = |file: &PathBuf| file.canonicalize().ok();
        let trained: HashSet<PathBuf> = self.training.files.iter().filter_map(canonical).collect();
        for (part, text) in [("validation", &self.validation), ("test", &self.test)] {
            let Some(text) = text else { continue };
            let is_trained = |file: &&PathBuf| canonical(file).is_some_and(|file| trained.contains(&file));
            let file = text.files.iter().find(is_trained);
            if file.is_some() || has_content_of(&text.corpus, &self.training.corpus)? {
                let name = file.map_or(text.name.clone(), |file| file.display().to_string());
                output.warning(format_args!(
                    "the {part} text {name} is also trained on, which makes the score too good; name another file"
                ));
            }
        }
        Ok(())
    }
}

/// Returns whether two texts are the same.
fn has_content_of(one: &Corpus, other: &Corpus) -> Result<bool> {
    let fingerprint = |text: &Corpus| text.fingerprint().map_err(|e| work_if_io(Error::from(e)));
    Ok(one.bytes() == other.bytes() && fingerprint(one)? == fingerprint(other)?)
}

impl TrainCommand for TrainText {
    type Task = TextTask;
    type Model = LanguageModel;
    type Data = Texts;

    fn network_with(recipe: TextRecipe, codec: &Codec) -> TextRecipe {
        TextRecipe { level: codec.level(), ..recipe }
    }

    fn read(&self, folder: &Path, output: &Output) -> Result<Input<Texts>> {
        let of = |file: &Option<PathBuf>| {
            file.as_ref().map(|file| text_input::read(std::slice::from_ref(file), folder, output)).transpose()
        };
        let training = if self.files.is_empty() {
            Text::new(Corpus::from_text(SONGBOOK), "the songbook".to_owned(), Vec::new())?
        } else {
            text_input::read(&self.files, folder, output)?
        };
        let scored = &self.run().scored;
        let (validation, test) = (of(&scored.validation_file)?, of(&scored.test_file)?);
        let others = [&validation, &test].into_iter().flatten();
        let files = std::iter::once(&training).chain(others).flat_map(|text| text.files.clone()).collect();
        Ok(Input { name: training.name.clone(), files, data: Texts { training, validation, test } })
    }

    fn prepare(&self, preparation: Preparation<'_, Self>) -> Result<TextTask> {
        let Preparation { recipe, input, assets, folder, output } = preparation;
        let Texts { training: text, validation, test } = &input.data;
        let (training, held_out) = match validation {
            Some(validation) => (text.corpus.clone(), validation.corpus.clone()),
            None => text.split(recipe.training.validation, recipe.level)?,
        };
        if held_out.is_empty() && recipe.training.validation > 0.0 && validation.is_none() {
            output.warning("the text has no line at its end to hold out, so nothing is validated");
        }
        let data = TrainingData {
            training: &training,
            validation: Some(&held_out).filter(|text| !text.is_empty()),
            test: test.as_ref().map(|test| &test.corpus),
            folder,
        };
        let mut reading = None;
        let task = TextTask::prepare(recipe, data, assets, &mut |event| match event {
            PrepareEvent::Tokenizing { done, of } => {
                reading.get_or_insert_with(|| Reading::new(output, "tokenizing", *of)).set(*done);
            }
            PrepareEvent::TokenFile { folder, bytes } => {
                let log = || output.log(token_file(folder, *bytes));
                reading.as_ref().map_or_else(log, |reading| reading.suspend(log));
            }
            _ => {}
        });
        let texts = &input.data;
        let task = task.map_err(|e| {
            let about = texts.in_words(e.split_at_fault(), recipe.training.validation);
            work_if_io(Error::from(e)).context(about)
        })?;
        texts.warn_of_training_text(output)?;
        Ok(task)
    }

    fn unknown(task: &TextTask) -> Result<Option<UnknownParts>> {
        Ok(Some(task.unknown().map_err(Error::from)?))
    }

    fn headline(&self, start: &Headline<'_, Self>) -> Vec<(&'static str, String)> {
        let Headline { recipe, input, sizes, .. } = start;
        let characters = counted(input.data.training.corpus.characters(), "character");
        let validate = match sizes.validation_tokens {
            0 => "none for validation".to_owned(),
            n => format!("{} for validation", thousands(n)),
        };
        let test = match sizes.test_tokens {
            0 => String::new(),
            n => format!(", {} for test", thousands(n)),
        };
        let learned = thousands(sizes.trained_tokens(recipe));
        let vocabulary = thousands(sizes.vocabulary);
        vec![
            ("text", format!("{}, {characters}", input.name)),
            ("tokens", format!("{learned} for training, {validate}{test}; vocabulary of {vocabulary}")),
        ]
    }

    fn batch(recipe: &TextRecipe, sizes: &TextSizes) -> String {
        format!("{} x {}", TextTask::largest_batch(recipe, sizes).0, counted(recipe.steps, "token"))
    }

    fn start_fields(&self, start: &Headline<'_, Self>) -> Map<String, Value> {
        let Headline { recipe, input, sizes, .. } = start;
        fields(json!({
            "text": input.name,
            "characters": input.data.training.corpus.characters(),
            "tokens": sizes.trained_tokens(recipe),
            "validation_tokens": sizes.validation_tokens,
            "test_tokens": sizes.test_tokens,
            "vocabulary": sizes.vocabulary,
            "batch": TextTask::largest_batch(recipe, sizes).0,
        }))
    }

    /// Returns a text that the model generates, always with the same seed; `None` if it cannot run step by step.
    fn sample(model: &Model, codec: &Codec) -> Option<String> {
        let length = length_in(&LOGGED, codec.level());
        let mut model = LanguageModel::without_dropout(model, codec).ok()?;
        model.complete(&Generate { length, ..Generate::default() }).ok()
    }

    /// Prints a verse after training on the songbook.
    fn show(&self, model: &mut LanguageModel, output: &Output) -> Result<()> {
        if !self.files.is_empty() {
            return Ok(());
        }
        let length = length_in(&VERSE, model.codec().level());
        write(model, &Generate { length, ..Generate::default() }, output)
    }

    fn show_score(score: &TextScore) -> String {
        let TextScore { perplexity, bits_per_character, .. } = score;
        format!("perplexity {perplexity:.2}, {bits_per_character:.3} bits per character")
    }

    fn next_command(&self, input: &Input<Texts>, model: &str) -> String {
        // Words that need no shell quoting.
        let plain = |word: &&str| word.chars().all(char::is_alphanumeric);
        let opening = &input.data.training.opening;
        let prompt = opening.split_whitespace().filter(plain).take(2).collect::<Vec<_>>().join(" ");
        format!("generate {model} --prompt \"{prompt}\"")
    }
}

/// Returns the number of tokens for a level.
fn length_in(lengths: &[(Level, usize)], level: Level) -> usize {
    lengths.iter().find(|(of, _)| *of == level).map_or(0, |(_, length)| *length)
}

/// Returns the fields of a JSON object.
pub(super) fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

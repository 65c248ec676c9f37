//! `refrain train text`: a text becomes a model that continues it.

use crate::checkpoints::Checkpoints;
use crate::cli::TrainText as Options;
use crate::ended::Ended;
use crate::error::{Failure, Result};
use crate::generate::write;
use crate::interrupt::Interrupt;
use crate::logging::{Batch, End, Epoch, Logging, Started, Task};
use crate::memory::Limit;
use crate::model::open_text;
use crate::output::{Level as Loudness, Output, write_stdout};
use crate::progress::Progress;
use crate::text_input::{self, Text, work_if_io};
use crate::writable;
use refrain::language_model::{Flow, Generate, Level, RateSchedule, Score, TextEvent, Trained, TrainingData};
use refrain::{Corpus, Engine, Error, LanguageModel, TextRecipe};
use std::path::{Path, PathBuf};

/// What is learned when no file is named: songs and poems written for this project.
const SONGBOOK: &str = include_str!("../../../data/songbook.txt");

/// How the songbook is learned where the options do not say otherwise: it is small, so the rate is higher and
/// falls, and dropout keeps the network from learning it by heart.
pub(crate) fn songbook_recipe() -> TextRecipe {
    TextRecipe { learning_rate: 5e-3, schedule: RateSchedule::Cosine, dropout: 0.2, ..TextRecipe::default() }
}

/// Tokens of the sample that `--log-dir` has of an epoch.
const LOGGED: [(Level, usize); 3] = [(Level::Char, 300), (Level::Word, 60), (Level::Bpe, 100)];

/// Tokens of the verse that is shown after learning the songbook.
const SAMPLE: [(Level, usize); 3] = [(Level::Char, 600), (Level::Word, 120), (Level::Bpe, 200)];

pub(crate) fn run(options: &Options, engine: Engine, output: &mut Output) -> Result<()> {
    let out = &options.out;
    if options.init.is_none() {
        options.recipe().check().map_err(Error::from)?;
    }
    writable::check(out, "name another file with --out")?;
    let output = &*output;
    let (mut checkpoints, checkpoint) = Checkpoints::open(&options.checkpoints, out, output)?;
    let mut logging = Logging::open(&options.logging, Task::Text, options.checkpoints.resume, out, output)?;
    let folder = folder_of(out);
    let texts = Texts::read(options, folder, output)?;
    writable::keep_what_is_read(out, texts.files(), "--out")?;
    logging.keep_what_is_read(texts.files())?;
    // What a model was given for is in the checkpoint.
    let model = match &options.init {
        Some(path) if checkpoint.is_none() => Some(open_text(path, engine.clone(), output)?),
        _ => None,
    };
    let recipe = match (&checkpoint, &model) {
        (Some(checkpoint), _) if options.init.is_some() => {
            options.recipe_with(TextRecipe::of_checkpoint(checkpoint).map_err(Error::from)?)
        }
        (_, Some(model)) => recipe_for(options, model, output),
        _ => options.recipe(),
    };
    for option in options.without_effect(&recipe) {
        output.warning(option);
    }
    recipe.check().map_err(Error::from)?;

    let Texts { training: text, validation, test } = &texts;
    let (training, held_out) = match validation {
        Some(validation) => (text.corpus.clone(), validation.corpus.clone()),
        None => text.split(recipe.validation, recipe.level)?,
    };
    if held_out.is_empty() && recipe.validation > 0.0 && validation.is_none() {
        output.warning("the text's end has no line to hold out, so nothing is validated");
    }
    let limit = Limit::new(options.limit.memory);
    let data = TrainingData {
        training: &training,
        validation: Some(&held_out).filter(|text| !text.is_empty()),
        test: test.as_ref().map(|test| &test.corpus),
        folder,
        memory: limit.bytes,
    };
    let interrupt = Interrupt::watch()?;
    let mut progress = Progress::new(output, &recipe, &text.name, text.corpus.characters());
    let mut report = |event: &TextEvent<'_>| {
        if let (TextEvent::Tokenizing { .. }, Some(code)) = (event, interrupt.exit_code()) {
            // There is nothing to save yet, and a large text has minutes to go.
            progress.finish();
            output.log("interrupted before training began: nothing is saved");
            std::process::exit(code.into());
        }
        let logged = log(&mut logging, event, &text.name, &recipe);
        if logged == Flow::Stop {
            return Flow::Stop;
        }
        if let TextEvent::Start { model, memory, .. } = event {
            limit.warn(&logging.with_memory(memory, model), output);
        }
        progress.event(event);
        let flow = match event {
            TextEvent::Start { epochs_done, batches_done, .. } => {
                checkpoints.started((*epochs_done, recipe.epochs), *batches_done);
                Flow::Continue
            }
            TextEvent::Batch { epoch, batches_done, .. } => checkpoints.trained(*epoch, *batches_done),
            TextEvent::Epoch { record, .. } => checkpoints.epoch_ended(record.epoch == recipe.epochs),
            TextEvent::Checkpoint(checkpoint) => checkpoints.write(checkpoint),
            TextEvent::Tokenizing { .. } | TextEvent::TokenFile { .. } => Flow::Continue,
        };
        // A checkpoint that is due comes first: a look into the next batch can wait.
        let flow = if flow == Flow::Continue { logged } else { flow };
        if interrupt.exit_code().is_some() { Flow::Stop } else { flow }
    };
    let trained = match (checkpoint, model) {
        (Some(checkpoint), _) => recipe.resume(checkpoint, data, engine, &mut report),
        (None, Some(model)) => recipe.continue_training(model, data, &mut report),
        (None, None) => recipe.train(data, engine, &mut report),
    };
    progress.finish();
    if let Some(failure) = logging.refused() {
        return Err(failure);
    }
    let end = trained.as_ref().ok().map(end_of);
    let trained = trained.map_err(|e| match e.too_much_memory() {
        Some(much) => limit.refuse(much),
        None => {
            let error = Error::from(e);
            let about_resumed = checkpoints.about_resumed(&error);
            about_resumed.unwrap_or_else(|| told(error, text, &recipe, validation.is_some()))
        }
    });
    let saved = trained.and_then(|trained| save(trained, options, text, interrupt, checkpoints, output));
    logging.ended(end);
    saved
}

/// Hands an event to the logs. Whether they want the next batch probed, or the run not to begin.
fn log(logging: &mut Logging<'_>, event: &TextEvent<'_>, name: &str, recipe: &TextRecipe) -> Flow {
    match event {
        TextEvent::Start { model, validation_tokens, epochs_done, batches_done, .. } => {
            return logging.started(&Started {
                name,
                model,
                epochs: (*epochs_done, recipe.epochs),
                batches_done: *batches_done,
                validates: *validation_tokens > 0,
                recipe: serde_json::json!(recipe),
            });
        }
        TextEvent::Batch { done, batches, batches_done, tokens_per_second, model, .. } => {
            return logging.batch(&Batch {
                done: *done,
                batches: *batches,
                batches_done: *batches_done,
                per_second: *tokens_per_second,
                model,
            });
        }
        TextEvent::Epoch { record, model } => logging.epoch(Epoch::of(record), || sample(model)),
        TextEvent::Checkpoint(_) => logging.sync(),
        TextEvent::Tokenizing { .. } | TextEvent::TokenFile { .. } => {}
    }
    Flow::Continue
}

fn end_of(trained: &Trained) -> End {
    let end = End::new(trained.epochs.iter().map(Epoch::of).collect(), trained.best_epoch, trained.stopped);
    end.score("val", &trained.score).score("test", &trained.test)
}

/// What a model writes as it stands, always by the same random numbers; nothing where it cannot be run step by step.
fn sample(model: &LanguageModel) -> Option<String> {
    let length = length_in(&LOGGED, model);
    model.without_noise().ok()?.complete(&Generate { length, ..Generate::default() }).ok()
}

/// The number of tokens that stands beside a model's level.
fn length_in(lengths: &[(Level, usize)], model: &LanguageModel) -> usize {
    let level = model.codec().level();
    lengths.iter().find(|(l, _)| *l == level).map_or(0, |(_, length)| *length)
}

/// What is read.
struct Texts {
    /// To learn, and to hold a share out where there is no other text to validate on.
    training: Text,
    validation: Option<Text>,
    test: Option<Text>,
}

impl Texts {
    fn read(options: &Options, folder: &Path, output: &Output) -> Result<Self> {
        let of = |file: &Option<PathBuf>| {
            file.as_ref().map(|file| text_input::read(std::slice::from_ref(file), folder, output)).transpose()
        };
        let training = if options.files.is_empty() {
            Text::new(Corpus::from_text(SONGBOOK), "the songbook".to_owned(), Vec::new())?
        } else {
            text_input::read(&options.files, folder, output)?
        };
        Ok(Self {
            training,
            validation: of(&options.score.validation_file)?,
            test: of(&options.score.test_file)?,
        })
    }

    fn files(&self) -> impl Iterator<Item = &PathBuf> + Clone {
        let others = [&self.validation, &self.test].into_iter().flatten();
        std::iter::once(&self.training).chain(others).flat_map(|text| &text.files)
    }
}

/// The folder that a file is in.
fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// An error of training, with the text it is about where it is about the text.
fn told(error: Error, text: &Text, recipe: &TextRecipe, has_file: bool) -> Failure {
    let about_text = error.kind() == refrain::ErrorKind::Data;
    let diverged = error.kind() == refrain::ErrorKind::Diverged;
    let failure = work_if_io(error);
    if diverged {
        return Failure::Work(format!("{}; no epoch ended, so no model is saved", failure.message()));
    }
    if !about_text {
        return failure;
    }
    let held_out = recipe.validation * 100.0;
    if has_file || held_out == 0.0 {
        failure.context(&text.name)
    } else {
        failure.context(format_args!("{}, without the {held_out} % held out to validate on", text.name))
    }
}

/// Saves what was learned, and says so.
fn save(
    trained: Trained,
    options: &Options,
    text: &Text,
    interrupt: Interrupt,
    mut checkpoints: Checkpoints<'_>,
    output: &Output,
) -> Result<()> {
    let Trained { mut model, best_epoch, epochs, stopped, seconds, score, test, checkpoint } = trained;
    if let Some(checkpoint) = checkpoint {
        checkpoints.write_last(&checkpoint);
    }
    let counts = (epochs.len(), best_epoch);
    let mut ended = Ended::new(&options.out, counts, seconds, stopped, &interrupt, &checkpoints);
    ended.save(|path| model.save(path));
    if !ended.is_half() {
        checkpoints.done();
    }
    let told = (|| {
        if options.files.is_empty() && !ended.is_half() {
            show_verse(&mut model, output)?;
        }
        for (part, score) in [("val", score), ("test", test)] {
            ended.add_score(part, &score);
        }
        output.event("done", &ended)?;
        output.log(ended.summary(score.map(|score| told_score("val_loss", &score))));
        if let Some(test) = test {
            output.log(format_args!("test: {}", told_score("loss", &test)));
        }
        if output.level() > Loudness::Quiet {
            // Words that a shell reads as they stand.
            let plain = |word: &&str| word.chars().all(char::is_alphanumeric);
            let prompt = text.opening.split_whitespace().filter(plain).take(2).collect::<Vec<_>>().join(" ");
            let next = |path: &str| format!("generate {path} --prompt \"{prompt}\"");
            write_stdout(&ended.saved(next))?;
        }
        Ok(())
    })();
    // That nobody reads what is said changes nothing about how the run ended.
    ended.result().and(told)
}

fn told_score(loss: &str, score: &Score) -> String {
    let Score { perplexity, bits_per_character, .. } = score;
    format!("{loss} {:.4}, perplexity {perplexity:.2}, {bits_per_character:.3} bits a character", score.loss)
}

fn show_verse(model: &mut LanguageModel, output: &Output) -> Result<()> {
    let length = length_in(&SAMPLE, model);
    write(model, &Generate { length, ..Generate::default() }, output)
}

/// The recipe for going on with a model: its shape, and how the options say to train it.
fn recipe_for(options: &Options, model: &LanguageModel, output: &Output) -> TextRecipe {
    let recorded = model.training().and_then(|training| training.get("recipe"));
    let known = recorded.and_then(|recipe| serde_json::from_value(recipe.clone()).ok());
    if known.is_none() {
        output.warning(
            "the model's file does not say how it was made, so the new one's record of units and layers is not known",
        );
    }
    let known: TextRecipe = known.unwrap_or_default();
    options.recipe_with(TextRecipe { level: model.codec().level(), ..known })
}

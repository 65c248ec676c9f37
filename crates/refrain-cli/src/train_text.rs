//! `refrain train text`: a text becomes a model that continues it.

use crate::cli::TrainText as Options;
use crate::error::{Failure, Result};
use crate::generate::write;
use crate::interrupt::Interrupt;
use crate::model::open_text;
use crate::output::{Level as Loudness, Output, write_stdout};
use crate::progress::Progress;
use crate::text_input::{self, Text, work_if_io};
use crate::writable;
use refrain::language_model::{
    Flow, Generate, Level, RateSchedule, Score, Stopped, TextEvent, Trained, TrainingData,
};
use refrain::{Corpus, Engine, Error, LanguageModel, TextRecipe};
use serde::Serialize;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// What is learned when no file is named: songs and poems written for this project.
const SONGBOOK: &str = include_str!("../../../data/songbook.txt");

/// How the songbook is learned where the options do not say otherwise: it is small, so the rate is higher and
/// falls, and dropout keeps the network from learning it by heart.
pub(crate) fn songbook_recipe() -> TextRecipe {
    TextRecipe { learning_rate: 5e-3, schedule: RateSchedule::Cosine, dropout: 0.2, ..TextRecipe::default() }
}

/// Tokens of the verse that is shown after learning the songbook.
const SAMPLE: [(Level, usize); 3] = [(Level::Char, 600), (Level::Word, 120), (Level::Bpe, 200)];

pub(crate) fn run(options: &Options, engine: Engine, output: &mut Output) -> Result<()> {
    let out = &options.out;
    if options.init.is_none() {
        options.recipe().check().map_err(Error::from)?;
    }
    writable::check(out, "name another file with --out")?;
    let folder = folder_of(out);
    let texts = Texts::read(options, folder, output)?;
    writable::keep_what_is_read(out, texts.files(), "--out")?;
    let model = match &options.init {
        Some(path) => Some(open_text(path, engine.clone(), output)?),
        None => None,
    };
    let recipe = match &model {
        Some(model) => recipe_for(options, model, output),
        None => options.recipe(),
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
    let data = TrainingData {
        training: &training,
        validation: Some(&held_out).filter(|text| !text.is_empty()),
        test: test.as_ref().map(|test| &test.corpus),
        folder,
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
        progress.event(event);
        if interrupt.exit_code().is_some() { Flow::Stop } else { Flow::Continue }
    };
    let trained = match model {
        Some(model) => recipe.continue_training(model, data, &mut report),
        None => recipe.train(data, engine, &mut report),
    };
    progress.finish();
    let trained = trained.map_err(|e| told(e.into(), text, &recipe, validation.is_some()))?;
    save(trained, options, text, interrupt, output)
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

    fn files(&self) -> impl Iterator<Item = &PathBuf> {
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
    let failure = work_if_io(error);
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

/// What `--json` says at the end.
#[derive(Debug, Serialize)]
struct Done<'a> {
    model: &'a Path,
    epochs: usize,
    best_epoch: usize,
    seconds: f64,
    stopped: Stopped,
    /// The scores of what was saved.
    #[serde(flatten)]
    scores: Map<String, Value>,
}

/// Saves what was learned, and says so.
fn save(
    trained: Trained,
    options: &Options,
    text: &Text,
    interrupt: Interrupt,
    output: &Output,
) -> Result<()> {
    let Trained { mut model, best_epoch, epochs, stopped, seconds, score, test, .. } = trained;
    let interrupted = interrupt.exit_code().filter(|_| stopped == Stopped::Interrupted);
    let out = match interrupted {
        // What is there already may be better than half a run.
        Some(_) => beside(&options.out)?,
        None => options.out.clone(),
    };
    model.save(&out).map_err(|e| Failure::Work(format!("{e}; the trained model is not saved")))?;
    let ending = if stopped == Stopped::Diverged {
        Err(Failure::Work(format!(
            "the loss became NaN or infinite in epoch {}; the model of epoch {best_epoch} is saved in {}. Lower --lr, \
             or --clip the gradient",
            epochs.len() + 1,
            out.display()
        )))
    } else {
        interrupted.map_or(Ok(()), |code| Err(Failure::Interrupted(code)))
    };
    let told = (|| {
        if options.files.is_empty() && interrupted.is_none() {
            show_verse(&mut model, output)?;
        }
        let mut scores = Map::new();
        for (name, score) in [("val", score), ("test", test)] {
            if let Ok(Value::Object(score)) = serde_json::to_value(score) {
                scores.extend(score.into_iter().map(|(metric, value)| (format!("{name}_{metric}"), value)));
            }
        }
        let epochs = epochs.len();
        output.event("done", Done { model: &out, epochs, best_epoch, seconds, stopped, scores })?;
        output.log(summary(stopped, epochs, seconds, best_epoch, score));
        if let Some(test) = test {
            output.log(format_args!("test: {}", told_score("loss", &test)));
        }
        if output.level() > Loudness::Quiet {
            write_stdout(&saved(&out, best_epoch, &text.opening, interrupted.is_some()))?;
        }
        Ok(())
    })();
    // That nobody reads what is said changes nothing about how the run ended.
    ending.and(told)
}

/// Where an interrupted run's model goes: a folder beside `out`, which stays as it is.
pub(crate) fn beside(out: &Path) -> Result<PathBuf> {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".checkpoint");
    let folder = out.with_file_name(name);
    std::fs::create_dir_all(&folder).map_err(|e| {
        Failure::Work(format!("cannot make the folder {}: {e}; the model is not saved", folder.display()))
    })?;
    Ok(folder.join("model.safetensors"))
}

fn summary(stopped: Stopped, epochs: usize, seconds: f64, best_epoch: usize, score: Option<Score>) -> String {
    let what = match stopped {
        Stopped::Interrupted => "interrupted",
        Stopped::Diverged => "diverged",
        Stopped::Epochs => "done",
    };
    let mut line = format!("{what}: {epochs} epoch{} in {seconds:.1} s", if epochs == 1 { "" } else { "s" });
    if let Some(score) = score {
        line += &format!("; epoch {best_epoch}: {}", told_score("val_loss", &score));
    }
    line
}

fn told_score(loss: &str, score: &Score) -> String {
    let Score { perplexity, bits_per_character, .. } = score;
    format!("{loss} {:.4}, perplexity {perplexity:.2}, {bits_per_character:.3} bits a character", score.loss)
}

fn show_verse(model: &mut LanguageModel, output: &Output) -> Result<()> {
    let level = model.codec().level();
    let length = SAMPLE.iter().find(|(l, _)| *l == level).map_or(0, |(_, length)| *length);
    write(model, &Generate { length, ..Generate::default() }, output)
}

/// Where the model is, and what to do with it.
fn saved(out: &Path, epoch: usize, text: &str, interrupted: bool) -> String {
    let path = out.display().to_string();
    let path = if path.contains(char::is_whitespace) { format!("\"{path}\"") } else { path };
    // Words that a shell reads as they stand.
    let plain = |word: &&str| word.chars().all(char::is_alphanumeric);
    let prompt = text.split_whitespace().filter(plain).take(2).collect::<Vec<_>>().join(" ");
    let which =
        if epoch == 0 { "before its first epoch's end".to_owned() } else { format!("of epoch {epoch}") };
    if interrupted {
        return format!("\nsaved {path}, the model {which}. Go on from it with `--init {path}`\n");
    }
    format!("\nsaved {path}, the model {which}. Try:\n  refrain generate {path} --prompt \"{prompt}\"\n")
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

//! `refrain train text`: a text becomes a model that continues it.

use crate::cli::TrainText as Options;
use crate::error::{Failure, Result};
use crate::generate::write;
use crate::interrupt::Interrupt;
use crate::model::open_text;
use crate::output::{Level as Loudness, Output, write_stdout};
use crate::progress::Progress;
use crate::text_input::{self, Text};
use crate::writable;
use refrain::language_model::{
    Flow, Generate, Level, RateSchedule, Score, Stopped, TextEvent, Trained, TrainingData, split_text,
};
use refrain::{Engine, Error, LanguageModel, TextRecipe};
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
const SAMPLE: [(Level, usize); 2] = [(Level::Char, 600), (Level::Word, 120)];

pub(crate) fn run(options: &Options, engine: Engine, output: &mut Output) -> Result<()> {
    let out = &options.out;
    let text = read(options)?;
    let validation = match &options.fit.validation_file {
        Some(file) => Some(text_input::read(std::slice::from_ref(file))?),
        None => None,
    };
    let read = text.files.iter().chain(validation.iter().flat_map(|v| &v.files));
    writable::keep_what_is_read(out, read, "--out")?;
    let model = match &options.init {
        Some(path) => Some(open_text(path, engine.clone(), output)?),
        None => None,
    };
    let recipe = model.as_ref().map_or_else(|| options.recipe(), |model| options.recipe_for(model));
    recipe.check().map_err(Error::from)?;
    writable::check(out, "name another file with --out")?;

    let (training, held_out) = match &validation {
        Some(validation) => (text.text.as_str(), validation.text.as_str()),
        None => split_text(&text.text, recipe.validation, recipe.level),
    };
    if held_out.is_empty() && recipe.validation > 0.0 && validation.is_none() {
        output.warning("the text's end has no line to hold out, so nothing is validated");
    }
    let data = TrainingData { training, validation: held_out };
    let interrupt = Interrupt::watch()?;
    let mut progress = Progress::new(output, &recipe, &text.name, text.text.chars().count());
    let mut report = |event: &TextEvent<'_>| {
        progress.event(event);
        if interrupt.exit_code().is_some() { Flow::Stop } else { Flow::Continue }
    };
    let trained = match model {
        Some(model) => recipe.continue_training(model, data, &mut report),
        None => recipe.train(data, engine, &mut report),
    };
    progress.finish();
    let trained = trained.map_err(|e| told(e.into(), &text, &recipe, validation.is_some()))?;
    save(trained, options, &text, interrupt, output)
}

/// The text to learn.
fn read(options: &Options) -> Result<Text> {
    if options.files.is_empty() {
        return Ok(Text { text: SONGBOOK.to_owned(), name: "the songbook".to_owned(), files: Vec::new() });
    }
    text_input::read(&options.files)
}

/// An error of training, with the text it is about where it is about the text.
fn told(error: Error, text: &Text, recipe: &TextRecipe, has_file: bool) -> Failure {
    let about_text = error.kind() == refrain::ErrorKind::Data;
    let failure = Failure::from(error);
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
    /// The score of what was saved.
    #[serde(flatten)]
    validation: Map<String, Value>,
}

/// Saves what was learned, and says so.
fn save(
    trained: Trained,
    options: &Options,
    text: &Text,
    interrupt: Interrupt,
    output: &Output,
) -> Result<()> {
    let Trained { mut model, best_epoch, epochs, stopped, seconds, score } = trained;
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
        let mut validation = Map::new();
        if let Ok(Value::Object(score)) = serde_json::to_value(score) {
            validation.extend(score.into_iter().map(|(name, value)| (format!("val_{name}"), value)));
        }
        let epochs = epochs.len();
        output.event("done", Done { model: &out, epochs, best_epoch, seconds, stopped, validation })?;
        output.log(summary(stopped, epochs, seconds, best_epoch, score));
        if output.level() > Loudness::Quiet {
            write_stdout(&saved(&out, best_epoch, &text.text, interrupted.is_some()))?;
        }
        Ok(())
    })();
    // That nobody reads what is said changes nothing about how the run ended.
    ending.and(told)
}

/// Where an interrupted run's model goes: a folder beside `out`, which stays as it is.
fn beside(out: &Path) -> Result<PathBuf> {
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
        line += &format!(
            "; epoch {best_epoch}: val_loss {:.4}, perplexity {:.2}, {:.3} bits a character",
            score.loss, score.perplexity, score.bits_per_character
        );
    }
    line
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

impl Options {
    /// The recipe that the options describe.
    pub(crate) fn recipe(&self) -> TextRecipe {
        let shape = &self.shape;
        let base = self.base();
        let narrow = base.embedding;
        let embedding = shape.embedding.unwrap_or(if shape.tie { shape.units } else { narrow });
        self.recipe_with(TextRecipe {
            level: shape.level,
            cell: shape.cell,
            units: shape.units,
            layers: shape.layers,
            embedding,
            dropout: shape.dropout.unwrap_or(base.dropout),
            recurrent_dropout: shape.recurrent_dropout,
            tie: shape.tie,
            min_count: shape.min_count,
            ..base
        })
    }

    /// What holds where the options say nothing.
    fn base(&self) -> TextRecipe {
        if self.files.is_empty() { songbook_recipe() } else { TextRecipe::default() }
    }

    /// The recipe for going on with a model: its shape, and how the options say to train it.
    fn recipe_for(&self, model: &LanguageModel) -> TextRecipe {
        let known = model.training().and_then(|t| serde_json::from_value(t.get("recipe")?.clone()).ok());
        let known: TextRecipe = known.unwrap_or_default();
        self.recipe_with(TextRecipe { level: model.codec().level(), ..known })
    }

    /// A recipe's shape, trained as the options say.
    fn recipe_with(&self, shape: TextRecipe) -> TextRecipe {
        let (fit, base) = (&self.fit, self.base());
        TextRecipe {
            batch: fit.batch,
            steps: fit.steps,
            epochs: fit.epochs,
            learning_rate: fit.lr.unwrap_or(base.learning_rate),
            schedule: fit.schedule.unwrap_or(base.schedule),
            optimizer: fit.optimizer.to_ascii_lowercase(),
            clip: fit.clip,
            validation: if fit.validation_file.is_some() { 0.0 } else { fit.validation },
            seed: fit.seed,
            ..shape
        }
    }
}

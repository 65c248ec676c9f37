//! Trains a model of any task, from the options to the saved file.

use super::checkpoints::{self, Checkpoints};
use super::end::TrainingEnd;
use super::logging::{Logging, TaskInfo};
use super::memory::Limit;
use super::origin::Origin;
use super::progress::ProgressReporter;
use super::unknown;
use crate::cli::{ModelFiles, RunOptions, TrainOptions};
use crate::error::{Failure, Result};
use crate::existing::{Kind, Target};
use crate::interruption::{BEFORE_TRAINING, Interruption};
use crate::output::{Output, Verbosity, print};
use crate::text_input::work_if_io;
use crate::writable::{self, Written};
use refrain::task::{HasTaskModel, Recipe, Score, Task, TaskModel};
use refrain::{
    Answer, Engine, Error, ErrorKind, Model, RunEvent, SavedRun, Stopped, Trained, TrainingRun, UnknownParts,
};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// What `train` needs from a task: its options, how to read its data, and the messages about it.
pub(crate) trait TrainCommand: TrainOptions<Recipe = <Self::Task as Task>::Recipe> + Sized {
    type Task: Task<Model = Self::Model>;
    type Model: HasTaskModel<Task = Self::Task> + From<TaskModel<Self::Task>>;
    /// The data that was read.
    type Data;

    /// Returns the recipe with the network of a model that has these assets.
    fn network_with(recipe: Self::Recipe, _assets: &<Self::Task as Task>::Assets) -> Self::Recipe {
        recipe
    }

    /// Reads the data. What does not fit into memory may be stored in `folder`.
    fn read(&self, folder: &Path, output: &Output) -> Result<Input<Self::Data>>;
    /// Prepares the data for training, with the assets of an existing model or an earlier run if there is one. An error
    /// names the file that it is about.
    fn prepare(&self, preparation: Preparation<'_, Self>) -> Result<Self::Task>;

    /// Returns how many tokens are unknown to the vocabulary, if there is one.
    fn unknown(_task: &Self::Task) -> Result<Option<UnknownParts>> {
        Ok(None)
    }

    /// Returns the lines about the data that are printed before training.
    fn headline(&self, start: &Headline<'_, Self>) -> Vec<(&'static str, String)>;
    /// Describes the contents of a batch: `64 x 32 tokens`.
    fn batch(recipe: &Self::Recipe, sizes: &<Self::Task as Task>::Sizes) -> String;
    /// Returns the fields of the JSON event `start` that are specific to this task.
    fn start_fields(&self, start: &Headline<'_, Self>) -> Map<String, Value>;
    /// Returns a sample of the model's output for TensorBoard.
    fn sample(_model: &Model, _assets: &<Self::Task as Task>::Assets) -> Option<String> {
        None
    }

    /// Prints something from the model after a complete run.
    fn show(&self, _model: &mut Self::Model, _output: &Output) -> Result<()> {
        Ok(())
    }
    /// Formats a score without its loss.
    fn show_score(score: &<Self::Task as Task>::Score) -> String;
    /// Formats a score as a table, printed at the end.
    fn table(_score: &<Self::Task as Task>::Score) -> Option<String> {
        None
    }
    /// Returns a command to try next: `generate model.safetensors`. `model` is quoted for a shell.
    fn next_command(&self, input: &Input<Self::Data>, model: &str) -> String;
}

/// The data that was read, and its sources.
#[derive(Debug)]
pub(crate) struct Input<D> {
    /// Its name in messages.
    pub(crate) name: String,
    /// Every file that was read.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) data: D,
}

/// What is needed to prepare the data.
pub(crate) struct Preparation<'a, C: TrainCommand> {
    pub(crate) recipe: &'a C::Recipe,
    /// The task may take out what it needs.
    pub(crate) input: &'a mut Input<C::Data>,
    pub(crate) assets: Option<<C::Task as Task>::Assets>,
    /// The folder for data that does not fit into memory.
    pub(crate) folder: &'a Path,
    pub(crate) output: &'a Output,
}

/// What is known when training starts.
pub(crate) struct Headline<'a, C: TrainCommand> {
    pub(crate) recipe: &'a C::Recipe,
    pub(crate) input: &'a Input<C::Data>,
    pub(crate) sizes: &'a <C::Task as Task>::Sizes,
}

/// Trains a model with the options of a command.
pub(crate) fn run<C: TrainCommand>(command: &C, engine: Engine, output: &Output) -> Result<()> {
    let options = command.run();
    let out = &options.files.out;
    if options.files.init.is_none() {
        command.recipe().check().map_err(Error::from)?;
    }
    writable::check(out, "name another file with --out")?;
    let checkpoint_folder = checkpoints::folder(&options.checkpoints, out);
    writable::keep_apart(&results(options, &checkpoint_folder))?;
    let (mut checkpoints, checkpoint) = Checkpoints::open(&options.checkpoints, out, output)?;
    let info = TaskInfo::of::<C::Task>();
    let force = options.files.force;
    let mut logging = Logging::open(&options.logging, info, (options.checkpoints.resume, force), output)?;
    let folder = folder_of(out);
    let mut input = command.read(folder, output)?;
    writable::refuse_input_path(out, &input.files, "--out")?;
    logging.refuse_input_path(input.files.iter().chain(&options.files.init))?;
    let replaced = replaced::<C>(options, &logging, checkpoint.is_some())?;
    let saved = checkpoint.map(SavedRun::<C::Task>::open).transpose();
    let saved = saved.map_err(|e| about(e.into(), &checkpoints, &input.name))?;
    let origin = Origin::open(command, saved, &engine, output)?;
    let recipe = &origin.recipe(command, output)?;
    for (option, needs) in command.without_effect(recipe) {
        output.warning(format_args!("{option} has no effect without {needs}"));
    }
    recipe.check().map_err(Error::from)?;

    let interruption = &Interruption::watch_preparation(output)?;
    let assets = origin.assets();
    let task = command.prepare(Preparation { recipe, input: &mut input, assets, folder, output })?;
    let unknown = C::unknown(&task)?;
    let input = &input;
    let limit = Limit::new(options.limit.memory);
    limit.warn_of_itself(output);
    let run = TrainingRun::new(recipe, &task).engine(engine).memory_limit(limit.bytes);
    let run = origin.begin(run);
    let mut progress = ProgressReporter::new(command, output, recipe, input, unknown);
    let trained = run.train(&mut |event| {
        // Ask only once: a signal that arrives while the model is being saved is handled at the next event.
        let is_asked_to_stop = interruption.exit_code().is_some();
        let logged = logging.event(event, &input.name, recipe, C::sample);
        if logged == Answer::Stop {
            return Answer::Stop;
        }
        if let RunEvent::Start(start) = event {
            interruption.training_begins();
            unknown.iter().for_each(|parts| unknown::warn(parts, output));
            limit.warn(&logging.with_memory(start.memory, start.model), output);
            replaced.iter().for_each(|line| output.notice(line));
        }
        progress.event(event);
        if let RunEvent::Test(model) = event {
            // Save before the test, which may take long. If saving fails, it fails again at the end.
            let _ = model.save(out);
        }
        let answer = checkpoints.event(event, recipe.training().epochs);
        // A due checkpoint comes first: probing the next batch can wait.
        let answer = if answer == Answer::Continue { logged } else { answer };
        if is_asked_to_stop { Answer::Stop } else { answer }
    });
    progress.finish();
    if let Some(failure) = logging.refused() {
        return Err(failure);
    }
    let trained = trained.map_err(|error| {
        let error = Error::from(error);
        match error.too_much_memory() {
            Some(much) => limit.refuse(much),
            None => about(error, &checkpoints, &input.name),
        }
    });
    let end = trained.as_ref().ok().map(super::logging::End::of);
    let saved = trained.and_then(|trained| {
        let stopped = trained.stopped == Stopped::Interrupted && trained.checkpoint.is_none();
        match interruption.exit_code() {
            Some(code) if stopped => {
                output.log(BEFORE_TRAINING);
                Err(Failure::Interrupted(code))
            }
            _ => Ending { command, input, interruption, output }.save(trained, checkpoints),
        }
    });
    logging.ended(end);
    saved
}

/// Returns everything that a run writes.
fn results<'a, D: TrainOptions>(options: &'a RunOptions<D>, checkpoints: &'a Path) -> Vec<Written<'a>> {
    let logging = &options.logging;
    let mut results =
        vec![Written::File("--out", &options.files.out), Written::Folder("--checkpoint", checkpoints)];
    results.extend(logging.csv_log.as_deref().map(|path| Written::File("--csv-log", path)));
    results.extend(logging.plot.as_deref().map(|path| Written::File("--plot", path)));
    results.extend(logging.log_dir.as_deref().map(|path| Written::Folder("--log-dir", path)));
    results
}

/// Checks the files that a run replaces, and returns a line about each. A resumed run replaces its own, which needs no
/// words.
fn replaced<C: TrainCommand>(
    options: &RunOptions<C>,
    logging: &Logging<'_>,
    is_resumed: bool,
) -> Result<Vec<String>> {
    let ModelFiles { out, force, .. } = &options.files;
    let model = Target { option: "--out", path: out, kind: Kind::Model(C::Task::NAME), force: *force };
    let targets = std::iter::once(model).chain(logging.targets(is_resumed, *force));
    let mut lines = Vec::new();
    for target in targets {
        let when = if let Kind::Log(_) = target.kind { "" } else { " when the run ends" };
        let path = target.path.display();
        let line = target.replaced()?.map(|what| format!("{:9} {path}{when}: {what}", "replaces"));
        lines.extend(line.filter(|_| !is_resumed));
    }
    Ok(lines)
}

/// Returns the folder that a file is in.
fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Converts an error of a run on data of this name, and adds what it is about.
fn about(error: Error, checkpoints: &Checkpoints<'_>, data: &str) -> Failure {
    if let Some(failure) = checkpoints.about_resumed(&error) {
        return failure;
    }
    match error.kind() {
        ErrorKind::Diverged => {
            Failure::Work(format!("{error}; no epoch was completed, so no model is saved"))
        }
        ErrorKind::Data => work_if_io(error).context(data),
        _ => work_if_io(error),
    }
}

/// The end of a run.
struct Ending<'a, C: TrainCommand> {
    command: &'a C,
    input: &'a Input<C::Data>,
    interruption: &'a Interruption,
    output: &'a Output,
}

impl<C: TrainCommand> Ending<'_, C> {
    /// Saves the model and reports the end of the run.
    fn save(&self, trained: Trained<C::Task>, mut checkpoints: Checkpoints<'_>) -> Result<()> {
        if let Some(checkpoint) = &trained.checkpoint {
            checkpoints.write_last(checkpoint);
        }
        let out = &self.command.run().files.out;
        let mut end = TrainingEnd::new(out, &trained, self.interruption, &checkpoints);
        end.save(|path| trained.model.task_model().save(path));
        if !end.is_partial() {
            checkpoints.done();
        }
        // A signal after the last epoch leaves the test data unscored.
        let unscored =
            self.command.run().scored.test_file.is_some() && trained.test.is_none() && !end.is_partial();
        let said = self.say(trained, unscored, &mut end);
        // A closed stdout does not change how the run ended.
        match self.interruption.exit_code().filter(|_| unscored) {
            Some(code) => end.result().and(Err(Failure::Interrupted(code))),
            None => end.result().and(said),
        }
    }

    fn say(&self, trained: Trained<C::Task>, unscored: bool, end: &mut TrainingEnd) -> Result<()> {
        let Trained { mut model, score, test, .. } = trained;
        let output = self.output;
        if !end.is_partial() {
            self.command.show(&mut model, output)?;
        }
        for (part, score) in [("val", &score), ("test", &test)] {
            end.add_score(part, score.as_ref());
        }
        output.event("done", &*end)?;
        let in_words = |loss: &str, score: &<C::Task as Task>::Score| {
            format!("{loss} {:.4}, {}", score.loss(), C::show_score(score))
        };
        output.log(end.summary(score.as_ref().map(|score| in_words("val_loss", score))));
        match &test {
            Some(test) => output.log(format_args!("test: {}", in_words("loss", test))),
            None if unscored => {
                output.warning(
                    "interrupted after the last epoch: the model is saved, but not scored on the test data",
                );
            }
            None => {}
        }
        if output.level() > Verbosity::Quiet {
            let table = test.as_ref().or(score.as_ref()).and_then(C::table);
            let table = table.map_or(String::new(), |table| format!("\n{table}"));
            let next = |path: &str| self.command.next_command(self.input, path);
            print(&format!("{table}{}", end.saved(next)))?;
        }
        Ok(())
    }
}

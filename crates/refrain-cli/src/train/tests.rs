//! The task of `examples/04-own-task`, trained by the same code as the built-in tasks.

use super::command::{Headline, Input, Preparation, TrainCommand};
use super::run;
use crate::cli::{RunOptions, TrainOptions};
use crate::error::{Failure, Result};
use crate::output::{Output, Verbosity};
use clap::{Args, FromArgMatches};
use parity::{Parity, ParityRecipe};
use refrain::checkpoint::CheckpointFolder;
use refrain::task::score::MeanScore;
use refrain::task::{Task, TaskModel};
use refrain::{Answer, Engine, RunEvent, TrainingRun};
use serde_json::{Map, Value};
use std::fs;
use std::path::Path;

#[path = "../../../../examples/04-own-task/src/parity.rs"]
mod parity;

/// `refrain train parity`, if there were such a command.
#[derive(Debug, Args)]
struct TrainParity {
    /// Number of bits
    bits: usize,
    #[command(flatten)]
    run: RunOptions<TrainParity>,
}

impl TrainOptions for TrainParity {
    type Recipe = ParityRecipe;

    const BATCH: &'static str = "Rows per batch";
    const VALIDATION: &'static str = "Fraction to hold out";
    const VALIDATION_FILE: &'static str = "Rows to validate on";
    const TEST_FILE: &'static str = "Rows to test on";
    const SEED: &'static str = "Seed";
    const PATH: &'static str = "FILE";
    const SHAPE: &'static [&'static str] = &[];

    fn default_batch() -> String {
        "32".to_owned()
    }

    fn run(&self) -> &RunOptions<Self> {
        &self.run
    }

    fn recipe(&self) -> ParityRecipe {
        self.recipe_for(ParityRecipe::default())
    }

    fn recipe_for(&self, network: ParityRecipe) -> ParityRecipe {
        ParityRecipe { training: self.run.settings(&ParityRecipe::default().training), ..network }
    }
}

impl TrainCommand for TrainParity {
    type Task = Parity;
    type Model = TaskModel<Parity>;
    type Data = usize;

    fn read(&self, _folder: &Path, _output: &Output) -> Result<Input<usize>> {
        Ok(Input { name: "all rows".to_owned(), files: Vec::new(), data: self.bits })
    }

    fn prepare(&self, preparation: Preparation<'_, Self>) -> Result<Parity> {
        Ok(Parity::of(preparation.input.data))
    }

    fn headline(&self, start: &Headline<'_, Self>) -> Vec<(&'static str, String)> {
        vec![("rows", format!("of {} bits", start.input.data))]
    }

    fn batch(_recipe: &ParityRecipe, _sizes: &<Parity as Task>::Sizes) -> String {
        "32 rows".to_owned()
    }

    fn start_fields(&self, start: &Headline<'_, Self>) -> Map<String, Value> {
        Map::from_iter([("bits".to_owned(), start.input.data.into())])
    }

    fn show_score(score: &MeanScore) -> String {
        format!("accuracy {:.3}", score.get("accuracy").unwrap_or_default())
    }

    fn next_command(&self, _input: &Input<usize>, model: &str) -> String {
        format!("parity {model}")
    }
}

fn command(folder: &Path, options: &[&str]) -> TrainParity {
    let out = folder.join("m.safetensors");
    let arguments = [&["train-parity", "8", "--out", out.to_str().unwrap()], options].concat();
    let matches = TrainParity::augment_args(clap::Command::new("train-parity")).get_matches_from(arguments);
    TrainParity::from_arg_matches(&matches).unwrap()
}

/// Runs the command with `--out` in `folder`.
fn train(folder: &Path, options: &[&str]) -> Result<()> {
    let quiet = Output::new(false, Verbosity::Quiet);
    run(&command(folder, options), Engine::default(), &quiet)
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn a_new_task_trains_with_early_stopping_a_log_a_picture_and_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let of = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (csv, plot) = (of("log.csv"), of("curve.svg"));
    train(folder.path(), &["--epochs", "40", "--early-stopping", "2", "--csv-log", &csv, "--plot", &plot])
        .unwrap();
    let log = read(folder.path(), "log.csv");
    let mut lines = log.lines();
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("epoch,loss,accuracy,val_loss,val_accuracy,averaged,samples_per_second")
    );
    let epochs = lines.count();
    assert!((3..40).contains(&epochs), "{epochs} epochs");
    assert!(read(folder.path(), "curve.svg").contains("accuracy"));
    let model = TaskModel::<Parity>::open(folder.path().join("m.safetensors"), Engine::default()).unwrap();
    assert_eq!(model.training().unwrap()["epochs"], epochs);
}

#[test]
fn a_new_task_is_resumed_refused_for_memory_and_continued() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("ck");
    let options = ["--epochs", "4", "--checkpoint", place.to_str().unwrap()];
    train(folder.path(), &options).unwrap();
    let model = || fs::read(folder.path().join("m.safetensors")).unwrap();
    let straight = model();

    // What a run that was stopped after some batches leaves.
    let (recipe, task, mut batches) = (command(folder.path(), &options).recipe(), Parity::of(8), 0);
    let stopped = TrainingRun::new(&recipe, &task).train(&mut |event| {
        batches += usize::from(matches!(event, RunEvent::Batch(_)));
        if batches == 9 { Answer::Stop } else { Answer::Continue }
    });
    CheckpointFolder::new(&place).write(&stopped.unwrap().checkpoint.unwrap()).unwrap();
    let unasked = train(folder.path(), &options).unwrap_err().message().to_owned();
    assert!(unasked.contains("--resume"), "{unasked}");
    fs::remove_file(folder.path().join("m.safetensors")).unwrap();
    train(folder.path(), &[&options[..], &["--resume"]].concat()).unwrap();
    assert!(model() == straight);

    let refused = train(folder.path(), &["--memory", "1M"]).unwrap_err();
    let message = refused.message().to_owned();
    assert!(
        matches!(refused, Failure::Input(_)) && message.contains("but may use at most 1.0 MB"),
        "{message}"
    );

    let init = folder.path().join("m.safetensors").to_str().unwrap().to_owned();
    let other = tempfile::tempdir().unwrap();
    train(other.path(), &["--init", &init, "--epochs", "1"]).unwrap();
    assert!(other.path().join("m.safetensors").exists());
}

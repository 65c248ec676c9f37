//! `refrain train classify`: labelled texts become a model that labels others.

use crate::checkpoints::Checkpoints;
use crate::classify_progress::ClassifierProgress;
use crate::cli::TrainClassify as Options;
use crate::confusion_table;
use crate::ended::Ended;
use crate::error::{Failure, Result};
use crate::interrupt::Interrupt;
use crate::labelled;
use crate::logging::{Batch, End, Epoch, Logging, Started, Task};
use crate::memory::Limit;
use crate::output::{Level as Loudness, Output, write_stdout};
use crate::writable;
use refrain::classifier::{
    ClassifierEvent, ClassifierScore, LabelledData, LabelledText, TrainedClassifier, split_labelled,
};
use refrain::language_model::{Flow, Stopped};
use refrain::{ClassifierRecipe, Engine, Error};
use std::collections::HashSet;
use std::path::Path;

pub(crate) fn run(options: &Options, engine: Engine, output: &mut Output) -> Result<()> {
    let recipe = options.recipe();
    recipe.check().map_err(Error::from)?;
    let output = &*output;
    let data = labelled::read(&options.data)?;
    let file = match &options.fit.validation_file {
        Some(file) => Some(labelled::read(std::slice::from_ref(file))?),
        None => None,
    };
    let read = data.files.iter().chain(file.iter().flat_map(|file| &file.files));
    writable::keep_what_is_read(&options.out, read.clone(), "--out")?;
    writable::check(&options.out, "name another file with --out")?;
    let resume = options.checkpoints.resume;
    let mut logging = Logging::open(&options.logging, Task::Classify, resume, &options.out, output)?;
    logging.keep_what_is_read(read)?;
    let (mut checkpoints, checkpoint) = Checkpoints::open(&options.checkpoints, &options.out, output)?;

    let (training, validation) = match file {
        Some(file) => (data.texts, file.texts),
        None => split_labelled(data.texts, recipe.validation, recipe.identical, recipe.seed),
    };
    let known = learned_by_heart(&training, &validation);
    if known > 0 {
        output.warning(format_args!(
            "{known} of the {} texts to validate on stand among those to learn too, label and all, which flatters the \
             score; {}",
            validation.len(),
            match options.fit.validation_file {
                Some(_) => "take them out of one of the files",
                None => "`--identical together` keeps them in one part",
            }
        ));
    }
    let limit = Limit::new(options.limit.memory);
    let interrupt = Interrupt::watch()?;
    let mut progress = ClassifierProgress::new(output, &recipe, &data.name);
    let mut report = |event: &ClassifierEvent<'_>| {
        let logged = log(&mut logging, event, &data.name, &recipe);
        if logged == Flow::Stop {
            return Flow::Stop;
        }
        if let ClassifierEvent::Start { model, memory, .. } = event {
            limit.warn(&logging.with_memory(memory, model), output);
        }
        progress.event(event);
        let flow = match event {
            ClassifierEvent::Start { epochs_done, batches_done, .. } => {
                checkpoints.started((*epochs_done, recipe.epochs), *batches_done);
                Flow::Continue
            }
            ClassifierEvent::Batch { epoch, batches_done, .. } => checkpoints.trained(*epoch, *batches_done),
            ClassifierEvent::Epoch { record, .. } => checkpoints.epoch_ended(record.epoch == recipe.epochs),
            ClassifierEvent::Checkpoint(checkpoint) => checkpoints.write(checkpoint),
        };
        // A checkpoint that is due comes first: a look into the next batch can wait.
        let flow = if flow == Flow::Continue { logged } else { flow };
        if interrupt.exit_code().is_some() { Flow::Stop } else { flow }
    };
    let texts = LabelledData { training: &training, validation: &validation, memory: limit.bytes };
    let trained = match checkpoint {
        Some(checkpoint) => recipe.resume(checkpoint, texts, engine, &mut report),
        None => recipe.train(texts, engine, &mut report),
    };
    progress.finish();
    if let Some(failure) = logging.refused() {
        return Err(failure);
    }
    let end = trained.as_ref().ok().map(end_of);
    if let Some(much) = trained.as_ref().err().and_then(|error| error.too_much_memory()) {
        return Err(limit.refuse(much));
    }
    let trained = trained.map_err(Error::from).map_err(|error| {
        if let Some(failure) = checkpoints.about_resumed(&error) {
            return failure;
        }
        let about_texts = error.kind() == refrain::ErrorKind::Data;
        let failure = Failure::from(error);
        if about_texts { failure.context(&data.name) } else { failure }
    });
    let saved = trained.and_then(|trained| {
        if let (Some(code), true, None) =
            (interrupt.exit_code(), trained.stopped == Stopped::Interrupted, &trained.checkpoint)
        {
            output.log("interrupted before training began: nothing is saved");
            return Err(Failure::Interrupted(code));
        }
        save(trained, &options.out, interrupt, checkpoints, output)
    });
    logging.ended(end);
    saved
}

/// Hands an event to the logs. Whether they want the next batch probed, or the run not to begin.
fn log(
    logging: &mut Logging<'_>,
    event: &ClassifierEvent<'_>,
    name: &str,
    recipe: &ClassifierRecipe,
) -> Flow {
    match event {
        ClassifierEvent::Start { model, validation_texts, epochs_done, batches_done, .. } => {
            return logging.started(&Started {
                name,
                model,
                epochs: (*epochs_done, recipe.epochs),
                batches_done: *batches_done,
                validates: *validation_texts > 0,
                recipe: serde_json::json!(recipe),
            });
        }
        ClassifierEvent::Batch { done, batches, batches_done, samples_per_second, model, .. } => {
            return logging.batch(&Batch {
                done: *done,
                batches: *batches,
                batches_done: *batches_done,
                per_second: *samples_per_second,
                model,
            });
        }
        ClassifierEvent::Epoch { record, .. } => logging.epoch(Epoch::of(record), || None),
        ClassifierEvent::Checkpoint(_) => logging.sync(),
    }
    Flow::Continue
}

fn end_of(trained: &TrainedClassifier) -> End {
    let epochs = trained.epochs.iter().map(Epoch::of).collect();
    End::new(epochs, trained.best_epoch, trained.stopped).score("val", &trained.score)
}

/// How many texts of one part stand in the other too, with the same label.
fn learned_by_heart(training: &[LabelledText], validation: &[LabelledText]) -> usize {
    fn key(e: &LabelledText) -> (&str, &str) {
        (&e.label, &e.text)
    }
    let known: HashSet<_> = training.iter().map(key).collect();
    validation.iter().filter(|e| known.contains(&key(e))).count()
}

/// Saves what was learned, and says so.
fn save(
    trained: TrainedClassifier,
    out: &Path,
    interrupt: Interrupt,
    mut checkpoints: Checkpoints<'_>,
    output: &Output,
) -> Result<()> {
    let TrainedClassifier { model, best_epoch, epochs, stopped, seconds, score, checkpoint } = trained;
    if let Some(checkpoint) = checkpoint {
        checkpoints.write_last(&checkpoint);
    }
    let mut ended = Ended::new(out, (epochs.len(), best_epoch), seconds, stopped, &interrupt, &checkpoints);
    ended.save(|path| model.save(path));
    if !ended.is_half() {
        checkpoints.done();
    }
    let told = (|| {
        ended.add_score("val", &score);
        output.event("done", &ended)?;
        output.log(ended.summary(score.as_ref().map(told_score)));
        if output.level() > Loudness::Quiet {
            let table = score.map_or(String::new(), |s| format!("\n{}", confusion_table::show(&s.confusion)));
            let next = |path: &str| format!("classify {path} \"some text\"");
            write_stdout(&format!("{table}{}", ended.saved(next)))?;
        }
        Ok(())
    })();
    // That nobody reads what is said changes nothing about how the run ended.
    ended.result().and(told)
}

fn told_score(score: &ClassifierScore) -> String {
    let ClassifierScore { loss, accuracy, macro_f1, .. } = score;
    format!("val_loss {loss:.4}, accuracy {:.2} %, macro-F1 {macro_f1:.4}", accuracy * 100.0)
}

impl Options {
    /// The recipe that the options describe.
    pub(crate) fn recipe(&self) -> ClassifierRecipe {
        let (shape, fit) = (&self.shape, &self.fit);
        ClassifierRecipe {
            level: shape.level,
            cell: shape.cell,
            units: shape.units,
            layers: shape.layers,
            embedding: shape.embedding,
            bidirectional: !shape.one_direction,
            dropout: shape.dropout,
            min_count: shape.min_count,
            max_length: shape.max_length,
            batch: fit.batch,
            epochs: fit.epochs,
            learning_rate: fit.lr,
            schedule: fit.schedule,
            optimizer: fit.optimizer.to_ascii_lowercase(),
            clip: fit.clip,
            class_weight: fit.class_weight,
            validation: if fit.validation_file.is_some() { 0.0 } else { fit.validation },
            identical: fit.identical,
            seed: fit.seed,
        }
    }
}

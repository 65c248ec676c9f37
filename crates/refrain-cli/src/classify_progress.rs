//! How the training of a classifier is shown.

use crate::classify::cut_warning;
use crate::output::{Level, Output};
use crate::progress::{bar, rate, shape, thousands};
use indicatif::ProgressBar;
use refrain::classifier::{ClassifierEpoch, ClassifierEvent};
use refrain::{ClassifierRecipe, Memory, Model};
use serde::Serialize;
use std::io::{IsTerminal, stderr};

/// Tells the user what happens.
#[derive(Debug)]
pub(crate) struct ClassifierProgress<'a> {
    output: &'a Output,
    recipe: &'a ClassifierRecipe,
    /// The data's name.
    data: &'a str,
    bar: ProgressBar,
}

impl<'a> ClassifierProgress<'a> {
    pub(crate) fn new(output: &'a Output, recipe: &'a ClassifierRecipe, data: &'a str) -> Self {
        Self { output, recipe, data, bar: ProgressBar::hidden() }
    }

    /// Shows one event. A failure to write is not one of the training: `done` will meet it again.
    pub(crate) fn event(&mut self, event: &ClassifierEvent<'_>) {
        let epochs = self.recipe.epochs;
        match event {
            ClassifierEvent::Start {
                model,
                texts,
                validation_texts,
                cut,
                labels,
                vocabulary,
                batches,
                epochs_done: _,
                memory,
                batches_done,
            } => {
                let sizes = Sizes {
                    texts: *texts,
                    validation_texts: *validation_texts,
                    labels: *labels,
                    vocabulary: *vocabulary,
                    batches: *batches,
                };
                self.start(model, sizes, *cut, memory);
                self.bar.set_position(*batches_done);
                self.bar.reset_eta();
            }
            ClassifierEvent::Batch { epoch, done, batches, loss, samples_per_second, .. } => {
                if !self.bar.is_hidden() {
                    self.bar.set_position(((epoch - 1) * batches + done) as u64);
                    let speed = rate(*samples_per_second);
                    self.bar.set_message(format!("epoch {epoch}/{epochs}  loss {loss:.4}  {speed} texts/s"));
                }
            }
            ClassifierEvent::Epoch { record, .. } => {
                let _ = self.output.event("epoch", record);
                let line = self.epoch_line(record);
                self.bar.suspend(|| self.output.log(line));
            }
            ClassifierEvent::Checkpoint(_) => {}
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn start(&mut self, model: &Model, sizes: Sizes, cut: usize, memory: &Memory) {
        let Sizes { texts, validation_texts, labels, vocabulary, batches } = sizes;
        let (recipe, engine) = (self.recipe, model.engine());
        let parameters = model.summary().total;
        let start = Start {
            data: self.data,
            sizes,
            parameters,
            recipe,
            isa: engine.isa().name(),
            threads: engine.threads(),
            seed: recipe.seed,
            memory,
        };
        let _ = self.output.event("start", start);
        if cut > 0 {
            self.output.warning(cut_warning(cut, recipe.max_length, recipe.level));
        }
        if validation_texts == 0 && recipe.validation > 0.0 {
            self.output.warning("no label has texts enough to hold one out, so nothing is validated");
        }
        let log = |name: &str, line: String| self.output.log(format_args!("{name:9} {line}"));
        let validate = match validation_texts {
            0 => "nothing to validate on".to_owned(),
            n => format!("{} to validate on", thousands(n)),
        };
        log("texts", format!("{}: {} to learn, {validate}", self.data, thousands(texts)));
        log("labels", format!("{labels}; vocabulary of {}", thousands(vocabulary)));
        log("model", format!("{}; {} parameters", shape(model), thousands(parameters)));
        let schedule = format!("{:?}", recipe.schedule).to_lowercase();
        log(
            "training",
            format!(
                "{} epochs of {batches} batches, {} texts each; {}, {schedule} rate {}",
                recipe.epochs, recipe.batch, recipe.optimizer, recipe.learning_rate
            ),
        );
        let threads = engine.threads();
        let s = if threads == 1 { "" } else { "s" };
        log("engine", format!("{}, {threads} thread{s}; seed {}", engine.isa(), recipe.seed));
        log("memory", memory.to_string());
        if self.output.level() >= Level::Normal && stderr().is_terminal() {
            self.bar = bar((recipe.epochs * batches) as u64);
        }
    }

    fn epoch_line(&self, record: &ClassifierEpoch) -> String {
        let epochs = self.recipe.epochs;
        let width = epochs.to_string().len();
        let mut line = format!("epoch {:width$}/{epochs}  loss {:.4}", record.epoch, record.loss);
        if let Some(val_loss) = record.val_loss {
            line += &format!("  val_loss {val_loss:.4}");
        }
        let accuracy = record.val_accuracy.unwrap_or(record.accuracy) * 100.0;
        line += &format!("  accuracy {accuracy:5.1} %");
        if let Some(f1) = record.val_macro_f1 {
            line += &format!("  macro-F1 {f1:.3}");
        }
        line += &format!("  {:>6} texts/s  {:6.1} s", rate(record.samples_per_second), record.seconds);
        if self.output.level() >= Level::Verbose {
            line += &format!("  gradient {:8.4}  rate {:.2e}", record.gradient_norm, record.learning_rate);
        }
        line
    }
}

/// What `--json` says of the beginning.
#[derive(Debug, Serialize)]
struct Start<'a> {
    data: &'a str,
    #[serde(flatten)]
    sizes: Sizes,
    parameters: usize,
    recipe: &'a ClassifierRecipe,
    isa: &'a str,
    threads: usize,
    seed: u64,
    memory: &'a Memory,
}

/// The numbers of [`ClassifierEvent::Start`].
#[derive(Debug, Clone, Copy, Serialize)]
struct Sizes {
    texts: usize,
    validation_texts: usize,
    labels: usize,
    vocabulary: usize,
    batches: usize,
}

//! Reports the progress of a training run.

use super::command::{Headline, Input, TrainCommand};
use super::unknown;
use crate::bar::bar_for;
use crate::format::{rate, shape};
use crate::output::{Output, Verbosity};
use indicatif::ProgressBar;
use refrain::shown::{counted, number};
use refrain::task::{EpochRecord, MetricSource, Recipe, RunBatch, RunStart, Task};
use refrain::{Average, RunEvent, TrainingSettings, UnknownParts};

/// Reports progress to people on stderr, or to programs as JSON.
pub(crate) struct ProgressReporter<'a, C: TrainCommand> {
    command: &'a C,
    output: &'a Output,
    recipe: &'a C::Recipe,
    input: &'a Input<C::Data>,
    unknown: Option<UnknownParts>,
    bar: ProgressBar,
}

impl<'a, C: TrainCommand> ProgressReporter<'a, C> {
    pub(crate) fn new(
        command: &'a C,
        output: &'a Output,
        recipe: &'a C::Recipe,
        input: &'a Input<C::Data>,
        unknown: Option<UnknownParts>,
    ) -> Self {
        Self { command, output, recipe, input, unknown, bar: ProgressBar::hidden() }
    }

    fn settings(&self) -> &TrainingSettings {
        self.recipe.training()
    }

    /// Reports one event. If stdout fails, training continues, and the event `done` reports the error.
    pub(crate) fn event(&mut self, event: &RunEvent<'_, C::Task>) {
        match event {
            RunEvent::Start(start) => self.start(start),
            RunEvent::Batch(batch) => self.batch(batch),
            RunEvent::Epoch(epoch) => {
                let _ = self.output.event("epoch", epoch.record.to_json(C::Task::UNIT));
                let line = self.epoch_line(epoch.record);
                self.bar.suspend(|| self.output.log(line));
            }
            _ => {}
        }
    }

    /// Removes the progress bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn start(&mut self, start: &RunStart<'_, C::Task>) {
        let (recipe, engine, settings) = (self.recipe, start.model.engine(), self.settings());
        let headline = Headline { recipe, input: self.input, sizes: start.sizes };
        let parameters = start.model.summary().total;
        let mut fields = self.command.start_fields(&headline);
        let common = serde_json::json!({
            "batches": start.batches,
            "parameters": parameters,
            "recipe": recipe,
            "isa": engine.isa().name(),
            "threads": engine.threads(),
            "seed": settings.seed,
            "memory": start.memory,
        });
        fields.extend(common.as_object().cloned().unwrap_or_default());
        fields.extend(self.unknown.iter().map(|parts| ("unknown".to_owned(), unknown::field(parts))));
        let _ = self.output.event("start", fields);
        let log = |name: &str, line: String| self.output.log(format_args!("{name:9} {line}"));
        for (name, line) in self.command.headline(&headline) {
            log(name, line);
        }
        if let Some(line) = self.unknown.as_ref().and_then(unknown::line) {
            log("unknown", line);
        }
        log("model", format!("{}; {}", shape(start.model), counted(parameters, "parameter")));
        log(
            "training",
            format!(
                "{} of {}, {} each; {}",
                counted(settings.epochs, "epoch"),
                counted(start.batches, "batch"),
                C::batch(recipe, start.sizes),
                how(settings)
            ),
        );
        let threads = counted(engine.threads(), "thread");
        log("engine", format!("{}, {threads}; seed {}", engine.isa(), settings.seed));
        log("memory", start.memory.to_string());
        self.bar = bar_for(self.output, (settings.epochs * start.batches) as u64);
        self.bar.set_position(start.batches_done);
        self.bar.reset_eta();
    }

    fn batch(&self, batch: &RunBatch<'_>) {
        if self.bar.is_hidden() {
            return;
        }
        let epochs = self.settings().epochs;
        // Epochs may differ in length; the bar assumes that all are like the first.
        let epoch_length = self.bar.length().unwrap_or(0) / epochs as u64;
        let in_epoch = epoch_length * batch.done as u64 / batch.batches.max(1) as u64;
        self.bar.set_position((batch.epoch as u64 - 1) * epoch_length + in_epoch);
        let (unit, speed) = (C::Task::UNIT.plural(), rate(batch.per_second));
        let (epoch, loss) = (batch.epoch, batch.loss);
        self.bar.set_message(format!("epoch {epoch}/{epochs}  loss {loss:.4}  {speed} {unit}/s"));
    }

    fn epoch_line(&self, record: &EpochRecord) -> String {
        let epochs = self.settings().epochs;
        let width = epochs.to_string().len();
        let mut line = format!("epoch {:width$}/{epochs}  loss {:.4}", record.epoch, record.loss());
        if let Some(val_loss) = record.val_loss() {
            line += &format!("  val_loss {val_loss:.4}");
        }
        for metric in C::Task::METRICS {
            let value = match metric.source {
                MetricSource::Loss(of) => Some(of(record.val_loss().unwrap_or(record.loss()))),
                _ => record.get(&format!("val_{}", metric.name)).or_else(|| record.get(metric.name)),
            };
            if let Some(value) = value {
                line += &format!("  {} {:>8}", metric.label, metric.show(value));
            }
        }
        line += &self.unknown.as_ref().and_then(unknown::note).unwrap_or_default();
        let (unit, speed) = (C::Task::UNIT.plural(), rate(record.per_second));
        line += &format!("  {speed:>6} {unit}/s  {:6.1} s", record.seconds);
        if record.averaged {
            line += "  averaged";
        }
        if self.output.level() >= Verbosity::Verbose {
            line += &format!("  gradient {:8.4}  rate {:.2e}", record.gradient_norm, record.learning_rate);
        }
        line
    }
}

/// Describes how a model is trained.
fn how(settings: &TrainingSettings) -> String {
    let schedule = format!("{:?}", settings.schedule).to_lowercase();
    let clip = if settings.clip > 0.0 {
        format!("clipped at {}", number(settings.clip))
    } else {
        "not clipped".to_owned()
    };
    let mut how =
        format!("{}, {schedule} rate {}, {clip}", settings.optimizer, number(settings.learning_rate));
    if settings.accumulate > 1 {
        how += &format!(", {} per update", counted(settings.accumulate, "batch"));
    }
    if settings.average != Average::None {
        how += &format!(", {} average", format!("{:?}", settings.average).to_lowercase());
    }
    if let Some(epochs) = settings.early_stopping {
        how += &format!(", stops after {} without improvement", counted(epochs, "epoch"));
    }
    how
}

//! What a run does around its batches: records, the best epoch, events, checkpoints.

use super::event::{RunBatch, RunEpoch, RunEvent};
use super::saved::Identity;
use crate::epoch::EpochRecord;
use crate::recipe::Recipe;
use crate::task::Task;
use refrain_nn::callbacks::{BatchContext, Callback, EpochContext, ResumeContext};
use refrain_nn::checkpoint::{Checkpoint, Checkpoints, Part, exact};
use refrain_nn::shown::counted;
use refrain_nn::{Answer, Error, Model};
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};

/// The closure that receives a run's events.
pub(super) type Report<'r, T> = &'r mut dyn FnMut(&RunEvent<'_, T>) -> Answer;

/// State shared by the parts of a run while `fit` borrows them.
pub(super) struct Shared<'r, T: Task> {
    report: RefCell<Report<'r, T>>,
    /// Whether an event was answered with `Stop`.
    interrupted: Cell<bool>,
    /// The last epoch's validation score, until it is taken.
    pub(super) score: RefCell<Option<T::Score>>,
}

impl<'r, T: Task> Shared<'r, T> {
    pub(super) fn new(report: Report<'r, T>) -> Self {
        Self { report: RefCell::new(report), interrupted: Cell::new(false), score: RefCell::new(None) }
    }

    /// Reports an event, and remembers if the answer is `Stop`.
    pub(super) fn event(&self, event: &RunEvent<'_, T>) -> Answer {
        let answer = (self.report.borrow_mut())(event);
        self.interrupted.set(self.interrupted.get() || answer == Answer::Stop);
        answer
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.get()
    }
}

/// The best epoch so far.
pub(super) struct Best<T: Task> {
    pub(super) epoch: usize,
    pub(super) score: Option<T::Score>,
    pub(super) weights: Vec<f32>,
}

/// Records epochs, keeps the best one, and reports.
pub(super) struct Observer<'a, 'r, T: Task> {
    recipe: &'a T::Recipe,
    assets: &'a T::Assets,
    shared: &'a Shared<'r, T>,
    pub(super) records: Vec<EpochRecord>,
    pub(super) best: Option<Best<T>>,
    /// Seconds of the finished epochs, and of the current one.
    seconds: (f64, f64),
    /// Whether the validation loss stopped improving.
    pub(super) stopped_early: bool,
}

/// What a checkpoint stores of an [`Observer`], apart from the best epoch's weights.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Values<S> {
    epochs: Vec<EpochRecord>,
    best: Option<BestValues<S>>,
    #[serde(with = "exact")]
    seconds: f64,
    #[serde(with = "exact")]
    current_seconds: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BestValues<S> {
    epoch: usize,
    score: Option<S>,
}

const WEIGHTS: &str = "best";
/// The part of a checkpoint: the observer is the first callback of `fit`.
const PART: &str = "callback-0";

impl<'a, 'r, T: Task> Observer<'a, 'r, T> {
    pub(super) fn new(recipe: &'a T::Recipe, assets: &'a T::Assets, shared: &'a Shared<'r, T>) -> Self {
        Self {
            recipe,
            assets,
            shared,
            records: Vec::new(),
            best: None,
            seconds: (0.0, 0.0),
            stopped_early: false,
        }
    }

    /// Returns the seconds of training.
    pub(super) fn seconds(&self) -> f64 {
        self.seconds.0 + self.seconds.1
    }

    /// Returns the epochs that were finished when a checkpoint was taken.
    pub(super) fn epochs_in(checkpoint: &Checkpoint) -> Result<Vec<EpochRecord>, Error> {
        Ok(checkpoint.part(PART)?.parse::<Values<T::Score>>("run")?.epochs)
    }

    /// Restores the observer from a checkpoint, outside `fit`.
    pub(super) fn restore_from(&mut self, checkpoint: &Checkpoint, parameters: usize) -> Result<(), Error> {
        let part = checkpoint.part(PART)?.clone();
        let epochs = part.parse::<Values<T::Score>>("run")?.epochs.len();
        self.restore(part, epochs, parameters)
    }

    /// Restores the part of a checkpoint after `epochs` epochs of a model with this many `parameters`.
    fn restore(&mut self, mut part: Part, epochs: usize, parameters: usize) -> Result<(), Error> {
        let values: Values<T::Score> = part.parse("run")?;
        if !values.epochs.iter().map(|record| record.epoch).eq(1..=epochs) {
            let got = counted(values.epochs.len(), "epoch");
            return Err(Error::checkpoint("list of epochs", got, format!("the {epochs} finished ones")));
        }
        self.best = match values.best {
            Some(BestValues { epoch, score }) if (1..=epochs).contains(&epoch) => {
                Some(Best { epoch, score, weights: part.take("run", WEIGHTS, parameters)? })
            }
            Some(BestValues { epoch, .. }) => {
                let expected = format!("one of the {epochs} finished ones");
                return Err(Error::checkpoint("best epoch", epoch, expected));
            }
            None => None,
        };
        self.records = values.epochs;
        self.seconds = (values.seconds, values.current_seconds);
        Ok(())
    }

    fn val_losses(&self) -> Vec<f64> {
        self.records.iter().filter_map(EpochRecord::val_loss).collect()
    }

    /// Keeps the weights if they are the best so far; without a score, always.
    fn keep_best(&mut self, epoch: usize, score: Option<T::Score>, model: &Model) {
        use crate::score::Score;
        let loss = |score: &Option<T::Score>| score.as_ref().map_or(0.0, Score::loss);
        let better = |best: &Best<T>| score.is_none() || loss(&score) < loss(&best.score);
        if loss(&score).is_finite() && self.best.as_ref().is_none_or(better) {
            self.best = Some(Best { epoch, score, weights: model.weights() });
        }
    }
}

impl<T: Task> Callback for Observer<'_, '_, T> {
    fn on_epoch_begin(&mut self, epoch: usize, model: &mut Model) -> Result<(), Error> {
        let training = self.recipe.training();
        if training.schedule.depends_on_epochs() {
            model.set_learning_rate_factor(training.epoch_factor(epoch + 1, &self.val_losses()));
        }
        Ok(())
    }

    fn on_batch_end(&mut self, cx: &mut BatchContext<'_>) -> Result<(), Error> {
        let (epoch, loss) = (cx.epoch + 1, cx.model.last_loss());
        self.seconds.1 = cx.progress.seconds;
        if !loss.is_finite() {
            return Err(Error::Diverged { loss, epoch });
        }
        let answer = self.shared.event(&RunEvent::Batch(RunBatch {
            epoch,
            done: cx.step + 1,
            batches: cx.batches,
            batches_done: cx.model.steps_done(),
            loss: cx.logs.get("loss").unwrap_or(loss),
            per_second: T::UNIT.speed(&cx.progress),
            model: cx.model,
        }));
        cx.answer(answer);
        Ok(())
    }

    fn on_epoch_end(&mut self, cx: &mut EpochContext<'_>) -> Result<(), Error> {
        let epoch = cx.epoch + 1;
        let (trained, validated): (Vec<_>, Vec<_>) =
            cx.logs.iter().partition(|(name, _)| !name.starts_with("val_"));
        // The loss first, then the metrics in the task's order.
        let in_order = |of: Vec<(&str, f64)>, prefix: &str| {
            let rank = |name: &str| {
                let name = name.strip_prefix(prefix).unwrap_or(name);
                let known = T::METRICS.iter().position(|metric| metric.name == name);
                if name == "loss" { 0 } else { known.map_or(usize::MAX, |at| at + 1) }
            };
            let mut of: Vec<_> = of.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            of.sort_by_key(|(name, _)| rank(name));
            of
        };
        let metrics = in_order(trained, "").into_iter().chain(in_order(validated, "val_"));
        let mut record = EpochRecord::new(epoch, metrics);
        record.averaged = cx.averaged;
        record.per_second = T::UNIT.speed(&cx.progress);
        record.seconds = cx.progress.seconds;
        record.learning_rate = cx.model.last_learning_rate();
        record.gradient_norm = cx.progress.gradient_norm();
        let score = self.shared.score.take();
        self.keep_best(epoch, score, cx.model);
        self.seconds = (self.seconds.0 + record.seconds, 0.0);
        self.records.push(record);
        self.stopped_early = self.recipe.training().stops_after(&self.val_losses());
        if self.stopped_early {
            cx.answer(Answer::Stop);
        }
        let is_last = cx.is_last();
        let record = &self.records[self.records.len() - 1];
        let (model, assets) = (&*cx.model, self.assets);
        let answer = self.shared.event(&RunEvent::Epoch(RunEpoch { record, is_last, model, assets }));
        cx.answer(answer);
        Ok(())
    }

    fn checkpoint(&self) -> Result<Part, Error> {
        let best = self.best.as_ref();
        let values = Values {
            epochs: self.records.clone(),
            best: best.map(|best| BestValues { epoch: best.epoch, score: best.score.clone() }),
            seconds: self.seconds.0,
            current_seconds: self.seconds.1,
        };
        let weights = best.map(|best| (WEIGHTS.to_owned(), best.weights.clone()));
        Ok(Part { tensors: weights.into_iter().collect(), ..Part::of(&values)? })
    }

    fn resume(&mut self, part: Part, cx: &mut ResumeContext<'_>) -> Result<(), Error> {
        self.restore(part, cx.epoch, cx.model.params().values().len())?;
        self.stopped_early = cx.done == 0 && self.recipe.training().stops_after(&self.val_losses());
        if self.stopped_early {
            cx.answer(Answer::Stop);
        }
        Ok(())
    }
}

/// Passes checkpoints to the event callback, and to the run's own sink or, after an interruption, to its result.
pub(super) struct CheckpointSink<'a, 'r, 'p, T: Task> {
    identity: &'a Identity,
    shared: &'a Shared<'r, T>,
    place: Option<&'p mut dyn Checkpoints>,
    /// The checkpoint of an interrupted run that has no sink of its own.
    pub(super) kept: Option<Checkpoint>,
}

impl<'a, 'r, 'p, T: Task> CheckpointSink<'a, 'r, 'p, T> {
    pub(super) fn new(
        identity: &'a Identity,
        shared: &'a Shared<'r, T>,
        place: Option<&'p mut dyn Checkpoints>,
    ) -> Self {
        Self { identity, shared, place, kept: None }
    }

    /// Keeps the checkpoint of a run that stops exactly where it resumed.
    pub(super) fn keep(&mut self, checkpoint: Checkpoint) -> crate::Result<()> {
        if self.place.is_none() {
            self.kept = Some(self.identity.identify::<T>(checkpoint)?);
        }
        Ok(())
    }
}

impl<T: Task> Checkpoints for CheckpointSink<'_, '_, '_, T> {
    fn is_due(&self, batches: u64) -> bool {
        self.place.as_ref().is_some_and(|place| place.is_due(batches))
    }

    fn is_due_after_epoch(&self, last: bool) -> bool {
        self.shared.is_interrupted()
            || self.place.as_ref().is_some_and(|place| place.is_due_after_epoch(last))
    }

    fn write(&mut self, checkpoint: Checkpoint) -> Result<Answer, Error> {
        let checkpoint = self.identity.identify::<T>(checkpoint)?;
        if !self.shared.is_interrupted() {
            self.shared.event(&RunEvent::Checkpoint(&checkpoint));
        }
        let mut answer = Answer::Continue;
        match &mut self.place {
            Some(place) => answer = place.write(checkpoint)?,
            None if self.shared.is_interrupted() => self.kept = Some(checkpoint),
            None => {}
        }
        Ok(if self.shared.is_interrupted() { Answer::Stop } else { answer })
    }
}

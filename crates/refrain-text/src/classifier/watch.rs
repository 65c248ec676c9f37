//! What goes on around training: validation, the best epoch, the reporter.

use super::batches::Examples;
use super::confusion::Confusion;
use super::score::{ClassifierScore, score};
use super::train::{ClassifierEpoch, ClassifierEvent};
use crate::language_model::{Flow, Stopped};
use refrain_nn::callbacks::{BatchContext, Callback, EpochContext, ResumeContext};
use refrain_nn::checkpoint::exact;
use refrain_nn::checkpoint::{Checkpoint, Part};
use refrain_nn::{Answer, Error, Model};
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

/// Tells the reporter of events, and keeps what it answered.
pub(super) struct Told<'r> {
    report: RefCell<&'r mut dyn FnMut(&ClassifierEvent<'_>) -> Flow>,
    /// Whether a checkpoint is wanted.
    asked: Cell<bool>,
    /// Whether the next batch is to be probed.
    probed: Cell<bool>,
    interrupted: Cell<bool>,
    /// Since when training, and nothing else, goes on.
    since: Cell<Instant>,
}

impl<'r> Told<'r> {
    pub(super) fn new(report: &'r mut dyn FnMut(&ClassifierEvent<'_>) -> Flow) -> Self {
        Self {
            report: RefCell::new(report),
            asked: Cell::new(false),
            probed: Cell::new(false),
            interrupted: Cell::new(false),
            since: Cell::new(Instant::now()),
        }
    }

    pub(super) fn event(&self, event: &ClassifierEvent<'_>) -> Flow {
        (self.report.borrow_mut())(event)
    }

    /// Tells of an event that may be answered with a wish for a checkpoint, or with a stop. Whether to stop.
    fn ask(&self, event: &ClassifierEvent<'_>) -> bool {
        match self.event(event) {
            Flow::Continue => {}
            Flow::Probe => self.probed.set(true),
            Flow::Checkpoint => self.asked.set(true),
            Flow::Stop => self.interrupted.set(true),
        }
        self.interrupted.get()
    }

    pub(super) fn is_asked(&self) -> bool {
        self.asked.get()
    }

    pub(super) fn take_asked(&self) -> bool {
        self.asked.take()
    }

    pub(super) fn interrupt(&self) {
        self.interrupted.set(true);
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.get()
    }

    /// Training goes on from now.
    pub(super) fn go_on(&self) {
        self.since.set(Instant::now());
    }
}

/// What the best epoch so far left.
pub(super) struct Best {
    pub(super) epoch: usize,
    pub(super) score: Option<ClassifierScore>,
    pub(super) weights: Vec<f32>,
}

/// Validates after each epoch, keeps the best, and stops when it is told to.
pub(super) struct Watch<'a, 'r> {
    validation: &'a Examples,
    labels: &'a [String],
    plan: Plan,
    told: &'a Told<'r>,
    pub(super) epochs: Vec<ClassifierEpoch>,
    pub(super) best: Option<Best>,
    /// Of all epochs.
    pub(super) seconds: f64,
    epoch: Epoch,
}

/// How an epoch is parted.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) texts: usize,
    pub(super) batch: usize,
    pub(super) batches: usize,
}

/// The epoch that is going on.
#[derive(Default)]
struct Epoch {
    trained: Duration,
    texts: usize,
    norms: f64,
    /// Whether its loss became no number.
    diverged: bool,
}

impl Epoch {
    fn speed(&self) -> f64 {
        self.texts as f64 / self.trained.as_secs_f64()
    }
}

/// What a checkpoint holds of a [`Watch`], but for the weights of the best epoch.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Values {
    epochs: Vec<ClassifierEpoch>,
    best: Option<BestValues>,
    #[serde(with = "exact")]
    seconds: f64,
    texts: usize,
    trained: Duration,
    #[serde(with = "exact")]
    norms: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BestValues {
    epoch: usize,
    score: Option<ScoreValues>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScoreValues {
    #[serde(with = "exact")]
    loss: f64,
    /// Places of the matrix and their counts.
    confusion: Vec<(usize, usize)>,
}

const WEIGHTS: &str = "best";
/// The part of a checkpoint: the watch is the only callback of its `fit`.
const PART: &str = "callback-0";

impl<'a, 'r> Watch<'a, 'r> {
    pub(super) fn new(
        validation: &'a Examples,
        labels: &'a [String],
        plan: Plan,
        told: &'a Told<'r>,
    ) -> Self {
        Self {
            validation,
            labels,
            plan,
            told,
            epochs: Vec::new(),
            best: None,
            seconds: 0.0,
            epoch: Epoch::default(),
        }
    }

    /// Epochs that had ended when a checkpoint was taken. One behind an epoch's last batch is taken before its end.
    pub(super) fn epochs_in(checkpoint: &Checkpoint) -> Result<usize, Error> {
        Ok(checkpoint.part(PART)?.parse::<Values>("classifier run")?.epochs.len())
    }

    /// Why the run ended.
    pub(super) fn stopped(&self) -> Stopped {
        match (self.told.is_interrupted(), self.epoch.diverged) {
            (true, _) => Stopped::Interrupted,
            (false, true) => Stopped::Diverged,
            (false, false) => Stopped::Epochs,
        }
    }

    /// Keeps the weights if they are the best so far; without a score they always are.
    fn keep_best(&mut self, epoch: usize, score: Option<ClassifierScore>, model: &Model) {
        let loss = |score: &Option<ClassifierScore>| score.as_ref().map_or(0.0, |s| s.loss);
        let better = |best: &Best| score.is_none() || loss(&score) < loss(&best.score);
        if loss(&score).is_finite() && self.best.as_ref().is_none_or(better) {
            self.best = Some(Best { epoch, score, weights: model.weights() });
        }
    }

    /// What [`Callback::checkpoint`] gave of the best epoch.
    fn best(&self, values: &BestValues, weights: Vec<f32>) -> Option<Best> {
        let (labels, texts) = (self.labels.to_vec(), self.validation.labels.len());
        let score = match &values.score {
            Some(ScoreValues { loss, confusion }) => {
                Some(ClassifierScore::new(*loss, Confusion::from_counted(labels, confusion, texts)?))
            }
            None => None,
        };
        (score.is_some() == (texts > 0)).then_some(Best { epoch: values.epoch, score, weights })
    }
}

impl Callback for Watch<'_, '_> {
    fn on_epoch_begin(&mut self, _epoch: usize, _model: &mut Model) -> Result<(), Error> {
        self.epoch = Epoch::default();
        self.told.go_on();
        Ok(())
    }

    fn on_batch_end(&mut self, cx: &mut BatchContext<'_>) -> Result<(), Error> {
        let trained = self.told.since.get().elapsed();
        self.epoch.trained = self.epoch.trained.saturating_add(trained);
        self.seconds += trained.as_secs_f64();
        let (epoch, loss) = (cx.epoch + 1, cx.model.last_loss());
        if !loss.is_finite() {
            // What an earlier epoch reached is worth keeping.
            if self.best.is_none() {
                return Err(Error::Diverged { loss, epoch });
            }
            self.epoch.diverged = true;
            cx.answer(Answer::Stop);
            return Ok(());
        }
        let Plan { texts, batch, batches } = self.plan;
        let done = cx.step + 1;
        self.epoch.texts = texts.min(done * batch);
        self.epoch.norms += cx.model.last_gradient_norm();
        let event = ClassifierEvent::Batch {
            epoch,
            done,
            batches,
            batches_done: cx.model.steps_done(),
            loss: cx.logs.get("loss").unwrap_or(loss),
            samples_per_second: self.epoch.speed(),
            model: &*cx.model,
        };
        if self.told.ask(&event) {
            cx.answer(Answer::Stop);
        }
        if self.told.probed.take() {
            cx.answer(Answer::Probe);
        }
        self.told.go_on();
        Ok(())
    }

    fn on_epoch_end(&mut self, cx: &mut EpochContext<'_>) -> Result<(), Error> {
        // Such an epoch was cut short.
        if self.epoch.diverged || self.told.is_interrupted() {
            return Ok(());
        }
        let score = match self.validation.labels.is_empty() {
            true => None,
            false => Some(score(cx.model, self.validation, self.labels)?),
        };
        let record = ClassifierEpoch {
            epoch: cx.epoch + 1,
            loss: cx.logs.get("loss").unwrap_or(f64::NAN),
            accuracy: cx.logs.get("accuracy").unwrap_or(f64::NAN),
            val_loss: score.as_ref().map(|s| s.loss),
            val_accuracy: score.as_ref().map(|s| s.accuracy),
            val_macro_f1: score.as_ref().map(|s| s.macro_f1),
            samples_per_second: self.epoch.speed(),
            seconds: self.epoch.trained.as_secs_f64(),
            learning_rate: cx.model.learning_rate(),
            gradient_norm: self.epoch.norms / self.plan.batches as f64,
        };
        self.keep_best(record.epoch, score, cx.model);
        if self.told.ask(&ClassifierEvent::Epoch { record: &record, model: &*cx.model }) {
            cx.answer(Answer::Stop);
        }
        self.epochs.push(record);
        Ok(())
    }

    fn checkpoint(&self) -> Result<Part, Error> {
        let score =
            |score: &ClassifierScore| ScoreValues { loss: score.loss, confusion: score.confusion.counted() };
        let best = self.best.as_ref();
        let values = Values {
            epochs: self.epochs.clone(),
            best: best.map(|best| BestValues { epoch: best.epoch, score: best.score.as_ref().map(score) }),
            seconds: self.seconds,
            texts: self.epoch.texts,
            trained: self.epoch.trained,
            norms: self.epoch.norms,
        };
        let weights = best.map(|best| (WEIGHTS.to_owned(), best.weights.clone()));
        Ok(Part { tensors: weights.into_iter().collect(), ..Part::of(&values)? })
    }

    fn resume(&mut self, mut part: Part, cx: &mut ResumeContext<'_>) -> Result<(), Error> {
        let values: Values = part.parse("classifier run")?;
        let Values { epochs, best, seconds, texts, trained, norms } = values;
        let damaged = |what: &str, got: String, expected: String| Error::Data {
            what: format!("the checkpoint's {what}"),
            got,
            expected,
        };
        self.epochs = epochs;
        if !self.epochs.iter().map(|epoch| epoch.epoch).eq(1..=cx.epoch) {
            let got = format!("a list of {}", self.epochs.len());
            return Err(damaged("epochs", got, format!("the {} that ended", cx.epoch)));
        }
        if let Some(values) = best {
            let weights = part.take("classifier run", WEIGHTS, cx.model.params().values().len())?;
            let best = self.best(&values, weights).filter(|best| (1..=cx.epoch).contains(&best.epoch));
            let expected = "of an epoch that ended, with a score of all validation texts";
            let wrong = || damaged("best epoch", format!("epoch {}", values.epoch), expected.to_owned());
            self.best = Some(best.ok_or_else(wrong)?);
        }
        self.seconds = seconds;
        self.epoch = Epoch { trained, texts, norms, diverged: false };
        if self.told.is_interrupted() {
            cx.answer(Answer::Stop);
        }
        self.told.go_on();
        Ok(())
    }
}

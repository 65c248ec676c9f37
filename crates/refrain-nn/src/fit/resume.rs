//! What a run of `fit` resumes from.
//!
//! | part | holds |
//! |---|---|
//! | `fit` | the settings that a resumed run must have too, the place, the totals of the epoch, the history |
//! | `training` | the [`TrainingState`] |
//! | `carry` | the state that the source carries from batch to batch, within an epoch |
//! | `callback-0` and so on | what each callback has seen |

use super::training_loop::{FitLoop, LoopSettings};
use crate::answer::{Answer, Answers};
use crate::callbacks::ResumeContext;
use crate::checkpoint::Checkpoint;
use crate::data::BatchSource;
use crate::error::Error;
use crate::history::History;
use crate::model::{Architecture, Model, Totals, TrainingState};
use crate::part::Part;
use crate::progress::EpochProgress;
use crate::state::State;
use crate::storage::printable;
use refrain_kernels::Engine;
use serde::{Deserialize, Serialize};

const KIND: &str = "fit";

/// Where a run stands.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    /// The epoch of the last batch, from 0.
    pub(super) epoch: usize,
    /// Batches of that epoch.
    pub(super) batches: usize,
    /// What of it is done.
    pub(super) progress: EpochProgress,
    /// Whether its validation and the callbacks at its end are done too.
    pub(super) ended: bool,
}

/// What a resumed run must have too, and where it resumes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Values {
    architecture: Architecture,
    seed: u64,
    settings: LoopSettings,
    initial_epoch: usize,
    callbacks: usize,
    carries_state: bool,
    place: Position,
    totals: Totals,
    history: History,
}

/// An epoch that was stopped within.
#[derive(Debug, Default)]
pub(super) struct Resumed {
    pub(super) progress: EpochProgress,
    /// What the source carries from batch to batch.
    pub(super) carry: Option<State>,
}

/// Where a run starts.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) epoch: usize,
    /// None if the epoch has yet to begin.
    pub(super) resumed_epoch: Option<Resumed>,
    pub(super) history: History,
}

impl Model {
    /// The model of the run of `fit` that a checkpoint is of, to be compiled as it was and to be resumed with: its
    /// parameters, all zero here, come with [`Fit::resume`](crate::Fit). No memory is taken before the checkpoint turns
    /// out to have them all.
    ///
    /// # Errors
    /// If the checkpoint is of another kind of run, or its model is not one that this version knows.
    pub fn of_checkpoint(checkpoint: &Checkpoint, engine: Engine) -> Result<Model, Error> {
        checkpoint.expect_kind(KIND)?;
        let Values { architecture, .. } = checkpoint.part("fit")?.parse("run of `fit`")?;
        TrainingState::model(checkpoint.part("training")?, &architecture, engine)
    }
}

impl FitLoop<'_, '_> {
    /// Writes a checkpoint. What takes it may end the run there.
    pub(super) fn write_checkpoint(
        &mut self,
        place: Position,
        carry: Option<&State>,
        history: &History,
    ) -> Result<(), Error> {
        let Some(checkpoints) = &mut self.checkpoints else {
            let reason = "`Fit::checkpoints` is not set, so there is nobody to take it";
            return Err(Error::unsupported("a checkpoint, which a callback asked for,", reason));
        };
        let mut checkpoint = Checkpoint::new(KIND);
        let values = Values {
            architecture: self.model.architecture().clone(),
            seed: self.model.seed(),
            settings: self.settings,
            initial_epoch: self.epochs.start,
            callbacks: self.callbacks.len(),
            carries_state: self.carries_state,
            place,
            totals: self.model.running_totals()?,
            history: history.clone(),
        };
        checkpoint.insert("fit", Part::of(&values)?);
        checkpoint.insert("training", self.model.training_state()?.into_part()?);
        if let Some(carry) = carry {
            checkpoint.insert("carry", carry.to_part());
        }
        for (i, callback) in self.callbacks.iter().enumerate() {
            checkpoint.insert(callback_name(i), callback.checkpoint()?);
        }
        if checkpoints.write(checkpoint)? == Answer::Stop {
            (self.stop, self.halt) = (true, true);
        }
        Ok(())
    }

    /// Takes over what a checkpoint holds.
    pub(super) fn restore(
        &mut self,
        mut checkpoint: Checkpoint,
        train: &dyn BatchSource,
    ) -> Result<Start, Error> {
        checkpoint.expect_kind(KIND)?;
        let values: Values = checkpoint.take("fit")?.parse("run of `fit`")?;
        self.check(&values, train)?;
        let Values { place, totals, history, .. } = values;
        let training = TrainingState::from_part(checkpoint.take("training")?)?;
        let mut carry = None;
        if self.carries_state && !place.ended {
            let mut state = self.model.new_state();
            state.set_part(checkpoint.take("carry")?)?;
            carry = Some(state);
        }
        let parts: Vec<_> = (0..self.callbacks.len())
            .map(|i| checkpoint.take(&callback_name(i)))
            .collect::<Result<_, _>>()?;
        self.model.set_running_totals(&totals)?;
        self.model.set_training_state(&training)?;
        let resumed_epoch = (!place.ended).then_some(Resumed { progress: place.progress, carry });
        let (epoch, done) = match place.ended {
            true => (place.epoch + 1, 0),
            false => (place.epoch, place.progress.batches),
        };
        // Until another batch follows, the rate is that of the last one: gradients that wait are stepped by at it.
        let last = train.rate_factor(self.model.seed(), place.epoch, place.progress.batches - 1);
        self.model.set_batch_rate_factor(last);
        let mut answers = Answers::default();
        for (callback, part) in self.callbacks.iter_mut().zip(parts) {
            let (model, answers) = (&mut *self.model, &mut answers);
            callback.resume(part, &mut ResumeContext { epoch, done, model, answers })?;
        }
        self.stop = answers.stop;
        if answers.probe {
            self.model.set_gradient_probe(true);
        }
        Ok(Start { epoch, resumed_epoch, history })
    }

    /// An error if the run is another than the checkpoint's.
    fn check(&self, values: &Values, train: &dyn BatchSource) -> Result<(), Error> {
        let Values { place, history, settings, initial_epoch, callbacks, .. } = values;
        same_architecture(self.model.architecture(), &values.architecture)?;
        expect("seed", &self.model.seed(), &values.seed)?;
        let own = || "the source's own".to_owned();
        let batch_size = |of: &LoopSettings| of.order.map_or_else(own, |order| order.batch_size.to_string());
        expect("batch_size", &batch_size(&self.settings), &batch_size(settings))?;
        let shuffle = |of: &LoopSettings| of.order.map_or_else(own, |order| order.shuffle.to_string());
        expect("shuffle", &shuffle(&self.settings), &shuffle(settings))?;
        expect("flush_gradients", &self.settings.flush_gradients, &settings.flush_gradients)?;
        let average = |of: &LoopSettings| format!("{:?}", of.average);
        expect("average", &average(&self.settings), &average(settings))?;
        expect("training_metrics", &self.settings.training_metrics, &settings.training_metrics)?;
        expect("initial_epoch", &self.epochs.start, initial_epoch)?;
        expect("the number of callbacks", &self.callbacks.len(), callbacks)?;
        expect("a source that carries its state", &self.carries_state, &values.carries_state)?;
        if self.epochs.end <= place.epoch {
            let expected = format!("at least {}", place.epoch.saturating_add(1));
            return Err(Error::resume("epochs", self.epochs.end, expected));
        }
        let damaged = |what: &str, got: String, expected: &str| Err(Error::checkpoint(what, got, expected));
        if place.epoch < *initial_epoch {
            return damaged("epoch", place.epoch.to_string(), "one from `initial_epoch` on");
        }
        let batches = train.len(place.epoch);
        expect(&format!("the number of batches in epoch {}", place.epoch), &batches, &place.batches)?;
        let done = place.progress.batches;
        if done == 0 || done > batches || place.ended && done < batches {
            return damaged("place", format!("{done} of {batches} batches"), "within the epoch");
        }
        if !history.epochs.iter().copied().eq(*initial_epoch..place.epoch + usize::from(place.ended)) {
            return damaged("history", format!("of epochs {:?}", history.epochs), "all that are done");
        }
        Ok(())
    }
}

fn callback_name(i: usize) -> String {
    format!("callback-{i}")
}

fn expect<T: PartialEq + ToString>(what: &str, now: &T, then: &T) -> Result<(), Error> {
    if now == then { Ok(()) } else { Err(Error::resume(what, now.to_string(), then.to_string())) }
}

fn same_architecture(now: &Architecture, then: &Architecture) -> Result<(), Error> {
    if now == then {
        return Ok(());
    }
    let differs = |what: &str, now: String, then: String| {
        Err(Error::resume(format!("the model's {what}"), now, printable(&then)))
    };
    for (i, (now, then)) in now.layers.iter().zip(&then.layers).enumerate() {
        if now != then {
            let [now, then] = [now, then].map(|l| format!("{} `{}` {}", l.class_name, l.name, l.config));
            return differs(&format!("layer {i}"), now, then);
        }
    }
    if now.layers.len() != then.layers.len() {
        return differs("number of layers", now.layers.len().to_string(), then.layers.len().to_string());
    }
    let [now, then] = [now, then].map(|a| format!("{:?} and {:?}", a.inputs, a.outputs));
    differs("inputs and outputs", now, then)
}

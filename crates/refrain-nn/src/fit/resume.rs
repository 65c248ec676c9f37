//! Resuming `fit` from a checkpoint.
//!
//! | part | holds |
//! |---|---|
//! | `fit` | the settings that must not change, the position, the totals of the epoch, the history |
//! | `training` | the [`TrainingState`] |
//! | `carry` | the state carried from batch to batch, within an epoch |
//! | `callback-0` and so on | the state of each callback |

use super::training_loop::{FitLoop, LoopSettings};
use crate::answer::{Answer, Answers};
use crate::callbacks::ResumeContext;
use crate::checkpoint::Checkpoint;
use crate::data::BatchSource;
use crate::error::Error;
use crate::history::History;
use crate::layers::LayerRegistry;
use crate::model::{Architecture, Model, Totals, TrainingState};
use crate::part::Part;
use crate::progress::EpochProgress;
use crate::shown::counted;
use crate::state::State;
use crate::storage::printable;
use refrain_kernels::Engine;
use serde::{Deserialize, Serialize};

const KIND: &str = "fit";

/// The position of a run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    /// The epoch of the last batch, counted from 0.
    pub(super) epoch: usize,
    /// The number of batches in that epoch.
    pub(super) batches: usize,
    /// What has been done in that epoch.
    pub(super) progress: EpochProgress,
    /// Whether its validation and the callbacks at its end are done too.
    pub(super) ended: bool,
}

/// The settings that a resumed run must share, and the position at which it resumes.
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

/// The state of an epoch that is resumed partway.
#[derive(Debug, Default)]
pub(super) struct Resumed {
    pub(super) progress: EpochProgress,
    /// The state that the source carries from batch to batch.
    pub(super) carry: Option<State>,
}

/// The point at which a run starts.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) epoch: usize,
    /// `None` if the epoch has not begun.
    pub(super) resumed_epoch: Option<Resumed>,
    pub(super) history: History,
}

impl Model {
    /// Returns the model of the run that a checkpoint belongs to, to be compiled as before and resumed. Its
    /// parameters are zero; [`Fit::resume`](crate::Fit) restores them. Memory is allocated only if the
    /// checkpoint contains all of them.
    ///
    /// # Errors
    /// Returns an error if the checkpoint belongs to another kind of run, or if this version does not support
    /// its model.
    pub fn of_checkpoint(checkpoint: &Checkpoint, engine: Engine) -> Result<Model, Error> {
        Self::of_checkpoint_with(checkpoint, engine, &LayerRegistry::default())
    }

    /// Returns the model of a run with custom layers, like [`Model::of_checkpoint`].
    ///
    /// # Errors
    /// Returns an error in the same cases, or if a layer is not registered.
    pub fn of_checkpoint_with(
        checkpoint: &Checkpoint,
        engine: Engine,
        layers: &LayerRegistry,
    ) -> Result<Model, Error> {
        checkpoint.expect_kind(KIND)?;
        let Values { architecture, .. } = checkpoint.part("fit")?.parse("state of `fit`")?;
        TrainingState::model(checkpoint.part("training")?, &architecture, engine, layers)
    }
}

impl FitLoop<'_, '_> {
    /// Writes a checkpoint. The receiver may end the run there.
    pub(super) fn write_checkpoint(
        &mut self,
        place: Position,
        carry: Option<&State>,
        history: &History,
    ) -> Result<(), Error> {
        let Some(checkpoints) = &mut self.checkpoints else {
            let reason = "`Fit::checkpoints` is not set, so it cannot be written";
            return Err(Error::unsupported("the checkpoint that a callback asked for", reason));
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

    /// Restores the state in a checkpoint.
    pub(super) fn restore(
        &mut self,
        mut checkpoint: Checkpoint,
        train: &dyn BatchSource,
    ) -> Result<Start, Error> {
        checkpoint.expect_kind(KIND)?;
        let values: Values = checkpoint.take("fit")?.parse("state of `fit`")?;
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
        // Until the next batch, the rate is that of the last one: accumulated gradients may take a step at
        // it.
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

    /// Returns an error if the checkpoint belongs to a different run.
    fn check(&self, values: &Values, train: &dyn BatchSource) -> Result<(), Error> {
        let Values { place, history, settings, initial_epoch, callbacks, .. } = values;
        same_architecture(self.model.architecture(), &values.architecture)?;
        expect("seed", &self.model.seed(), &values.seed)?;
        let own = || "set by the source".to_owned();
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
        expect("whether the source carries state", &self.carries_state, &values.carries_state)?;
        if self.epochs.end <= place.epoch {
            let expected = format!("at least {}", place.epoch.saturating_add(1));
            return Err(Error::resume("epochs", self.epochs.end, expected));
        }
        let damaged = |what: &str, got: String, expected: &str| Err(Error::checkpoint(what, got, expected));
        if place.epoch < *initial_epoch {
            return damaged("epoch", place.epoch.to_string(), "at least `initial_epoch`");
        }
        let batches = train.len(place.epoch);
        expect(
            &format!("the number of batches in epoch {}", place.epoch.saturating_add(1)),
            &batches,
            &place.batches,
        )?;
        let done = place.progress.batches;
        if done == 0 || done > batches || place.ended && done < batches {
            return damaged(
                "position",
                format!("{done} of {}", counted(batches, "batch")),
                "within the epoch",
            );
        }
        if !history.epochs.iter().copied().eq(*initial_epoch..place.epoch + usize::from(place.ended)) {
            return damaged("history", format!("for epochs {:?}", history.epochs), "every finished epoch");
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

//! What a run of `fit` goes on from.
//!
//! | part | holds |
//! |---|---|
//! | `fit` | what a run that goes on must have too, the place, the totals of the epoch, the history |
//! | `training` | the [`TrainingState`] |
//! | `carry` | the state that the source carries from batch to batch, within an epoch |
//! | `callback-0` and so on | what each callback has seen |

use super::run::{Done, Order, Run};
use crate::callbacks::ResumeContext;
use crate::checkpoint::{Checkpoint, Part};
use crate::data::BatchSource;
use crate::error::Error;
use crate::file::printable;
use crate::history::History;
use crate::model::{Architecture, Totals, TrainingState};
use crate::state::State;
use serde::{Deserialize, Serialize};

const KIND: &str = "fit";

/// Where a run stands.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    /// The epoch of the last batch, from 0.
    pub(super) epoch: usize,
    /// Its batches.
    pub(super) batches: usize,
    /// What of it is done.
    pub(super) done: Done,
    /// Whether its validation and the callbacks at its end are done too.
    pub(super) ended: bool,
}

/// What a run that goes on must have too, and what it goes on from.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Values {
    architecture: Architecture,
    seed: u64,
    order: Option<Order>,
    initial_epoch: usize,
    callbacks: usize,
    carries_state: bool,
    place: Place,
    totals: Totals,
    history: History,
}

/// An epoch that is going on.
#[derive(Debug, Default)]
pub(super) struct Ongoing {
    pub(super) done: Done,
    /// What the source carries from batch to batch.
    pub(super) carry: Option<State>,
}

/// Where a run goes on.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) epoch: usize,
    /// None where the epoch has yet to begin.
    pub(super) ongoing: Option<Ongoing>,
    pub(super) history: History,
}

impl Run<'_, '_> {
    /// Hands over a checkpoint.
    pub(super) fn write_checkpoint(
        &mut self,
        place: Place,
        carry: Option<&State>,
        history: &History,
    ) -> Result<(), Error> {
        let Some(checkpoints) = &mut self.checkpoints else { return Ok(()) };
        let mut checkpoint = Checkpoint::new(KIND);
        let values = Values {
            architecture: self.model.architecture().clone(),
            seed: self.model.seed(),
            order: self.order,
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
        self.stop |= checkpoints.write(checkpoint)?.is_break();
        Ok(())
    }

    /// Takes over what a checkpoint holds.
    pub(super) fn go_on(
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
        let ongoing = (!place.ended).then_some(Ongoing { done: place.done, carry });
        let (epoch, done) = match place.ended {
            true => (place.epoch + 1, 0),
            false => (place.epoch, place.done.steps),
        };
        for (callback, part) in self.callbacks.iter_mut().zip(parts) {
            let (model, stop) = (&mut *self.model, &mut self.stop);
            callback.resume(part, &mut ResumeContext { epoch, done, model, stop })?;
        }
        Ok(Start { epoch, ongoing, history })
    }

    /// An error where the run is another than the checkpoint's.
    fn check(&self, values: &Values, train: &dyn BatchSource) -> Result<(), Error> {
        let Values { place, history, initial_epoch, callbacks, .. } = values;
        same_architecture(self.model.architecture(), &values.architecture)?;
        expect("seed", &self.model.seed(), &values.seed)?;
        let [now, then] = [&self.order, &values.order].map(|order| order.as_ref().map(|o| o.batch_size));
        expect("batch_size", &told(now), &told(then))?;
        let [now, then] = [&self.order, &values.order].map(|order| order.as_ref().map(|o| o.shuffle));
        expect("shuffle", &told(now), &told(then))?;
        expect("initial_epoch", &self.epochs.start, initial_epoch)?;
        expect("callbacks", &self.callbacks.len(), callbacks)?;
        expect("a source that carries its state", &self.carries_state, &values.carries_state)?;
        if self.epochs.end <= place.epoch {
            let expected =
                format!("at least {}, where the checkpoint's run is", place.epoch.saturating_add(1));
            return Err(Error::setting("fit", "epochs", self.epochs.end, expected));
        }
        let damaged = |what: &str, got: String, expected: &str| {
            Err(Error::data(format!("the checkpoint's {what}"), got, expected))
        };
        if place.epoch < *initial_epoch {
            return damaged("epoch", place.epoch.to_string(), "one from `initial_epoch` on");
        }
        let batches = train.len(place.epoch);
        if batches != place.batches {
            let got = format!("{batches} batches in epoch {}", place.epoch);
            let expected = format!("{}, as the checkpoint's run has", place.batches);
            return Err(Error::data("the training data", got, expected));
        }
        let steps = place.done.steps;
        if steps == 0 || steps > batches || place.ended && steps < batches {
            return damaged("place", format!("{steps} of {batches} batches"), "within the epoch");
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

fn told(value: Option<impl ToString>) -> String {
    value.map_or("the source's own".to_owned(), |value| value.to_string())
}

fn expect<T: PartialEq + ToString>(setting: &'static str, now: &T, then: &T) -> Result<(), Error> {
    if now == then {
        return Ok(());
    }
    Err(Error::setting(
        "fit",
        setting,
        now.to_string(),
        format!("{}, as the checkpoint's run has", then.to_string()),
    ))
}

fn same_architecture(now: &Architecture, then: &Architecture) -> Result<(), Error> {
    if now == then {
        return Ok(());
    }
    let differs = |what: &str, now: String, then: String| {
        Err(Error::data(
            format!("the model's {what}"),
            now,
            format!("{}, as the checkpoint's run has", printable(&then)),
        ))
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

//! Everything that determines how training continues, as a value.

use super::average::{Averages, Averaging};
use super::compile::{Training, not_compiled};
use super::{Architecture, Model, Network};
use crate::error::Error;
use crate::graph::Budget;
use crate::layers::LayerRegistry;
use crate::params::{Params, Span};
use crate::part::Part;
use crate::shown::counted;
use crate::state::State;
use refrain_kernels::Engine;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

const PARAMETERS: &str = "parameters";
const AVERAGE: &str = "average";
const GRADIENT: &str = "gradient";

/// The state of a model in training. A model with the same architecture that is compiled with the same
/// settings continues from it with the same bits as the model it was taken from.
///
/// It contains what training changes: parameters, optimiser slots and steps, averages, accumulated gradients,
/// the states of `stateful` layers, and the batch counter for dropout. It does not contain settings, the
/// totals of loss and metrics, or a [`State`] or callbacks that the caller keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingState {
    counters: TrainingCounters,
    tensors: Vec<(String, Vec<f32>)>,
}

/// The scalar values of a [`TrainingState`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingCounters {
    /// Batches trained on since the model was compiled.
    pub batches: u64,
    /// Optimiser steps.
    pub steps: u64,
    /// The product of Nadam's momentum schedule; 1 for other optimisers.
    pub nadam_product: f32,
    /// See [`Model::set_learning_rate_factor`].
    pub learning_rate_factor: f64,
    /// Batches whose gradients wait for an optimiser step.
    pub accumulated: u32,
    /// The number of sequences in the state of `stateful` layers.
    pub lanes: usize,
    /// The averages, if there are any.
    pub averages: Option<AverageCounters>,
}

/// The scalar values of parameter averages.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AverageCounters {
    /// How the parameters are averaged.
    pub averaging: Averaging,
    /// The number of averaged steps.
    pub count: u64,
    /// Whether the tensor `parameters` holds the averages, and `average` the parameters.
    pub swapped: bool,
}

impl TrainingState {
    /// Creates a state from what [`TrainingState::counters`] and [`TrainingState::tensors`] returned.
    /// [`Model::set_training_state`] checks whether it fits a model.
    ///
    /// # Errors
    /// Returns an error if two tensors have the same name.
    pub fn from_parts(
        counters: TrainingCounters,
        tensors: impl IntoIterator<Item = (String, Vec<f32>)>,
    ) -> Result<Self, Error> {
        let tensors: Vec<_> = tensors.into_iter().collect();
        let mut names = HashSet::new();
        for (name, _) in &tensors {
            if !names.insert(name.as_str()) {
                return Err(Error::checkpoint(
                    "training state",
                    format!("in conflict: it has two tensors `{name}`"),
                    "one of them",
                ));
            }
        }
        Ok(Self { counters, tensors })
    }

    /// Creates a state from the part that [`TrainingState::into_part`] returned.
    ///
    /// # Errors
    /// Returns an error if the part is not a training state.
    pub fn from_part(part: Part) -> Result<Self, Error> {
        Self::from_parts(part.parse("training state")?, part.tensors)
    }

    /// Converts the state to a part of a checkpoint.
    ///
    /// # Errors
    /// Returns an error if a counter cannot be represented as JSON.
    pub fn into_part(self) -> Result<Part, Error> {
        Ok(Part { tensors: self.tensors, ..Part::of(&self.counters)? })
    }

    /// Creates a model of this architecture for the state in a checkpoint's part, to be compiled and resumed.
    /// Its parameters are zero. Memory is allocated only if the state has all parameters.
    ///
    /// # Errors
    /// Returns an error if the architecture is invalid or belongs to another model.
    pub(crate) fn model(
        part: &Part,
        architecture: &Architecture,
        engine: Engine,
        layers: &LayerRegistry,
    ) -> Result<Model, Error> {
        let parameters = part.tensors.iter().find(|(name, _)| name == PARAMETERS);
        let got = parameters.map_or(0, |(_, values)| values.len());
        let not = |reason| Error::checkpoint("model", reason, "a model that this version supports");
        let mut model =
            Network::plan_architecture(architecture, engine, Budget::of_values(got), layers).map_err(not)?;
        let expected = model.params.flat_len();
        if got != expected {
            let expected = format!("{expected}, like its model");
            return Err(Error::checkpoint("parameters", counted(got, "value"), expected));
        }
        model.allocate_parameters();
        Ok(model)
    }

    /// Returns the scalar values.
    pub fn counters(&self) -> &TrainingCounters {
        &self.counters
    }

    /// Returns the tensors with their names: `parameters`, `optimizer/momentum` and so on with Keras's slot
    /// names, `average`, `gradient`, and for each `stateful` layer `state/0/hidden` and `state/0/cell`, which
    /// is empty for cells without a cell state. All except the states are laid out as the flat parameters.
    /// The order is always the same.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &[f32])> {
        self.tensors.iter().map(|(name, values)| (&**name, &**values))
    }

    fn tensor(&self, name: &str) -> Option<&[f32]> {
        self.tensors().find(|(other, _)| *other == name).map(|(_, values)| values)
    }

    /// Checks that the tensors have the names and lengths of the model.
    fn check(&self, expected: &[(String, usize)]) -> Result<(), Error> {
        let what = |name: &str| format!("the training state's tensor `{name}`");
        for (name, len) in expected {
            match self.tensor(name) {
                Some(values) if values.len() == *len => {}
                Some(values) => {
                    let got = counted(values.len(), "value");
                    return Err(Error::data(what(name), got, len.to_string()));
                }
                None => return Err(Error::data(what(name), "missing", counted(*len, "value"))),
            }
        }
        match self.tensors().find(|(name, _)| expected.iter().all(|(other, _)| other != name)) {
            Some((name, values)) => {
                let names: Vec<_> = expected.iter().map(|(name, _)| format!("`{name}`")).collect();
                let got = counted(values.len(), "value");
                Err(Error::data(what(name), got, format!("only {}", names.join(", "))))
            }
            None => Ok(()),
        }
    }
}

/// An upper limit on batches that no training reaches, so that sums neither overflow nor lose precision in
/// f64.
const MAX_BATCHES: u64 = 1 << 53;

impl TrainingCounters {
    fn check(&self, training: &Training) -> Result<(), Error> {
        let wrong = |setting, got: String, expected: String| {
            Err(Error::setting("the training state", setting, got, expected))
        };
        if self.accumulated >= training.accumulation {
            let expected = format!("below {}, the number of batches per step", training.accumulation);
            return wrong("accumulated", self.accumulated.to_string(), expected);
        }
        if !self.learning_rate_factor.is_finite() {
            let got = self.learning_rate_factor.to_string();
            return wrong("learning_rate_factor", got, "a finite number".into());
        }
        if !(0.0..=1.0).contains(&self.nadam_product) {
            return wrong("nadam_product", self.nadam_product.to_string(), "between 0 and 1".into());
        }
        // Each step takes at least one batch, and each average one step.
        let count = self.averages.map_or(0, |averages| averages.count);
        let counts = [
            ("batches", self.batches, MAX_BATCHES),
            ("steps", self.steps, self.batches),
            ("accumulated", u64::from(self.accumulated), self.batches),
            ("averages", count, self.steps),
        ];
        for (setting, got, most) in counts {
            if got > most {
                return wrong(setting, got.to_string(), format!("at most {most}"));
            }
        }
        self.averages.map_or(Ok(()), |averages| averages.averaging.validate())
    }
}

impl Model {
    /// Returns a copy of everything that determines how training continues.
    ///
    /// # Errors
    /// Returns an error if the model is not compiled.
    pub fn training_state(&self) -> Result<TrainingState, Error> {
        let training = self.training()?;
        let averages = training.averages.as_ref();
        let counters = TrainingCounters {
            batches: training.steps,
            steps: training.state.steps(),
            nadam_product: training.state.product(),
            learning_rate_factor: training.rate_factor,
            accumulated: training.accumulated,
            lanes: self.own_state.lanes(),
            averages: averages.map(|a| AverageCounters {
                averaging: a.kind,
                count: a.count,
                swapped: a.swapped,
            }),
        };
        let mut tensors = vec![(PARAMETERS.to_owned(), self.params.values().to_vec())];
        tensors.extend(training.state.slots().map(|(name, slot)| (slot_name(name), slot.to_vec())));
        tensors.extend(averages.map(|averages| (AVERAGE.to_owned(), averages.values.to_vec())));
        tensors.extend((training.accumulated > 0).then(|| (GRADIENT.to_owned(), self.params.gradients())));
        tensors.extend(self.own_state.tensors().map(|(name, values)| (format!("state/{name}"), values)));
        Ok(TrainingState { counters, tensors })
    }

    /// Restores a training state of this or another model. The model must have the same architecture,
    /// settings and trained parameters as the model that the state was taken from. On error nothing changes.
    ///
    /// # Errors
    /// Returns an error if the model is not compiled, or if the values and tensors of the state do not fit
    /// it.
    pub fn set_training_state(&mut self, state: &TrainingState) -> Result<(), Error> {
        let Self { params, own_state, training, graph, .. } = self;
        let training = training.as_mut().ok_or_else(not_compiled)?;
        let counters = state.counters;
        counters.check(training)?;
        state.check(&expected(params, own_state, training, &counters))?;
        let tensor = |name: &str| state.tensor(name).expect("the tensors were checked");

        let spans = params.spans().to_vec();
        copy(&spans, tensor(PARAMETERS), params.values_mut());
        for (name, slot) in training.state.slots_mut() {
            copy(&spans, tensor(&slot_name(name)), slot);
        }
        training.averages = counters.averages.map(|from| {
            let mut averages = Averages::new(from.averaging, params);
            (averages.count, averages.swapped) = (from.count, from.swapped);
            copy(&spans, tensor(AVERAGE), &mut averages.values);
            averages
        });
        if counters.accumulated > 0 {
            params.set_gradients(tensor(GRADIENT));
        }
        own_state.reset();
        own_state.prepare(counters.lanes);
        for (i, slot) in own_state.layers_mut().enumerate() {
            let [hidden, cell] = ["hidden", "cell"].map(|part| tensor(&state_name(i, part)));
            slot.set(hidden, cell);
        }
        training.state.resume(counters.steps, counters.nadam_product);
        training.steps = counters.batches;
        training.rate_factor = counters.learning_rate_factor;
        training.accumulated = counters.accumulated;
        graph.packed = false;
        Ok(())
    }
}

/// Returns the names and lengths of the tensors in a model's state.
fn expected(
    params: &Params,
    own_state: &State,
    training: &Training,
    counters: &TrainingCounters,
) -> Vec<(String, usize)> {
    let flat = params.values().len();
    let mut tensors = vec![(PARAMETERS.to_owned(), flat)];
    tensors.extend(training.state.slots().map(|(name, _)| (slot_name(name), flat)));
    tensors.extend(counters.averages.map(|_| (AVERAGE.to_owned(), flat)));
    tensors.extend((counters.accumulated > 0).then(|| (GRADIENT.to_owned(), flat)));
    for (i, slot) in own_state.layers().enumerate() {
        let [hidden, cell] = slot.shape().floats(counters.lanes);
        tensors.extend([(state_name(i, "hidden"), hidden), (state_name(i, "cell"), cell)]);
    }
    tensors
}

fn slot_name(slot: &str) -> String {
    format!("optimizer/{slot}")
}

fn state_name(layer: usize, part: &str) -> String {
    format!("state/{layer}/{part}")
}

/// Copies every span but not the gaps between them, which stay zero.
fn copy(spans: &[Span], from: &[f32], to: &mut [f32]) {
    for range in spans.iter().map(Span::range) {
        to[range.clone()].copy_from_slice(&from[range]);
    }
}

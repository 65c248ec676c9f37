//! Hidden states, cell states and gates at every step of a sequence.

mod reading_direction;
#[cfg(test)]
mod tests;
mod walk;
mod words;

pub(crate) use reading_direction::{ReadingDirection, cell_setting};
pub(crate) use walk::{Pass, walk};

use crate::error::{Error, Result};
use crate::sample::Sample;
use refrain_nn::{Model, Recurrence};
use serde::Serialize;

/// The part of a sample to show. At most `layers · (units + 1) · steps` numbers are kept for each state or gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ShowOptions {
    /// The index of the sequence.
    pub lane: usize,
    /// The first step; if `None`, the last `steps` steps are shown, for which the state is warmed up.
    pub first: Option<usize>,
    /// The number of steps, at most 1,000: a wider picture is unreadable.
    pub steps: usize,
    /// The number of units per layer: those whose hidden state varies most over these steps.
    pub units: usize,
    /// The number of recurrent layers, spread evenly from the first to the last.
    pub layers: usize,
}

/// The maximum number of steps: all units of all layers are kept over the steps until it is known which vary most.
const MAX_STEPS: usize = 1000;

impl Default for ShowOptions {
    fn default() -> Self {
        Self { lane: 0, first: None, steps: 120, units: 40, layers: 3 }
    }
}

/// The states and gates of the recurrent layers over some steps of a sequence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Activations {
    /// A description of the data.
    pub of: String,
    /// The index of the sequence in the sample.
    pub lane: usize,
    /// The first step shown, counted from 0.
    pub first: usize,
    /// Number of steps shown.
    pub steps: usize,
    /// The token read at each step, if it is text.
    pub tokens: Option<Vec<String>>,
    /// The layers shown.
    pub layers: Vec<LayerActivations>,
    /// Names of the layers that are not shown.
    pub left_out: Vec<String>,
}

/// A recurrent layer over the steps shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerActivations {
    /// Its name.
    pub layer: String,
    /// `SimpleRNN`, `LSTM` or `GRU`.
    pub class_name: &'static str,
    /// Number of its units.
    pub units: usize,
    /// The units shown, in row order: those that vary most come first.
    pub shown: Vec<usize>,
    /// Whether it reads sequences backwards.
    pub backwards: bool,
    /// Whether its steps correspond to the tokens.
    pub reads_tokens: bool,
    /// Its hidden state, cell state and gates.
    pub states: Vec<StateMap>,
}

/// The kind of a state or gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StateKind {
    /// The hidden state, which is the layer's output.
    Hidden,
    /// The cell state of an LSTM.
    Cell,
    /// The candidate, which enters the state as far as the gates allow.
    Candidate,
    /// A gate: 0 is shut, 1 is open.
    Gate,
}

/// A state or gate of some units over some steps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StateMap {
    /// Its name, such as `hidden state` or `forget gate`.
    pub name: &'static str,
    /// Its kind.
    pub kind: StateKind,
    /// The mean over all units of the layer at each step.
    pub mean: Vec<f32>,
    /// The value of each shown unit at each step; NaN at masked steps.
    pub rows: Vec<Vec<f32>>,
}

/// Returns the name of a gate from its letter.
pub(crate) fn gate_name(class_name: &str, letter: &str) -> &'static str {
    match (class_name, letter) {
        ("LSTM", "i") => "input gate",
        ("LSTM", "f") => "forget gate",
        ("LSTM", "o") => "output gate",
        ("GRU", "z") => "update gate",
        ("GRU", "r") => "reset gate",
        _ => "candidate",
    }
}

impl Activations {
    /// Runs the model on a sample and keeps the part selected by `show`.
    ///
    /// # Errors
    /// If the sample is empty or does not fit the model, the model has no recurrent layer, or a setting is out of
    /// range.
    pub fn of(model: &mut Model, sample: &Sample, show: &ShowOptions) -> Result<Self> {
        let (first, steps) = window(sample, show)?;
        let mut seen: Vec<FullLayer> = Vec::new();
        walk(model, &sample.batch, |pass| {
            if pass.index == seen.len() {
                seen.push(FullLayer::new(&pass.seen, pass.direction, steps));
            }
            seen[pass.index].take(pass, show.lane, first);
        })?;
        let chosen = spread(seen.len(), show.layers);
        let (mut layers, mut left_out) = (Vec::new(), Vec::new());
        for (i, full) in seen.into_iter().enumerate() {
            match chosen.contains(&i) {
                true => layers.push(full.reduced(show.units)),
                false => left_out.push(full.layer),
            }
        }
        let tokens = sample.tokens.as_ref().and_then(|lanes| lanes.get(show.lane));
        let tokens = tokens.map(|lane| lane.iter().skip(first).take(steps).cloned().collect::<Vec<_>>());
        let tokens = tokens.filter(|tokens| tokens.len() == steps);
        Ok(Self { of: sample.of.clone(), lane: show.lane, first, steps, tokens, layers, left_out })
    }
}

/// Returns the first step and the number of steps to show.
fn window(sample: &Sample, show: &ShowOptions) -> Result<(usize, usize)> {
    let out_of_range = |setting, got: usize, expected: String| {
        Err(Error::Setting { setting, got: got.to_string(), expected })
    };
    let lanes = sample.batch.lanes;
    if show.lane >= lanes {
        return out_of_range(
            "the sequence to show",
            show.lane,
            format!("below {lanes}, the number of sequences"),
        );
    }
    for (setting, got) in [("steps", show.steps), ("units", show.units), ("layers", show.layers)] {
        if got == 0 {
            return out_of_range(setting, got, "at least 1".to_owned());
        }
    }
    if show.steps > MAX_STEPS {
        return out_of_range("steps", show.steps, format!("at most {MAX_STEPS}"));
    }
    let input = sample.batch.inputs.first();
    let length = |input: &refrain_nn::data::BatchInput| {
        input.lengths.get(show.lane).map_or(input.steps, |&length| length.min(input.steps))
    };
    let length = input.map_or(0, length);
    let first = show.first.unwrap_or(length.saturating_sub(show.steps));
    if first >= length {
        return out_of_range("the first step", first, format!("below {length}, the number of steps"));
    }
    Ok((first, show.steps.min(length - first)))
}

/// Returns at most `most` of `0..count`, spread evenly and including both ends.
fn spread(count: usize, most: usize) -> Vec<usize> {
    match most {
        _ if count <= most => (0..count).collect(),
        0 => Vec::new(),
        1 => vec![count - 1],
        _ => (0..most).map(|i| i * (count - 1) / (most - 1)).collect(),
    }
}

/// A layer over the steps shown, with all its units.
struct FullLayer {
    layer: String,
    class_name: &'static str,
    units: usize,
    direction: ReadingDirection,
    steps: usize,
    /// Each state is `(steps, units)`.
    states: Vec<(&'static str, StateKind, Vec<f32>)>,
}

impl FullLayer {
    fn new(seen: &Recurrence<'_>, direction: ReadingDirection, steps: usize) -> Self {
        let mut kinds = vec![("hidden state", StateKind::Hidden)];
        if seen.has_cell_state() {
            kinds.push(("cell state", StateKind::Cell));
        }
        kinds.extend(seen.gate_names().iter().map(|letter| {
            let name = gate_name(seen.class_name(), letter);
            (name, if name == "candidate" { StateKind::Candidate } else { StateKind::Gate })
        }));
        let empty = vec![f32::NAN; steps * seen.units()];
        Self {
            layer: seen.layer().to_owned(),
            class_name: seen.class_name(),
            units: seen.units(),
            direction,
            steps,
            states: kinds.into_iter().map(|(name, kind)| (name, kind, empty.clone())).collect(),
        }
    }

    fn take(&mut self, pass: &Pass<'_>, lane: usize, first: usize) {
        if lane >= pass.seen.layout().sequences() {
            return;
        }
        for (step, row) in pass.rows(lane) {
            let Some(at) = step.checked_sub(first).filter(|&at| at < self.steps) else { continue };
            let mut gate = 0;
            for (_, kind, values) in &mut self.states {
                let to = &mut values[at * self.units..][..self.units];
                match kind {
                    StateKind::Hidden => to.copy_from_slice(pass.seen.hidden(row)),
                    StateKind::Cell => to.copy_from_slice(pass.seen.cell_state(row).expect("an LSTM's")),
                    StateKind::Candidate | StateKind::Gate => {
                        to.iter_mut().zip(pass.seen.gate(gate, row)).for_each(|(to, value)| *to = value);
                        gate += 1;
                    }
                }
            }
        }
    }

    /// Keeps only the units whose hidden state varies most.
    fn reduced(self, most: usize) -> LayerActivations {
        let hidden = &self.states[0].2;
        let column = |values: &[f32], unit: usize| -> Vec<f32> {
            values.iter().skip(unit).step_by(self.units.max(1)).copied().collect()
        };
        let mut order: Vec<(f64, usize)> =
            (0..self.units).map(|unit| (variance(&column(hidden, unit)), unit)).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let shown: Vec<usize> = order.into_iter().take(most).map(|(_, unit)| unit).collect();
        let map = |(name, kind, values): &(&'static str, StateKind, Vec<f32>)| StateMap {
            name,
            kind: *kind,
            mean: values.chunks(self.units.max(1)).map(mean).collect(),
            rows: shown.iter().map(|&unit| column(values, unit)).collect(),
        };
        LayerActivations {
            states: self.states.iter().map(map).collect(),
            layer: self.layer,
            class_name: self.class_name,
            units: self.units,
            shown,
            backwards: self.direction.backwards,
            reads_tokens: self.direction.input == Some(0),
        }
    }
}

fn mean(values: &[f32]) -> f32 {
    (values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64) as f32
}

/// Returns the variance over the unmasked steps; units that are not finite everywhere rank below all others.
fn variance(values: &[f32]) -> f64 {
    let there: Vec<f64> = values.iter().filter(|x| !x.is_nan()).map(|&x| f64::from(x)).collect();
    let mean = there.iter().sum::<f64>() / there.len().max(1) as f64;
    let variance = there.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / there.len().max(1) as f64;
    if variance.is_finite() { variance } else { -1.0 }
}

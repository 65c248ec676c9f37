//! Outputs of a model with one input replaced.
//!
//! What precedes the replaced input is the same for all: its state is computed once and kept, so a lag only costs
//! the steps after it. If a model's state cannot be carried, whole sequences are run again.

use super::{Measure, OutputMove};
use crate::error::Result;
use crate::sample::{Sample, real_steps, unsupported};
use crate::say::no_steps;
use refrain_nn::data::{Batch, BatchInput, Extent};
use refrain_nn::shown::counted;
use refrain_nn::{Activation, Architecture, Model, State};

pub(super) const WHAT: &str = "measure how far back the output remembers";

/// The maximum number of output floats of a pass: the outputs of all steps are computed, though only the last is
/// read.
const OUTPUT_FLOATS: usize = 1 << 22;

/// Sequences without masked steps, each with at least one step.
struct Inputs {
    /// Floats per step; 0 for ids.
    width: usize,
    ids: Vec<Vec<u32>>,
    features: Vec<Vec<f32>>,
    lengths: Vec<usize>,
}

/// The position of an input: sequence and step.
type Place = (usize, usize);

pub(super) struct Probe<'m> {
    model: &'m mut Model,
    inputs: Inputs,
    measure: Measure,
    carries: bool,
    /// The original outputs, and what a relative move is divided by.
    as_it_is: Vec<Vec<f32>>,
    scale: f64,
    /// The states of all sequences before the input of some lags, the largest lags first.
    before: Vec<(usize, State)>,
}

impl<'m> Probe<'m> {
    pub(super) fn new(model: &'m mut Model, sample: &Sample) -> Result<Self> {
        let architecture = model.architecture();
        let time = architecture.inputs.first().is_some_and(|input| input.sequence);
        let (inputs, outputs) = (architecture.inputs.len(), model.output_count());
        if (inputs, outputs) != (1, 1) || !time {
            let reason = format!(
                "the model has {} and {}; expected one input with a time axis and one output",
                counted(inputs, "input"),
                counted(outputs, "output")
            );
            return Err(unsupported(WHAT, reason));
        }
        let carries = carries(architecture);
        let measure = match model.output_activation(0) {
            Some(Activation::Softmax | Activation::Sigmoid) => Measure::TotalVariation,
            _ => Measure::RelativeL2,
        };
        let inputs = Inputs::of(model, &sample.batch)?;
        let (as_it_is, before) = (Vec::new(), Vec::new());
        let mut probe = Self { model, inputs, measure, carries, as_it_is, scale: 1.0, before };
        let all = probe.spans(|length| (0, length));
        let mut state = probe.model.new_state();
        probe.as_it_is = probe.run(&mut state, &all, &[])?;
        probe.scale = probe.scale();
        Ok(probe)
    }

    /// Returns the steps of the longest sequence.
    pub(super) fn steps(&self) -> usize {
        self.inputs.lengths.iter().copied().max().unwrap_or(0)
    }

    pub(super) fn sequences(&self) -> usize {
        self.inputs.lengths.len()
    }

    pub(super) fn measure(&self) -> Measure {
        self.measure
    }

    /// Returns the moves of lags, in ascending order.
    pub(super) fn moves(&mut self, lags: &[usize]) -> Result<Vec<OutputMove>> {
        // States are carried from the start to the end, so the largest lag comes first.
        let mut moves = lags.iter().rev().map(|&lag| self.at(lag)).collect::<Result<Vec<_>>>()?;
        moves.reverse();
        Ok(moves)
    }

    fn at(&mut self, lag: usize) -> Result<OutputMove> {
        let replaced: Vec<Option<Place>> =
            (0..self.sequences()).map(|n| self.inputs.another(n, lag)).collect();
        let moves: Vec<usize> = (0..self.sequences()).filter(|&n| replaced[n].is_some()).collect();
        if moves.is_empty() {
            return Err(unsupported(
                WHAT,
                "all inputs of the sequences are the same: none can be replaced by another",
            ));
        }
        let mut state = self.state_before(lag)?;
        let carries = self.carries;
        let spans: Vec<_> = (0..self.sequences())
            .map(|n| match (replaced[n], self.inputs.lengths[n]) {
                (None, _) => (0, 0),
                (Some(_), length) => (if carries { length - 1 - lag } else { 0 }, length),
            })
            .collect();
        let changes: Vec<_> = moves
            .iter()
            .filter_map(|&n| Some(((n, self.inputs.lengths[n] - 1 - lag), replaced[n]?)))
            .collect();
        let outputs = self.run(&mut state, &spans, &changes)?;
        let sum: f64 = moves.iter().map(|&n| self.distance(&self.as_it_is[n], &outputs[n])).sum();
        Ok(OutputMove { lag, moved: sum / moves.len() as f64, relative: 0.0, sequences: moves.len() })
    }

    /// Returns the state of each sequence before its input of that lag; for shorter sequences, before their first
    /// input.
    fn state_before(&mut self, lag: usize) -> Result<State> {
        if !self.carries {
            return Ok(self.model.new_state());
        }
        let begun = self.before.iter().filter(|(larger, _)| *larger >= lag).min_by_key(|(larger, _)| *larger);
        let (from, mut state) = match begun {
            Some((larger, state)) => (*larger, state.clone()),
            None => (usize::MAX, self.model.new_state()),
        };
        let before = |length: usize, lag: usize| length.saturating_sub(1).saturating_sub(lag);
        let spans = self.spans(|length| (before(length, from), before(length, lag)));
        if spans.iter().any(|(from, to)| from < to) {
            self.run(&mut state, &spans, &[])?;
        }
        self.before.push((lag, state.clone()));
        Ok(state)
    }

    fn spans(&self, of: impl Fn(usize) -> (usize, usize)) -> Vec<(usize, usize)> {
        self.inputs.lengths.iter().map(|&length| of(length)).collect()
    }

    /// Runs some steps of each sequence from a state, with some inputs replaced, and returns the last output of
    /// each sequence; none for sequences without steps.
    fn run(
        &mut self,
        state: &mut State,
        spans: &[(usize, usize)],
        changes: &[(Place, Place)],
    ) -> Result<Vec<Vec<f32>>> {
        let longest = spans.iter().map(|(from, to)| to - from).max().unwrap_or(0);
        let width = self.model.output_width(0);
        let chunk =
            if self.carries { (OUTPUT_FLOATS / (width * spans.len()).max(1)).max(1) } else { longest };
        let mut last = vec![Vec::new(); spans.len()];
        for done in (0..longest).step_by(chunk.max(1)) {
            let part = |&(from, to): &(usize, usize)| ((from + done).min(to), (from + done + chunk).min(to));
            let parts: Vec<_> = spans.iter().map(part).collect();
            let batch = self.inputs.batch(&parts, changes);
            let output = self.model.predict_batch(&batch, Some(state))?.swap_remove(0);
            let steps = if output.ndim() == 3 { output.shape()[1] } else { 1 };
            let flat = output.into_raw_vec_and_offset().0;
            for (n, &(from, to)) in parts.iter().enumerate().filter(|(_, (from, to))| from < to) {
                let step = if steps == 1 { 0 } else { to - from - 1 };
                let row = &flat[(n * steps + step) * width..][..width];
                if let Some(value) = row.iter().find(|value| !value.is_finite()) {
                    return Err(unsupported(WHAT, format!("an output of the model is {value}")));
                }
                last[n] = row.to_vec();
            }
        }
        Ok(last)
    }

    /// Returns the root mean square norm of the outputs; 1 if they are all 0.
    fn scale(&self) -> f64 {
        let squares = self.as_it_is.iter().flatten().map(|&y| f64::from(y).powi(2)).sum::<f64>();
        let scale = (squares / self.as_it_is.len().max(1) as f64).sqrt();
        if scale > 0.0 { scale } else { 1.0 }
    }

    fn distance(&self, a: &[f32], b: &[f32]) -> f64 {
        let differences = a.iter().zip(b).map(|(&a, &b)| f64::from(a) - f64::from(b));
        match (self.measure, self.model.output_activation(0)) {
            (Measure::RelativeL2, _) => differences.map(|d| d * d).sum::<f64>().sqrt() / self.scale,
            (_, Some(Activation::Sigmoid)) => differences.map(f64::abs).sum::<f64>() / a.len().max(1) as f64,
            _ => differences.map(f64::abs).sum::<f64>() / 2.0,
        }
    }
}

/// Returns whether running a sequence in parts with the state carried gives the same as running it whole.
fn carries(architecture: &Architecture) -> bool {
    architecture.layers.iter().all(|layer| {
        let recurrent = ["SimpleRNN", "LSTM", "GRU"].contains(&layer.class_name.as_str());
        let backwards = layer.config.get("go_backwards").is_some_and(|on| on == true);
        let whole = ["Bidirectional", "RepeatVector"].contains(&layer.class_name.as_str());
        !(whole || backwards || recurrent && layer.inputs.len() > 1)
    })
}

impl Inputs {
    fn of(model: &mut Model, batch: &Batch) -> Result<Self> {
        let steps = real_steps(model, batch)?;
        let [input] = &batch.inputs[..] else {
            return Err(unsupported(
                WHAT,
                format!("the sample has {}; expected one", counted(batch.inputs.len(), "input")),
            ));
        };
        let width = model.architecture().inputs[0].features.unwrap_or(0);
        let held = if width == 0 { input.ids.len() } else { input.features.len() };
        if held != batch.lanes * input.steps * width.max(1) {
            let (lanes, span) = (batch.lanes, input.steps);
            let reason = format!(
                "the sample holds {} for {} of {}, but the model reads {} per step (0: one id)",
                counted(held, "value"),
                counted(lanes, "sequence"),
                counted(span, "step"),
                counted(width, "feature")
            );
            return Err(unsupported(WHAT, reason));
        }
        let mut inputs = Self { width, ids: Vec::new(), features: Vec::new(), lengths: Vec::new() };
        for (n, real) in steps.iter().enumerate().filter(|(_, real)| !real.is_empty()) {
            let at = |t: &usize| n * input.steps + t;
            inputs.lengths.push(real.len());
            if width == 0 {
                inputs.ids.push(real.iter().map(|t| input.ids[at(t)]).collect());
            } else {
                let rows = real.iter().flat_map(|t| &input.features[at(t) * width..][..width]);
                inputs.features.push(rows.copied().collect());
            }
        }
        if inputs.lengths.is_empty() {
            return Err(unsupported(WHAT, no_steps(steps.len())));
        }
        Ok(inputs)
    }

    /// Returns a replacement for the input of a sequence this many steps before its end: the first different one at
    /// the same position of another sequence, or elsewhere in its own. `None` if the sequence is too short or all
    /// inputs are the same.
    fn another(&self, n: usize, lag: usize) -> Option<Place> {
        let step = self.lengths[n].checked_sub(1 + lag)?;
        let others = (1..self.lengths.len()).map(|j| (n + j) % self.lengths.len());
        let others = others.filter_map(|m| Some((m, self.lengths[m].checked_sub(1 + lag)?)));
        let own = (1..self.lengths[n]).map(|j| (n, (step + j) % self.lengths[n]));
        others.chain(own).find(|&other| !self.same((n, step), other))
    }

    fn same(&self, a: Place, b: Place) -> bool {
        match self.width {
            0 => self.ids[a.0][a.1] == self.ids[b.0][b.1],
            _ => self.row(a) == self.row(b),
        }
    }

    fn row(&self, (n, step): Place) -> &[f32] {
        &self.features[n][step * self.width..][..self.width]
    }

    /// Returns some steps of each sequence as a batch, with the inputs of `changes` replaced.
    fn batch(&self, parts: &[(usize, usize)], changes: &[(Place, Place)]) -> Batch {
        let steps = parts.iter().map(|(from, to)| to - from).max().unwrap_or(0);
        let mut input = BatchInput { steps, extent: Extent::Lengths, ..BatchInput::default() };
        input.ids = vec![0; if self.width == 0 { parts.len() * steps } else { 0 }];
        input.features = vec![0.0; parts.len() * steps * self.width];
        input.lengths = parts.iter().map(|(from, to)| to - from).collect();
        let mut put = |at: usize, of: Place| match self.width {
            0 => input.ids[at] = self.ids[of.0][of.1],
            width => input.features[at * width..][..width].copy_from_slice(self.row(of)),
        };
        for (n, &(from, to)) in parts.iter().enumerate() {
            (from..to).for_each(|step| put(n * steps + step - from, (n, step)));
        }
        for &((n, step), other) in changes {
            let (from, to) = parts[n];
            if (from..to).contains(&step) {
                put(n * steps + step - from, other);
            }
        }
        Batch { lanes: parts.len(), inputs: vec![input], ..Batch::default() }
    }
}

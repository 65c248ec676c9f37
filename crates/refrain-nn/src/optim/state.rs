//! The state of an optimiser, and the step itself.

use super::clip::{global_scale, span_scale};
use super::{Optimizer, OptimizerKind};
use crate::params::{Flat, Params, RowGradient, RowGradients, Span};
use refrain_kernels::optimizer::{self as kernel, StepScale};
use refrain_kernels::reduce::{partials_len, square_norm};
use refrain_kernels::{AlignedVec, Engine};
use std::ops::Range;

/// The slots of an optimiser, each as long as the flat parameters, and the number of steps taken.
#[derive(Debug, Clone)]
pub(crate) struct OptimizerState {
    steps: u64,
    names: &'static [&'static str],
    slots: Vec<AlignedVec>,
    /// Nadam's u_1 · … · u_t.
    product: f32,
    partials: Vec<f64>,
}

/// The results of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StepReport {
    /// The norm of the mean gradient over all trained parameters, before clipping.
    pub(crate) gradient_norm: f64,
    /// The factor applied by global norm clipping.
    pub(crate) scale: f64,
}

impl OptimizerState {
    /// Creates slots for these parameters.
    pub(crate) fn new(optimizer: &Optimizer, params: &Params) -> Self {
        let names: &'static [&'static str] = match optimizer.kind {
            OptimizerKind::Sgd { momentum, .. } if momentum > 0.0 => &["momentum"],
            OptimizerKind::Sgd { .. } => &[],
            OptimizerKind::RmsProp { momentum, centered, .. } => match (momentum > 0.0, centered) {
                (false, false) => &["velocity"],
                (true, false) => &["velocity", "momentum"],
                (false, true) => &["velocity", "average_gradient"],
                (true, true) => &["velocity", "momentum", "average_gradient"],
            },
            OptimizerKind::Adagrad { .. } => &["accumulator"],
            OptimizerKind::Adadelta { .. } => &["accumulated_grad", "accumulated_delta_var"],
            OptimizerKind::Adamax { .. } => &["momentum", "norm"],
            OptimizerKind::Adam { .. } | OptimizerKind::AdamW { .. } | OptimizerKind::Nadam { .. } => {
                &["momentum", "velocity"]
            }
        };
        let len = params.values().len();
        let mut slots: Vec<_> = names.iter().map(|_| AlignedVec::zeros(len)).collect();
        if let OptimizerKind::Adagrad { initial_accumulator_value, .. } = optimizer.kind {
            slots[0].fill(initial_accumulator_value as f32);
        }
        Self { steps: 0, names, slots, product: 1.0, partials: vec![0.0; partials_len(len)] }
    }

    /// Returns the number of steps taken.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// Returns the slots under Keras's names, each laid out as the flat parameters.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (&'static str, &[f32])> {
        self.names.iter().copied().zip(self.slots.iter().map(|s| &**s))
    }

    /// Returns the slots under Keras's names, for writing.
    pub(crate) fn slots_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut [f32])> {
        self.names.iter().copied().zip(self.slots.iter_mut().map(|s| &mut **s))
    }

    /// Returns Nadam's u_1 · … · u_t; 1 for other optimisers.
    pub(crate) fn product(&self) -> f32 {
        self.product
    }

    /// Resumes after this many steps, with Nadam's product at that point.
    pub(crate) fn resume(&mut self, steps: u64, product: f32) {
        (self.steps, self.product) = (steps, product);
    }

    /// Takes a step on the mean of this many batches' gradients; the parameters hold their sum. Computes
    /// norm, clipping, decay and update rule in one pass over each run of parameters with the same flags.
    pub(crate) fn apply(
        &mut self,
        engine: &Engine,
        optimizer: &Optimizer,
        params: &mut Params,
        learning_rate: f64,
        batches: u32,
    ) -> StepReport {
        self.steps += 1;
        if let OptimizerKind::Nadam { beta_1, beta_2, epsilon } = optimizer.kind {
            self.product = kernel::Adam { beta_1, beta_2, epsilon }.nadam_product(self.product, self.steps);
        }
        let Flat { spans, values, gradients, row_gradients } = params.flat();
        let per_span = optimizer.clip.clipnorm;
        let mut square = 0.0;
        for (run, _) in runs(spans, row_gradients, false) {
            square += square_norm(engine, run.gradient(gradients), &mut self.partials);
        }
        let batches = f64::from(batches);
        let gradient_norm = square.sqrt() / batches;
        let scale = optimizer.clip.global_clipnorm.map_or(1.0, |bound| global_scale(gradient_norm, bound));
        for (run, decays) in runs(spans, row_gradients, per_span.is_some()) {
            let mut factor = scale;
            if let Some(bound) = per_span {
                let norm = square_norm(engine, run.gradient(gradients), &mut self.partials).sqrt() / batches;
                factor = span_scale(norm, bound);
            }
            let scale = StepScale {
                factor: (factor / batches) as f32,
                clip_value: optimizer.clip.clipvalue.map(|c| c as f32),
                decay: optimizer.weight_decay.filter(|_| decays).unwrap_or(0.0) as f32,
                lr: learning_rate as f32,
            };
            match run {
                Run::Flat(range) => {
                    let (w, g) = (&mut values[range.clone()], &gradients[range.clone()]);
                    self.update(engine, optimizer.kind, scale, w, g, range);
                }
                Run::Rows(start, rows) => {
                    for (at, g) in rows.iter() {
                        let range = start + at..start + at + g.len();
                        self.update(engine, optimizer.kind, scale, &mut values[range.clone()], g, range);
                    }
                }
            }
        }
        StepReport { gradient_norm, scale }
    }

    fn update(
        &mut self,
        engine: &Engine,
        kind: OptimizerKind,
        scale: StepScale,
        w: &mut [f32],
        g: &[f32],
        run: Range<usize>,
    ) {
        let t = self.steps;
        let mut slots = self.slots.iter_mut().map(|s| &mut s[run.clone()]);
        let mut slot = || slots.next().expect("a slot for each name");
        match kind {
            OptimizerKind::Sgd { momentum, nesterov } => {
                let slot = (momentum > 0.0).then(slot);
                kernel::sgd(engine, kernel::Sgd { momentum, nesterov }, scale, w, g, slot);
            }
            OptimizerKind::RmsProp { rho, momentum, epsilon, centered } => {
                let velocity = slot();
                let change = (momentum > 0.0).then(&mut slot);
                let average = centered.then(slot);
                let rule = kernel::RmsProp { rho, momentum, epsilon };
                kernel::rmsprop(engine, rule, scale, w, g, velocity, change, average);
            }
            OptimizerKind::Adagrad { epsilon, .. } => {
                kernel::adagrad(engine, kernel::Adagrad { epsilon }, scale, w, g, slot());
            }
            OptimizerKind::Adadelta { rho, epsilon } => {
                kernel::adadelta(engine, kernel::Adadelta { rho, epsilon }, scale, w, g, slot(), slot());
            }
            OptimizerKind::Adam { beta_1, beta_2, epsilon }
            | OptimizerKind::AdamW { beta_1, beta_2, epsilon } => {
                let rule = kernel::Adam { beta_1, beta_2, epsilon };
                kernel::adam(engine, rule, scale, t, w, g, slot(), slot(), None);
            }
            OptimizerKind::Adamax { beta_1, beta_2, epsilon } => {
                let rule = kernel::Adam { beta_1, beta_2, epsilon };
                kernel::adamax(engine, rule, scale, t, w, g, slot(), slot());
            }
            OptimizerKind::Nadam { beta_1, beta_2, epsilon } => {
                let rule = kernel::Adam { beta_1, beta_2, epsilon };
                kernel::nadam(engine, rule, scale, t, self.product, w, g, slot(), slot());
            }
        }
    }
}

/// Trained parameters that are updated together.
#[derive(Debug)]
enum Run<'a> {
    /// A range of the flat buffers.
    Flat(Range<usize>),
    /// The rows of a table with a gradient, and the position of the table in the flat buffers.
    Rows(usize, &'a RowGradient),
}

impl Run<'_> {
    fn gradient<'a>(&'a self, flat: &'a [f32]) -> &'a [f32] {
        match self {
            Run::Flat(range) => &flat[range.clone()],
            Run::Rows(_, rows) => rows.data(),
        }
    }
}

/// Returns the trained spans and whether they decay. Either each span is alone, or neighbours with the same
/// flags are joined, including the gap between them, which is zero and stays zero.
fn runs<'a>(
    spans: &'a [Span],
    row_gradients: RowGradients<'a>,
    alone: bool,
) -> impl Iterator<Item = (Run<'a>, bool)> + use<'a> {
    let mut next = 0;
    std::iter::from_fn(move || {
        while !spans.get(next)?.trainable {
            next += 1;
        }
        let first = next;
        next += 1;
        if let Some(rows) = row_gradients.rows(first) {
            return Some((Run::Rows(spans[first].range().start, rows), spans[first].decay));
        }
        if !alone {
            let like = |s: &Span| s.trainable && s.decay == spans[first].decay;
            let same = |i: usize| like(&spans[i]) && row_gradients.rows(i).is_none();
            next += (next..spans.len()).take_while(|&i| same(i)).count();
        }
        Some((Run::Flat(spans[first].range().start..spans[next - 1].range().end), spans[first].decay))
    })
}

#[cfg(test)]
mod tests;

//! Random data of any shape, and transformations of it.

use crate::architecture::{Architecture, Head, Input, uniform};
use ndarray::{ArrayView2, ArrayView3};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use refrain_nn::Model;
use refrain_nn::data::{Batch, Data, Extent};
use std::fmt;
use std::ops::Range;

/// The real steps of a batch's sequences. Printed as one row per sequence, with `#` for each real step.
#[derive(Clone)]
pub(crate) struct Shape {
    pub(crate) extent: Extent,
    pub(crate) steps: usize,
    pub(crate) real: Vec<Vec<bool>>,
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let picture = |row: &Vec<bool>| row.iter().map(|&real| if real { '#' } else { '.' }).collect();
        let rows: Vec<String> = self.real.iter().map(picture).collect();
        write!(f, "{:?} of {} steps {rows:?}", self.extent, self.steps)
    }
}

/// Returns up to 9 sequences of up to 12 steps: full, with lengths (including 0) or with a mask.
pub(crate) fn shapes() -> impl Strategy<Value = Shape> {
    shapes_of(0..=9)
}

pub(crate) fn shapes_of(lanes: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Shape> {
    (lanes, 1..=12_usize).prop_flat_map(|(lanes, steps)| {
        let shape = move |extent| move |real| Shape { extent, steps, real };
        let lengths = prop::collection::vec(prefix(steps), lanes);
        prop_oneof![
            1 => Just(Shape { extent: Extent::Full, steps, real: vec![vec![true; steps]; lanes] }),
            2 => lengths.prop_map(shape(Extent::Lengths)),
            3 => prop::collection::vec(holes(steps), lanes).prop_map(shape(Extent::Mask)),
        ]
    })
}

/// Returns a mask in which the first steps are real, or none.
pub(crate) fn prefix(steps: usize) -> BoxedStrategy<Vec<bool>> {
    (0..=steps).prop_map(move |length| (0..steps).map(|t| t < length).collect()).boxed()
}

/// Returns a mask with holes anywhere, on one side, or everywhere.
fn holes(steps: usize) -> BoxedStrategy<Vec<bool>> {
    let reversed = |mut row: Vec<bool>| {
        row.reverse();
        row
    };
    prop_oneof![
        4 => prop::collection::vec(any::<bool>(), steps),
        1 => prefix(steps),
        1 => prefix(steps).prop_map(reversed),
        1 => Just(vec![false; steps]),
    ]
    .boxed()
}

/// One step of a sequence, with its targets.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) id: u32,
    pub(crate) features: Vec<f32>,
    pub(crate) target: Target,
    pub(crate) real: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Target {
    class: u32,
    values: Vec<f32>,
    weight: f32,
}

#[derive(Debug, Clone)]
pub(crate) struct Lane {
    pub(crate) steps: Vec<Step>,
    /// The target of a model that returns its last output.
    target: Target,
}

/// Sequences for a model, before they become a batch.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) lanes: Vec<Lane>,
    pub(crate) steps: usize,
    pub(crate) extent: Extent,
    input: Input,
    sequences: bool,
    classes: bool,
    weighted: bool,
}

impl Sample {
    /// Creates random data for `model`, which `net` describes. Steps that are not real contain other random
    /// data.
    pub(crate) fn new(net: &Architecture, model: &Model, shape: &Shape, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(!seed);
        let (vocabulary, width) = match net.input {
            Input::Ids { vocabulary, .. } => (vocabulary, 0),
            Input::Features(width) => (2, width),
        };
        let (classes, outputs) = (matches!(net.head, Head::Classes(_)), model.output_width(0));
        let target = |rng: &mut ChaCha8Rng| Target {
            class: rng.next_u32() % outputs as u32,
            values: (0..outputs).map(|_| uniform(rng)).collect(),
            weight: uniform(rng).abs(),
        };
        let step = |real: bool, rng: &mut ChaCha8Rng| Step {
            // 0 marks a masked step for models that mask.
            id: 1 + rng.next_u32() % (vocabulary as u32 - 1),
            features: (0..width).map(|_| uniform(rng)).collect(),
            target: target(rng),
            real,
        };
        let lanes = shape.real.iter().map(|row| Lane {
            steps: row.iter().map(|&real| step(real, &mut rng)).collect(),
            target: target(&mut rng),
        });
        Self {
            lanes: lanes.collect(),
            steps: shape.steps,
            extent: shape.extent,
            input: net.input,
            sequences: net.sequences,
            classes,
            weighted: seed.is_multiple_of(2),
        }
    }

    pub(crate) fn batch(&self) -> Batch {
        let mut batch = Batch { lanes: self.lanes.len(), ..Batch::default() };
        batch.inputs.resize_with(1, Default::default);
        batch.targets.resize_with(1, Default::default);
        let (input, to) = (&mut batch.inputs[0], &mut batch.targets[0]);
        (input.steps, input.extent) = (self.steps, self.extent);
        to.steps = if self.sequences { self.steps } else { 1 };
        let mut aim = |target: &Target| {
            if self.classes {
                to.ids.push(target.class);
            } else {
                to.values.extend(&target.values);
            }
            if self.weighted {
                batch.weights.push(target.weight);
            }
        };
        for lane in &self.lanes {
            for step in &lane.steps {
                match self.input {
                    Input::Ids { .. } => input.ids.push(step.id),
                    Input::Features(_) => input.features.extend(&step.features),
                }
                match self.extent {
                    Extent::Mask => input.mask.push(step.real),
                    Extent::Full | Extent::Lengths => {}
                }
                if self.sequences {
                    aim(&step.target);
                }
            }
            if self.extent == Extent::Lengths {
                input.lengths.push(lane.real().len());
            }
            if !self.sequences {
                aim(&lane.target);
            }
        }
        batch
    }

    /// Returns the sequences in this order.
    pub(crate) fn pick(&self, order: &[usize]) -> Self {
        Self { lanes: order.iter().map(|&n| self.lanes[n].clone()).collect(), ..self.clone() }
    }

    /// Returns a range of steps of every sequence.
    pub(crate) fn window(&self, steps: Range<usize>) -> Self {
        let cut = |lane: &Lane| Lane { steps: lane.steps[steps.clone()].to_vec(), ..lane.clone() };
        Self { lanes: self.lanes.iter().map(cut).collect(), steps: steps.len(), ..self.clone() }
    }

    /// Returns the sequences with their real steps moved to the start.
    pub(crate) fn compacted(&self) -> Self {
        let mut lanes = self.lanes.clone();
        lanes.iter_mut().for_each(|lane| lane.steps.sort_by_key(|step| !step.real));
        Self { lanes, extent: Extent::Lengths, ..self.clone() }
    }

    /// Returns one sequence in an array of only its real steps.
    pub(crate) fn alone(&self, n: usize) -> Self {
        let lane = &self.pick(&[n]).compacted().lanes[0];
        let steps = lane.real().len();
        let lanes = vec![Lane { steps: lane.steps[..steps].to_vec(), ..lane.clone() }];
        Self { lanes, steps, extent: Extent::Full, ..self.clone() }
    }

    /// Returns the same real steps, given as a mask.
    pub(crate) fn masked(&self) -> Self {
        Self { extent: Extent::Mask, ..self.clone() }
    }

    /// Returns the sequences with their real steps in reverse order, at the same positions.
    pub(crate) fn reversed(&self) -> Self {
        let mut lanes = self.lanes.clone();
        for (lane, from) in lanes.iter_mut().zip(&self.lanes) {
            let real = from.real();
            for (&to, &step) in real.iter().zip(real.iter().rev()) {
                lane.steps[to] = from.steps[step].clone();
            }
        }
        Self { lanes, ..self.clone() }
    }

    /// Replaces what must not be read with NaN, or with an id that no table and no output has.
    pub(crate) fn poisoned(&self) -> Self {
        let mut lanes = self.lanes.clone();
        for step in lanes.iter_mut().flat_map(|lane| &mut lane.steps).filter(|step| !step.real) {
            (step.id, step.target.class, step.target.weight) = (u32::MAX, u32::MAX, f32::NAN);
            step.features.fill(f32::NAN);
            step.target.values.fill(f32::NAN);
        }
        Self { lanes, ..self.clone() }
    }
}

impl Lane {
    /// Returns which steps are real.
    pub(crate) fn real(&self) -> Vec<usize> {
        (0..self.steps.len()).filter(|&t| self.steps[t].real).collect()
    }
}

/// Runs with a batch's input as arrays, which the model splits into batches itself.
pub(crate) fn with_arrays<T>(batch: &Batch, run: impl FnOnce(Data<'_>) -> T) -> T {
    let (input, lanes) = (&batch.inputs[0], batch.lanes);
    let width = input.features.len().checked_div(lanes * input.steps).unwrap_or(0);
    let (ids, features) = (
        ArrayView2::from_shape((lanes, if width == 0 { input.steps } else { 0 }), &input.ids),
        ArrayView3::from_shape((lanes, input.steps, width), &input.features),
    );
    let data = if width == 0 { Data::from(ids.unwrap()) } else { Data::from(features.unwrap()) };
    match input.extent {
        Extent::Full => run(data),
        Extent::Lengths => run(data.lengths(&input.lengths)),
        Extent::Mask => run(data.mask(ArrayView2::from_shape((lanes, input.steps), &input.mask).unwrap())),
    }
}

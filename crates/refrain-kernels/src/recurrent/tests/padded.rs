//! Tests the packed passes against a padded batch: every sequence takes every step, and results after its end are
//! discarded. This uses no sorting, offsets or packed rows.

use super::*;
use crate::reference::activation::apply;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Tolerance for a directional difference in f64 against the gradients, relative to the sum of the magnitudes of
/// their products. The truncation error of the difference is of order `STEP²`, its rounding error 1e-16 / `STEP`.
const DIFFERENCE: f64 = 1e-7;
const STEP: f64 = 1e-5;

/// One sequence's state.
#[derive(Clone)]
struct Lane {
    h: Vec<f64>,
    c: Vec<f64>,
}

/// A layer on a padded batch, all in f64, with the same letters as the packed one.
#[derive(Clone)]
struct Padded<'a> {
    case: &'a Case,
    kernel: Vec<f64>,
    recurrent: Vec<f64>,
    bias: Vec<f64>,
    masks: Vec<f64>,
    /// (N, T, I); where the mask is off, values that would show up in the results.
    x: Vec<f64>,
    /// (N, T)
    mask: Vec<bool>,
    /// (N, H)
    h0: Vec<f64>,
    c0: Vec<f64>,
}

impl<'a> Padded<'a> {
    fn new(case: &'a Case) -> Self {
        let v = case.numbers();
        let steps = case.steps();
        let (mut x, mut mask) = (Vec::new(), Vec::new());
        for (n, &length) in case.lengths.iter().enumerate() {
            for t in 0..steps {
                mask.push(t < length);
                match t < length {
                    true => x.extend(wide(&v.x[(v.offsets[t] + n) * case.inputs..][..case.inputs])),
                    false => x.extend(vec![1e3; case.inputs]),
                }
            }
        }
        Self {
            case,
            kernel: wide(&v.kernel),
            recurrent: wide(&v.recurrent),
            bias: if case.bias { wide(&v.bias) } else { vec![0.0; v.bias.len()] },
            masks: wide(&v.masks),
            x,
            mask,
            h0: wide(&v.h0),
            c0: wide(&v.c0),
        }
    }

    /// Returns the outputs (N, T, H), including those of masked steps, and each sequence's state after the last step.
    fn run(&self) -> (Vec<f64>, Vec<Lane>) {
        let (units, inputs, steps) = (self.case.units, self.case.inputs, self.case.steps());
        let (mut y, mut lanes) = (Vec::new(), Vec::new());
        for n in 0..self.case.lengths.len() {
            let part = |all: &[f64]| all[n * units..][..units].to_vec();
            let mut lane = Lane { h: part(&self.h0), c: part(&self.c0) };
            for at in n * steps..(n + 1) * steps {
                let next = self.step(n, &self.x[at * inputs..][..inputs], &lane);
                y.extend(&next.h);
                if self.mask[at] {
                    lane = next;
                }
            }
            lanes.push(lane);
        }
        (y, lanes)
    }

    /// Takes one step of one sequence, with the cells as written in ARCHITECTURE.md.
    fn step(&self, n: usize, x: &[f64], Lane { h, c }: &Lane) -> Lane {
        let (gates, units) = (self.case.cell.gates(), self.case.units);
        let width = gates * units;
        let dot = |left: &[f64], right: &[f64], column: usize| -> f64 {
            left.iter().enumerate().map(|(k, l)| l * right[k * width + column]).sum()
        };
        let dropped = |gate: usize| -> Vec<f64> {
            let groups = self.case.mask_groups;
            let first = (gate % groups.max(1) * self.case.lengths.len() + n) * units;
            (0..units).map(|j| if groups == 0 { h[j] } else { h[j] * self.masks[first + j] }).collect()
        };
        let input =
            |gate: usize, j: usize| self.bias[gate * units + j] + dot(x, &self.kernel, gate * units + j);
        let product = |gate: usize, h: &[f64], j: usize| dot(h, &self.recurrent, gate * units + j);
        let plain = |gate: usize, act: Elementwise| -> Vec<f64> {
            let h = dropped(gate);
            (0..units).map(|j| apply(act, input(gate, j) + product(gate, &h, j))).collect()
        };
        match self.case.cell {
            Cell::SimpleRnn { activation } => Lane { h: plain(0, activation), c: c.clone() },
            Cell::Lstm { activation, recurrent_activation: sigma } => {
                let (i, f, o) = (plain(0, sigma), plain(1, sigma), plain(3, sigma));
                let g = plain(2, activation);
                let c: Vec<f64> = (0..units).map(|j| f[j] * c[j] + i[j] * g[j]).collect();
                Lane { h: (0..units).map(|j| o[j] * apply(activation, c[j])).collect(), c }
            }
            Cell::Gru { activation, recurrent_activation: sigma, reset_after } => {
                let second = |gate: usize, j: usize| {
                    if reset_after { self.bias[width + gate * units + j] } else { 0.0 }
                };
                let gate = |gate: usize| -> Vec<f64> {
                    let h = dropped(gate);
                    let sum = |j| input(gate, j) + product(gate, &h, j) + second(gate, j);
                    (0..units).map(|j| apply(sigma, sum(j))).collect()
                };
                let (z, r, masked) = (gate(0), gate(1), dropped(2));
                let reset: Vec<f64> = (0..units).map(|j| r[j] * masked[j]).collect();
                let candidate = |j: usize| {
                    let recurrent = match reset_after {
                        true => r[j] * (product(2, &masked, j) + second(2, j)),
                        false => product(2, &reset, j),
                    };
                    apply(activation, input(2, j) + recurrent)
                };
                let h = (0..units).map(|j| z[j] * h[j] + (1.0 - z[j]) * candidate(j)).collect();
                Lane { h, c: c.clone() }
            }
        }
    }

    /// `Σ dy·y + Σ dh·h + Σ dc·c`, over the real steps and the final states.
    fn objective(&self) -> f64 {
        let v = self.case.numbers();
        let (units, steps) = (self.case.units, self.case.steps());
        let (y, lanes) = self.run();
        let dot = |a: &[f64], b: &[f32]| a.iter().zip(b).map(|(a, &b)| a * f64::from(b)).sum::<f64>();
        let mut sum = 0.0;
        for (n, &length) in self.case.lengths.iter().enumerate() {
            for t in 0..length {
                sum += dot(&y[(n * steps + t) * units..][..units], &v.dy[(v.offsets[t] + n) * units..]);
            }
            sum += dot(&lanes[n].h, &v.dh[n * units..]) + dot(&lanes[n].c, &v.dc[n * units..]);
        }
        sum
    }

    /// Moves every value along the direction by `step`. The direction is in the gradients' own order, with x in
    /// packed rows.
    fn moved(&self, along: &Gradients<f64>, step: f64) -> Self {
        let mut to = self.clone();
        let add = |to: &mut [f64], v: &[f64]| to.iter_mut().zip(v).for_each(|(to, v)| *to += step * v);
        let (inputs, steps, offsets) = (self.case.inputs, self.case.steps(), self.case.numbers().offsets);
        for (n, &length) in self.case.lengths.iter().enumerate() {
            for (t, &offset) in offsets.iter().enumerate().take(length) {
                let row = &along.x[(offset + n) * inputs..][..inputs];
                add(&mut to.x[(n * steps + t) * inputs..][..inputs], row);
            }
        }
        add(&mut to.kernel, &along.kernel);
        add(&mut to.recurrent, &along.recurrent_kernel);
        if let Some(bias) = &along.bias {
            add(&mut to.bias, bias);
        }
        add(&mut to.h0, &along.h);
        add(&mut to.c0, &along.c);
        to
    }
}

impl Case {
    fn steps(&self) -> usize {
        self.lengths.first().copied().unwrap_or(0)
    }

    /// Returns the outputs of the padded batch in packed rows.
    fn padded_outputs(&self) -> Vec<f64> {
        let (y, _) = Padded::new(self).run();
        let (units, steps) = (self.units, self.steps());
        let places = (0..steps).flat_map(|t| (0..self.lengths.len()).map(move |n| (n, t)));
        let real = places.filter(|&(n, t)| t < self.lengths[n]);
        real.flat_map(|(n, t)| y[(n * steps + t) * units..][..units].to_vec()).collect()
    }
}

/// Units around the widths of vectors and panels as often as any others.
fn units() -> impl Strategy<Value = usize> {
    prop_oneof![1..70usize, prop::sample::select(vec![15, 16, 17, 31, 32, 33, 63, 64, 65])]
}

fn case() -> impl Strategy<Value = Case> {
    let lengths = prop::collection::vec(0..7usize, 0..9).prop_map(|mut lengths| {
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        lengths
    });
    (prop::sample::select(cells().to_vec()), 1..20usize, units(), lengths, any::<bool>(), 0..3usize).prop_map(
        |(cell, inputs, units, lengths, bias, masks)| {
            let mask_groups = [0, 1, cell.gates()][masks];
            Case { cell, inputs, units, lengths, bias, mask_groups }
        },
    )
}

/// The same cases in every run, so that a failure is reproducible.
fn config() -> ProptestConfig {
    let rng_seed = RngSeed::Fixed(1);
    ProptestConfig { cases: 96, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// Compares outputs directly, and gradients by way of the packed reference: the kernels' gradients equal the
    /// reference's element by element, which match the differences of the padded batch.
    #[test]
    fn packed_passes_match_a_padded_batch(case in case()) {
        let y = case.padded_outputs();
        for engine in engines() {
            case.close(&engine, "h against the padded batch", &case.fast(&engine).h, &y);
            case.check(&engine);
        }
        let (_, gradients) = case.plain();
        let mut draw = Draw(1);
        let mut size = 0.0;
        let mut slope = 0.0;
        let mut direction = |gradient: &Vec<f64>| -> Vec<f64> {
            let along = wide(&draw.floats(gradient.len(), 1.0));
            let products = || gradient.iter().zip(&along).map(|(g, v)| g * v);
            size += products().map(f64::abs).sum::<f64>();
            slope += products().sum::<f64>();
            along
        };
        let along = Gradients {
            x: direction(&gradients.x),
            kernel: direction(&gradients.kernel),
            recurrent_kernel: direction(&gradients.recurrent_kernel),
            bias: gradients.bias.as_ref().map(&mut direction),
            h: direction(&gradients.h),
            c: direction(&gradients.c),
            each_h: Vec::new(),
            each_c: Vec::new(),
        };
        let padded = Padded::new(&case);
        let at = |step: f64| padded.moved(&along, step).objective();
        let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP);
        let error = (difference - slope).abs() / f64::max(size, 1.0);
        prop_assert!(error <= DIFFERENCE, "slope {slope}, difference {difference}: {error:e} of {size}");
    }
}

//! Tests the fused passes on every instruction set against the plain reference in f64.

mod padded;

use super::*;
use crate::engine::Split;
use crate::layout::PanelShape;
use crate::panel::Packed;
use crate::reference::cell::{Dropout, Gradients, Masks, OutputGradients, State, Weights};
use crate::reference::{self, gru, lstm, rnn};
use crate::rows::{Rows, RowsMut, row_step};
use crate::{AlignedVec, Elementwise, Engine, Isa};

/// Largest difference from the f64 reference, relative to the largest value of the array (absolute below 1). A
/// hundred steps of f32 rounding on values of order 1 stay two orders of magnitude below.
const TOLERANCE: f64 = 3e-5;

/// A small deterministic generator, uniform in ±scale.
struct Draw(u64);

impl Draw {
    fn floats(&mut self, n: usize, scale: f32) -> Vec<f32> {
        (0..n)
            .map(|_| {
                self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                ((self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0) * scale
            })
            .collect()
    }

    fn mask(&mut self, n: usize) -> Vec<f32> {
        self.floats(n, 1.0).into_iter().map(|x| if x < -0.5 { 0.0 } else { 1.25 }).collect()
    }
}

/// Lays out dense rows as rows of `row_step(width)` floats, with NaN in the padding.
fn padded(dense: &[f32], width: usize) -> AlignedVec {
    let rows = dense.len().checked_div(width).unwrap_or(0);
    let mut out = AlignedVec::zeros(rows * row_step(width));
    out.fill(f32::NAN);
    for (to, from) in out.chunks_exact_mut(row_step(width)).zip(dense.chunks_exact(width)) {
        to[..width].copy_from_slice(from);
    }
    out
}

fn dense(padded: &[f32], width: usize) -> Vec<f32> {
    padded.chunks_exact(row_step(width)).flat_map(|row| &row[..width]).copied().collect()
}

fn poisoned(len: usize) -> AlignedVec {
    let mut v = AlignedVec::zeros(len);
    v.fill(f32::NAN);
    v
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| x.into()).collect()
}

#[derive(Debug, Clone)]
struct Case {
    cell: Cell,
    inputs: usize,
    units: usize,
    lengths: Vec<usize>,
    bias: bool,
    mask_groups: usize,
}

/// All results of a training step, in dense rows.
#[derive(Debug, PartialEq)]
struct Outcome {
    h: Vec<f32>,
    dx: Vec<f32>,
    kernel: Vec<f32>,
    recurrent: Vec<f32>,
    bias: Vec<f32>,
    dh: Vec<f32>,
    dc: Vec<f32>,
    each_dh: Vec<f32>,
    each_dc: Vec<f32>,
}

struct Numbers {
    x: Vec<f32>,
    kernel: Vec<f32>,
    recurrent: Vec<f32>,
    bias: Vec<f32>,
    h0: Vec<f32>,
    c0: Vec<f32>,
    dy: Vec<f32>,
    dh: Vec<f32>,
    dc: Vec<f32>,
    masks: Vec<f32>,
    active: Vec<usize>,
    offsets: Vec<usize>,
}

impl Case {
    fn rows(&self) -> usize {
        self.lengths.iter().sum()
    }

    fn numbers(&self) -> Numbers {
        let mut draw = Draw(7 + self.units as u64);
        let (r, n, i, h) = (self.rows(), self.lengths.len(), self.inputs, self.units);
        let g = self.cell.gates();
        let steps = self.lengths.first().copied().unwrap_or(0);
        let active: Vec<_> = (0..steps).map(|t| self.lengths.iter().filter(|&&l| l > t).count()).collect();
        let offsets = active.iter().scan(0, |sum, n| Some(std::mem::replace(sum, *sum + n))).collect();
        Numbers {
            x: draw.floats(r * i, 1.0),
            kernel: draw.floats(i * g * h, 1.0 / (i.max(1) as f32).sqrt()),
            recurrent: draw.floats(h * g * h, 1.0 / (h as f32).sqrt()),
            bias: draw.floats(self.cell.bias_len(h), 0.5),
            h0: draw.floats(n * h, 0.8),
            c0: draw.floats(n * h, 0.8),
            dy: draw.floats(r * h, 1.0),
            dh: draw.floats(n * h, 1.0),
            dc: draw.floats(n * h, 1.0),
            masks: draw.mask(self.mask_groups * n * h),
            active,
            offsets,
        }
    }

    fn fast(&self, engine: &Engine) -> Outcome {
        let v = self.numbers();
        let (rows, lanes, units, cell) = (self.rows(), self.lengths.len(), self.units, self.cell);
        let (step, shape) = (row_step(units), cell.arrangement(units));
        let steps = Steps::new(&v.active, &v.offsets, &self.lengths);
        let mut biases = Biases::new(cell, units);
        if self.bias {
            biases.pack(&v.bias);
        }
        let along = |matrix: &[f32], depth: usize| {
            let mut packed = Packed::in_storage(shape, depth, poisoned(shape.panels() * depth * 64 + 16));
            packed.pack(engine, matrix, shape.columns());
            packed
        };
        let across = |matrix: &[f32], columns: usize| {
            let storage = poisoned(columns.next_multiple_of(64) * shape.columns());
            let mut packed = Packed::in_storage(PanelShape::plain(columns), shape.columns(), storage);
            packed.pack_transposed(engine, matrix, shape.columns(), shape);
            packed
        };
        let (x, dy) = (padded(&v.x, self.inputs), padded(&v.dy, units));
        let (h0, c0, masks) = (padded(&v.h0, units), padded(&v.c0, units), padded(&v.masks, units));
        let mut gates = poisoned(cell.gates_len(units, rows));
        let mut h = poisoned(rows * step);
        let mut c = poisoned(rows * step);
        let mut reset = poisoned(rows * step);
        let mut masked = poisoned(self.mask_groups * rows * step);
        let state_masks =
            |data| (self.mask_groups > 0).then_some(StateMasks { data, groups: self.mask_groups });
        let x = Rows::new(&x, rows, self.inputs);
        let (kernel, recurrent) = (along(&v.kernel, self.inputs), along(&v.recurrent, units));
        let mut run = |input: Option<StepInput<'_>>| {
            gates.fill(f32::NAN);
            if input.is_none() {
                input_product(engine, cell, &kernel, &biases, None, x, &mut gates);
            }
            let buffers = Forward {
                steps,
                h0: &h0,
                c0: &c0,
                masks: state_masks(&masks),
                gates: &mut gates,
                h: &mut h,
                c: &mut c,
                reset: &mut reset,
                masked: &mut masked,
            };
            forward(engine, cell, &recurrent, input, buffers);
            h.iter().map(|h| h.to_bits()).collect::<Vec<_>>()
        };
        let apart = run(None);
        if steps.len() <= 1 {
            for back in [false, true] {
                let input = StepInput { x, kernel: &kernel, biases: &biases, back };
                assert_eq!(run(Some(input)), apart, "products of one step, panel by panel");
            }
        }
        let (mut dh, mut dc) = (padded(&v.dh, units), padded(&v.dc, units));
        let (mut each_dh, mut each_dc) = (poisoned(rows * step), poisoned(rows * step));
        backward(
            engine,
            cell,
            &across(&v.recurrent, units),
            Backward {
                steps,
                h0: &h0,
                c0: &c0,
                masks: state_masks(&masks),
                h: &h,
                c: &c,
                masked: &masked,
                dy: Some(&dy),
                gates: &mut gates,
                dh: &mut dh,
                dc: &mut dc,
                scratch: &mut poisoned(lanes * step),
                probe: Some(Probe { dh: &mut each_dh, dc: &mut each_dc }),
            },
        );
        let mut kernel = vec![0.0; v.kernel.len()];
        let mut packed = Packed::in_storage(shape, self.inputs, poisoned(7));
        packed.clear();
        kernel_gradient(engine, None, &gates, x, &mut packed);
        packed.unpack(engine, &mut kernel, shape.columns());
        let mut recurrent = vec![0.0; v.recurrent.len()];
        let mut packed = Packed::in_storage(shape, units, packed.into_storage());
        packed.clear();
        let states = (self.mask_groups > 0).then_some((&masked[..], self.mask_groups));
        recurrent_gradient(engine, cell, steps, (&h0, &h), states, &reset, &gates, &mut packed);
        packed.unpack(engine, &mut recurrent, shape.columns());
        let mut bias = vec![0.0; v.bias.len()];
        bias_gradient(engine, cell, units, &gates, rows, &mut bias);
        let mut dx = poisoned(rows * row_step(self.inputs));
        let out = RowsMut::new(&mut dx, rows, self.inputs);
        input_gradient(engine, cell, &across(&v.kernel, self.inputs), None, &gates, rows, false, out);
        let of_cell = |dc: &[f32]| if cell.has_cell_state() { dense(dc, units) } else { Vec::new() };
        Outcome {
            h: dense(&h, units),
            dx: dense(&dx, self.inputs),
            kernel,
            recurrent,
            bias,
            dh: dense(&dh, units),
            dc: of_cell(&dc),
            each_dh: dense(&each_dh, units),
            each_dc: of_cell(&each_dc),
        }
    }

    fn plain(&self) -> (Vec<f64>, Gradients<f64>) {
        let v = self.numbers();
        let packed = reference::PackedShape { active: &v.active, sequences: self.lengths.len() };
        let (kernel, recurrent, bias) = (wide(&v.kernel), wide(&v.recurrent), wide(&v.bias));
        let weights = Weights {
            inputs: self.inputs,
            units: self.units,
            kernel: &kernel,
            recurrent_kernel: &recurrent,
            bias: self.bias.then_some(&bias[..]),
        };
        let masks = wide(&v.masks);
        let recurrent = (self.mask_groups > 0).then_some(Masks { data: &masks, groups: self.mask_groups });
        let dropout = Dropout { input: None, recurrent };
        let (x, h0, c0) = (wide(&v.x), wide(&v.h0), wide(&v.c0));
        let (dy, dh, dc) = (wide(&v.dy), wide(&v.dh), wide(&v.dc));
        let cell_state = self.cell.has_cell_state();
        let initial = State { h: &h0, c: if cell_state { &c0 } else { &[] } };
        let d = OutputGradients { y: &dy, state: State { h: &dh, c: if cell_state { &dc } else { &[] } } };
        match self.cell {
            Cell::SimpleRnn { activation } => {
                let options = rnn::Options { activation, dropout };
                let f = rnn::forward(&packed, &weights, &options, &x, &initial);
                let b = rnn::backward(&packed, &weights, &options, &x, &initial, &f, &d);
                (f.y, b)
            }
            Cell::Lstm { activation, recurrent_activation } => {
                let options = lstm::Options { activation, recurrent_activation, dropout };
                let f = lstm::forward(&packed, &weights, &options, &x, &initial);
                let b = lstm::backward(&packed, &weights, &options, &x, &initial, &f, &d);
                (f.y, b)
            }
            Cell::Gru { activation, recurrent_activation, reset_after } => {
                let options = gru::Options { activation, recurrent_activation, reset_after, dropout };
                let f = gru::forward(&packed, &weights, &options, &x, &initial);
                let b = gru::backward(&packed, &weights, &options, &x, &initial, &f, &d);
                (f.y, b)
            }
        }
    }

    fn check(&self, engine: &Engine) {
        let got = self.fast(engine);
        let (y, want) = self.plain();
        self.close(engine, "h", &got.h, &y);
        self.close(engine, "dx", &got.dx, &want.x);
        self.close(engine, "kernel", &got.kernel, &want.kernel);
        self.close(engine, "recurrent_kernel", &got.recurrent, &want.recurrent_kernel);
        if let Some(bias) = &want.bias {
            self.close(engine, "bias", &got.bias, bias);
        }
        self.close(engine, "dh", &got.dh, &want.h);
        self.close(engine, "dc", &got.dc, &want.c);
        self.close(engine, "dh of every step", &got.each_dh, &want.each_h);
        self.close(engine, "dc of every step", &got.each_dc, &want.each_c);
    }

    fn close(&self, engine: &Engine, what: &str, got: &[f32], want: &[f64]) {
        assert_eq!(got.len(), want.len(), "{what} of {self:?}");
        let size = want.iter().fold(1.0f64, |m, w| m.max(w.abs()));
        for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
            let error = (f64::from(g) - w).abs() / size;
            assert!(
                error <= TOLERANCE,
                "{what}[{i}] = {g}, reference {w}, off by {error:e} on {} in {self:?}",
                engine.isa()
            );
        }
    }
}

fn cells() -> [Cell; 4] {
    let (activation, recurrent_activation) = (Elementwise::Tanh, Elementwise::Sigmoid);
    [
        Cell::SimpleRnn { activation },
        Cell::Lstm { activation, recurrent_activation },
        Cell::Gru { activation, recurrent_activation, reset_after: true },
        Cell::Gru { activation, recurrent_activation, reset_after: false },
    ]
}

const SPLITS: [Split; 2] = [Split::Sequences, Split::Units];

/// Each instruction set with both splits of a pass.
fn engines() -> Vec<Engine> {
    let isas = Isa::available().into_iter();
    isas.flat_map(|isa| SPLITS.map(|split| Engine::new(isa, 2).with_split(split))).collect()
}

#[test]
fn awkward_sizes_match_the_reference() {
    for engine in engines() {
        for cell in cells() {
            for (inputs, units) in [(1, 1), (3, 15), (5, 16), (16, 17), (2, 33), (17, 64), (4, 65), (31, 100)]
            {
                let lengths = vec![5, 4, 4, 2, 1, 1, 0];
                Case { cell, inputs, units, lengths, bias: units != 16, mask_groups: 0 }.check(&engine);
            }
        }
    }
}

/// Batches of one step also compute the input product within the pass: see [`Case::fast`].
#[test]
fn single_steps_match_the_reference() {
    for engine in engines() {
        for cell in cells() {
            for (inputs, units, sequences) in [(1, 1, 1), (3, 15, 2), (16, 17, 1), (20, 70, 7), (4, 130, 3)] {
                let lengths = [vec![1; sequences], vec![0]].concat();
                for mask_groups in [0, 1, cell.gates()] {
                    let (lengths, bias) = (lengths.clone(), inputs != 16);
                    Case { cell, inputs, units, lengths, bias, mask_groups }.check(&engine);
                }
            }
        }
    }
}

#[test]
fn every_number_of_sequences_matches_the_reference() {
    for engine in engines() {
        for cell in cells() {
            for sequences in [0, 1, 2, 5, 6, 7, 8, 9, 13, 25] {
                let lengths = vec![3; sequences];
                Case { cell, inputs: 4, units: 18, lengths, bias: true, mask_groups: 0 }.check(&engine);
            }
        }
    }
}

#[test]
fn state_masks_match_the_reference() {
    for engine in engines() {
        for cell in cells() {
            for mask_groups in [1, cell.gates()] {
                let lengths = vec![4, 3, 3, 1, 0];
                Case { cell, inputs: 3, units: 21, lengths, bias: true, mask_groups }.check(&engine);
            }
        }
    }
}

#[test]
fn every_activation_matches_the_reference() {
    for engine in engines() {
        for activation in Elementwise::ALL {
            // e^(e^x) of a growing state overflows f32 at the second step.
            let lengths = if activation == Elementwise::Exponential { vec![1; 3] } else { vec![2, 2, 1] };
            for recurrent_activation in [Elementwise::Sigmoid, Elementwise::HardSigmoid] {
                for cell in [
                    Cell::SimpleRnn { activation },
                    Cell::Lstm { activation, recurrent_activation },
                    Cell::Gru { activation, recurrent_activation, reset_after: true },
                    Cell::Gru { activation, recurrent_activation, reset_after: false },
                ] {
                    let lengths = lengths.clone();
                    Case { cell, inputs: 3, units: 19, lengths, bias: true, mask_groups: 0 }.check(&engine);
                }
            }
        }
    }
}

/// Includes more threads than sequences or unit slots, and slots that end inside a panel.
#[test]
fn threads_do_not_change_the_result() {
    for isa in Isa::available() {
        for cell in cells() {
            for (units, lengths, mask_groups) in [
                (80, (0..37).map(|i| 20 - i / 2).collect::<Vec<_>>(), 1),
                (80, vec![9, 7, 7, 1, 0], cell.gates()),
                (200, vec![12], 0),
                (33, vec![6, 6, 5, 4, 4, 4, 2], 0),
            ] {
                let case = Case { cell, inputs: 24, units, lengths, bias: true, mask_groups };
                let one = case.fast(&Engine::new(isa, 1));
                for threads in [2, 3, 5, 8] {
                    let engine = Engine::new(isa, threads);
                    for split in SPLITS {
                        let many = case.fast(&engine.clone().with_split(split));
                        assert!(one == many, "{isa}, {threads} threads, {split:?} of {case:?}");
                    }
                    assert!(one == case.fast(&engine), "{isa}, {threads} threads, {case:?}");
                }
            }
        }
    }
}

//! Every option of the recurrent layers, in f32, compared with the plain loops of
//! `refrain_kernels::reference` in f64, one sequence at a time.

use super::super::recurrent::*;
use super::reference::{assert_close, named, numbers, wide};
use crate::gradcheck::{Bench, Input, RANDOM};
use crate::graph::Mode;
use refrain_kernels::dropout::mask;
use refrain_kernels::philox::Key;
use refrain_kernels::recurrent::Cell;
use refrain_kernels::reference::cell::{Dropout, Gradients, Masks, OutputGradients, State, Weights};
use refrain_kernels::reference::{PackedShape, gru, lstm, rnn};
use refrain_kernels::{Elementwise, Engine, Isa, RowsMut, row_step};

const LENGTHS: [usize; 5] = [3, 5, 0, 1, 5];
const LANES: usize = LENGTHS.len();
const INPUTS: usize = 3;
/// Larger than one vector and one panel slot, and a multiple of neither.
const UNITS: usize = 19;

/// A layer, its inputs and its output gradients, in the caller's order.
struct Case<C> {
    layer: Recurrent<C>,
    /// Whether the initial state is an input.
    initial: bool,
    /// For each sequence, the steps that a mask keeps; `None` without a mask.
    mask: Option<[Vec<bool>; LANES]>,
    /// The scale of the weights.
    scale: f32,
}

/// The results of a layer, arranged as by [`Bench`].
struct Outcome<T> {
    outputs: Vec<Vec<Vec<T>>>,
    x: Vec<Vec<T>>,
    /// The gradients of the initial h (and c).
    initial: Vec<Vec<T>>,
    kernel: Vec<T>,
    recurrent: Vec<T>,
    bias: Option<Vec<T>>,
}

impl<C: CellConfig> Case<C> {
    fn cell(&self) -> Cell {
        self.layer.cell.kernel("layer").unwrap()
    }

    fn states(&self) -> usize {
        1 + usize::from(self.cell().has_cell_state())
    }

    fn x(&self, n: usize) -> Vec<f32> {
        numbers(10 + n as u64, LENGTHS[n] * INPUTS, 1.0)
    }

    /// Returns the rows of a sequence that a mask keeps.
    fn real(&self, n: usize) -> Vec<f64> {
        let keep = |t: usize| self.mask.as_ref().is_none_or(|m| m[n][t]);
        let x = self.x(n);
        let rows = x.chunks_exact(INPUTS).enumerate().filter(|&(t, _)| keep(t));
        rows.flat_map(|(_, row)| wide(row)).collect()
    }

    /// Returns h (0) or c (1) of every lane.
    fn state(&self, which: usize) -> Vec<f32> {
        numbers(20 + which as u64, LANES * UNITS, 0.8)
    }

    fn weights(&self) -> [Vec<f32>; 3] {
        let columns = self.cell().gates() * UNITS;
        [
            numbers(1, INPUTS * columns, 0.6 * self.scale),
            numbers(2, UNITS * columns, 0.25 * self.scale),
            numbers(3, self.cell().bias_len(UNITS), 0.5 * self.scale),
        ]
    }

    fn fast(&self, engine: Engine) -> (Outcome<f32>, Vec<Vec<Vec<f32>>>) {
        let x: Vec<_> = (0..LANES).map(|n| self.x(n)).collect();
        let mut x = Input::steps(INPUTS, &x.iter().map(Vec::as_slice).collect::<Vec<_>>());
        if let Some(mask) = &self.mask {
            x = x.mask(&mask.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
        let states = if self.initial { self.states() } else { 0 };
        let initial = (0..states).map(|i| Input::lanes(UNITS, &self.state(i)));
        let inputs: Vec<Input> = std::iter::once(x).chain(initial).collect();
        let mut bench = Bench::with_engine(&self.layer, &inputs, engine).unwrap();
        let [kernel, recurrent, bias] = self.weights();
        bench.set_weight("kernel", &kernel).unwrap();
        bench.set_weight("recurrent_kernel", &recurrent).unwrap();
        if self.layer.use_bias {
            bench.set_weight("bias", &bias).unwrap();
        }
        bench.forward(Mode::Train).unwrap();
        let outputs = if self.layer.return_state { 1 + self.states() } else { 1 };
        let outputs: Vec<_> = (0..outputs).map(|i| bench.output(i)).collect();
        let noise = |(i, y): (usize, &Vec<Vec<f32>>)| {
            y.iter().zip(100 * (i as u64 + 1)..).map(|(y, seed)| numbers(seed, y.len(), 1.0)).collect()
        };
        let d: Vec<Vec<Vec<f32>>> = outputs.iter().enumerate().map(noise).collect();
        bench.backward(&d).unwrap();
        let gradient = |name| bench.weight_gradient(name).unwrap().to_vec();
        let outcome = Outcome {
            outputs,
            x: bench.input_gradient(0),
            initial: (1..=states).map(|i| bench.input_gradient(i).concat()).collect(),
            kernel: gradient("kernel"),
            recurrent: gradient("recurrent_kernel"),
            bias: self.layer.use_bias.then(|| gradient("bias")),
        };
        (outcome, d)
    }

    /// Returns one sequence's masks (groups, width), drawn as the operation with this number draws them.
    fn masks(&self, rate: f32, operation: u32, n: usize, width: usize) -> Option<(Vec<f64>, usize)> {
        if rate == 0.0 {
            return None;
        }
        let per_gate =
            self.layer.recurrent_dropout > 0.0 && self.layer.recurrent_mask == RecurrentMask::PerGate;
        let groups = if per_gate { self.cell().gates() } else { 1 };
        let key = Key { seed: RANDOM.seed, purpose: operation, counter: RANDOM.counter };
        let base: Vec<u64> = (0..groups).map(|group| ((group * LANES + n) * width) as u64).collect();
        let mut rows = vec![f32::NAN; groups * row_step(width)];
        let engine = Engine::new(Isa::portable(), 1);
        mask(&engine, key, rate, &base, RowsMut::new(&mut rows, groups, width));
        Some((rows.chunks_exact(row_step(width)).flat_map(|row| wide(&row[..width])).collect(), groups))
    }

    fn plain(&self, d: &[Vec<Vec<f32>>]) -> Outcome<f64> {
        let [kernel, recurrent, bias] = self.weights().map(|w| wide(&w));
        let mut to = Outcome {
            outputs: vec![Vec::new(); d.len()],
            x: Vec::new(),
            initial: vec![Vec::new(); if self.initial { self.states() } else { 0 }],
            kernel: vec![0.0; kernel.len()],
            recurrent: vec![0.0; recurrent.len()],
            bias: self.layer.use_bias.then(|| vec![0.0; bias.len()]),
        };
        let weights = Weights {
            inputs: INPUTS,
            units: UNITS,
            kernel: &kernel,
            recurrent_kernel: &recurrent,
            bias: self.layer.use_bias.then_some(&bias),
        };
        for n in 0..LANES {
            self.add_sequence(n, &weights, d, &mut to);
        }
        to
    }

    fn add_sequence(&self, n: usize, weights: &Weights<f64>, d: &[Vec<Vec<f32>>], to: &mut Outcome<f64>) {
        let turned = |rows: Vec<f64>| match self.layer.go_backwards {
            true => rows.rchunks_exact(INPUTS).flatten().copied().collect(),
            false => rows,
        };
        let x = turned(self.real(n));
        let length = x.len() / INPUTS;
        let at = n * UNITS..(n + 1) * UNITS;
        let cell_state = self.states() > 1;
        let state = |i: usize, used: bool| match (used, self.initial) {
            (true, true) => wide(&self.state(i)[at.clone()]),
            (true, false) => vec![0.0; UNITS],
            (false, _) => Vec::new(),
        };
        let (h, c) = (state(0, true), state(1, cell_state));
        let d_state = |i: usize, used: bool| match (used, d.get(1 + i)) {
            (true, Some(d)) => wide(&d[n]),
            (true, None) => vec![0.0; UNITS],
            (false, _) => Vec::new(),
        };
        let (dh, dc) = (d_state(0, true), d_state(1, cell_state));
        let mut dy = wide(&d[0][n]);
        if !self.layer.return_sequences {
            // The last output is the last step's; without steps it is a constant.
            let last = std::mem::replace(&mut dy, vec![0.0; length * UNITS]);
            let start = (length * UNITS).saturating_sub(UNITS);
            dy[start..].iter_mut().zip(last).for_each(|(dy, last)| *dy = last);
        }
        let first = u32::from(self.layer.go_backwards);
        let input = self.masks(self.layer.dropout, first, n, INPUTS);
        let second = first + u32::from(input.is_some());
        let recurrent = self.masks(self.layer.recurrent_dropout, second, n, UNITS);
        let [input, recurrent] =
            [&input, &recurrent].map(|m| m.as_ref().map(|(data, groups)| Masks { data, groups: *groups }));
        let dropout = Dropout { input, recurrent };
        let active = vec![1; length];
        let packed = PackedShape { active: &active, sequences: 1 };
        let initial = State { h: &h, c: &c };
        let gradients = OutputGradients { y: &dy, state: State { h: &dh, c: &dc } };
        let (y, h, c, got) = alone(self.cell(), &packed, weights, dropout, &x, &initial, &gradients);

        let output = match (self.layer.return_sequences, length) {
            (true, _) => y,
            (false, 0) => vec![0.0; UNITS],
            (false, _) => h.clone(),
        };
        for (to, from) in to.outputs.iter_mut().zip([output, h, c]) {
            to.push(from);
        }
        to.x.push(turned(got.x));
        for (to, from) in to.initial.iter_mut().zip([got.h, got.c]) {
            to.extend(from);
        }
        let add = |to: &mut [f64], from: &[f64]| to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        add(&mut to.kernel, &got.kernel);
        add(&mut to.recurrent, &got.recurrent_kernel);
        if let (Some(to), Some(from)) = (&mut to.bias, &got.bias) {
            add(to, from);
        }
    }

    fn check(&self, engine: Engine) {
        let (isa, layer) = (engine.isa(), &self.layer);
        let (got, d) = self.fast(engine);
        let want = self.plain(&d);
        let what = |part: &str| {
            let masked = self.mask.is_some();
            format!("{part} on {isa}, initial state {}, masked {masked}, of {layer:?}", self.initial)
        };
        for (i, (got, want)) in got.outputs.iter().zip(&want.outputs).enumerate() {
            assert_close(&what(&format!("output {i}")), &got.concat(), &want.concat());
        }
        assert_close(&what("dx"), &got.x.concat(), &want.x.concat());
        for (i, (got, want)) in got.initial.iter().zip(&want.initial).enumerate() {
            assert_close(&what(&format!("gradient of initial state {i}")), got, want);
        }
        assert_close(&what("kernel"), &got.kernel, &want.kernel);
        assert_close(&what("recurrent_kernel"), &got.recurrent, &want.recurrent);
        if let (Some(got), Some(want)) = (&got.bias, &want.bias) {
            assert_close(&what("bias"), got, want);
        }
    }
}

/// Computes outputs, final h, final c and the gradients of one sequence.
fn alone(
    cell: Cell,
    packed: &PackedShape,
    weights: &Weights<f64>,
    dropout: Dropout<f64>,
    x: &[f64],
    initial: &State<f64>,
    d: &OutputGradients<f64>,
) -> (Vec<f64>, Vec<f64>, Vec<f64>, Gradients<f64>) {
    match cell {
        Cell::SimpleRnn { activation } => {
            let options = rnn::Options { activation, dropout };
            let f = rnn::forward(packed, weights, &options, x, initial);
            let gradients = rnn::backward(packed, weights, &options, x, initial, &f, d);
            (f.y, f.h, Vec::new(), gradients)
        }
        Cell::Lstm { activation, recurrent_activation } => {
            let options = lstm::Options { activation, recurrent_activation, dropout };
            let f = lstm::forward(packed, weights, &options, x, initial);
            let gradients = lstm::backward(packed, weights, &options, x, initial, &f, d);
            (f.y, f.h, f.c, gradients)
        }
        Cell::Gru { activation, recurrent_activation, reset_after } => {
            let options = gru::Options { activation, recurrent_activation, reset_after, dropout };
            let f = gru::forward(packed, weights, &options, x, initial);
            let gradients = gru::backward(packed, weights, &options, x, initial, &f, d);
            (f.y, f.h, Vec::new(), gradients)
        }
    }
}

/// The options that all cells have.
#[derive(Debug, Clone, Copy)]
struct Options {
    no_bias: bool,
    go_backwards: bool,
    return_sequences: bool,
    return_state: bool,
    dropout: f32,
    recurrent_dropout: f32,
    shared: bool,
    initial: bool,
    masked: bool,
    scale: f32,
}

impl Options {
    const NONE: Options = Options {
        no_bias: false,
        go_backwards: false,
        return_sequences: false,
        return_state: false,
        dropout: 0.0,
        recurrent_dropout: 0.0,
        shared: false,
        initial: false,
        masked: false,
        scale: 1.0,
    };

    fn check<C: CellConfig>(self, layer: Recurrent<C>, engine: &Engine) {
        let recurrent_mask = if self.shared { RecurrentMask::Shared } else { RecurrentMask::PerGate };
        let layer = layer
            .use_bias(!self.no_bias)
            .go_backwards(self.go_backwards)
            .return_sequences(self.return_sequences)
            .return_state(self.return_state)
            .dropout(self.dropout)
            .recurrent_dropout(self.recurrent_dropout)
            .recurrent_mask(recurrent_mask);
        // Masked steps at the start, in the middle and at the end, and a sequence that is masked completely.
        let mask = self.masked.then(|| {
            let hole = [0, 2, 0, 0, 3];
            std::array::from_fn(|n| (0..LENGTHS[n]).map(|t| t != hole[n] && t + n != 4).collect())
        });
        Case { layer, initial: self.initial, mask, scale: self.scale }.check(engine.clone());
    }

    fn check_every_cell(self, engine: &Engine) {
        self.check(SimpleRnn::new(UNITS), engine);
        self.check(Lstm::new(UNITS), engine);
        self.check(Gru::new(UNITS), engine);
        self.check(Gru::new(UNITS).reset_after(false), engine);
    }
}

fn engines() -> impl Iterator<Item = Engine> {
    Isa::available().into_iter().map(|isa| Engine::new(isa, 2))
}

#[test]
fn every_combination_of_options() {
    let engine = Engine::default();
    let dropouts = [
        (0.0, 0.0, false),
        (0.3, 0.0, false),
        (0.0, 0.3, false),
        (0.0, 0.3, true),
        (0.4, 0.2, false),
        (0.4, 0.2, true),
    ];
    for (dropout, recurrent_dropout, shared) in dropouts {
        for bits in 0..32 {
            let bit = |k: u32| bits >> k & 1 == 1;
            let options = Options {
                no_bias: bit(0),
                go_backwards: bit(1),
                return_sequences: bit(2),
                return_state: bit(3),
                initial: bit(4),
                dropout,
                recurrent_dropout,
                shared,
                ..Options::NONE
            };
            options.check_every_cell(&engine);
        }
    }
}

#[test]
fn masked_steps_have_no_effect() {
    for engine in engines() {
        for (go_backwards, return_sequences) in [(false, true), (true, false), (true, true)] {
            let options = Options {
                go_backwards,
                return_sequences,
                return_state: true,
                initial: true,
                dropout: 0.3,
                recurrent_dropout: 0.3,
                masked: true,
                ..Options::NONE
            };
            options.check_every_cell(&engine);
        }
    }
}

#[test]
fn every_activation() {
    for engine in engines() {
        for (k, activation) in Elementwise::ALL.into_iter().enumerate() {
            // Each activation in both positions, but never combined with itself.
            let gates = named(Elementwise::ALL[(k + 3) % Elementwise::ALL.len()]);
            let activation = named(activation);
            // Small weights, because products of exponentials overflow within a few steps.
            let options = Options { return_state: true, initial: true, scale: 0.2, ..Options::NONE };
            options.check(SimpleRnn::new(UNITS).activation(activation), &engine);
            options.check(Lstm::new(UNITS).activation(activation).recurrent_activation(gates), &engine);
            for reset_after in [true, false] {
                let gru = Gru::new(UNITS).reset_after(reset_after);
                options.check(gru.activation(activation).recurrent_activation(gates), &engine);
            }
        }
    }
}

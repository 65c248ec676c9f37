use super::super::cell::{Dropout, Gradients, Masks, OutputGradients, State, Weights};
use super::super::{PackedShape, Real, gru, lstm, rnn};
use super::{GOLDEN, assert_close, assert_gradient, assert_same_in_f32, cast, dot, golden, numbers};
use crate::Elementwise::{self, *};

const ACTIVE: [usize; 4] = [3, 2, 2, 1];
const LENGTHS: [usize; 4] = [4, 3, 1, 0];
const ROWS: usize = 8;
const SEQUENCES: usize = 4;
const INPUTS: usize = 2;
const UNITS: usize = 3;
const PACKED: PackedShape = PackedShape { active: &ACTIVE, sequences: SEQUENCES };

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Rnn,
    Lstm,
    Gru { reset_after: bool },
}

const KINDS: [Kind; 4] =
    [Kind::Rnn, Kind::Lstm, Kind::Gru { reset_after: true }, Kind::Gru { reset_after: false }];

impl Kind {
    fn gates(self) -> usize {
        match self {
            Kind::Rnn => rnn::GATES,
            Kind::Lstm => lstm::GATES,
            Kind::Gru { .. } => gru::GATES,
        }
    }

    fn bias_rows(self) -> usize {
        if self == (Kind::Gru { reset_after: true }) { 2 } else { 1 }
    }

    fn cell_states(self) -> usize {
        if self == Kind::Lstm { SEQUENCES } else { 0 }
    }
}

/// A layer and all its inputs.
#[derive(Clone, Debug)]
struct Case<T> {
    kind: Kind,
    activation: Elementwise,
    recurrent_activation: Elementwise,
    kernel: Vec<T>,
    recurrent_kernel: Vec<T>,
    bias: Vec<T>,
    has_bias: bool,
    /// 0 for no masks.
    mask_groups: usize,
    input_masks: Vec<T>,
    recurrent_masks: Vec<T>,
    x: Vec<T>,
    h: Vec<T>,
    c: Vec<T>,
    d_y: Vec<T>,
    d_h: Vec<T>,
    d_c: Vec<T>,
}

#[derive(Debug)]
struct Outcome<T> {
    y: Vec<T>,
    h: Vec<T>,
    c: Vec<T>,
    /// An LSTM's c at every step and its gates.
    cells: Vec<T>,
    gates: Vec<T>,
    gradients: Gradients<T>,
}

impl<T> Outcome<T> {
    fn without_cell(y: Vec<T>, h: Vec<T>, gradients: Gradients<T>) -> Self {
        Self { y, h, c: Vec::new(), cells: Vec::new(), gates: Vec::new(), gradients }
    }
}

impl<T: Real> Case<T> {
    fn new(kind: Kind) -> Self {
        let gates = kind.gates();
        let values = |seed, count| cast(&numbers(seed, count));
        Self {
            kind,
            activation: Tanh,
            recurrent_activation: Sigmoid,
            kernel: values(1, INPUTS * gates * UNITS),
            recurrent_kernel: values(2, UNITS * gates * UNITS),
            bias: values(3, kind.bias_rows() * gates * UNITS),
            has_bias: true,
            mask_groups: 0,
            input_masks: values(7, gates * SEQUENCES * INPUTS),
            recurrent_masks: values(8, gates * SEQUENCES * UNITS),
            x: values(4, ROWS * INPUTS),
            h: values(5, SEQUENCES * UNITS),
            c: values(6, kind.cell_states() * UNITS),
            d_y: values(9, ROWS * UNITS),
            d_h: values(10, SEQUENCES * UNITS),
            d_c: values(11, kind.cell_states() * UNITS),
        }
    }

    fn run(&self) -> Outcome<T> {
        self.run_from(0, &self.h, &self.c)
    }

    /// Runs the steps from `first` on, starting from the given state.
    fn run_from(&self, first: usize, h: &[T], c: &[T]) -> Outcome<T> {
        let packed = PackedShape { active: &ACTIVE[first..], sequences: SEQUENCES };
        let before = ACTIVE[..first].iter().sum::<usize>();
        let (x, d_y) = (&self.x[before * INPUTS..], &self.d_y[before * UNITS..]);
        let groups = self.mask_groups;
        let dropout = Dropout {
            input: (groups > 0)
                .then(|| Masks { data: &self.input_masks[..groups * SEQUENCES * INPUTS], groups }),
            recurrent: (groups > 0)
                .then(|| Masks { data: &self.recurrent_masks[..groups * SEQUENCES * UNITS], groups }),
        };
        let weights = Weights {
            inputs: INPUTS,
            units: UNITS,
            kernel: &self.kernel,
            recurrent_kernel: &self.recurrent_kernel,
            bias: self.has_bias.then_some(&self.bias),
        };
        let initial = State { h, c };
        let d = OutputGradients { y: d_y, state: State { h: &self.d_h, c: &self.d_c } };
        let Self { activation, recurrent_activation, .. } = *self;
        match self.kind {
            Kind::Rnn => {
                let options = rnn::Options { activation, dropout };
                let forward = rnn::forward(&packed, &weights, &options, x, &initial);
                let gradients = rnn::backward(&packed, &weights, &options, x, &initial, &forward, &d);
                Outcome::without_cell(forward.y, forward.h, gradients)
            }
            Kind::Lstm => {
                let options = lstm::Options { activation, recurrent_activation, dropout };
                let forward = lstm::forward(&packed, &weights, &options, x, &initial);
                let gradients = lstm::backward(&packed, &weights, &options, x, &initial, &forward, &d);
                let lstm::Forward { y, cells, gates, h, c } = forward;
                Outcome { y, h, c, cells, gates, gradients }
            }
            Kind::Gru { reset_after } => {
                let options = gru::Options { activation, recurrent_activation, reset_after, dropout };
                let forward = gru::forward(&packed, &weights, &options, x, &initial);
                let gradients = gru::backward(&packed, &weights, &options, x, &initial, &forward, &d);
                Outcome::without_cell(forward.y, forward.h, gradients)
            }
        }
    }
}

impl Case<f64> {
    fn objective(&self) -> f64 {
        let outcome = self.run();
        dot(&outcome.y, &self.d_y) + dot(&outcome.h, &self.d_h) + dot(&outcome.c, &self.d_c)
    }

    fn check(&mut self) {
        type Field = fn(&mut Case<f64>) -> &mut Vec<f64>;
        let name = format!(
            "{:?} {:?}/{:?} bias {} masks {}",
            self.kind, self.activation, self.recurrent_activation, self.has_bias, self.mask_groups
        );
        let Gradients { x, kernel, recurrent_kernel, bias, h, c, .. } = self.run().gradients;
        assert_eq!(bias.is_some(), self.has_bias, "{name}");
        let bias = bias.unwrap_or_else(|| vec![0.0; self.bias.len()]);
        let fields: [(&str, Field, Vec<f64>); 6] = [
            ("x", |case| &mut case.x, x),
            ("kernel", |case| &mut case.kernel, kernel),
            ("recurrent kernel", |case| &mut case.recurrent_kernel, recurrent_kernel),
            ("bias", |case| &mut case.bias, bias),
            ("initial h", |case| &mut case.h, h),
            ("initial c", |case| &mut case.c, c),
        ];
        for (field, values, analytic) in fields {
            assert_gradient(&format!("{name}: {field}"), self, values, Case::objective, &analytic);
        }
    }
}

#[test]
fn outputs_match_keras() {
    let expected = [
        (golden::RNN, golden::RNN_MASKED),
        (golden::LSTM, golden::LSTM_MASKED),
        (golden::GRU_AFTER, golden::GRU_AFTER_MASKED),
        (golden::GRU_BEFORE, golden::GRU_BEFORE_MASKED),
    ];
    for (kind, (plain, masked)) in KINDS.into_iter().zip(expected) {
        let mut case = Case::<f64>::new(kind);
        assert_close(&format!("{kind:?}"), &case.run().y, &plain, GOLDEN, 1.0);
        case.mask_groups = kind.gates();
        assert_close(&format!("{kind:?} masked"), &case.run().y, &masked, GOLDEN, 1.0);
    }
}

#[test]
fn gradients_with_and_without_bias_and_masks() {
    for kind in KINDS {
        for has_bias in [true, false] {
            for mask_groups in [0, 1, kind.gates()] {
                Case { has_bias, mask_groups, ..Case::new(kind) }.check();
            }
        }
    }
}

/// The gradient of the state at a step equals that of the initial state of a run over the later steps, plus the
/// gradient of the step's own output.
#[test]
fn gradients_of_each_step_equal_those_of_the_initial_state_of_the_remaining_steps() {
    for kind in KINDS {
        for mask_groups in [0, kind.gates()] {
            let case = Case { mask_groups, ..Case::<f64>::new(kind) };
            let whole = case.run();
            for (t, active) in ACTIVE.into_iter().enumerate() {
                let rows = PACKED.offsets()[t] * UNITS..(PACKED.offsets()[t] + active) * UNITS;
                // Sequences that have already ended have no row at this step.
                let state = |each: &[f64]| [&each[rows.clone()], &[0.0; SEQUENCES * UNITS]].concat();
                let (mut h, mut c) = (state(&whole.y), Vec::new());
                h.truncate(SEQUENCES * UNITS);
                if kind == Kind::Lstm {
                    c = state(&whole.cells);
                    c.truncate(SEQUENCES * UNITS);
                }
                let rest = case.run_from(t + 1, &h, &c).gradients;
                let name = format!("{kind:?} masks {mask_groups}, step {t}");
                let d_y = &case.d_y[rows.clone()];
                let d_h: Vec<_> = rest.h.iter().zip(d_y).map(|(a, b)| a + b).collect();
                assert_close(&format!("{name}: h"), &whole.gradients.each_h[rows.clone()], &d_h, GOLDEN, 1.0);
                if kind == Kind::Lstm {
                    let through = rows.clone().zip(&d_h).map(|(at, d_h)| {
                        let o = whole.gates[at / UNITS * 4 * UNITS + 3 * UNITS + at % UNITS];
                        d_h * o * (1.0 - whole.cells[at].tanh().powi(2))
                    });
                    let d_c: Vec<_> = rest.c.iter().zip(through).map(|(a, b)| a + b).collect();
                    let each_c = &whole.gradients.each_c[rows.clone()];
                    assert_close(&format!("{name}: c"), each_c, &d_c, GOLDEN, 1.0);
                }
            }
        }
    }
}

#[test]
fn gradients_with_each_activation() {
    for kind in KINDS {
        for (k, activation) in Elementwise::ALL.into_iter().enumerate() {
            // Each activation in both places, never combined with itself.
            let recurrent_activation = Elementwise::ALL[(k + 3) % Elementwise::ALL.len()];
            let mut case = Case { activation, recurrent_activation, ..Case::new(kind) };
            // Small enough that exponentials of exponentials stay within the range of differences.
            case.kernel.iter_mut().chain(&mut case.recurrent_kernel).for_each(|w| *w *= 0.3);
            case.bias.iter_mut().for_each(|b| *b *= 0.3);
            case.check();
        }
    }
}

#[test]
fn missing_inputs_are_neutral() {
    for kind in KINDS {
        let plain = Case::<f64>::new(kind);
        let gates = kind.gates();
        let ones = Case {
            mask_groups: gates,
            input_masks: vec![1.0; plain.input_masks.len()],
            recurrent_masks: vec![1.0; plain.recurrent_masks.len()],
            ..plain.clone()
        };
        assert_eq!(ones.run().y, plain.run().y, "{kind:?}: masks of ones");

        let one_group = Case { mask_groups: 1, ..plain.clone() };
        let repeated = Case {
            mask_groups: gates,
            input_masks: plain.input_masks[..SEQUENCES * INPUTS].repeat(gates),
            recurrent_masks: plain.recurrent_masks[..SEQUENCES * UNITS].repeat(gates),
            ..plain.clone()
        };
        assert_eq!(one_group.run().y, repeated.run().y, "{kind:?}: one mask for all gates");

        let zero_bias = Case { bias: vec![0.0; plain.bias.len()], ..plain.clone() };
        let without = Case { has_bias: false, ..plain };
        assert_eq!(without.run().y, zero_bias.run().y, "{kind:?}: no bias");
    }
}

#[test]
fn without_steps_the_state_passes_through() {
    let packed = PackedShape { active: &[], sequences: 1 };
    let kernel = numbers(1, INPUTS * 4 * UNITS);
    let recurrent_kernel = numbers(2, UNITS * 4 * UNITS);
    let weights = Weights {
        inputs: INPUTS,
        units: UNITS,
        kernel: &kernel,
        recurrent_kernel: &recurrent_kernel,
        bias: None,
    };
    let (h, c) = (numbers(5, UNITS), numbers(6, UNITS));
    let initial = State { h: &h, c: &c };
    let options = lstm::Options::default();
    let forward = lstm::forward(&packed, &weights, &options, &[], &initial);
    assert_eq!((&forward.h, &forward.c, forward.y.len()), (&h, &c, 0));
    let d = OutputGradients { y: &[], state: State { h: &c, c: &h } };
    let gradients = lstm::backward(&packed, &weights, &options, &[], &initial, &forward, &d);
    assert_eq!((gradients.h, gradients.c), (c.clone(), h.clone()));
    assert!(gradients.kernel.iter().all(|&d| d == 0.0));
}

#[test]
fn a_sequence_ends_at_its_last_step() {
    for kind in KINDS {
        let case = Case::<f64>::new(kind);
        let outcome = case.run();
        let offsets = PACKED.offsets();
        for (n, length) in LENGTHS.into_iter().enumerate() {
            let last = match length.checked_sub(1) {
                Some(t) => &outcome.y[(offsets[t] + n) * UNITS..][..UNITS],
                None => &case.h[n * UNITS..][..UNITS],
            };
            assert_eq!(&outcome.h[n * UNITS..][..UNITS], last, "{kind:?}: sequence {n}");
        }
        let empty = kind.cell_states().saturating_sub(1) * UNITS;
        assert_eq!(outcome.c[empty..], case.c[empty..], "{kind:?}: c of the empty sequence");
    }
}

#[test]
fn packed_shape_has_the_documented_rows() {
    assert_eq!(PACKED.rows(), ROWS);
    assert_eq!(PACKED.offsets(), [0, 3, 5, 7]);
    assert_eq!(PACKED.lengths(), LENGTHS);
    let empty = PackedShape { active: &[], sequences: 2 };
    assert_eq!((empty.rows(), empty.lengths()), (0, vec![0, 0]));
    for active in [&[1, 2][..], &[2, 0], &[3]] {
        let bad = PackedShape { active, sequences: 2 };
        assert!(std::panic::catch_unwind(|| bad.places()).is_err(), "{active:?}");
    }
}

#[test]
fn f32_agrees_with_f64() {
    for kind in KINDS {
        let masked = |mask_groups| {
            let single = Case { mask_groups, ..Case::<f32>::new(kind) }.run();
            let double = Case { mask_groups, ..Case::<f64>::new(kind) }.run();
            let (s, d) = (single.gradients, double.gradients);
            for (name, single, double) in [
                ("y", &single.y, &double.y),
                ("h", &single.h, &double.h),
                ("c", &single.c, &double.c),
                ("dx", &s.x, &d.x),
                ("kernel", &s.kernel, &d.kernel),
                ("recurrent kernel", &s.recurrent_kernel, &d.recurrent_kernel),
                ("bias", &s.bias.expect("has one"), &d.bias.expect("has one")),
                ("initial h", &s.h, &d.h),
                ("initial c", &s.c, &d.c),
            ] {
                assert_same_in_f32(&format!("{kind:?} masks {mask_groups}: {name}"), single, double);
            }
        };
        [0, 1, kind.gates()].into_iter().for_each(masked);
    }
}

//! Single layers compared with Keras: every output, and the gradient of every weight, input and initial
//! state.

use crate::build;
use crate::close::assert_close;
use crate::fixture::{Fixture, Tensor, singles};
use crate::{engines, size};
use refrain_nn::Engine;
use refrain_nn::gradcheck::{Bench, Input};
use refrain_nn::graph::Mode;
use serde_json::Value;

const FILE: &str = "keras_layers.safetensors";
/// The seeds after a case's seed, as in the script: input i, weight i, slopes of output i.
const WEIGHTS: u64 = 20;
const SLOPES: u64 = 40;
/// The number of sequences of every input that is not written out.
const SEQUENCES: usize = 5;

/// Defines a test for the cases whose names begin with these prefixes.
macro_rules! groups {
    ($($test:ident: $prefixes:expr;)*) => {
        const PREFIXES: &[&[&str]] = &[$(&$prefixes),*];
        $(
            #[test]
            fn $test() {
                compare(&$prefixes);
            }
        )*
    };
}

groups! {
    simple_rnn: ["rnn_"];
    lstm: ["lstm_"];
    gru: ["gru_"];
    bidirectional: ["bidirectional_"];
    dense: ["dense_", "time_distributed"];
    activation: ["activation_"];
    layer_normalization: ["norm"];
    embedding: ["embedding"];
    masking: ["masking"];
    add_concatenate_repeat: ["add", "concatenate", "repeat_vector"];
}

#[test]
fn every_array_belongs_to_a_case() {
    let fixture = Fixture::open(FILE);
    let cases: Vec<_> = cases(&fixture).iter().map(name).collect();
    for array in fixture.names() {
        let case = array.split('/').next().unwrap_or(array);
        assert!(cases.contains(&case), "{array} has no case");
    }
    for case in cases {
        assert!(PREFIXES.concat().iter().any(|p| case.starts_with(p)), "{case} is in no group");
    }
}

fn cases(fixture: &Fixture) -> &[Value] {
    fixture.cases().as_array().expect("a list of cases")
}

fn name(case: &Value) -> &str {
    case["name"].as_str().expect("a name")
}

fn compare(prefixes: &[&str]) {
    let fixture = Fixture::open(FILE);
    let engines = engines();
    let mut compared = 0;
    for case in cases(&fixture).iter().filter(|c| prefixes.iter().any(|p| name(c).starts_with(p))) {
        for engine in &engines {
            Case::new(&fixture, case).compare(engine);
        }
        fixture.assert_read(&format!("{}/", name(case)));
        compared += 1;
    }
    assert!(compared > 0, "no case begins with one of {prefixes:?}");
}

struct Case<'a> {
    fixture: &'a Fixture,
    case: &'a Value,
    name: &'a str,
    seed: u64,
}

impl<'a> Case<'a> {
    fn new(fixture: &'a Fixture, case: &'a Value) -> Self {
        Self { fixture, case, name: name(case), seed: case["seed"].as_u64().expect("a seed") }
    }

    fn tensor(&self, part: &str) -> &'a Tensor {
        self.fixture.tensor(&format!("{}/{part}", self.name))
    }

    fn compare(&self, engine: &Engine) {
        let isa = engine.isa().name();
        let inputs: Vec<Given> = self.given();
        let layer = build::layer(&self.case["layer"]);
        let benched: Vec<_> = inputs.iter().map(Given::input).collect();
        let mut bench = Bench::with_engine(&layer, &benched, engine.clone()).expect(self.name);
        let scale = self.case.get("scale").map_or(0.5, |s| s.as_f64().expect("a scale"));
        for (i, (weight, shape)) in bench.weights().iter().enumerate() {
            let values = singles(self.seed + WEIGHTS + i as u64, shape.iter().product(), scale);
            bench.set_weight(weight, &values).expect(self.name);
        }
        let outputs: Vec<_> =
            (0..).map_while(|i| self.fixture.find(&format!("{}/y{i}", self.name))).collect();
        for mode in [Mode::Infer, Mode::Train] {
            bench.forward(mode).expect(self.name);
            for (i, expected) in outputs.iter().enumerate() {
                let got = expand(&bench.output(i), &bench.output_sources(i), &expected.shape);
                let what = format!("{}/y{i} on {isa}", self.name);
                assert_close(&what, &expected.shape, &got, expected);
            }
        }
        let slopes: Vec<_> = outputs
            .iter()
            .enumerate()
            .map(|(i, y)| {
                let slopes = singles(self.seed + SLOPES + i as u64, y.values.len(), 1.0);
                pick(&slopes, &bench.output_sources(i), &y.shape)
            })
            .collect();
        bench.backward(&slopes).expect(self.name);
        for (weight, shape) in bench.weights() {
            let got = bench.weight_gradient(&weight).expect(self.name);
            let what = format!("{}/d {weight} on {isa}", self.name);
            assert_close(&what, &shape, got, self.tensor(&format!("d {weight}")));
        }
        for (i, given) in inputs.iter().enumerate().filter(|(_, g)| !g.shape.is_empty()) {
            let got = expand(&bench.input_gradient(i), &given.real, &given.shape);
            let what = format!("{}/dx{i} on {isa}", self.name);
            assert_close(&what, &given.shape, &got, self.tensor(&format!("dx{i}")));
        }
    }

    fn given(&self) -> Vec<Given> {
        let inputs = self.case["inputs"].as_array().expect("inputs");
        inputs.iter().enumerate().map(|(i, input)| self.input(i, input)).collect()
    }

    fn input(&self, i: usize, input: &Value) -> Given {
        if let Some(ids) = input.get("ids") {
            return Given::ids(ids);
        }
        let width = size(&input["width"]);
        let steps = input.get("steps").map(size);
        let scale = self.case.get("inputs_scale").map_or(1.0, |s| s.as_f64().expect("a scale"));
        let count = SEQUENCES * steps.unwrap_or(1) * width;
        let mut values = singles(self.seed + i as u64, count, scale);
        if let Some(marks) = input.get("marks") {
            let mark = input["mark"].as_f64().expect("a mark") as f32;
            let marked = flags(marks).concat();
            values.iter_mut().zip(marked).filter(|(_, m)| *m).for_each(|(v, _)| *v = mark);
        }
        let Some(steps) = steps else {
            let real = vec![vec![0]; SEQUENCES];
            return Given { shape: vec![SEQUENCES, width], values, mask: None, real, ids: Vec::new() };
        };
        let mask = input.get("mask").map(flags);
        let all = vec![vec![true; steps]; SEQUENCES];
        let real = mask.as_ref().unwrap_or(&all).iter().map(|row| real_steps(row)).collect();
        Given { shape: vec![SEQUENCES, steps, width], values, mask, real, ids: Vec::new() }
    }
}

/// One input of a case.
struct Given {
    /// The shape, `(N, T, F)` or `(N, F)`; empty for ids.
    shape: Vec<usize>,
    values: Vec<f32>,
    mask: Option<Vec<Vec<bool>>>,
    /// The real steps of each sequence.
    real: Vec<Vec<usize>>,
    /// The ids of each sequence; a single one without a time axis.
    ids: Vec<Vec<u32>>,
}

impl Given {
    fn ids(ids: &Value) -> Self {
        let id = |v: &Value| u32::try_from(v.as_u64().expect("an id")).expect("an id");
        let row = |v: &Value| v.as_array().map_or_else(|| vec![id(v)], |row| row.iter().map(id).collect());
        let rows = ids.as_array().expect("ids").iter().map(row).collect();
        Self { shape: Vec::new(), values: Vec::new(), mask: None, real: Vec::new(), ids: rows }
    }

    fn input(&self) -> Input {
        let Some(&width) = self.shape.last() else {
            return match self.ids.iter().all(|row| row.len() == 1) {
                true => Input::lane_ids(&self.ids.concat()),
                false => Input::ids(&self.ids.iter().map(Vec::as_slice).collect::<Vec<_>>()),
            };
        };
        if self.shape.len() == 2 {
            return Input::lanes(width, &self.values);
        }
        let sequences: Vec<_> = self.values.chunks_exact(self.shape[1] * width).collect();
        let input = Input::steps(width, &sequences);
        match &self.mask {
            Some(mask) => input.mask(&mask.iter().map(Vec::as_slice).collect::<Vec<_>>()),
            None => input,
        }
    }
}

fn flags(rows: &Value) -> Vec<Vec<bool>> {
    let row = |row: &Value| row.as_str().expect("flags").bytes().map(|flag| flag == b'1').collect();
    rows.as_array().expect("rows of flags").iter().map(row).collect()
}

fn real_steps(mask: &[bool]) -> Vec<usize> {
    (0..mask.len()).filter(|&t| mask[t]).collect()
}

/// Returns the rows of each sequence at their steps of an array `(N, T, W)` or `(N, W)`, with zeros
/// elsewhere.
fn expand(rows: &[Vec<f32>], steps: &[Vec<usize>], shape: &[usize]) -> Vec<f32> {
    let width = shape[shape.len() - 1];
    let span = if shape.len() == 3 { shape[1] } else { 1 };
    let mut array = vec![0.0; shape.iter().product()];
    for (n, (rows, steps)) in rows.iter().zip(steps).enumerate() {
        for (row, t) in rows.chunks_exact(width).zip(steps) {
            array[(n * span + t) * width..][..width].copy_from_slice(row);
        }
    }
    array
}

/// The reverse of [`expand`].
fn pick(array: &[f32], steps: &[Vec<usize>], shape: &[usize]) -> Vec<Vec<f32>> {
    let width = shape[shape.len() - 1];
    let span = if shape.len() == 3 { shape[1] } else { 1 };
    let row = |n: usize, t: usize| array[(n * span + t) * width..][..width].iter().copied();
    steps.iter().enumerate().map(|(n, steps)| steps.iter().flat_map(|&t| row(n, t)).collect()).collect()
}

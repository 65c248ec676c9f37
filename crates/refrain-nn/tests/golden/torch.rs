//! Recurrent layers compared with PyTorch's on packed sequences: one or both directions, one or two layers.

use crate::build;
use crate::close::assert_close;
use crate::fixture::{Fixture, Tensor, singles};
use crate::{engines, size};
use refrain_nn::gradcheck::{Bench, Input};
use refrain_nn::graph::{EdgeId, Mode, Plan};
use refrain_nn::layers::Layer;
use refrain_nn::{Engine, Error};
use serde_json::{Value, json};

/// The seeds after a case's seed, as in the script: the input, then the initial states, weights, slopes of
/// the outputs.
const INPUT: u64 = 0;
const WEIGHTS: u64 = 20;
const SLOPES: u64 = 60;

#[test]
fn recurrent_modules() {
    let fixture = Fixture::open("torch_layers.safetensors");
    for case in fixture.cases().as_array().expect("a list of cases") {
        for engine in engines() {
            Case::new(&fixture, case).compare(&engine);
        }
    }
    fixture.assert_read("");
}

/// Stacked layers, as with PyTorch's `num_layers`. The initial states of all layers follow the sequence, and
/// the final ones follow the output.
#[derive(Debug, Clone)]
struct Stack(Vec<build::Boxed>);

impl Layer for Stack {
    fn class_name(&self) -> &'static str {
        "Stack"
    }

    fn name(&self) -> Option<&str> {
        None
    }

    fn config(&self) -> Value {
        Value::Null
    }

    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        let (mut x, initial) = (inputs[0], &inputs[1..]);
        let share = initial.len() / self.0.len();
        let mut states = Vec::new();
        for (i, layer) in self.0.iter().enumerate() {
            let inputs = [&[x], &initial[i * share..(i + 1) * share]].concat();
            let outputs = plan.scoped(&i.to_string(), true, |plan| layer.lower(plan, &inputs))?;
            x = outputs[0];
            states.extend_from_slice(&outputs[1..]);
        }
        states.insert(0, x);
        Ok(states)
    }

    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}

struct Case<'a> {
    fixture: &'a Fixture,
    case: &'a Value,
    name: &'a str,
    seed: u64,
    units: usize,
    width: usize,
    lengths: Vec<usize>,
    /// The number of recurrences: layers times directions.
    places: usize,
    /// h, or h and c.
    letters: &'static [&'static str],
}

impl<'a> Case<'a> {
    fn new(fixture: &'a Fixture, case: &'a Value) -> Self {
        let number = |name: &str| case[name].as_u64().expect("a number");
        let directions = if case["bidirectional"] == json!(true) { 2 } else { 1 };
        Self {
            fixture,
            case,
            name: case["name"].as_str().expect("a name"),
            seed: number("seed"),
            units: size(&case["units"]),
            width: size(&case["width"]),
            lengths: case["lengths"].as_array().expect("lengths").iter().map(size).collect(),
            places: size(&case["layers"]) * directions,
            letters: if case["class_name"] == "LSTM" { &["h", "c"] } else { &["h"] },
        }
    }

    fn layer(&self) -> Stack {
        let mut config = json!({ "units": self.units, "return_sequences": true, "return_state": true });
        for option in ["activation", "use_bias"] {
            if let Some(value) = self.case.get(option) {
                config[option] = value.clone();
            }
        }
        let mut layer = json!({ "class_name": self.case["class_name"], "config": config });
        if self.case["bidirectional"] == json!(true) {
            layer = json!({ "class_name": "Bidirectional", "config": { "layer": layer } });
        }
        let layers = self.case["layers"].as_u64().expect("layers");
        Stack((0..layers).map(|_| build::layer(&layer)).collect())
    }

    fn singles(&self, place: u64, count: usize, scale: f64) -> Vec<f32> {
        singles(self.seed + place, count, scale)
    }

    fn tensor(&self, part: &str) -> &'a Tensor {
        self.fixture.tensor(&format!("{}/{part}", self.name))
    }

    fn span(&self) -> usize {
        self.lengths.iter().copied().max().expect("a sequence")
    }

    /// Returns the real rows of each sequence of a padded array.
    fn rows(&self, array: &[f32], width: usize) -> Vec<Vec<f32>> {
        let sequences = array.chunks_exact(self.span() * width);
        sequences.zip(&self.lengths).map(|(rows, length)| rows[..length * width].to_vec()).collect()
    }

    /// The reverse of [`Case::rows`], padded with zeros as in PyTorch.
    fn padded(&self, rows: &[Vec<f32>], width: usize) -> Vec<f32> {
        let size = self.span() * width;
        rows.iter().flat_map(|row| row.iter().copied().chain(vec![0.0; size - row.len()])).collect()
    }

    /// Returns the states of every recurrence from an array `(places, N, units)`, split as the layer's edges
    /// are: h of a recurrence, its c, then those of the next one.
    fn states(&self, first: u64) -> Vec<Vec<f32>> {
        let size = self.lengths.len() * self.units;
        let arrays: Vec<_> = (0..self.letters.len())
            .map(|k| self.singles(first + k as u64, self.places * size, 1.0))
            .collect();
        (0..self.places).flat_map(|p| arrays.iter().map(move |a| a[p * size..][..size].to_vec())).collect()
    }

    /// Compares the reverse of [`Case::states`] with the file.
    fn compare_states(&self, name: impl Fn(&str) -> String, isa: &str, edges: &[Vec<f32>]) {
        for (k, letter) in self.letters.iter().enumerate() {
            let got = edges.iter().skip(k).step_by(self.letters.len()).flatten().copied().collect::<Vec<_>>();
            let shape = [self.places, self.lengths.len(), self.units];
            let part = name(letter);
            assert_close(&format!("{}/{part} on {isa}", self.name), &shape, &got, self.tensor(&part));
        }
    }

    fn compare(&self, engine: &Engine) {
        let (isa, lanes) = (engine.isa().name(), self.lengths.len());
        let x = self.rows(&self.singles(INPUT, lanes * self.span() * self.width, 1.0), self.width);
        let mut inputs = vec![Input::steps(self.width, &x.iter().map(Vec::as_slice).collect::<Vec<_>>())];
        let given = self.case["initial"] == json!(true);
        if given {
            inputs.extend(self.states(INPUT + 1).iter().map(|s| Input::lanes(self.units, s)));
        }
        let mut bench = Bench::with_engine(&self.layer(), &inputs, engine.clone()).expect(self.name);
        for (i, (weight, shape)) in bench.weights().iter().enumerate() {
            let values = self.singles(WEIGHTS + i as u64, shape.iter().product(), 0.5);
            bench.set_weight(weight, &values).expect(self.name);
        }
        bench.forward(Mode::Train).expect(self.name);
        let y = self.tensor("y");
        let width = y.shape[2];
        let got = self.padded(&bench.output(0), width);
        assert_close(&format!("{}/y on {isa}", self.name), &[lanes, self.span(), width], &got, y);
        let edges = self.places * self.letters.len();
        let finals: Vec<_> = (1..=edges).map(|i| bench.output(i).concat()).collect();
        self.compare_states(|letter| letter.to_owned(), isa, &finals);

        let mut slopes = vec![self.rows(&self.singles(SLOPES, y.values.len(), 1.0), width)];
        let rows = |state: Vec<f32>| state.chunks_exact(self.units).map(<[f32]>::to_vec).collect();
        slopes.extend(self.states(SLOPES + 1).into_iter().map(rows));
        bench.backward(&slopes).expect(self.name);
        for (weight, shape) in bench.weights() {
            let got = bench.weight_gradient(&weight).expect(self.name);
            let what = format!("{}/d {weight} on {isa}", self.name);
            assert_close(&what, &shape, got, self.tensor(&format!("d {weight}")));
        }
        let dx = self.padded(&bench.input_gradient(0), self.width);
        let shape = [lanes, self.span(), self.width];
        assert_close(&format!("{}/dx on {isa}", self.name), &shape, &dx, self.tensor("dx"));
        if given {
            let slopes: Vec<_> = (1..=edges).map(|i| bench.input_gradient(i).concat()).collect();
            self.compare_states(|letter| format!("d{letter}0"), isa, &slopes);
        }
    }
}

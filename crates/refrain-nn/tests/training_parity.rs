//! Training has the same losses as in Keras and PyTorch, step by step: 100 steps of a character model from
//! the same weights, on the same batches, with the same optimiser.

mod fixture;

use fixture::{Fixture, numbers};
use refrain_nn::data::Batch;
use refrain_nn::layers::{Dense, Embedding, Gru, Lstm, SimpleRnn};
use refrain_nn::loss::Loss;
use refrain_nn::optim::{Adam, Optimizer, Sgd};
use refrain_nn::{Activation, Compile, Engine, Isa, Model, Sequential};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// The tolerance, in gaps. A gap is the largest distance that any of the framework's eight f32 runs has from
/// its own f64 loss at that step, see [`Gaps::at`]. All of them round; four gaps leave room for an engine
/// that rounds at different points.
const GAPS: f64 = 4.0;
/// Absolute limit, for steps where the framework's own runs drift far apart.
const CEILING: f64 = 1e-3;

/// The distances of the framework's f32 runs from its f64 run, at each step.
struct Gaps<'a> {
    loss: &'a [f64],
    of_eight: &'a [f64],
    of_one: &'a [f64],
}

impl Gaps<'_> {
    /// Returns at least half a unit in the last place of the f32 in which the loss is reported: results
    /// closer to f64 than that are coincidence. On TensorFlow, all eight runs report the same f32 at every
    /// second step, because most of what rounds differently in Adam between f32 and f64 is the powers of β,
    /// regardless of the order of the lanes.
    fn at(&self, step: usize) -> f64 {
        let loss = self.loss[step] as f32;
        self.of_eight[step].max(f64::from(loss.next_up() - loss) / 2.0)
    }

    /// Returns how many distances exceed [`GAPS`] gaps, and the largest distance in gaps.
    fn exceeded(gaps: &[f64], distances: &[f64]) -> (usize, f64) {
        let ratios = distances.iter().zip(gaps).map(|(distance, gap)| distance / gap);
        ratios.fold((0, 0.0), |(count, worst), ratio| (count + usize::from(ratio > GAPS), ratio.max(worst)))
    }
}

/// The text that `training.py` trains on, as ids, and the sizes of the model.
struct Task {
    ids: Vec<u32>,
    vocabulary: usize,
    lanes: usize,
    steps: usize,
    embedding: usize,
    units: usize,
}

impl Task {
    fn new(fixture: &Fixture) -> Self {
        let size = |name| fixture.cases()["model"][name].as_u64().expect("a size") as usize;
        let text = include_str!("../../refrain-cli/data/songbook.txt").chars().take(size("characters"));
        let text: Vec<char> = text.collect();
        let known: Vec<char> = text.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        assert_eq!(
            known.len(),
            size("vocabulary"),
            "the songbook has changed: generate the golden files again"
        );
        Self {
            ids: text.iter().map(|c| known.binary_search(c).expect("it is known") as u32).collect(),
            vocabulary: known.len(),
            lanes: size("lanes"),
            steps: size("steps"),
            embedding: size("embedding"),
            units: size("units"),
        }
    }

    /// Returns batch `i`. Lanes are contiguous; the target is the next character.
    fn batch(&self, i: usize) -> Batch {
        let lane = (self.ids.len() - 1) / self.lanes;
        let columns = |shift| {
            let begin = move |n| n * lane + i * self.steps + shift;
            (0..self.lanes)
                .flat_map(move |n| self.ids[begin(n)..begin(n) + self.steps].iter().copied())
                .collect()
        };
        let mut batch = Batch { lanes: self.lanes, ..Batch::default() };
        batch.inputs.resize_with(1, Default::default);
        batch.targets.resize_with(1, Default::default);
        (batch.inputs[0].steps, batch.targets[0].steps) = (self.steps, self.steps);
        (batch.inputs[0].ids, batch.targets[0].ids) = (columns(0), columns(1));
        batch
    }

    fn model(&self, run: &Value, isa: Isa) -> Model {
        let rate = run["learning_rate"].as_f64().expect("a rate");
        let optimizer: Optimizer = match run["optimizer"].as_str() {
            Some("adam") => Adam::default().learning_rate(rate).into(),
            Some("sgd") => Sgd::default().learning_rate(rate).into(),
            other => panic!("the optimiser {other:?}"),
        };
        let mut layers = Sequential::new().add(Embedding::new(self.vocabulary, self.embedding));
        for _ in 0..2 {
            layers = match run["cell"].as_str() {
                Some("simple_rnn") => layers.add(SimpleRnn::new(self.units).return_sequences(true)),
                Some("lstm") => layers.add(Lstm::new(self.units).return_sequences(true)),
                Some("gru") => layers.add(Gru::new(self.units).return_sequences(true)),
                other => panic!("the cell {other:?}"),
            };
        }
        let compile = Compile {
            loss: Loss::SparseCategoricalCrossentropy,
            optimizer,
            engine: Some(Engine::new(isa, 2)),
            ..Compile::default()
        };
        let layers = layers.add(Dense::new(self.vocabulary).activation(Activation::Softmax));
        let mut model = layers.compile(compile).expect("a model");
        let spans: Vec<_> =
            model.params().spans().iter().map(|s| (s.name.clone(), s.shape.clone())).collect();
        for (i, (name, shape)) in spans.into_iter().enumerate() {
            let fan_in = match name.rsplit('/').next() {
                Some("embeddings") => 1,
                Some("bias") => self.units,
                _ => shape[0],
            };
            let scale = 1.0 / (fan_in as f64).sqrt();
            let values = numbers(1 + i as u64, shape.iter().product(), scale);
            let values: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
            model.set_weight_flat(&name, &values).expect("a weight of this size");
        }
        model
    }
}

/// Only one engine with two threads at a time: two would wait for each other on two cores.
static CORES: Mutex<()> = Mutex::new(());

fn follows(file: &str, runs: usize) {
    let _cores = CORES.lock().unwrap_or_else(PoisonError::into_inner);
    let fixture = Fixture::open(file);
    let task = Task::new(&fixture);
    let mut wrong = Vec::new();
    let cases = fixture.cases()["runs"].as_array().expect("a list");
    assert_eq!(cases.len(), runs, "{file}");
    for run in cases {
        let word = |name| run[name].as_str().expect("a word");
        let key = format!("{}_{}", word("cell"), word("optimizer"));
        let values = |kind| &fixture.tensor(&format!("{kind}/{key}")).values[..];
        let gaps = Gaps { loss: values("loss"), of_eight: values("gap"), of_one: values("gap_of_one") };
        assert_eq!(gaps.loss.len(), 100);
        for isa in Isa::available() {
            let mut model = task.model(run, isa);
            let mut distances = Vec::new();
            for (i, &loss) in gaps.loss.iter().enumerate() {
                model.train_step(&task.batch(i), None).expect("a step");
                let (got, gap) = (model.last_loss(), gaps.at(i));
                let distance = (got - loss).abs();
                if distance.is_nan() || distance > (GAPS * gap).min(CEILING) {
                    wrong.push(format!("{key}, {isa}, step {i}: {got}, expected {loss}, gap {gap:e}"));
                }
                distances.push(distance);
            }
            let floored: Vec<_> = (0..distances.len()).map(|i| gaps.at(i)).collect();
            println!(
                "{file}, {key}, {isa}: {:?} steps beyond and gaps at most; without the half unit {:?}, by one run {:?}",
                Gaps::exceeded(&floored, &distances),
                Gaps::exceeded(gaps.of_eight, &distances),
                Gaps::exceeded(gaps.of_one, &distances),
            );
        }
    }
    fixture.assert_read("");
    assert!(wrong.is_empty(), "{file}: {} steps\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn losses_match_keras() {
    follows("keras_training.safetensors", 3);
}

#[test]
fn losses_match_pytorch() {
    follows("torch_training.safetensors", 6);
}

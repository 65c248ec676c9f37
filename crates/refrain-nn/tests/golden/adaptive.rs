//! The adaptive softmax compared with PyTorch's: every probability, the loss that computes only the targets'
//! clusters, and the gradients of both.

use crate::close::{assert_close, assert_same_loss};
use crate::engines;
use crate::fixture::{Fixture, Tensor, singles};
use crate::models::{flat, name, set_weights};
use crate::size;
use refrain_nn::data::{Batch, BatchInput, BatchTarget};
use refrain_nn::gradcheck::{Bench, Input};
use refrain_nn::graph::Mode;
use refrain_nn::layers::{AdaptiveSoftmax, Embedding};
use refrain_nn::loss::Loss;
use refrain_nn::metrics::Metric;
use refrain_nn::{Compile, Engine, InputSpec, Model, Sequential};
use serde_json::Value;

/// The seeds after a case's seed, as in the script: the input, weights, slopes of the outputs.
const INPUT: u64 = 0;
const WEIGHTS: u64 = 20;
const SLOPES: u64 = 60;

#[test]
fn adaptive_softmaxes() {
    let fixture = Fixture::open("torch_adaptive.safetensors");
    for case in fixture.cases().as_array().expect("a list of cases") {
        for engine in engines() {
            let case = Case { fixture: &fixture, case, engine };
            case.compare_layer();
            case.compare_logits();
            case.compare_loss();
        }
    }
    fixture.assert_read("");
}

struct Case<'a> {
    fixture: &'a Fixture,
    case: &'a Value,
    engine: Engine,
}

impl<'a> Case<'a> {
    fn tensor(&self, part: &str) -> &'a Tensor {
        self.fixture.tensor(&format!("{}/{part}", name(self.case)))
    }

    fn what(&self, part: &str) -> String {
        format!("{}/{part} on {}", name(self.case), self.engine.isa().name())
    }

    fn size(&self, setting: &str) -> usize {
        size(&self.case[setting])
    }

    fn targets(&self) -> Vec<u32> {
        flat(&self.case["targets"]).into_iter().map(|id| id as u32).collect()
    }

    fn layer(&self) -> AdaptiveSoftmax {
        let cutoffs: Vec<_> = self.case["cutoffs"].as_array().expect("cutoffs").iter().map(size).collect();
        AdaptiveSoftmax::new(self.size("classes"))
            .cutoffs(cutoffs)
            .div_value(self.case["div_value"].as_f64().expect("a number"))
            .use_bias(self.case["use_bias"] == Value::Bool(true))
    }

    fn singles(&self, place: u64, columns: usize) -> Vec<f32> {
        let seed = self.case["seed"].as_u64().expect("a seed");
        singles(seed + place, self.targets().len() * columns, 1.0)
    }

    /// Compares every probability and the gradient of their sum weighted by slopes, with a loss that does not
    /// use clusters.
    fn compare_layer(&self) {
        let (width, classes) = (self.size("width"), self.size("classes"));
        let x = self.singles(INPUT, width);
        let mut bench = Bench::with_engine(&self.layer(), &[Input::lanes(width, &x)], self.engine.clone())
            .expect("a layer");
        let seed = self.case["seed"].as_u64().expect("a seed");
        for (i, (weight, shape)) in bench.weights().iter().enumerate() {
            let values = singles(seed + WEIGHTS + i as u64, shape.iter().product(), 0.5);
            bench.set_weight(weight, &values).expect("a weight");
        }
        for mode in [Mode::Infer, Mode::Train] {
            bench.forward(mode).expect("a pass");
            let prob = self.tensor("prob");
            assert_close(&self.what("prob"), &prob.shape, &bench.output(0).concat(), prob);
        }
        let slopes = self.singles(SLOPES, classes);
        bench.backward(&[slopes.chunks_exact(classes).map(<[f32]>::to_vec).collect()]).expect("a pass");
        for (weight, shape) in bench.weights() {
            let (part, got) =
                (format!("slopes/d {weight}"), bench.weight_gradient(&weight).expect("a weight"));
            assert_close(&self.what(&part), &shape, got, self.tensor(&part));
        }
        let dx = self.tensor("slopes/d x");
        assert_close(&self.what("slopes/d x"), &dx.shape, &bench.input_gradient(0).concat(), dx);
    }

    fn compile(&self, below: Sequential) -> Model {
        let compile = Compile {
            loss: Loss::SparseCategoricalCrossentropy,
            metrics: vec![Metric::Accuracy, Metric::TopK(3), Metric::Perplexity],
            engine: Some(self.engine.clone()),
            ..Compile::default()
        };
        below.add(self.layer().name("output")).compile(compile).expect("a model")
    }

    /// Compares what a session returns instead of probabilities.
    fn compare_logits(&self) {
        let width = self.size("width");
        let mut model = self.compile(Sequential::new().input(InputSpec::features(width)));
        set_weights(&mut model, self.case["seed"].as_u64().expect("a seed"));
        let mut session = model.session(self.targets().len()).expect("a session").logits();
        let rows = session.step_features(&self.singles(INPUT, width)).expect("a step");
        let got: Vec<f32> = (0..rows.count()).flat_map(|r| rows.row(r).to_vec()).collect();
        let log_prob = self.tensor("log_prob");
        assert_close(&self.what("log_prob"), &log_prob.shape, &got, log_prob);
    }

    /// Compares the loss of the targets and its gradients. The rows of an embedding serve as the input, so
    /// that the table's gradient is the input's.
    fn compare_loss(&self) {
        let (width, targets) = (self.size("width"), self.targets());
        let rows = targets.len();
        let mut model = self.compile(Sequential::new().add(Embedding::new(rows, width).name("x")));
        let seed = self.case["seed"].as_u64().expect("a seed");
        let spans = model.params().spans().to_vec();
        for (i, span) in spans[1..].iter().enumerate() {
            let values = singles(seed + WEIGHTS + i as u64, span.len(), 0.5);
            model.set_weight_flat(&span.name, &values).expect("a weight");
        }
        model.set_weight_flat("x/embeddings", &self.singles(INPUT, width)).expect("a table");
        let input = BatchInput { steps: rows / 3, ids: (0..rows as u32).collect(), ..BatchInput::default() };
        let classes: Vec<_> = targets.iter().map(|&id| id as usize).collect();
        let to = BatchTarget { steps: rows / 3, ids: targets, ..BatchTarget::default() };
        let batch = Batch { lanes: 3, inputs: vec![input], targets: vec![to], ..Batch::default() };

        let loss = self.tensor("loss").values[0];
        model.test_step(&batch, None).expect("a step");
        let totals = model.totals();
        assert_same_loss(&self.what("loss"), totals[0].1, loss);
        let (accuracy, top) = self.hits(&classes);
        assert_eq!((totals[1].1, totals[2].1), (accuracy, top), "{}", self.what("accuracy"));
        assert_same_loss(&self.what("perplexity"), totals[3].1, totals[0].1.exp());
        let trained = model.train_on_batch(&batch).expect("a step");
        assert_eq!(trained, totals, "{}", self.what("a step"));
        for span in &spans {
            let part =
                format!("loss/d {}", span.name.trim_start_matches("output/").trim_end_matches("/embeddings"));
            let gradient = model.params().gradient(model.params().find(&span.name).expect("a parameter"));
            assert_close(&self.what(&part), &span.shape, &gradient, self.tensor(&part));
        }
    }

    /// Returns how often PyTorch's largest class, and any of its three largest, is the target.
    fn hits(&self, targets: &[usize]) -> (f64, f64) {
        let logs = self.tensor("log_prob").values.chunks_exact(self.size("classes"));
        let ranks = logs.zip(targets).map(|(row, &t)| row.iter().filter(|&&log| log > row[t]).count());
        let ranks: Vec<_> = ranks.collect();
        let share = |k: usize| ranks.iter().filter(|&&rank| rank < k).count() as f64 / ranks.len() as f64;
        (share(1), share(3))
    }
}

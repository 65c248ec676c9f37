use crate::data::{Batch, BatchInput, BatchTarget};
use crate::gradcheck::GradCheck;
use crate::init::Initializer;
use crate::layers::{AdaptiveOp, AdaptiveSoftmax, Blocks};
use crate::loss::Loss;
use crate::loss::testing::floats;
use crate::metrics::Metric;
use crate::model::{Compile, InputSpec, Model, Sequential};
use refrain_kernels::softmax::argmax;
use refrain_kernels::{Engine, Isa};
use std::any::Any;

const INPUTS: usize = 32;
const CLASSES: usize = 200;
/// Three clusters; the second has one class.
const CUTOFFS: [usize; 3] = [20, 90, 91];
const LANES: usize = 60;
const STEPS: usize = 5;
const ROWS: usize = LANES * STEPS;
const NO_BLOCKS: Blocks = Blocks { rows: ROWS, floats: 0 };

fn model(loss: Loss, stddev: f32, threads: usize, blocks: Blocks) -> Model {
    let initializer = Initializer::RandomNormal { mean: 0.0, stddev };
    let layer = AdaptiveSoftmax::new(CLASSES).cutoffs(CUTOFFS).use_bias(true).kernel_initializer(initializer);
    let mut model = Sequential::new()
        .input(InputSpec::features(INPUTS))
        .add(layer)
        .compile(Compile {
            loss,
            metrics: vec![Metric::Accuracy, Metric::TopK(3), Metric::Perplexity],
            engine: Some(Engine::new(Isa::detect(), threads)),
            ..Compile::default()
        })
        .unwrap();
    let op: &mut dyn Any = &mut *model.graph.nodes[0].op;
    op.downcast_mut::<AdaptiveOp>().unwrap().blocks = blocks;
    model
}

/// Returns rows with these targets and with different weights.
fn batch(targets: Vec<u32>) -> Batch {
    let features = floats(3, ROWS * INPUTS);
    let input = BatchInput { steps: STEPS, features, ..BatchInput::default() };
    let target = BatchTarget { steps: STEPS, ids: targets, ..BatchTarget::default() };
    let weights = (0..ROWS).map(|r| (r % 4) as f32 * 0.5).collect();
    Batch { lanes: LANES, inputs: vec![input], targets: vec![target], weights, ..Batch::default() }
}

/// Returns targets in every part of the classes except the first cluster, with different frequencies.
fn targets() -> Vec<u32> {
    let class = |r: usize| [(r % 20) as u32, 90, 91 + (r * 7 % 109) as u32][[0, 2, 0, 1, 0, 2, 2][r % 7]];
    (0..ROWS).map(class).collect()
}

/// Returns loss and metrics, and every gradient, the input's last.
fn train(model: &mut Model, batch: &Batch) -> (Vec<f64>, Vec<Vec<f32>>) {
    model.reset_totals();
    model.test_step(batch, None).unwrap();
    let totals = model.totals().into_iter().map(|(_, value)| value).collect();
    let inputs = model.differentiate_inputs(batch).unwrap();
    let params = &model.params;
    let names = params.spans().iter().map(|span| params.find(&span.name).unwrap());
    let mut gradients: Vec<_> = names.map(|id| params.gradient(id).to_vec()).collect();
    gradients.extend(inputs.into_iter().flatten());
    (totals, gradients)
}

#[test]
fn blocks_and_threads_do_not_change_the_result() {
    let batch = batch(targets());
    let bits = |threads, blocks| {
        let loss = Loss::SparseCategoricalCrossentropy;
        let (totals, gradients) = train(&mut model(loss, 0.5, threads, blocks), &batch);
        let gradients: Vec<_> = gradients.concat().iter().map(|x| x.to_bits()).collect();
        (totals, gradients)
    };
    let (totals, gradients) = bits(1, NO_BLOCKS);
    for (threads, rows) in [(2, ROWS), (3, ROWS), (1, 1), (2, 7), (3, 64)] {
        let (other, slopes) = bits(threads, Blocks { rows, floats: 0 });
        let what = format!("{threads} threads, blocks of {rows} rows");
        assert_eq!(slopes, gradients, "{what}");
        // Perplexity and top k are sums over rows in f64, computed block by block.
        assert_eq!(other, totals, "{what}");
    }
}

/// Absolute for losses, relative to the largest gradient for gradients: a few f32 roundings of logarithms up
/// to 16.
const TOLERANCE: f64 = 4e-6;

#[test]
fn the_loss_matches_that_of_all_probabilities() {
    let sparse = batch(targets());
    let mut whole = sparse.clone();
    let ids = std::mem::take(&mut whole.targets[0].ids);
    whole.targets[0].values = vec![0.0; ROWS * CLASSES];
    ids.iter().enumerate().for_each(|(r, &id)| whole.targets[0].values[r * CLASSES + id as usize] = 1.0);
    let (totals, gradients) =
        train(&mut model(Loss::SparseCategoricalCrossentropy, 0.5, 2, Blocks::default()), &sparse);
    let (of_all, slopes) =
        train(&mut model(Loss::CategoricalCrossentropy, 0.5, 2, Blocks::default()), &whole);
    assert!((totals[0] - of_all[0]).abs() < TOLERANCE, "losses {} and {}", totals[0], of_all[0]);
    assert_eq!(totals[1..3], of_all[1..3], "accuracy and top k");
    assert_eq!(gradients.len(), slopes.len());
    let largest = slopes.iter().flatten().fold(0.0_f32, |most, x| most.max(x.abs()));
    for (i, (got, want)) in gradients.iter().zip(&slopes).enumerate() {
        let apart = got.iter().zip(want).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(f64::from(apart) <= TOLERANCE * f64::from(largest), "gradient {i}: {apart} of {largest}");
    }
}

#[test]
fn gradients_of_the_loss() {
    let model = model(Loss::SparseCategoricalCrossentropy, 0.5, 2, Blocks { rows: 64, floats: 0 });
    let targets = (0..ROWS as u32).map(|r| r * 13 % CLASSES as u32).collect();
    let report = GradCheck::default().model(&model, &batch(targets)).unwrap();
    for variable in &report.variables {
        // A cluster of one class has nothing to learn.
        assert_eq!(variable.norm > 0.0, !variable.name.contains("tail_1"), "{report}");
        assert!(variable.norm == 0.0 || variable.allowed < 0.1, "rounding hides a gradient: {report}");
    }
}

#[test]
fn a_row_counts_where_its_target_is_the_largest_output() {
    let mut parts = [0..20, 20..90, 90..91, 91..200].map(|part| (part, false));
    for stddev in [0.0, 0.05, 0.3, 1.0, 4.0] {
        let mut model = model(Loss::SparseCategoricalCrossentropy, stddev, 2, Blocks { rows: 64, floats: 0 });
        if stddev == 0.0 {
            // The first cluster is as likely as that many classes of the shortlist, so its classes equal
            // those.
            let mut bias = [0.0; CUTOFFS[0] + CUTOFFS.len()];
            bias[CUTOFFS[0]] = ((CUTOFFS[1] - CUTOFFS[0]) as f32).ln();
            model.set_weight_flat("adaptive_softmax/head/bias", &bias).unwrap();
        }
        let mut batch = batch(vec![0; ROWS]);
        batch.inputs[0].features[5 * INPUTS] = f32::NAN;
        model.infer(&batch, None, &[]).unwrap();
        let logs = model.graph.value(model.graph.nodes[0].outputs[0]);
        let mut largest = vec![0; ROWS];
        argmax(&model.engine, logs.view(), &mut largest);
        parts.iter_mut().for_each(|(part, seen)| *seen |= largest.iter().any(|c| part.contains(c)));
        let mut accuracy = |by: u32| {
            // Packed rows are ordered by step, targets by sequence.
            let class = |i: usize| (largest[i % STEPS * LANES + i / STEPS] + by) % CLASSES as u32;
            batch.targets[0].ids = (0..ROWS).map(class).collect();
            model.reset_totals();
            model.test_step(&batch, None).unwrap();
            model.totals()[1].1
        };
        assert_eq!([accuracy(0), accuracy(1), accuracy(150)], [1.0, 0.0, 0.0], "{stddev}");
    }
    assert!(parts.iter().all(|(_, seen)| *seen), "parts without a largest output: {parts:?}");
}

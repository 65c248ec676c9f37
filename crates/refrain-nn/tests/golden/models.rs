//! Whole models compared with Keras: predictions, loss, accuracy and the gradient of every parameter.

use crate::build;
use crate::close::{assert_close, assert_same_loss};
use crate::fixture::{Fixture, singles};
use crate::{engines, size};
use refrain_nn::data::{Batch, BatchInput, BatchTarget};
use refrain_nn::loss::Loss;
use refrain_nn::metrics::Metric;
use refrain_nn::{Compile, Engine, InputSpec, Model, Sequential};
use serde_json::Value;

/// Absolute tolerance of a fraction of rows, or of weights that are multiples of an eighth: Keras divides in
/// f32.
const ACCURACY_TOLERANCE: f64 = 1e-6;
const FILE: &str = "keras_models.safetensors";
/// The seeds after a case's seed, as in the script: the input, the targets, weight i.
const TARGETS: u64 = 1;
const WEIGHTS: u64 = 20;

/// Defines a test for the cases with these names.
macro_rules! cases {
    ($($test:ident: $names:expr;)*) => {
        const NAMES: &[&[&str]] = &[$(&$names),*];
        $(
            #[test]
            fn $test() {
                compare(&$names);
            }
        )*
    };
}

cases! {
    classes_of_texts: ["words_rnn", "words_lstm", "words_gru", "words_gru_before"];
    tags_of_words: ["tags_rnn", "tags_lstm", "tags_gru", "tags_gru_before", "time_distributed"];
    both_directions: ["both_ways", "both_ways_below"];
    distances: [
        "mean_squared_error", "mean_squared_error_steps", "mean_absolute_error", "mean_absolute_error_steps", "huber",
        "huber_steps",
    ];
    layers_on_layers: ["stacked", "encoder_decoder"];
    regularizers: ["regularizers"];
    sample_weights: ["sample_weight", "step_weight"];
}

#[test]
fn every_model_is_compared() {
    let fixture = Fixture::open(FILE);
    let mut cases: Vec<_> = list(&fixture, "models").iter().map(name).collect();
    let mut compared = NAMES.concat();
    cases.sort_unstable();
    compared.sort_unstable();
    assert_eq!(cases, compared);
    cases.extend(list(&fixture, "optimizers").iter().map(name));
    for array in fixture.names() {
        let case = array.split('/').next().unwrap_or(array);
        assert!(cases.contains(&case), "{array} has no case");
    }
}

pub(crate) fn list<'a>(fixture: &'a Fixture, kind: &str) -> &'a [Value] {
    fixture.cases()[kind].as_array().expect("a list of cases")
}

pub(crate) fn name(case: &Value) -> &str {
    case["name"].as_str().expect("a name")
}

fn compare(names: &[&str]) {
    let fixture = Fixture::open(FILE);
    for wanted in names {
        let case = list(&fixture, "models").iter().find(|c| name(c) == *wanted);
        let case = case.unwrap_or_else(|| panic!("no case {wanted}"));
        for engine in engines() {
            compare_model(&fixture, case, &engine);
        }
        fixture.assert_read(&format!("{wanted}/"));
    }
}

fn compare_model(fixture: &Fixture, case: &Value, engine: &Engine) {
    let (name, isa) = (name(case), engine.isa().name());
    let accuracy = fixture.find(&format!("{name}/accuracy"));
    let mut model = sequential(case)
        .compile(Compile {
            loss: serde_json::from_value::<Loss>(case["loss"].clone()).expect("a loss"),
            metrics: if accuracy.is_some() { vec![Metric::Accuracy] } else { Vec::new() },
            engine: Some(engine.clone()),
            ..Compile::default()
        })
        .expect(name);
    set_weights(&mut model, case["seed"].as_u64().expect("a seed"));
    let batch = batch(case);

    let prediction = model.predict_batch(&batch, None).expect(name).swap_remove(0);
    let (shape, values) = (prediction.shape().to_vec(), prediction.into_raw_vec_and_offset().0);
    let what = format!("{name}/prediction on {isa}");
    assert_close(&what, &shape, &values, fixture.tensor(&format!("{name}/prediction")));

    let loss = fixture.tensor(&format!("{name}/loss")).values[0];
    model.test_step(&batch, None).expect(name);
    let evaluated = model.totals();
    assert_same_loss(&format!("{name}/loss on {isa}"), evaluated[0].1, loss);
    if let Some(accuracy) = accuracy {
        assert!(
            (evaluated[1].1 - accuracy.values[0]).abs() < ACCURACY_TOLERANCE,
            "{name}: {evaluated:?}, {accuracy:?}"
        );
    }
    let trained = model.train_on_batch(&batch).expect(name);
    assert_same_loss(&format!("{name}/loss in training on {isa}"), trained[0].1, loss);
    let params = model.params();
    for span in params.spans() {
        let what = format!("{name}/d {} on {isa}", span.name);
        let gradient = params.gradient(params.find(&span.name).expect("a parameter"));
        assert_close(&what, &span.shape, &gradient, fixture.tensor(&format!("{name}/d {}", span.name)));
    }
}

fn sequential(case: &Value) -> Sequential {
    let mut model = Sequential::new();
    if let Some(width) = case["input"].get("width") {
        model = model.input(InputSpec::features(size(width)));
    }
    add_layers(model, &case["layers"])
}

pub(crate) fn add_layers(model: Sequential, layers: &Value) -> Sequential {
    layers.as_array().expect("layers").iter().fold(model, |model, layer| model.add(build::layer(layer)))
}

/// Draws weight i from the seed.
pub(crate) fn set_weights(model: &mut Model, seed: u64) {
    let spans = model.params().spans().to_vec();
    for (i, span) in spans.iter().enumerate() {
        model
            .set_weight_flat(&span.name, &singles(seed + WEIGHTS + i as u64, span.len(), 0.5))
            .expect("a parameter");
    }
}

fn batch(case: &Value) -> Batch {
    let seed = case["seed"].as_u64().expect("a seed");
    let (input, target) = (&case["input"], &case["target"]);
    let inputs = match input.get("ids") {
        Some(ids) => ids_input(ids),
        None => features_input(input, seed),
    };
    let lanes = inputs.ids.len().max(inputs.features.len() / size_or(input, "width", 1)) / inputs.steps;
    let mut to = BatchTarget { steps: size_or(target, "steps", 1), ..BatchTarget::default() };
    if let Some(ids) = target.get("ids") {
        to.ids = flat(ids).into_iter().map(|id| id as u32).collect();
        to.steps = to.ids.len() / lanes;
    } else if let Some(values) = target.get("values") {
        to.values = flat(values).into_iter().map(|v| v as f32).collect();
    } else {
        to.values = singles(seed + TARGETS, lanes * to.steps * size(&target["width"]), 1.0);
    }
    let weights = case.get("weight").map_or_else(Vec::new, flat).into_iter().map(|w| w as f32).collect();
    Batch { lanes, inputs: vec![inputs], targets: vec![to], weights, ..Batch::default() }
}

/// Returns an input of ids `(N, T)`.
pub(crate) fn ids_input(ids: &Value) -> BatchInput {
    let sequences = ids.as_array().expect("sequences of ids");
    let flat: Vec<_> = flat(ids).into_iter().map(|id| id as u32).collect();
    BatchInput { steps: flat.len() / sequences.len(), ids: flat, ..BatchInput::default() }
}

/// Returns features whose masked steps are all zero, for a Masking layer.
fn features_input(input: &Value, seed: u64) -> BatchInput {
    /// The number of sequences in the script's arrays.
    const SEQUENCES: usize = 6;
    let (steps, width) = (size(&input["steps"]), size(&input["width"]));
    let mut features = singles(seed, SEQUENCES * steps * width, 1.0);
    if let Some(real) = input.get("real") {
        let rows = real.as_array().expect("rows of flags").iter();
        let real: Vec<_> = rows.flat_map(|row| row.as_str().expect("flags").bytes()).collect();
        let masked = features.chunks_exact_mut(width).zip(real).filter(|(_, flag)| *flag == b'0');
        masked.for_each(|(row, _)| row.fill(0.0));
    }
    BatchInput { steps, features, ..BatchInput::default() }
}

/// Returns the numbers in nested lists.
pub(crate) fn flat(value: &Value) -> Vec<f64> {
    match value.as_array() {
        Some(list) => list.iter().flat_map(flat).collect(),
        None => vec![value.as_f64().expect("a number")],
    }
}

fn size_or(value: &Value, name: &str, default: usize) -> usize {
    value.get(name).map_or(default, size)
}

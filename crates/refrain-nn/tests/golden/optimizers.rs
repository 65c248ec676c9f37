//! Ten steps of each optimiser compared with Keras: the loss of every step, the weights after the first and
//! the last one, and the defaults.

use crate::close::{assert_close, assert_same_loss};
use crate::engines;
use crate::fixture::Fixture;
use crate::models::{add_layers, flat, ids_input, list, name, set_weights};
use refrain_nn::data::{Batch, BatchTarget};
use refrain_nn::loss::Loss;
use refrain_nn::optim::Optimizer;
use refrain_nn::{Averaging, Compile, Engine, Model, Schedule, Sequential};
use serde_json::{Map, Value, json};

const FILE: &str = "keras_models.safetensors";
/// Settings that belong to Keras's optimisers but to Refrain's models.
const OF_TRAINING: [&str; 3] = ["gradient_accumulation_steps", "use_ema", "ema_momentum"];
/// Settings that every optimiser has.
const CLIPS: [&str; 3] = ["clipnorm", "clipvalue", "global_clipnorm"];

/// Defines a test for the cases that use this class.
macro_rules! optimizers {
    ($($test:ident: $class:literal;)*) => {
        const CLASSES: &[&str] = &[$($class),*];
        $(
            #[test]
            fn $test() {
                compare($class);
            }
        )*
    };
}

optimizers! {
    sgd: "SGD";
    rmsprop: "RMSprop";
    adagrad: "Adagrad";
    adadelta: "Adadelta";
    adam: "Adam";
    adamw: "AdamW";
    adamax: "Adamax";
    nadam: "Nadam";
}

#[test]
fn every_optimizer_is_compared() {
    let fixture = Fixture::open(FILE);
    for case in list(&fixture, "optimizers") {
        assert!(CLASSES.contains(&class(case)), "{case}");
    }
}

#[test]
fn defaults_match_keras() {
    let fixture = Fixture::open(FILE);
    let defaults = fixture.cases()["defaults"].as_object().expect("defaults");
    assert_eq!(defaults.len(), CLASSES.len());
    for (class, settings) in defaults {
        let case = json!({ "class_name": class, "config": settings });
        assert_eq!(Some(optimizer(&case)), Optimizer::by_name(class), "{class}");
    }
}

fn class(case: &Value) -> &str {
    case["class_name"].as_str().expect("a class name")
}

/// Returns the optimiser of a case. Unnamed settings have Refrain's defaults; unknown settings fail.
fn optimizer(case: &Value) -> Optimizer {
    let optimizer = Optimizer::by_name(class(case)).unwrap_or_else(|| panic!("an optimiser in {case}"));
    let mut json = serde_json::to_value(&optimizer).expect("an optimiser as JSON");
    for (setting, value) in case["config"].as_object().expect("settings") {
        if setting == "learning_rate" {
            json["learning_rate"] = json!(schedule(value));
        } else if setting == "weight_decay" {
            json["weight_decay"] = value.clone();
        } else if OF_TRAINING.contains(&&**setting) {
            continue;
        } else if CLIPS.contains(&&**setting) {
            json["clip"][setting] = value.clone();
        } else {
            json["kind"][optimizer.name()][setting] = value.clone();
        }
    }
    serde_json::from_value(json).unwrap_or_else(|e| panic!("{case}: {e}"))
}

fn schedule(rate: &Value) -> Schedule {
    if let Some(rate) = rate.as_f64() {
        return Schedule::Constant(rate);
    }
    let variant = match class(rate) {
        "ExponentialDecay" => "exponential_decay",
        "CosineDecay" => "cosine_decay",
        "PiecewiseConstantDecay" => "piecewise_constant",
        other => panic!("a case with the schedule {other}"),
    };
    let mut config = rate["config"].as_object().expect("settings").clone();
    if variant == "exponential_decay" {
        config.entry("staircase").or_insert(json!(false));
    }
    let schedule: Map<_, _> = [(variant.to_owned(), Value::Object(config))].into_iter().collect();
    serde_json::from_value(Value::Object(schedule)).unwrap_or_else(|e| panic!("{rate}: {e}"))
}

fn compare(wanted: &str) {
    let fixture = Fixture::open(FILE);
    let cases: Vec<_> = list(&fixture, "optimizers").iter().filter(|case| class(case) == wanted).collect();
    assert!(!cases.is_empty(), "{FILE} has no case of {wanted}");
    for case in cases {
        for engine in engines() {
            learn(&fixture, case, &engine);
        }
        fixture.assert_read(&format!("{}/", name(case)));
    }
}

fn batches(learner: &Value) -> Vec<Batch> {
    let batch = |batch: &Value| {
        let ids = flat(&batch["classes"]).into_iter().map(|id| id as u32).collect::<Vec<_>>();
        let lanes = ids.len();
        let target = BatchTarget { steps: 1, ids, ..BatchTarget::default() };
        Batch { lanes, inputs: vec![ids_input(&batch["ids"])], targets: vec![target], ..Batch::default() }
    };
    learner["batches"].as_array().expect("batches").iter().map(batch).collect()
}

fn learn(fixture: &Fixture, case: &Value, engine: &Engine) {
    let (name, isa, learner) = (name(case), engine.isa().name(), &fixture.cases()["learner"]);
    let accumulation = case["config"]["gradient_accumulation_steps"].as_u64();
    let mut model = add_layers(Sequential::new(), &learner["layers"])
        .compile(Compile {
            loss: Loss::SparseCategoricalCrossentropy,
            optimizer: optimizer(case),
            gradient_accumulation_steps: accumulation.map_or(1, |steps| steps as u32),
            engine: Some(engine.clone()),
            ..Compile::default()
        })
        .expect(name);
    set_weights(&mut model, learner["seed"].as_u64().expect("a seed"));
    if let Some(momentum) = case["config"]["ema_momentum"].as_f64() {
        model.start_averaging(Averaging::Exponential { momentum }).expect(name);
    }
    let batches = batches(learner);
    let losses = &fixture.tensor(&format!("{name}/losses")).values;
    for (step, loss) in losses.iter().enumerate() {
        let trained = model.train_on_batch(&batches[step % batches.len()]).expect(name);
        assert_same_loss(&format!("{name}: the loss of step {} on {isa}", step + 1), trained[0].1, *loss);
        if step == 0 || step + 1 == losses.len() {
            compare_weights(fixture, &model, &format!("{name}/{}", step + 1), isa);
        }
    }
    if model.is_averaging() {
        model.swap_averages().expect(name);
        compare_weights(fixture, &model, &format!("{name}/average"), isa);
    }
}

fn compare_weights(fixture: &Fixture, model: &Model, prefix: &str, isa: &str) {
    for span in model.params().spans() {
        let array = format!("{prefix} {}", span.name);
        let weight = model.weight(&span.name).expect("a parameter");
        assert_close(&format!("{array} on {isa}"), &span.shape, weight, fixture.tensor(&array));
    }
}

//! The gradient of a training step, gradients accumulated over batches, averages of parameters, and states
//! that do not fit.

use ndarray::Array2;
use refrain_nn::callbacks::{BatchContext, Callback};
use refrain_nn::data::{Batch, Extent};
use refrain_nn::gradcheck::GradCheck;
use refrain_nn::layers::{ActivityPenalty, Dense, Embedding, Gru, Lstm};
use refrain_nn::loss::Loss;
use refrain_nn::optim::{Adam, Optimizer, Sgd};
use refrain_nn::{
    Activation, Averaging, Compile, Engine, Error, Fit, Isa, Model, Reduction, Regularizer, Schedule,
    Sequential, TrainingState,
};

const VOCABULARY: usize = 11;
const STEPS: usize = 5;
/// Relative tolerance of a gradient whose terms are summed in another order: eight units in the last place of
/// an f32.
const ORDER: f64 = 8.0 * f32::EPSILON as f64;
/// Absolute tolerance of weights below 2 after three steps of rate 0.5 with such gradients.
const WEIGHTS: f32 = 2e-6;
/// Absolute tolerance of an f32 average of six weights below 2 against f64: one unit in the last place per
/// step.
const AVERAGE: f64 = 1e-6;

fn compile(optimizer: impl Into<Optimizer>) -> Compile {
    Compile {
        loss: Loss::SparseCategoricalCrossentropy,
        optimizer: optimizer.into(),
        engine: Some(Engine::new(Isa::detect(), 1)),
        ..Compile::default()
    }
}

/// Returns a model of sequences. The output has one row per step or, without `sequences`, per sequence.
fn model(sequences: bool, compile: Compile) -> Model {
    let penalty = Regularizer::l2(0.03);
    Sequential::new()
        .add(Embedding::new(VOCABULARY, 6).name("embedding"))
        .add(Lstm::new(7).return_sequences(sequences))
        .add(Dense::new(VOCABULARY).activation(Activation::Softmax).kernel_regularizer(penalty))
        .compile(compile)
        .unwrap()
}

fn word(salt: usize, i: usize) -> u32 {
    ((i * i * 7 + i * 3 + salt * 5) % VOCABULARY) as u32
}

/// Returns sequences `from..to` of an infinite set, all of five steps.
fn batch(sequences: bool, from: usize, to: usize) -> Batch {
    let mut batch = Batch { lanes: to - from, ..Batch::default() };
    batch.inputs.resize_with(1, Default::default);
    batch.targets.resize_with(1, Default::default);
    let (input, target) = (&mut batch.inputs[0], &mut batch.targets[0]);
    (input.steps, target.steps) = (STEPS, if sequences { STEPS } else { 1 });
    input.ids = (from * STEPS..to * STEPS).map(|i| word(1, i)).collect();
    target.ids = (from * target.steps..to * target.steps).map(|i| word(2, i)).collect();
    batch
}

/// Returns the same sequences with lengths 5, 2, 5, 2 ….
fn ragged(from: usize, to: usize) -> Batch {
    let mut batch = batch(true, from, to);
    batch.inputs[0].extent = Extent::Lengths;
    batch.inputs[0].lengths = (from..to).map(|n| if n % 2 == 0 { STEPS } else { 2 }).collect();
    batch
}

fn relative(got: f64, want: f64) -> f64 {
    (got - want).abs() / want.abs()
}

fn furthest(got: &Model, want: &Model) -> f32 {
    let pairs = got.params().values().iter().zip(want.params().values());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(
            error @ (Error::Unsupported { .. }
            | Error::Setting { .. }
            | Error::Data { .. }
            | Error::Checkpoint { .. }),
        ) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Without penalties, which are unscaled in both norms.
#[test]
fn a_sum_over_steps_is_the_mean_times_the_steps() {
    for (batch, rows) in [(batch(true, 0, 4), STEPS as f64), (ragged(0, 4), 3.5)] {
        let [mean, sum] = [Reduction::Mean, Reduction::SumOverSteps].map(|reduction| {
            let mut model = Sequential::new()
                .add(Embedding::new(VOCABULARY, 6))
                .add(Gru::new(5).return_sequences(true))
                .add(Dense::new(VOCABULARY).activation(Activation::Softmax))
                .compile(Compile { reduction, ..compile(Sgd::default()) })
                .unwrap();
            model.train_step(&batch, None).unwrap();
            model
        });
        assert_eq!(mean.last_loss(), sum.last_loss(), "what is reported is a mean");
        let ratio = sum.last_gradient_norm() / mean.last_gradient_norm();
        assert!(relative(ratio, rows) <= ORDER, "{ratio}, not {rows}");
    }
}

#[test]
fn the_gradient_is_of_the_sum_plus_the_unscaled_penalty() {
    for reduction in [Reduction::Mean, Reduction::SumOverSteps] {
        let model = model(true, Compile { reduction, ..compile(Sgd::default()) });
        GradCheck::default().model(&model, &ragged(0, 4)).unwrap();
    }
}

#[test]
fn without_a_time_axis_the_reductions_are_equal() {
    let [mean, sum] = [Reduction::Mean, Reduction::SumOverSteps].map(|reduction| {
        let mut model = model(false, Compile { reduction, ..compile(Sgd::default()) });
        model.train_step(&batch(false, 0, 4), None).unwrap();
        model
    });
    assert_eq!(mean.weights(), sum.weights());
    assert_eq!(mean.last_gradient_norm(), sum.last_gradient_norm());
}

#[test]
fn reductions_have_names() {
    let json = |reduction: Reduction| serde_json::to_string(&reduction).unwrap();
    assert_eq!([json(Reduction::Mean), json(Reduction::SumOverSteps)], ["\"mean\"", "\"sum_over_steps\""]);
}

/// Each kind of clipping must see the mean, and the penalty must count once.
#[test]
fn four_batches_of_two_equal_one_of_eight() {
    let sgd = Sgd::default().learning_rate(0.5);
    let optimizers: [Optimizer; 6] = [
        sgd.clone().into(),
        sgd.clone().momentum(0.5).into(),
        sgd.clone().clipnorm(0.05).into(),
        sgd.clone().clipvalue(0.02).into(),
        sgd.clone().global_clipnorm(0.1).into(),
        sgd.weight_decay(0.1).into(),
    ];
    for (optimizer, reduction) in
        optimizers.iter().flat_map(|o| [(o, Reduction::Mean), (o, Reduction::SumOverSteps)])
    {
        let whole = Compile { reduction, ..compile(optimizer.clone()) };
        let mut parts = model(true, Compile { gradient_accumulation_steps: 4, ..whole.clone() });
        let mut whole = model(true, whole);
        let start = whole.weights();
        for step in 0..3 {
            whole.train_step(&batch(true, step * 8, step * 8 + 8), None).unwrap();
            for part in 0..4 {
                let before = parts.weights();
                let from = step * 8 + part * 2;
                parts.train_step(&batch(true, from, from + 2), None).unwrap();
                assert_eq!(parts.weights() == before, part < 3, "part {part} of step {step}");
            }
            let norms = relative(parts.last_gradient_norm(), whole.last_gradient_norm());
            assert!(norms <= 100.0 * ORDER, "the norms of step {step} are {norms:e} apart: {optimizer:?}");
        }
        let moved = start.iter().zip(whole.params().values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let apart = furthest(&parts, &whole);
        assert!(apart <= WEIGHTS && moved > 1e-2, "{apart:e} apart, {moved:e} moved: {optimizer:?}");
        assert_eq!((parts.steps_done(), whole.steps_done()), (12, 3));
    }
}

#[test]
fn accumulated_gradients_are_applied_as_a_mean() {
    let two =
        |steps| Compile { gradient_accumulation_steps: steps, ..compile(Adam::default().clipnorm(0.1)) };
    let (mut flushed, mut whole) = (model(true, two(4)), model(true, two(2)));
    assert!(!flushed.flush_gradients().unwrap(), "nothing has accumulated");
    for model in [&mut flushed, &mut whole] {
        model.train_step(&batch(true, 0, 2), None).unwrap();
        model.train_step(&batch(true, 2, 4), None).unwrap();
    }
    assert!(flushed.flush_gradients().unwrap());
    assert!(!whole.flush_gradients().unwrap());
    assert_eq!(flushed.weights(), whole.weights());
    assert_eq!(flushed.last_gradient_norm(), whole.last_gradient_norm());
}

#[test]
fn schedules_count_steps_of_the_optimiser() {
    let schedule = Schedule::piecewise_constant([0, 1], [0.4, 0.2, 0.0]);
    let settings = compile(Sgd::default().learning_rate(schedule));
    let mut model = model(true, Compile { gradient_accumulation_steps: 2, ..settings });
    let steps = (0..6).map(|i| {
        let before = model.weights();
        model.train_step(&batch(true, i, i + 1), None).unwrap();
        (model.weights() != before, model.learning_rate())
    });
    // The third step's rate is 0.
    let expected = [(false, 0.4), (true, 0.2), (false, 0.2), (true, 0.0), (false, 0.0), (false, 0.0)];
    assert_eq!(steps.collect::<Vec<_>>(), expected);
    let none = Compile { gradient_accumulation_steps: 0, ..compile(Sgd::default()) };
    assert!(refused(model.compile(none)).contains("gradient_accumulation_steps"));
}

#[test]
fn a_batch_that_fails_leaves_no_part_of_its_gradient() {
    let two = || model(true, Compile { gradient_accumulation_steps: 2, ..compile(Sgd::default()) });
    let (mut disturbed, mut straight) = (two(), two());
    let mut wrong = batch(true, 4, 6);
    wrong.targets[0].ids.pop();
    disturbed.train_step(&batch(true, 6, 8), None).unwrap();
    refused(disturbed.train_step(&wrong, None));
    for model in [&mut disturbed, &mut straight] {
        model.train_step(&batch(true, 0, 2), None).unwrap();
        model.train_step(&batch(true, 2, 4), None).unwrap();
    }
    assert_eq!(disturbed.weights(), straight.weights());
}

/// `fit` reports every batch, and gradients left at the end of an epoch wait for the next one.
#[test]
fn fit_accumulates_across_epochs() {
    #[derive(Default)]
    struct Moves {
        last: Vec<f32>,
        moved: Vec<bool>,
    }
    impl Callback for Moves {
        fn on_batch_end(&mut self, cx: &mut BatchContext<'_>) -> Result<(), Error> {
            let now = cx.model.weights();
            self.moved.push(now != self.last);
            self.last = now;
            Ok(())
        }
    }
    let mut model = model(false, Compile { gradient_accumulation_steps: 2, ..compile(Sgd::default()) });
    let mut moves = Moves { last: model.weights(), ..Moves::default() };
    let x = Array2::from_shape_fn((6, STEPS), |(n, t)| word(1, n * STEPS + t));
    let y: Vec<u32> = (0..6).map(|n| word(2, n)).collect();
    let fit = Fit { epochs: 2, batch_size: 2, callbacks: vec![Box::new(&mut moves)], ..Fit::default() };
    model.fit(&x, &y, fit).unwrap();
    assert_eq!(moves.moved, [false, true, false, true, false, true]);
}

/// Returns the weights after each of six steps, and a model that has averaged them. The embedding is not
/// trained.
fn averaged(averaging: Averaging) -> (Vec<Vec<f32>>, Model) {
    let mut model = model(true, compile(Adam::default().learning_rate(0.05)));
    assert_eq!(model.set_trainable("embedding", false), 1);
    model.train_step(&batch(true, 30, 34), None).unwrap();
    model.start_averaging(averaging).unwrap();
    let weights = (0..6).map(|i| {
        model.train_step(&batch(true, i * 4, i * 4 + 4), None).unwrap();
        model.weights()
    });
    (weights.collect(), model)
}

#[test]
fn averages_match_the_mean_of_the_weights() {
    let exponential = Averaging::Exponential { momentum: 0.7 };
    for averaging in [Averaging::Mean, exponential] {
        let (weights, mut model) = averaged(averaging);
        assert!(model.is_averaging());
        model.swap_averages().unwrap();
        for (i, &got) in model.params().values().iter().enumerate() {
            let column = weights.iter().map(|w| f64::from(w[i]));
            let want = match averaging {
                Averaging::Mean => column.sum::<f64>() / weights.len() as f64,
                Averaging::Exponential { momentum } => {
                    column.reduce(|a, w| momentum * a + (1.0 - momentum) * w).expect("six steps")
                }
            };
            assert!((f64::from(got) - want).abs() <= AVERAGE, "{averaging:?}, {i}: {got}, not {want}");
        }
        // In f32 the mean of six equal numbers may differ from them.
        let range = model.params().spans()[0].range();
        assert_eq!(model.params().values()[range.clone()], weights[0][range]);
    }
}

#[test]
fn averages_replace_the_parameters_and_are_swapped_back() {
    let (weights, mut model) = averaged(Averaging::Mean);
    let x = Array2::from_shape_fn((2, STEPS), |(n, t)| word(3, n * STEPS + t));
    let predict = |model: &mut Model| model.predict(&x).unwrap();
    // Predicting packs the weights, which the swap changes.
    let before = predict(&mut model);
    model.swap_averages().unwrap();
    let with_averages = predict(&mut model);
    assert_ne!(with_averages, before);
    let mut plain = self::model(true, compile(Sgd::default()));
    plain.set_weights_flat(&model.weights()).unwrap();
    assert_eq!(predict(&mut plain), with_averages);

    let state = model.training_state().unwrap();
    for action in
        [Model::train_step as fn(&mut Model, &Batch, _) -> _, |model, _, _| model.flush_gradients().map(drop)]
    {
        assert!(refused(action(&mut model, &batch(true, 0, 2), None)).contains("swap_averages"));
    }
    assert!(refused(model.start_averaging(Averaging::Mean)).contains("swap_averages"));
    model.test_step(&batch(true, 0, 2), None).unwrap();
    assert_eq!(model.training_state().unwrap(), state);

    model.swap_averages().unwrap();
    assert_eq!(predict(&mut model), before);
    assert_eq!(model.weights(), weights[5]);
    model.train_step(&batch(true, 0, 2), None).unwrap();
    // With the averages swapped in, it continues from them.
    model.swap_averages().unwrap();
    model.stop_averaging();
    assert!(!model.is_averaging());
    assert!(refused(model.swap_averages()).contains("start_averaging"));
    model.train_step(&batch(true, 0, 2), None).unwrap();
}

#[test]
fn averages_start_as_the_parameters() {
    let mut model = model(true, compile(Sgd::default()));
    let before = model.weights();
    model.start_averaging(Averaging::Exponential { momentum: 0.5 }).unwrap();
    model.swap_averages().unwrap();
    assert_eq!(model.weights(), before);
    model.swap_averages().unwrap();
    for momentum in [-0.1, 1.1, f64::NAN] {
        assert!(refused(model.start_averaging(Averaging::Exponential { momentum })).contains("momentum"));
    }
}

#[test]
fn a_mismatched_state_is_rejected_and_changes_nothing() {
    let two = |optimizer: Optimizer| Compile { gradient_accumulation_steps: 2, ..compile(optimizer) };
    let mut model = model(true, two(Adam::default().into()));
    model.start_averaging(Averaging::Mean).unwrap();
    (0..3).for_each(|i| model.train_step(&batch(true, i, i + 2), None).unwrap());
    let good = model.training_state().unwrap();
    let names: Vec<_> = good.tensors().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["parameters", "optimizer/momentum", "optimizer/velocity", "average", "gradient"]);
    let parts =
        || good.tensors().map(|(name, values)| (name.to_owned(), values.to_vec())).collect::<Vec<_>>();
    let made = |tensors| TrainingState::from_parts(*good.counters(), tensors).unwrap();
    let mut wrong = Vec::new();
    for i in 0..names.len() {
        let (mut short, mut missing) = (parts(), parts());
        short[i].1.pop();
        missing.remove(i);
        wrong.extend([(made(short), names[i].clone()), (made(missing), names[i].clone())]);
    }
    let extra = parts().into_iter().chain([("optimizer/norm".to_owned(), vec![0.0])]);
    wrong.push((made(extra.collect()), "optimizer/norm".into()));
    let counters = |change: fn(&mut refrain_nn::TrainingCounters)| {
        let mut counters = *good.counters();
        change(&mut counters);
        TrainingState::from_parts(counters, parts()).unwrap()
    };
    wrong.push((counters(|c| c.accumulated = 2), "accumulated".into()));
    wrong.push((counters(|c| c.accumulated = 0), "gradient".into()));
    wrong.push((counters(|c| c.averages = None), "average".into()));
    wrong.push((counters(|c| c.learning_rate_factor = f64::NAN), "learning_rate_factor".into()));
    wrong.push((counters(|c| c.nadam_product = f32::NAN), "nadam_product".into()));
    wrong.push((counters(|c| c.nadam_product = -0.5), "nadam_product".into()));
    wrong.push((counters(|c| c.steps = u64::MAX), "steps".into()));
    wrong.push((counters(|c| (c.batches, c.steps) = (u64::MAX, 1)), "batches".into()));
    wrong.push((counters(|c| c.averages.as_mut().unwrap().count = u64::MAX), "averages".into()));
    model.train_step(&batch(true, 9, 11), None).unwrap();
    let before = model.training_state().unwrap();
    for (state, name) in wrong {
        let error = refused(model.set_training_state(&state));
        assert!(error.contains(&name), "{name}: {error}");
        assert_eq!(model.training_state().unwrap(), before, "{error}");
    }
    let twice = parts().into_iter().chain([parts().remove(0)]);
    assert!(refused(TrainingState::from_parts(*good.counters(), twice)).contains("parameters"));

    let mut other = self::model(true, two(Sgd::default().into()));
    assert!(refused(other.set_training_state(&good)).contains("optimizer/momentum"));
    model.set_training_state(&good).unwrap();
    assert_eq!(model.training_state().unwrap(), good);
}

/// Plain gradient descent may store a table's gradient by rows, whose norm is summed in another order.
#[test]
fn a_pending_gradient_has_one_norm() {
    let two = || model(true, Compile { gradient_accumulation_steps: 2, ..compile(Sgd::default()) });
    let (mut straight, mut again) = (two(), two());
    for i in 0..20 {
        straight.train_step(&batch(true, i, i + 1), None).unwrap();
        again.set_training_state(&straight.training_state().unwrap()).unwrap();
        for model in [&mut straight, &mut again] {
            assert!(model.flush_gradients().unwrap());
        }
        let norms = [&straight, &again].map(|model| model.last_gradient_norm().to_bits());
        assert_eq!(norms[0], norms[1], "of batch {i}");
    }
}

/// An external state may contain anything in the gaps between parameters; they must stay zero.
#[test]
fn gaps_between_parameters_stay_zero() {
    let mut model = model(true, compile(Adam::default()));
    model.start_averaging(Averaging::Mean).unwrap();
    let state = model.training_state().unwrap();
    let poisoned = state.tensors().map(|(name, values)| {
        let mut values = values.to_vec();
        let mut between = vec![true; values.len()];
        model.params().spans().iter().for_each(|span| between[span.range()].fill(false));
        assert!(between.iter().any(|&b| b));
        values.iter_mut().zip(between).filter(|(_, between)| *between).for_each(|(v, _)| *v = f32::NAN);
        (name.to_owned(), values)
    });
    let poisoned = TrainingState::from_parts(*state.counters(), poisoned.collect::<Vec<_>>()).unwrap();
    model.set_training_state(&poisoned).unwrap();
    assert_eq!(model.training_state().unwrap(), state);
}

#[test]
fn averages_survive_parameters_that_are_trained_later() {
    let made = || {
        let mut model = model(true, compile(Sgd::default()));
        model.set_trainable("embedding/", false);
        model.start_averaging(Averaging::Mean).unwrap();
        (0..2).for_each(|i| model.train_step(&batch(true, i, i + 2), None).unwrap());
        model.set_trainable("embedding/", true);
        model
    };
    let (mut straight, taken) = (made(), made().training_state().unwrap());
    let mut again = model(true, compile(Sgd::default()));
    again.set_training_state(&taken).unwrap();
    for model in [&mut straight, &mut again] {
        model.train_step(&batch(true, 5, 7), None).unwrap();
        model.swap_averages().unwrap();
    }
    assert_eq!(straight.weights(), again.weights());
    assert!(straight.weight("embedding/embeddings").unwrap().iter().any(|&w| w != 0.0));
}

/// Noise and penalties belong to each batch separately.
#[test]
fn gradients_of_dropped_weights_and_penalties_add_up() {
    let made = |gradient_accumulation_steps| {
        Sequential::new()
            .add(Embedding::new(VOCABULARY, 6).dropout(0.3))
            .add(Lstm::new(7).return_sequences(true).recurrent_weight_dropout(0.4))
            .add(ActivityPenalty::new(0.5, 0.5))
            .add(Dense::new(VOCABULARY).activation(Activation::Softmax))
            .compile(Compile { gradient_accumulation_steps, ..compile(Adam::default()) })
            .unwrap()
    };
    let batches = [batch(true, 0, 3), batch(true, 3, 6)];
    // Three batches per step, so that the sum is still there.
    let (mut summed, mut alone) = (made(3), made(1));
    let mut expected = vec![0.0_f64; summed.weights().len()];
    for batch in &batches {
        summed.train_step(batch, None).unwrap();
        alone.gradient_step(batch, None).unwrap();
        for (id, span) in alone.params().ids().zip(alone.params().spans()) {
            let gradient = alone.params().gradient(id);
            expected[span.range()].iter_mut().zip(gradient.iter()).for_each(|(e, &g)| *e += f64::from(g));
        }
    }
    for (id, span) in summed.params().ids().zip(summed.params().spans()) {
        let expected = &expected[span.range()];
        let scale = expected.iter().fold(0.0_f64, |m, e| m.max(e.abs()));
        for (got, want) in summed.params().gradient(id).iter().zip(expected) {
            assert!((f64::from(*got) - want).abs() <= ORDER * scale, "{}: {got}, expected {want}", span.name);
        }
    }
}

//! Every setting of a recipe trains, does what it promises, and resumes as if the run had not been stopped.

use super::*;
use refrain_nn::Reduction;
use refrain_task::{Average, RateSchedule};

/// Returns the settings of the AWD-LSTM and others, each alone and most together.
pub(super) fn recipes() -> Vec<(&'static str, TextRecipe)> {
    let base = || TextRecipe { layers: 2, dropout: 0.0, ..recipe(Level::Char) };
    let sgd = || with(base(), |t| (t.optimizer, t.learning_rate, t.clip) = ("sgd".into(), 1.0, 0.25));
    vec![
        ("plain", base()),
        ("tied", TextRecipe { tie: true, ..base() }),
        (
            "dropout",
            TextRecipe { dropout: 0.2, input_dropout: Some(0.1), output_dropout: Some(0.3), ..base() },
        ),
        ("locked", TextRecipe { dropout: 0.2, locked_dropout: true, ..base() }),
        ("dropped tokens", TextRecipe { embedding_dropout: 0.1, ..base() }),
        ("weight drop", TextRecipe { weight_drop: 0.3, ..base() }),
        ("penalties", TextRecipe { activation_penalty: 0.5, temporal_penalty: 0.5, ..base() }),
        ("varying steps", TextRecipe { variable_steps: true, ..base() }),
        ("accumulated", with(base(), |t| (t.accumulate, t.learning_rate) = (3, 2e-2))),
        (
            "exponential average",
            with(base(), |t| (t.average, t.average_momentum) = (Average::Exponential, 0.8)),
        ),
        (
            "sum over steps",
            TextRecipe {
                reduction: Reduction::SumOverSteps,
                ..with(sgd(), |t| (t.learning_rate, t.clip) = (0.2, 5.0))
            },
        ),
        ("step schedule", with(base(), |t| (t.schedule, t.decay_after) = (RateSchedule::Step, 1))),
        ("plateau schedule", with(base(), |t| t.schedule = RateSchedule::Plateau)),
        ("decayed", with(base(), |t| t.weight_decay = 0.01)),
        ("uniform", TextRecipe { init_range: Some(0.1), forget_bias: false, ..base() }),
        (
            "awd",
            TextRecipe {
                activation_penalty: 2.0,
                temporal_penalty: 1.0,
                dropout: 0.1,
                locked_dropout: true,
                embedding_dropout: 0.05,
                weight_drop: 0.2,
                variable_steps: true,
                tie: true,
                units: 40,
                ..with(sgd(), |t| (t.average, t.patience, t.learning_rate) = (Average::Triggered, 1, 5.0))
            },
        ),
    ]
}

pub(super) fn texts() -> (Corpus, Corpus) {
    Corpus::from_text(text()).split(0.2, Level::Char.cut()).unwrap()
}

fn run(recipe: &TextRecipe, stop_after: usize) -> Trained<TextTask> {
    let (training, validation) = texts();
    recipe
        .train(data(&training, Some(&validation)), engine(2), &mut |event| match event {
            RunEvent::Epoch(epoch) if epoch.record.epoch == stop_after => Answer::Stop,
            _ => Answer::Continue,
        })
        .unwrap()
}

#[test]
fn every_part_learns() {
    for (name, recipe) in recipes() {
        let trained = run(&with(recipe, |t| t.epochs = 4), 0);
        let (first, last) = (trained.epochs[0].val_loss().unwrap(), trained.epochs[3].val_loss().unwrap());
        assert!(last < first, "{name}: {first} then {last}");
    }
}

#[test]
fn an_average_starts_when_the_loss_stops_falling_and_is_kept() {
    let awd = recipes().pop().unwrap().1;
    // A rate so large that the loss goes up and down.
    let trained =
        run(&TextRecipe { dropout: 0.0, ..with(awd, |t| (t.epochs, t.learning_rate) = (12, 30.0)) }, 0);
    let losses: Vec<_> = trained.epochs.iter().map(|e| e.val_loss().unwrap()).collect();
    let begun = trained.epochs.iter().position(|e| e.averaged).expect("the loss stopped falling");
    // With a patience of 1, averaging starts at an epoch that is worse than any except the one before.
    let worse = |i: usize| i > 1 && losses[..i - 1].iter().any(|l| losses[i] > *l);
    assert_eq!((1..begun).find(|&i| worse(i)), Some(begun - 1), "{losses:?}");
    assert!(trained.epochs[begun..].iter().all(|e| e.averaged));
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let (_, validation) = texts();
    let mut model = trained.model;
    let score = model.evaluate(&validation.to_text().unwrap(), false).unwrap();
    assert_eq!(score.loss, best);
    let (training, _) = texts();
    let without = with(recipe(Level::Char), |t| t.average = Average::Triggered);
    let error = without.train(data(&training, None), engine(1), &mut |_| Answer::Continue).unwrap_err();
    assert!(error.to_string().contains("average is triggered without"), "{error}");
}

#[test]
fn the_step_schedule_matches_the_published_one() {
    let rates =
        |recipe: &TextRecipe| -> Vec<f64> { (1..=7).map(|e| recipe.training.epoch_factor(e, &[])).collect() };
    let small = TextRecipe::named(NamedRecipe::ZarembaSmall);
    assert_eq!(rates(&small), [1.0, 1.0, 1.0, 1.0, 0.5, 0.25, 0.125]);
    let step = with(recipe(Level::Char), |t| (t.schedule, t.decay_after) = (RateSchedule::Step, 1));
    let trained = run(&step, 0);
    let rates: Vec<_> = trained.epochs.iter().map(|e| e.learning_rate).collect();
    assert_eq!(rates, [1e-2, 5e-3, 2.5e-3]);
}

#[test]
fn a_longer_chunk_takes_a_longer_step() {
    let varying = TextRecipe { variable_steps: true, ..with(recipe(Level::Char), |t| t.epochs = 1) };
    let (training, _) = texts();
    let mut batches = 0;
    let trained = varying
        .train(data(&training, None), engine(1), &mut |event| {
            batches += usize::from(matches!(event, RunEvent::Batch(_)));
            Answer::Continue
        })
        .unwrap();
    let tokens = training.characters() - 1;
    let lane = tokens / 4;
    let lengths: Vec<_> = super::super::chunks::chunks(&varying, lane, 1).map(|chunk| chunk.len()).collect();
    assert_eq!((batches, lengths.iter().sum::<usize>()), (lengths.len(), lane));
    let last = *lengths.last().unwrap() as f64;
    assert!((trained.epochs[0].learning_rate - 1e-2 * last / 16.0).abs() < 1e-12);
}

#[test]
fn a_test_text_is_scored_once_with_the_kept_model() {
    let (training, validation) = texts();
    let test = Corpus::from_text("And the river ran under the old tin roof.\n");
    let with_test = TrainingData { test: Some(&test), ..data(&training, Some(&validation)) };
    let recipe = TextRecipe { stream: true, ..recipe(Level::Char) };
    let mut trained = recipe.train(with_test, engine(1), &mut |_| Answer::Continue).unwrap();
    let score = trained.model.evaluate(&test.to_text().unwrap(), true).unwrap();
    assert_eq!(trained.test, Some(score));
    assert_eq!(trained.model.training().unwrap()["test"]["loss"], score.loss);
}

#[test]
fn dynamic_evaluation_learns_from_what_it_scored_and_leaves_the_model() {
    let mut model = train(&TextRecipe { dropout: 0.2, weight_drop: 0.1, ..recipe(Level::Char) }, 1).model;
    let new = Corpus::from_text("Zebras jump over lazy foxes, quick as dawn.\n".repeat(12));
    let (training, _) = texts();
    let weights = model.model().weights();
    let score = |options: DynamicEvaluation<'_>| {
        model.evaluate_dynamically(&new, &options, Path::new("nowhere"), &mut |_, _| {}).unwrap()
    };
    let still = DynamicEvaluation { learning_rate: 0.0, decay: 0.0, ..DynamicEvaluation::plain() };
    let (plain, scaled) = (score(DynamicEvaluation::plain()), score(DynamicEvaluation::scaled(&training)));
    let still_scaled = score(DynamicEvaluation { statistics: Some(&training), ..still });
    let still = score(still);
    assert_eq!(still, still_scaled);
    assert!(
        plain.loss < still.loss && scaled.loss < still.loss,
        "{} {} {}",
        still.loss,
        plain.loss,
        scaled.loss
    );
    assert!(model.model().weights() == weights);
    let stream = model.evaluate(&new.to_text().unwrap(), true).unwrap();
    // Without a step it is the score of one lane; the chunks differ, so the f64 sums do too.
    assert!((still.loss - stream.loss).abs() < 1e-9 && still.tokens == stream.tokens);
    assert_eq!(still.accuracy, stream.accuracy);
}

#[test]
fn settings_that_contradict_each_other_are_named() {
    let base = || recipe(Level::Word);
    let char = || recipe(Level::Char);
    let cases = [
        (with(base(), |t| t.accumulate = 0), "accumulate"),
        (TextRecipe { weight_drop: 1.0, ..base() }, "weight-drop"),
        (TextRecipe { input_dropout: Some(-0.1), ..base() }, "input-dropout"),
        (TextRecipe { temporal_penalty: -1.0, ..base() }, "temporal-penalty"),
        (with(base(), |t| t.decay = 0.0), "decay"),
        (with(base(), |t| t.average_momentum = 1.0), "average-momentum"),
        (TextRecipe { init_range: Some(0.0), ..base() }, "init-range"),
        (TextRecipe { tie: true, embedding: 24, adaptive: Some(vec![3]), ..base() }, "adaptive"),
        (TextRecipe { adaptive: Some(vec![3]), ..char() }, "adaptive"),
        (TextRecipe { vocabulary: Some(9), ..char() }, "vocab"),
        (TextRecipe { words: Some(crate::WordSplit::Keras), ..char() }, "words"),
        (TextRecipe { min_count: 2, ..char() }, "min-count"),
    ];
    for (recipe, option) in cases {
        let error = recipe.check().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{option} is")), "{option}: {error}");
    }
    let (training, _) = texts();
    let beyond = TextRecipe { adaptive: Some(vec![5, 500]), ..base() };
    let error = beyond.train(data(&training, None), engine(1), &mut |_| Answer::Continue).unwrap_err();
    assert!(error.to_string().starts_with("adaptive is [5, 500]"), "{error}");
}

#[test]
fn an_adaptive_softmax_trains_words() {
    let recipe = TextRecipe { adaptive: Some(vec![4, 12]), dropout: 0.0, ..recipe(Level::Word) };
    let trained = train(&recipe, 2);
    assert!(trained.epochs[2].loss() < trained.epochs[0].loss());
    assert_eq!(trained.epochs[0].get("accuracy"), None, "ranking all words would cost as much as training");
    assert!(trained.epochs[0].get("val_accuracy").is_some());
    assert_eq!(trained.model.model().architecture().layers.last().unwrap().class_name, "AdaptiveSoftmax");
    let mut model = trained.model;
    assert!(!model.complete(&Generate { length: 5, ..Generate::default() }).unwrap().is_empty());
}

//! A run that was stopped and goes on is a run that was never stopped.

use super::{engine, recipe, texts};
use crate::classifier::{
    Classifier, ClassifierEpoch, ClassifierEvent, ClassifierRecipe, LabelledData, LabelledText,
    TrainedClassifier, split_labelled,
};
use crate::language_model::{CellKind, Flow, Level, Stopped};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use refrain_nn::checkpoint::Checkpoint;

type Report<'r> = &'r mut dyn FnMut(&ClassifierEvent<'_>) -> Flow;

fn through_bytes(checkpoint: &Checkpoint) -> Checkpoint {
    let file = tempfile::NamedTempFile::new().unwrap();
    checkpoint.write(file.path()).unwrap();
    Checkpoint::from_bytes(&std::fs::read(file.path()).unwrap()).unwrap()
}

fn bytes(model: &Classifier) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    model.save(&path).unwrap();
    std::fs::read(path).unwrap()
}

/// Epochs but for what a clock says, in bits.
fn timeless(epochs: &[ClassifierEpoch]) -> Vec<(usize, [u64; 4], [Option<u64>; 3])> {
    let one = |e: &ClassifierEpoch| {
        let always = [e.loss, e.accuracy, e.learning_rate, e.gradient_norm].map(f64::to_bits);
        (e.epoch, always, [e.val_loss, e.val_accuracy, e.val_macro_f1].map(|x| x.map(f64::to_bits)))
    };
    epochs.iter().map(one).collect()
}

/// Whether two runs left the same, however they were stopped.
fn same_run(got: &TrainedClassifier, want: &TrainedClassifier) {
    assert!(bytes(&got.model) == bytes(&want.model), "the files differ");
    assert_eq!(timeless(&got.epochs), timeless(&want.epochs));
    assert_eq!(
        (got.best_epoch, got.stopped, &got.score, &got.checkpoint),
        (want.best_epoch, want.stopped, &want.score, &want.checkpoint)
    );
}

/// A run over the texts: from the start, or from a checkpoint.
fn run(
    recipe: &ClassifierRecipe,
    from: Option<&Checkpoint>,
    threads: usize,
    report: Report<'_>,
) -> TrainedClassifier {
    let (training, validation) = split_labelled(texts(), recipe.validation, recipe.identical, recipe.seed);
    let data = LabelledData { training: &training, validation: &validation, memory: None };
    match from {
        None => recipe.train(data, engine(threads), report),
        Some(from) => recipe.resume(through_bytes(from), data, engine(threads), report),
    }
    .unwrap()
}

/// What was told of, in order.
fn place(event: &ClassifierEvent<'_>) -> Option<u64> {
    match event {
        ClassifierEvent::Batch { batches_done, .. } => Some(*batches_done),
        _ => None,
    }
}

proptest! {
    #![proptest_config(Config {
        cases: 12,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..Config::default()
    })]

    #[test]
    fn stopped_anywhere_it_ends_as_if_it_never_had(
        (level, cell) in (prop_oneof![Just(Level::Char), Just(Level::Word)], prop_oneof![Just(CellKind::Gru), Just(CellKind::Lstm)]),
        (at, again, threads) in (1..=18_u64, 1..=9_u64, 1..=3_usize),
        validation in prop_oneof![Just(0.0), Just(0.2)],
        (rate, seed) in (1e-3..0.1_f64, 0..1000_u64),
    ) {
        // Six batches an epoch, or eight.
        let recipe = ClassifierRecipe {
            level,
            cell,
            epochs: 3,
            learning_rate: rate,
            validation,
            seed,
            ..recipe()
        };
        let straight = run(&recipe, None, 1, &mut |_| Flow::Continue);
        prop_assert!(straight.checkpoint.is_none());
        let stop_at = |at: u64| move |event: &ClassifierEvent<'_>| {
            if place(event) == Some(at) { Flow::Stop } else { Flow::Continue }
        };
        let first = run(&recipe, None, threads, &mut stop_at(at));
        prop_assert_eq!(first.stopped, Stopped::Interrupted);
        let from = first.checkpoint.unwrap();
        same_run(&run(&recipe, Some(&from), threads, &mut |_| Flow::Continue), &straight);
        let second = run(&recipe, Some(&from), 2, &mut stop_at(at + again));
        let from = second.checkpoint.unwrap_or(from);
        same_run(&run(&recipe, Some(&from), 1, &mut |_| Flow::Continue), &straight);
    }
}

#[test]
fn a_checkpoint_that_is_asked_for_changes_nothing_and_goes_on() {
    let recipe = ClassifierRecipe { epochs: 2, ..recipe() };
    let straight = run(&recipe, None, 1, &mut |_| Flow::Continue);
    // At the last batch of an epoch, at its end right behind, and at the end of all.
    let (mut handed, mut told, mut start) = (Vec::new(), Vec::new(), None);
    let asked = run(&recipe, None, 2, &mut |event| match event {
        ClassifierEvent::Start { batches_done, batches, .. } => {
            start = Some((*batches_done, *batches));
            Flow::Checkpoint
        }
        ClassifierEvent::Batch { batches_done: 2 | 6, .. } => Flow::Checkpoint,
        ClassifierEvent::Batch { .. } => Flow::Continue,
        ClassifierEvent::Epoch { record, .. } => {
            told.push(format!("epoch {}", record.epoch));
            Flow::Checkpoint
        }
        ClassifierEvent::Checkpoint(checkpoint) => {
            told.push("checkpoint".to_owned());
            handed.push(through_bytes(checkpoint));
            Flow::Continue
        }
    });
    assert_eq!(start, Some((0, 6)));
    assert_eq!(told.join(", "), "checkpoint, checkpoint, epoch 1, checkpoint, epoch 2, checkpoint");
    same_run(&asked, &straight);
    for (from, done) in handed.iter().zip([(0, 2), (0, 6), (1, 6), (2, 12)]) {
        let mut start = None;
        let again = run(&recipe, Some(from), 1, &mut |event| {
            if let ClassifierEvent::Start { epochs_done, batches_done, .. } = event {
                start = Some((*epochs_done, *batches_done));
            }
            Flow::Continue
        });
        assert_eq!(start, Some(done));
        same_run(&again, &straight);
    }
}

#[test]
fn a_stop_at_an_epoch_s_end_or_at_the_start_loses_nothing() {
    let recipe = ClassifierRecipe { epochs: 2, ..recipe() };
    let straight = run(&recipe, None, 1, &mut |_| Flow::Continue);
    assert!(run(&recipe, None, 1, &mut |_| Flow::Stop).checkpoint.is_none(), "nothing was done");
    for last in [1, 2] {
        let stopped = run(&recipe, None, 1, &mut |event| match event {
            ClassifierEvent::Epoch { record, .. } if record.epoch == last => Flow::Stop,
            _ => Flow::Continue,
        });
        assert_eq!((stopped.stopped, stopped.epochs.len()), (Stopped::Interrupted, last));
        // At once, before a batch.
        let at_once = run(&recipe, stopped.checkpoint.as_ref(), 1, &mut |_| Flow::Stop);
        same_run(&at_once, &stopped);
        same_run(&run(&recipe, at_once.checkpoint.as_ref(), 1, &mut |_| Flow::Continue), &straight);
    }
    let stop = |event: &ClassifierEvent<'_>| {
        if place(event) == Some(8) { Flow::Stop } else { Flow::Continue }
    };
    let within = run(&recipe, None, 1, &mut { stop });
    let at_once = run(&recipe, within.checkpoint.as_ref(), 1, &mut |_| Flow::Stop);
    same_run(&at_once, &within);
}

#[test]
fn who_cannot_keep_a_checkpoint_stops_the_run_there() {
    let recipe = ClassifierRecipe { epochs: 2, ..recipe() };
    let straight = run(&recipe, None, 1, &mut |_| Flow::Continue);
    for at in [3, 6, 12] {
        let mut told = 0;
        let stopped = run(&recipe, None, 1, &mut |event| match event {
            ClassifierEvent::Batch { batches_done, .. } => {
                told = *batches_done;
                if told == at { Flow::Checkpoint } else { Flow::Continue }
            }
            ClassifierEvent::Checkpoint(_) => Flow::Stop,
            _ => Flow::Continue,
        });
        assert_eq!(
            (stopped.stopped, stopped.epochs.len(), told),
            (Stopped::Interrupted, (at as usize - 1) / 6, at)
        );
        same_run(&run(&recipe, stopped.checkpoint.as_ref(), 1, &mut |_| Flow::Continue), &straight);
    }
    let stopped = run(&recipe, None, 1, &mut |event| match event {
        ClassifierEvent::Epoch { .. } => Flow::Checkpoint,
        ClassifierEvent::Checkpoint(_) => Flow::Stop,
        _ => Flow::Continue,
    });
    assert_eq!((stopped.stopped, stopped.epochs.len()), (Stopped::Interrupted, 1));
    same_run(&run(&recipe, stopped.checkpoint.as_ref(), 1, &mut |_| Flow::Continue), &straight);
}

#[test]
fn another_run_is_refused_by_what_differs() {
    let recipe = ClassifierRecipe { epochs: 1, ..recipe() };
    let stopped = run(&recipe, None, 1, &mut |_| Flow::Stop);
    assert!(stopped.checkpoint.is_none());
    let stopped = run(&recipe, None, 1, &mut |event| {
        if place(event) == Some(2) { Flow::Stop } else { Flow::Continue }
    });
    let checkpoint = stopped.checkpoint.unwrap();
    let (training, validation) = split_labelled(texts(), recipe.validation, recipe.identical, recipe.seed);
    let resume = |recipe: &ClassifierRecipe,
                  from: &Checkpoint,
                  training: &[LabelledText],
                  validation: &[LabelledText]| {
        let data = LabelledData { training, validation, memory: None };
        recipe
            .resume(from.clone(), data, engine(1), &mut |_| Flow::Continue)
            .map(drop)
            .map_err(|e| e.to_string())
    };
    let refused = |recipe: &ClassifierRecipe, phrases: &[&str]| {
        let error = resume(recipe, &checkpoint, &training, &validation).unwrap_err();
        assert!(phrases.iter().all(|phrase| error.contains(phrase)), "{error}");
    };
    assert_eq!(resume(&recipe, &checkpoint, &training, &validation), Ok(()));
    assert_eq!(ClassifierRecipe::of_checkpoint(&checkpoint).unwrap(), recipe);
    refused(&ClassifierRecipe { units: 17, ..recipe.clone() }, &["units", "17", "16"]);
    refused(&ClassifierRecipe { learning_rate: 0.5, ..recipe.clone() }, &["learning_rate", "0.5", "0.02"]);
    let error = resume(&recipe, &checkpoint, &training[1..], &validation).unwrap_err();
    assert!(error.contains("training texts") && error.contains("fnv1a-"), "{error}");
    let error = resume(&recipe, &checkpoint, &training, &[]).unwrap_err();
    assert!(error.contains("validation texts"), "{error}");
    let other = checkpoint.clone().with_kind("text");
    assert!(resume(&recipe, &other, &training, &validation).unwrap_err().contains("`text`"));
    for part in ["run", "fit", "training", "callback-0"] {
        let mut without = checkpoint.clone();
        without.take(part).unwrap();
        let error = resume(&recipe, &without, &training, &validation).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    // A vocabulary that no network of this size has.
    let mut large = checkpoint.clone();
    let mut part = large.take("run").unwrap();
    let many: String = ('\u{4e00}'..'\u{6e00}').collect();
    part.values["codec"]["vocabulary"] = many.into();
    large.insert("run", part);
    let error = resume(&recipe, &large, &training, &validation).unwrap_err();
    assert!(error.contains("vocabulary"), "{error}");
}

#[test]
fn what_a_checkpoint_cannot_hold_is_refused() {
    let recipe = ClassifierRecipe { epochs: 2, ..recipe() };
    let (training, validation) = split_labelled(texts(), recipe.validation, recipe.identical, recipe.seed);
    let data = LabelledData { training: &training, validation: &validation, memory: None };
    let stopped = run(&recipe, None, 1, &mut |event| {
        if place(event) == Some(8) { Flow::Stop } else { Flow::Continue }
    });
    let checkpoint = stopped.checkpoint.unwrap();
    let damage = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut damaged = checkpoint.clone();
        let mut part = damaged.take("callback-0").unwrap();
        change(&mut part.values);
        damaged.insert("callback-0", part);
        recipe.resume(damaged, data, engine(1), &mut |_| Flow::Continue).map(drop).map_err(|e| e.to_string())
    };
    assert_eq!(damage(&|_| {}), Ok(()));
    assert!(damage(&|v| v["epochs"] = serde_json::json!([])).unwrap_err().contains("epochs"));
    assert!(damage(&|v| v["best"]["epoch"] = 2.into()).unwrap_err().contains("best epoch"));
    assert!(damage(&|v| v["best"]["score"] = serde_json::Value::Null).unwrap_err().contains("best epoch"));
    for counted in [
        serde_json::json!([[0, 1]]),
        serde_json::json!([[4, 24]]),
        serde_json::json!([[0, u64::MAX], [0, 25]]),
    ] {
        let error = damage(&|v| v["best"]["score"]["confusion"] = counted.clone()).unwrap_err();
        assert!(error.contains("best epoch"), "{error}");
    }
    // Numbers that only tell of time may be any.
    assert_eq!(damage(&|v| v["seconds"] = "inf".into()), Ok(()));
    assert_eq!(damage(&|v| v["trained"] = serde_json::json!({ "secs": u64::MAX, "nanos": 0 })), Ok(()));
}

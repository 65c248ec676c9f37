//! A run that was stopped, wherever and however often, goes on to the bits of one that never stopped.

use super::recipes::{recipes, texts};
use super::*;
use refrain_nn::checkpoint::{Checkpoint, Part};

/// Through a file's bytes.
fn through_file(checkpoint: &Checkpoint) -> Checkpoint {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c");
    checkpoint.write(&path).unwrap();
    Checkpoint::read(&path).unwrap()
}

fn file_of(model: &LanguageModel) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m");
    model.save(&path).unwrap();
    std::fs::read(path).unwrap()
}

/// What does not depend on how fast the machine is.
fn timeless(trained: &Trained) -> Vec<EpochRecord> {
    let of = |e: &EpochRecord| EpochRecord { tokens_per_second: 0.0, seconds: 0.0, ..e.clone() };
    trained.epochs.iter().map(of).collect()
}

fn same(name: &str, got: &Trained, want: &Trained) {
    assert_eq!(timeless(got), timeless(want), "{name}");
    assert_eq!((got.best_epoch, got.score), (want.best_epoch, want.score), "{name}");
    assert!(file_of(&got.model) == file_of(&want.model), "{name}: another file");
}

fn whole(recipe: &TextRecipe) -> Trained {
    let (training, validation) = texts();
    recipe.train(data(&training, Some(&validation)), engine(2), &mut |_| Flow::Continue).unwrap()
}

/// Stops after so many batches of a session, or at the end of an epoch that it comes to before.
fn stops_after(batches: u64, at_epochs: bool) -> impl FnMut(&TextEvent<'_>) -> Flow {
    let mut seen = 0;
    move |event| {
        seen += u64::from(matches!(event, TextEvent::Batch { .. }));
        let epoch = at_epochs && matches!(event, TextEvent::Epoch { .. });
        if seen == batches || epoch { Flow::Stop } else { Flow::Continue }
    }
}

#[test]
fn stopped_again_and_again_is_never_stopped() {
    for (i, (name, recipe)) in recipes().into_iter().enumerate() {
        let recipe = TextRecipe { epochs: 3, ..recipe };
        let want = whole(&recipe);
        let (training, validation) = texts();
        let data = data(&training, Some(&validation));
        // Another pace and another number of threads each time.
        let pace = |session: usize| 2 + ((7 * session + i) % 11) as u64;
        let mut session = 0;
        let mut got = recipe.train(data, engine(1), &mut stops_after(pace(0), false)).unwrap();
        while got.stopped == Stopped::Interrupted {
            session += 1;
            let checkpoint = through_file(&got.checkpoint.unwrap());
            let report = &mut stops_after(pace(session), session.is_multiple_of(2));
            got = recipe.resume(checkpoint, data, engine(1 + session % 3), report).unwrap();
        }
        assert!(session > 3 && got.checkpoint.is_none(), "{name}: {session}");
        same(name, &got, &want);
    }
}

#[test]
fn a_checkpoint_of_any_moment_leads_to_the_same_end() {
    let (training, validation) = texts();
    let data = data(&training, Some(&validation));
    let (name, awd) = recipes().pop().unwrap();
    let recipe = TextRecipe { epochs: 2, accumulate: 2, ..awd };
    let mut taken = Vec::new();
    let mut batches = Vec::new();
    let want = recipe.train(data, engine(2), &mut |event| {
        match event {
            TextEvent::Batch { batches_done, .. } => batches.push(*batches_done),
            TextEvent::Checkpoint(checkpoint) => taken.push((*checkpoint).clone()),
            _ => {}
        }
        Flow::Checkpoint
    });
    let want = want.unwrap();
    // One a batch and one an epoch.
    assert_eq!(batches, (1..=batches.len() as u64).collect::<Vec<_>>());
    assert_eq!(taken.len(), batches.len() + 2);
    for checkpoint in taken.into_iter().step_by(3) {
        let mut first = None;
        let got = recipe
            .resume(checkpoint, data, engine(1), &mut |event| {
                if let TextEvent::Start { batches_done, .. } = event {
                    first = Some(*batches_done);
                }
                Flow::Continue
            })
            .unwrap();
        assert!(first.unwrap() > 0);
        same(name, &got, &want);
    }
}

#[test]
fn training_that_went_on_from_a_model_can_be_taken_up_too() {
    let (training, validation) = texts();
    let data = data(&training, Some(&validation));
    let recipe = TextRecipe { epochs: 1, ..recipe(Level::Char) };
    let model = whole(&recipe).model;
    let again = TextRecipe { seed: 7, epochs: 2, ..recipe };
    let want = again.continue_training(model.clone(), data, &mut |_| Flow::Continue).unwrap();
    let got = again.continue_training(model, data, &mut stops_after(3, false)).unwrap();
    let got = again.resume(got.checkpoint.unwrap(), data, engine(3), &mut |_| Flow::Continue).unwrap();
    same("continued", &got, &want);
}

#[test]
fn another_run_s_checkpoint_is_refused_with_what_differs() {
    let (training, validation) = texts();
    let recipe = TextRecipe { epochs: 2, ..recipe(Level::Char) };
    let stopped =
        recipe.train(data(&training, Some(&validation)), engine(1), &mut stops_after(3, false)).unwrap();
    let checkpoint = stopped.checkpoint.unwrap();
    let refused = |recipe: &TextRecipe, training: &Corpus, validation: &Corpus, checkpoint: &Checkpoint| {
        let data = data(training, Some(validation));
        recipe.resume(checkpoint.clone(), data, engine(1), &mut |_| Flow::Continue).unwrap_err().to_string()
    };
    let other = TextRecipe { units: recipe.units + 1, clip: 0.5, ..recipe.clone() };
    let error = refused(&other, &training, &validation, &checkpoint);
    assert!(error.contains("clip 0.5, units ") && error.contains("checkpoint's run has clip"), "{error}");
    let error = refused(&recipe, &validation, &validation, &checkpoint);
    assert!(error.contains("the text to learn is fnv1a-"), "{error}");
    let error = refused(&recipe, &training, &training, &checkpoint);
    assert!(error.contains("the text to validate on is fnv1a-"), "{error}");

    // What a stranger may have altered.
    for name in ["model", "training", "totals", "carry", "run"] {
        let mut without = checkpoint.clone();
        without.take(name).unwrap();
        let error = refused(&recipe, &training, &validation, &without);
        assert!(error.contains(&format!("part `{name}` is missing")), "{error}");
        let mut emptied = checkpoint.clone();
        emptied.insert(name, Part::default());
        refused(&recipe, &training, &validation, &emptied);
        let mut part = checkpoint.part(name).unwrap().clone();
        for i in 0..part.tensors.len() {
            let mut shorter = checkpoint.clone();
            let whole = part.tensors[i].1.clone();
            part.tensors[i].1.pop();
            shorter.insert(name, part.clone());
            if !whole.is_empty() {
                refused(&recipe, &training, &validation, &shorter);
            }
            part.tensors[i].1 = whole;
        }
    }
    let mut far = checkpoint.clone();
    let mut run = far.take("run").unwrap();
    run.values["position"]["chunk"] = 1_000_000.into();
    far.insert("run", run);
    let error = refused(&recipe, &training, &validation, &far);
    assert!(error.contains("chunk"), "{error}");
    let other_kind = Checkpoint::new("fit");
    assert!(refused(&recipe, &training, &validation, &other_kind).contains("kind of run is `fit`"));
}

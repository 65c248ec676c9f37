//! A run that is stopped, anywhere and any number of times, resumes to the same bits as one that never stopped.

use super::recipes::{recipes, texts};
use super::*;
use refrain_nn::checkpoint::Checkpoint;

/// Writes a checkpoint to a file and reads it back.
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

fn timeless(trained: &Trained<TextTask>) -> Vec<EpochRecord> {
    trained.epochs.iter().cloned().map(EpochRecord::without_times).collect()
}

fn same(name: &str, got: &Trained<TextTask>, want: &Trained<TextTask>) {
    assert_eq!(timeless(got), timeless(want), "{name}");
    assert_eq!((got.best_epoch, got.score), (want.best_epoch, want.score), "{name}");
    assert!(file_of(&got.model) == file_of(&want.model), "{name}: the files differ");
}

fn whole(recipe: &TextRecipe) -> Trained<TextTask> {
    let (training, validation) = texts();
    recipe.train(data(&training, Some(&validation)), engine(2), &mut |_| Answer::Continue).unwrap()
}

/// Stops after this many batches of a session, or at the end of an epoch that comes before.
fn stops_after(batches: u64, at_epochs: bool) -> impl FnMut(&RunEvent<'_, TextTask>) -> Answer {
    let mut seen = 0;
    move |event| {
        seen += u64::from(matches!(event, RunEvent::Batch(_)));
        let epoch = at_epochs && matches!(event, RunEvent::Epoch(_));
        if seen == batches || epoch { Answer::Stop } else { Answer::Continue }
    }
}

#[test]
fn a_run_stopped_repeatedly_equals_an_uninterrupted_run() {
    for (i, (name, recipe)) in recipes().into_iter().enumerate() {
        let recipe = with(recipe, |t| t.epochs = 3);
        let want = whole(&recipe);
        let (training, validation) = texts();
        let data = data(&training, Some(&validation));
        // A different pace and number of threads each time.
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
fn continued_training_can_be_resumed() {
    let (training, validation) = texts();
    let data = data(&training, Some(&validation));
    let recipe = with(recipe(Level::Char), |t| t.epochs = 1);
    let model = whole(&recipe).model;
    let again = with(recipe, |t| (t.seed, t.epochs) = (7, 2));
    let want = again.continue_training(model.clone(), data, &mut |_| Answer::Continue).unwrap();
    let got = again.continue_training(model, data, &mut stops_after(3, false)).unwrap();
    let got = again.resume(got.checkpoint.unwrap(), data, engine(3), &mut |_| Answer::Continue).unwrap();
    same("continued", &got, &want);
}

#[test]
fn a_checkpoint_of_another_text_is_rejected() {
    let (training, validation) = texts();
    let recipe = with(recipe(Level::Char), |t| t.epochs = 2);
    let stopped =
        recipe.train(data(&training, Some(&validation)), engine(1), &mut stops_after(3, false)).unwrap();
    let checkpoint = stopped.checkpoint.unwrap();
    let refused = |training: &Corpus, validation: &Corpus| {
        let data = data(training, Some(validation));
        recipe.resume(checkpoint.clone(), data, engine(1), &mut |_| Answer::Continue).unwrap_err().to_string()
    };
    let error = refused(&validation, &validation);
    assert!(error.contains("the training data's fingerprint is fnv1a-"), "{error}");
    let error = refused(&training, &training);
    assert!(error.contains("the validation data's fingerprint is fnv1a-"), "{error}");
}

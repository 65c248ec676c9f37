use super::*;
use crate::epoch::EpochRecord;
use crate::memory::memory_to_train;
use crate::settings::{Average, RateSchedule, TrainingSettings};
use crate::toy::{Bits, Parity, ParityRecipe};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use refrain_nn::Isa;
use refrain_nn::callbacks::{CsvLogger, ReduceLrOnPlateau};
use refrain_nn::checkpoint::{Checkpoint, CheckpointFolder, Every, Part};

type Event<'a, 'b> = &'a RunEvent<'b, Parity>;

fn engine(threads: usize) -> Engine {
    Engine::new(Isa::detect(), threads)
}

fn recipe(change: impl FnOnce(&mut TrainingSettings)) -> ParityRecipe {
    let mut recipe = ParityRecipe::default();
    change(&mut recipe.training);
    recipe
}

/// Starts or resumes a run.
fn run(
    recipe: &ParityRecipe,
    task: &Parity,
    from: Option<&Checkpoint>,
    threads: usize,
    report: &mut dyn FnMut(Event<'_, '_>) -> Answer,
) -> Result<Trained<Parity>> {
    let run = TrainingRun::new(recipe, task).engine(engine(threads));
    match from {
        None => run.train(report),
        Some(from) => run.resume(SavedRun::open(through_file(from))?).train(report),
    }
}

fn whole(recipe: &ParityRecipe) -> Trained<Parity> {
    run(recipe, &Parity::default(), None, 1, &mut |_| Answer::Continue).unwrap()
}

fn through_file(checkpoint: &Checkpoint) -> Checkpoint {
    let file = tempfile::NamedTempFile::new().unwrap();
    checkpoint.write(file.path()).unwrap();
    Checkpoint::read(file.path()).unwrap()
}

fn file_of(trained: &Trained<Parity>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m");
    trained.model.save(&path).unwrap();
    std::fs::read(path).unwrap()
}

fn timeless(trained: &Trained<Parity>) -> Vec<EpochRecord> {
    trained.epochs.iter().cloned().map(EpochRecord::without_times).collect()
}

/// Checks that two runs gave the same result, however often they were stopped.
fn same_run(got: &Trained<Parity>, want: &Trained<Parity>) {
    assert_eq!(timeless(got), timeless(want));
    assert_eq!(
        (got.best_epoch, got.stopped, &got.score, &got.test),
        (want.best_epoch, want.stopped, &want.score, &want.test)
    );
    assert!(file_of(got) == file_of(want), "the files differ");
}

fn batch_of(event: Event<'_, '_>) -> Option<u64> {
    match event {
        RunEvent::Batch(batch) => Some(batch.batches_done),
        _ => None,
    }
}

fn stop_at(at: u64) -> impl FnMut(Event<'_, '_>) -> Answer {
    move |event| if batch_of(event) == Some(at) { Answer::Stop } else { Answer::Continue }
}

#[test]
fn the_epoch_of_the_lowest_validation_loss_is_kept_and_recorded() {
    let task = Parity { test: 30, ..Parity::default() };
    let recipe = recipe(|t| (t.epochs, t.learning_rate) = (7, 0.3));
    let mut sizes = None;
    let trained = run(&recipe, &task, None, 2, &mut |event| {
        if let RunEvent::Start(start) = event {
            assert!(start.validates && start.memory.total() > 0 && start.memory.of("rows") == 60);
            sizes = Some((start.sizes.clone(), start.batches, start.epochs_done, start.batches_done));
        }
        Answer::Continue
    });
    let trained = trained.unwrap();
    assert_eq!(sizes, Some((task.sizes(), 4, 0, 0)));
    let losses: Vec<f64> = trained.epochs.iter().filter_map(EpochRecord::val_loss).collect();
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let score = trained.score.as_ref().unwrap();
    assert_eq!((losses.len(), losses[trained.best_epoch - 1], score.loss()), (7, best, best));
    assert!(trained.best_epoch < 7, "the last one is kept anyway: {losses:?}");
    let record = &trained.epochs[trained.best_epoch - 1];
    assert_eq!(record.get("val_accuracy"), score.get("accuracy"));
    assert_eq!((trained.stopped, trained.test.is_some()), (Stopped::Epochs, true));

    let training = trained.model.training().unwrap();
    let keys: Vec<_> = training.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["best_epoch", "data", "epochs", "metrics", "recipe", "sizes", "test"]);
    assert_eq!(training["metrics"]["accuracy"], score.get("accuracy").unwrap());
    assert_eq!(training["data"]["training"], "60 rows");
    assert_eq!(trained.model.recipe(), Some(recipe.clone()));
    let known = trained.model.memory_to_train().unwrap();
    assert_eq!((known.batch, known.steps), (16, 5));
    assert_eq!(known.memory, memory_to_train::<Parity>(&recipe, &task.sizes(), engine(1)).unwrap());
}

#[test]
fn records_have_the_columns_of_logs_in_their_order() {
    let trained = whole(&recipe(|t| (t.epochs, t.average) = (1, Average::Exponential)));
    let fields = trained.epochs[0].fields(Parity::UNIT);
    let names: Vec<_> = fields.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, crate::log_columns::<Parity>());
    assert_eq!(
        names.join(" "),
        "epoch loss accuracy val_loss val_accuracy averaged samples_per_second seconds learning_rate gradient_norm"
    );
    // The last of four batches has half the learning rate.
    assert_eq!(trained.epochs[0].learning_rate, 0.01);

    let cosine = recipe(|t| (t.epochs, t.schedule) = (3, RateSchedule::Cosine));
    let mut rate = 0.0;
    let trained = run(&cosine, &Parity::default(), None, 1, &mut |event| {
        match event {
            RunEvent::Batch(batch) => rate = batch.model.last_learning_rate(),
            RunEvent::Epoch(epoch) => assert_eq!(epoch.record.learning_rate, rate),
            _ => {}
        }
        Answer::Continue
    });
    assert!(trained.is_ok() && rate > 0.0);
}

proptest! {
    #![proptest_config(Config {
        cases: 16,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..Config::default()
    })]

    #[test]
    fn a_run_stopped_repeatedly_equals_an_uninterrupted_run(
        (at, again, threads) in (1..=12_u64, 1..=7_u64, 1..=3_usize),
        (validation, accumulate, epochs) in (prop_oneof![Just(0), Just(20)], 1..=3_usize, 2..=4_usize),
        average in prop_oneof![Just(Average::None), Just(Average::Exponential), Just(Average::Triggered)],
        schedule in prop_oneof![
            Just(RateSchedule::Constant),
            Just(RateSchedule::Cosine),
            Just(RateSchedule::Step),
            Just(RateSchedule::Plateau),
        ],
        early_stopping in prop_oneof![Just(None), (1..=2_usize).prop_map(Some)],
        (rate, seed) in (0.02..0.5_f64, 0..1000_u64),
    ) {
        let task = Parity { validation, test: 10, ..Parity::default() };
        let mut recipe = recipe(|t| {
            (t.epochs, t.accumulate, t.learning_rate, t.seed) = (epochs, accumulate, rate, seed);
            (t.average, t.average_momentum, t.patience) = (average, 0.8, 1);
            (t.schedule, t.decay, t.early_stopping) = (schedule, 0.7, early_stopping);
        });
        if validation == 0 {
            let t = &mut recipe.training;
            (t.average, t.schedule, t.early_stopping) = (Average::Exponential, RateSchedule::Cosine, None);
        }
        let straight = run(&recipe, &task, None, 1, &mut |_| Answer::Continue).unwrap();
        prop_assert!(straight.checkpoint.is_none());
        let mut got = run(&recipe, &task, None, threads, &mut stop_at(at)).unwrap();
        let mut place = at;
        while let Some(from) = got.checkpoint {
            prop_assert_eq!(got.stopped, Stopped::Interrupted);
            place += again;
            got = run(&recipe, &task, Some(&from), 1 + (place % 3) as usize, &mut stop_at(place)).unwrap();
        }
        same_run(&got, &straight);
    }
}

#[test]
fn the_model_can_be_saved_before_or_without_a_test() {
    let task = Parity { test: 30, ..Parity::default() };
    let recipe = recipe(|t| t.epochs = 2);
    let mut before = None;
    let mut test = |answer: Answer| {
        let trained = run(&recipe, &task, None, 1, &mut |event| match event {
            RunEvent::Test(model) => {
                before = Some((model.model().weights(), model.training().unwrap().clone()));
                answer
            }
            _ => Answer::Continue,
        });
        (trained.unwrap(), before.take().unwrap())
    };
    let (tested, (weights, record)) = test(Answer::Continue);
    assert_eq!((tested.test.is_some(), tested.model.model().weights()), (true, weights));
    assert!(record.get("test").is_none() && tested.model.training().unwrap().get("test").is_some());
    let (untested, (_, record)) = test(Answer::Stop);
    assert_eq!((untested.stopped, &untested.test), (Stopped::Epochs, &None));
    assert_eq!(untested.model.training(), Some(&record));
}

#[test]
fn a_requested_checkpoint_does_not_change_the_run() {
    let recipe = recipe(|t| (t.epochs, t.accumulate) = (2, 3));
    let (task, straight) = (Parity::default(), whole(&recipe));
    let (mut taken, mut seen) = (Vec::new(), Vec::new());
    let asked = run(&recipe, &task, None, 2, &mut |event| match event {
        RunEvent::Start(_) => Answer::Checkpoint,
        RunEvent::Batch(batch) if batch.batches_done % 4 == 2 || batch.done == 4 => Answer::Checkpoint,
        RunEvent::Scored => Answer::Checkpoint,
        RunEvent::Batch(_) => Answer::Continue,
        RunEvent::Epoch(epoch) => {
            seen.push(format!(
                "epoch {}{}",
                epoch.record.epoch,
                if epoch.is_last { ", the last" } else { "" }
            ));
            Answer::Checkpoint
        }
        RunEvent::Checkpoint(checkpoint) => {
            seen.push("checkpoint".to_owned());
            taken.push((*checkpoint).clone());
            Answer::Continue
        }
        RunEvent::Test(_) => unreachable!("there is no test data"),
    });
    same_run(&asked.unwrap(), &straight);
    let one = "checkpoint checkpoint epoch 1 checkpoint checkpoint checkpoint epoch 2, the last checkpoint";
    assert_eq!(seen.join(" "), one);
    for (from, done) in taken.iter().zip([(0, 2), (0, 4), (1, 4), (1, 6), (1, 8), (2, 8)]) {
        let mut start = None;
        let again = run(&recipe, &task, Some(from), 1, &mut |event| {
            if let RunEvent::Start(now) = event {
                start = Some((now.epochs_done, now.batches_done));
            }
            Answer::Continue
        });
        same_run(&again.unwrap(), &straight);
        assert_eq!(start, Some(done));
    }
}

#[test]
fn a_stop_before_the_first_batch_saves_nothing() {
    let (recipe, task) = (recipe(|t| t.epochs = 2), Parity::default());
    let straight = whole(&recipe);
    let fresh = run(&recipe, &task, None, 1, &mut |_| Answer::Stop).unwrap();
    assert_eq!((fresh.stopped, fresh.best_epoch, fresh.epochs.len()), (Stopped::Interrupted, 0, 0));
    assert!(fresh.checkpoint.is_none());
    for at in [2, 4, 6] {
        let stopped = run(&recipe, &task, None, 1, &mut stop_at(at)).unwrap();
        let at_once = run(&recipe, &task, stopped.checkpoint.as_ref(), 1, &mut |_| Answer::Stop).unwrap();
        same_run(&at_once, &stopped);
        assert_eq!(at_once.checkpoint, stopped.checkpoint);
        let end = run(&recipe, &task, at_once.checkpoint.as_ref(), 1, &mut |_| Answer::Continue).unwrap();
        same_run(&end, &straight);
    }
}

#[test]
fn a_stop_at_the_end_of_an_epoch_resumes_there_or_stops_without_checkpoints() {
    let (recipe, task) = (recipe(|t| t.epochs = 2), Parity::default());
    let straight = whole(&recipe);
    for last in [1, 2] {
        let stopped = run(&recipe, &task, None, 1, &mut |event| match event {
            RunEvent::Epoch(epoch) if epoch.record.epoch == last => Answer::Stop,
            _ => Answer::Continue,
        });
        let stopped = stopped.unwrap();
        assert_eq!((stopped.stopped, stopped.epochs.len()), (Stopped::Interrupted, last));
        let end = run(&recipe, &task, stopped.checkpoint.as_ref(), 2, &mut |_| Answer::Continue).unwrap();
        same_run(&end, &straight);
    }
    for at in [3, 4, 8] {
        let mut last = 0;
        let stopped = run(&recipe, &task, None, 1, &mut |event| match event {
            RunEvent::Batch(batch) => {
                last = batch.batches_done;
                if last == at { Answer::Checkpoint } else { Answer::Continue }
            }
            RunEvent::Checkpoint(_) => Answer::Stop,
            _ => Answer::Continue,
        });
        let stopped = stopped.unwrap();
        assert_eq!(
            (stopped.stopped, last, stopped.epochs.len()),
            (Stopped::Interrupted, at, (at as usize - 1) / 4)
        );
        let end = run(&recipe, &task, stopped.checkpoint.as_ref(), 2, &mut |_| Answer::Continue).unwrap();
        same_run(&end, &straight);
    }
}

#[test]
fn a_run_stopped_while_it_is_scored_resumes_before_the_scoring() {
    let plain = recipe(|t| (t.epochs, t.accumulate) = (3, 3));
    let averaged = recipe(|t| (t.epochs, t.average) = (3, Average::Exponential));
    for recipe in [plain, averaged] {
        let (task, straight) = (Parity::default(), whole(&recipe));
        let mut scored = 0;
        let count = &mut |event: Event<'_, '_>| {
            scored += usize::from(matches!(event, RunEvent::Scored));
            Answer::Continue
        };
        same_run(&run(&recipe, &task, None, 1, count).unwrap(), &straight);
        assert!(scored > 3 && scored % 3 == 0, "{scored} batches in three epochs");
        for at in 1..=scored {
            let mut seen = 0;
            let mut stop = |event: Event<'_, '_>| {
                seen += usize::from(matches!(event, RunEvent::Scored));
                if seen == at { Answer::Stop } else { Answer::Continue }
            };
            let stopped = run(&recipe, &task, None, 2, &mut stop).unwrap();
            let done = (at - 1) / (scored / 3);
            assert_eq!((stopped.stopped, stopped.epochs.len()), (Stopped::Interrupted, done), "batch {at}");
            assert_eq!(timeless(&stopped), timeless(&straight)[..done]);
            let from = stopped.checkpoint.as_ref().unwrap();
            same_run(&run(&recipe, &task, Some(from), 1, &mut |_| Answer::Continue).unwrap(), &straight);
        }
    }
}

#[test]
fn a_test_that_is_stopped_leaves_the_model() {
    let task = Parity { test: 40, ..Parity::default() };
    let (recipe, mut testing) = (recipe(|t| t.epochs = 1), false);
    let trained = run(&recipe, &task, None, 1, &mut |event| {
        testing |= matches!(event, RunEvent::Test(_));
        if testing && matches!(event, RunEvent::Scored) { Answer::Stop } else { Answer::Continue }
    });
    let trained = trained.unwrap();
    assert_eq!((trained.stopped, trained.best_epoch, trained.test), (Stopped::Epochs, 1, None));
}

#[test]
fn a_killed_run_resumes_from_its_folder_alone() {
    let (recipe, task) = (recipe(|t| t.epochs = 3), Parity::default());
    let straight = whole(&recipe);
    let temporary = tempfile::tempdir().unwrap();
    let log = temporary.path().join("log.csv");
    let path = temporary.path().join("checkpoints");
    // Each session is abandoned after some batches, as if it had been killed.
    let session = |batches: usize| {
        let mut folder = CheckpointFolder::new(&path).every(Every::Batches(3));
        let newest = folder.newest().unwrap().checkpoint;
        let mut run = TrainingRun::new(&recipe, &task).engine(engine(1)).checkpoints(&mut folder);
        run = run.callback(CsvLogger::new(log.to_str().unwrap()));
        if let Some((_, checkpoint)) = newest {
            run = run.resume(SavedRun::open(checkpoint).unwrap());
        }
        let mut left = batches;
        let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            run.train(&mut |event| {
                if batch_of(event).is_some() {
                    assert!(left > 0, "killed");
                    left -= 1;
                }
                Answer::Continue
            })
        }));
        killed.ok().map(Result::unwrap)
    };
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let killed: Vec<_> = [5, 3, 1].map(session).into_iter().flatten().collect();
    std::panic::set_hook(hook);
    assert!(killed.is_empty());
    let end = session(usize::MAX).unwrap();
    same_run(&end, &straight);
    assert!(end.checkpoint.is_none(), "they are in the folder");
    // A finished run has nothing left to train.
    same_run(&session(0).unwrap(), &straight);
    let rows = std::fs::read_to_string(&log).unwrap();
    assert_eq!(rows.lines().count(), 4, "{rows}");
}

#[test]
fn early_stopping_ends_the_run_and_says_so() {
    let recipe = recipe(|t| (t.epochs, t.learning_rate, t.early_stopping) = (50, 0.3, Some(2)));
    let mut last = None;
    let trained = run(&recipe, &Parity::default(), None, 1, &mut |event| {
        if let RunEvent::Epoch(epoch) = event {
            last = epoch.is_last.then_some(epoch.record.epoch);
        }
        Answer::Continue
    });
    let trained = trained.unwrap();
    assert_eq!((trained.stopped, last), (Stopped::Early, Some(trained.epochs.len())));
    assert_eq!(trained.epochs.len(), trained.best_epoch + 2);
    let nothing = Parity { validation: 0, ..Parity::default() };
    let error = run(&recipe, &nothing, None, 1, &mut |_| Answer::Continue).unwrap_err().to_string();
    assert!(error.starts_with("early-stopping is 2 without validation"), "{error}");
}

#[test]
fn a_nan_loss_keeps_the_best_epoch_or_is_an_error() {
    let wild = recipe(|t| (t.learning_rate, t.clip, t.optimizer) = (1e38, 0.0, "sgd".to_owned()));
    let error = run(&wild, &Parity::default(), None, 1, &mut |_| Answer::Continue).unwrap_err();
    assert!(matches!(error, Error::Model(NnError::Diverged { epoch: 1, .. })), "{error}");
    let task = Parity { poisoned: Some(2), test: 10, ..Parity::default() };
    let trained = run(&recipe(|t| t.epochs = 4), &task, None, 1, &mut |_| Answer::Continue).unwrap();
    assert_eq!((trained.stopped, trained.epochs.len()), (Stopped::Diverged, 2));
    let score = trained.score.unwrap();
    assert_eq!(trained.epochs[trained.best_epoch - 1].val_loss(), Some(score.loss()));
    assert!(trained.test.unwrap().loss().is_finite() && trained.checkpoint.is_none());
}

#[test]
fn unreadable_data_gives_the_error_of_the_task() {
    let task = Parity { unreadable: Some(2), ..Parity::default() };
    let error = run(&recipe(|_| {}), &task, None, 1, &mut |_| Answer::Continue).unwrap_err();
    assert!(matches!(error, Error::Task(_)) && error.to_string() == "the rows are gone", "{error}");
}

#[test]
fn probing_batches_on_request_changes_nothing() {
    let recipe = recipe(|t| t.epochs = 2);
    let probe = |batch: u64| batch == 1 || batch % 3 == 2;
    let mut seen = Vec::new();
    let trained = run(&recipe, &Parity::default(), None, 1, &mut |event| match event {
        RunEvent::Start(_) => Answer::Probe,
        RunEvent::Batch(batch) => {
            let probed = batch.model.recurrences().next().unwrap().hidden_gradient(0).is_some();
            seen.extend(probed.then_some(batch.batches_done));
            if probe(batch.batches_done + 1) { Answer::Probe } else { Answer::Continue }
        }
        _ => Answer::Continue,
    });
    assert_eq!(seen, [1, 2, 5, 8]);
    same_run(&trained.unwrap(), &whole(&recipe));
}

#[test]
fn a_run_that_needs_too_much_memory_is_rejected_before_allocating() {
    let none = ParityRecipe { units: 0, ..recipe(|_| {}) };
    let error = memory_to_train::<Parity>(&none, &Parity::default().sizes(), engine(1)).unwrap_err();
    assert_eq!(error.to_string(), "units is 0; expected at least 1");
    let (recipe, task) = (ParityRecipe { units: 400, ..recipe(|_| {}) }, Parity::default());
    let need = memory_to_train::<Parity>(&recipe, &task.sizes(), engine(1)).unwrap().total();
    let limited = |bytes: u64| {
        let mut started = false;
        let run = TrainingRun::new(&recipe, &task).engine(engine(1)).memory_limit(Some(bytes));
        let result = run.train(&mut |_| {
            started = true;
            Answer::Stop
        });
        (result.map(drop), started)
    };
    assert!(matches!(limited(need), (Ok(()), true)));
    let (Err(Error::Memory(much)), false) = limited(need - 1) else { panic!("not refused") };
    assert_eq!((much.need.total(), much.limit), (need, need - 1));
    let fits = much.suggestions.iter().find(|way| way.option == "units").unwrap();
    let smaller = ParityRecipe { units: fits.value, ..recipe.clone() };
    assert_eq!(memory_to_train::<Parity>(&smaller, &task.sizes(), engine(1)).unwrap().total(), fits.bytes);
    // An existing model keeps its network.
    let trained = whole(&recipe);
    let run = TrainingRun::new(&recipe, &task).memory_limit(Some(1)).from_model(trained.model);
    let Err(Error::Memory(much)) = run.train(&mut |_| Answer::Continue) else { panic!("not refused") };
    assert!(much.suggestions.iter().all(|way| way.option != "units"), "{much}");
}

#[test]
fn a_trained_model_is_trained_further_and_its_run_can_be_resumed() {
    let (first, task) = (whole(&recipe(|t| t.epochs = 2)), Parity::default());
    let before = first.score.as_ref().unwrap().loss();
    let again = recipe(|t| (t.epochs, t.seed, t.learning_rate) = (3, 7, 0.05));
    let run_on = |report: &mut dyn FnMut(Event<'_, '_>) -> Answer| {
        TrainingRun::new(&again, &task).from_model(first.model.clone()).train(report).unwrap()
    };
    let straight = run_on(&mut |_| Answer::Continue);
    assert!(straight.score.as_ref().unwrap().loss() < before);
    let stopped = run_on(&mut stop_at(6));
    let end = run(&again, &task, stopped.checkpoint.as_ref(), 2, &mut |_| Answer::Continue).unwrap();
    same_run(&end, &straight);
    // The initial model is recorded even if the run is stopped more than once.
    let saved = SavedRun::<Parity>::open(through_file(stopped.checkpoint.as_ref().unwrap())).unwrap();
    assert!(saved.began_with(first.model.fingerprint()) && !saved.began_with(end.model.fingerprint()));
    let twice = run(&again, &task, stopped.checkpoint.as_ref(), 1, &mut stop_at(7)).unwrap();
    assert!(
        SavedRun::<Parity>::open(twice.checkpoint.unwrap()).unwrap().began_with(first.model.fingerprint())
    );
}

#[test]
fn a_model_is_only_trained_further_with_its_own_assets() {
    let (recipe, task) = (recipe(|t| t.epochs = 1), Parity::default());
    let model = whole(&recipe).model;
    let other = Parity { assets: Bits { bits: 4 }, ..task };
    let run = TrainingRun::new(&recipe, &other).engine(engine(1)).from_model(model);
    let error = run.train(&mut |_| Answer::Continue).unwrap_err().to_string();
    assert!(error.starts_with("the assets of the task `parity` are not those of the model"), "{error}");
}

#[test]
fn a_callback_may_lower_the_rate_unless_the_schedule_does() {
    let task = Parity::default();
    let rates = |schedule| {
        let recipe = recipe(|t| (t.epochs, t.schedule, t.learning_rate) = (4, schedule, 0.01));
        // No epoch lowers the loss by this much.
        let callback =
            ReduceLrOnPlateau { patience: 1, factor: 0.5, min_delta: 100.0, ..ReduceLrOnPlateau::default() };
        let run = TrainingRun::new(&recipe, &task).engine(engine(1)).callback(callback);
        let trained = run.train(&mut |_| Answer::Continue).unwrap();
        trained.epochs.iter().map(|epoch| epoch.learning_rate).collect::<Vec<_>>()
    };
    let rates = rates(RateSchedule::Constant);
    assert_eq!([rates[1] / rates[0], rates[2] / rates[0], rates[3] / rates[0]], [1.0, 0.5, 0.25]);
}

#[test]
fn a_checkpoint_of_another_run_is_rejected_naming_the_difference() {
    let (recipe, task) = (recipe(|t| t.epochs = 2), Parity::default());
    let checkpoint = run(&recipe, &task, None, 1, &mut stop_at(6)).unwrap().checkpoint.unwrap();
    let refused = |recipe: &ParityRecipe, task: &Parity, checkpoint: &Checkpoint| {
        run(recipe, task, Some(checkpoint), 1, &mut |_| Answer::Continue).map(drop).map_err(|e| e.to_string())
    };
    assert_eq!(refused(&recipe, &task, &checkpoint), Ok(()));
    let saved = SavedRun::<Parity>::open(checkpoint.clone()).unwrap();
    assert_eq!((saved.recipe().unwrap(), saved.assets()), (recipe.clone(), &Bits { bits: 5 }));
    let mut other = ParityRecipe { units: 8, ..recipe.clone() };
    other.training.clip = 0.5;
    let error = refused(&other, &task, &checkpoint).unwrap_err();
    assert!(
        error.contains("the recipe is clip 0.5, units 8, but the checkpoint's run has clip 5.0, units 9"),
        "{error}"
    );
    for (task, what) in [
        (Parity { training: 61, ..task.clone() }, "the training data's fingerprint is 61 rows"),
        (Parity { validation: 0, ..task.clone() }, "the validation data's fingerprint is none"),
        (Parity { test: 3, ..task.clone() }, "the test data's fingerprint is 3 rows"),
    ] {
        assert!(refused(&recipe, &task, &checkpoint).unwrap_err().contains(what), "{what}");
    }
    let error = refused(&recipe, &task, &checkpoint.clone().with_kind("text")).unwrap_err();
    assert_eq!(error, "the checkpoint's kind of run is `text`; expected `parity`");

    // Values that could have been tampered with.
    for name in ["run", "fit", "training", "callback-0"] {
        let mut without = checkpoint.clone();
        let part = without.take(name).unwrap();
        let error = refused(&recipe, &task, &without).unwrap_err();
        assert!(error.contains(&format!("part `{name}` is missing")), "{error}");
        let mut emptied = checkpoint.clone();
        emptied.insert(name, Part::default());
        refused(&recipe, &task, &emptied).unwrap_err();
        for i in 0..part.tensors.len() {
            let mut shorter = part.clone();
            if shorter.tensors[i].1.pop().is_some() {
                let mut altered = checkpoint.clone();
                altered.insert(name, shorter);
                refused(&recipe, &task, &altered).unwrap_err();
            }
        }
    }
    let damage = |part: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let mut damaged = checkpoint.clone();
        let mut of = damaged.take(part).unwrap();
        change(&mut of.values);
        damaged.insert(part, of);
        refused(&recipe, &task, &damaged)
    };
    assert_eq!(damage("run", &|_| {}), Ok(()));
    let error = damage("run", &|v| v["assets"]["bits"] = 6.into()).unwrap_err();
    assert!(error.contains("other assets"), "{error}");
    assert!(damage("run", &|v| v["assets"]["more"] = 0.into()).unwrap_err().contains("assets"));
    assert!(damage("run", &|v| v["recipe"]["unit"] = 0.into()).unwrap_err().contains("unit 0"));
    assert!(
        damage("callback-0", &|v| v["epochs"] = serde_json::json!([]))
            .unwrap_err()
            .contains("list of epochs")
    );
    assert!(damage("callback-0", &|v| v["best"]["epoch"] = 2.into()).unwrap_err().contains("best epoch"));
    assert!(damage("callback-0", &|v| v["best"]["score"]["more"] = 2.into()).is_err());
    // Values that only measure time are not checked.
    assert_eq!(damage("callback-0", &|v| v["seconds"] = "inf".into()), Ok(()));
}

#[test]
fn files_of_other_models_are_rejected_naming_their_task() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m");
    let trained = whole(&recipe(|t| t.epochs = 1));
    trained.model.save(&path).unwrap();
    let again = TaskModel::<Parity>::open(&path, engine(1)).unwrap();
    assert_eq!((again.assets(), again.training()), (trained.model.assets(), trained.model.training()));
    assert_eq!(again.model().weights(), trained.model.model().weights());
    let open = |task: Option<serde_json::Value>| {
        refrain_nn::file::save(&path, trained.model.model(), task.as_ref(), None).unwrap();
        TaskModel::<Parity>::open(&path, engine(1)).map(drop).map_err(|e| e.to_string())
    };
    assert_eq!(open(Some(serde_json::json!({ "task": "parity", "bits": 5 }))), Ok(()));
    for (task, reason) in [
        (None, "the file names no task"),
        (Some(serde_json::json!({ "bits": 5 })), "the file names no task"),
        (Some(serde_json::json!([1])), "its task is not a JSON object"),
        (Some(serde_json::json!({ "task": "text" })), "its task is `text`, not `parity`"),
        (Some(serde_json::json!({ "task": "parity" })), "its task cannot be read: missing field `bits`"),
        (Some(serde_json::json!({ "task": "parity", "bits": 0 })), "0 bits, 1 outputs"),
    ] {
        assert_eq!(open(task), Err(format!("this is not a parity model: {reason}")));
    }
}

//! A run of `fit` that resumes from a checkpoint ends as if it had never stopped.

use crate::architecture::{TRAINABLE, architecture};
use crate::sample::{Sample, shapes_of};
use crate::{config, engine, same};
use ndarray::{Array1, Array2};
use proptest::prelude::*;
use refrain_nn::callbacks::{
    BatchContext, Callback, CsvLogger, EarlyStopping, Mode, ModelCheckpoint, ReduceLrOnPlateau,
    ResumeContext, TerminateOnNan,
};
use refrain_nn::checkpoint::{Checkpoint, CheckpointFolder, Checkpoints, Every, Part};
use refrain_nn::data::{Batch, BatchSource};
use refrain_nn::layers::{Dense, Dropout, Embedding, Gru};
use refrain_nn::loss::Loss;
use refrain_nn::metrics::Metric;
use refrain_nn::optim::{Adam, Sgd};
use refrain_nn::{
    Activation, Answer, Averaging, Compile, Engine, Error, Fit, History, Isa, Model, ParameterAverage,
    Sequential,
};

/// Keeps the checkpoint of one batch of the run and the last one, after a round trip through the bytes of a
/// file.
#[derive(Default)]
struct Keep {
    at: u64,
    after_epochs: bool,
    /// Whether to end the run there.
    ends: bool,
    kept: Vec<Checkpoint>,
}

impl Checkpoints for Keep {
    fn is_due(&self, batches: u64) -> bool {
        batches == self.at
    }

    fn is_due_after_epoch(&self, last: bool) -> bool {
        last || self.after_epochs
    }

    fn write(&mut self, checkpoint: Checkpoint) -> Result<Answer, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        checkpoint.write(file.path())?;
        self.kept.push(Checkpoint::from_bytes(&std::fs::read(file.path()).unwrap()).unwrap());
        Ok(if self.ends { Answer::Stop } else { Answer::Continue })
    }
}

/// Stops the run after a batch, as Ctrl-C would.
struct StopAt(Option<u64>);

impl Callback for StopAt {
    fn on_batch_end(&mut self, cx: &mut BatchContext<'_>) -> Result<(), Error> {
        if self.0 == Some(cx.model.steps_done()) {
            cx.answer(Answer::Stop);
        }
        Ok(())
    }
}

/// A source with epochs of different lengths and orders.
struct Source {
    batches: Vec<Batch>,
    carries_state: bool,
}

impl BatchSource for Source {
    fn len(&self, epoch: usize) -> usize {
        1 + (self.batches.len() + epoch) % 3
    }

    fn fill(&self, _seed: u64, epoch: usize, i: usize, batch: &mut Batch) -> Result<(), Error> {
        batch.clone_from(&self.batches[(epoch * 2 + i) % self.batches.len()]);
        Ok(())
    }

    fn rate_factor(&self, _seed: u64, epoch: usize, i: usize) -> f64 {
        1.0 / (1 + i + epoch % 2) as f64
    }

    fn carries_state(&self) -> bool {
        self.carries_state
    }
}

/// Returns settings for a number of epochs.
fn of<'a>(epochs: usize) -> Fit<'a> {
    Fit { epochs, ..Fit::default() }
}

/// Returns settings that differ from the defaults.
fn with<'a>(epochs: usize, settings: (ParameterAverage, bool, bool)) -> Fit<'a> {
    let (average, flush_gradients, training_metrics) = settings;
    Fit { average, flush_gradients, training_metrics, ..of(epochs) }
}

/// Compares the models and histories of two runs.
fn same_run(got: &(History, Model), want: &(History, Model)) -> Result<(), TestCaseError> {
    let [a, b] = [got, want].map(|(_, model)| model.training_state().unwrap());
    prop_assert_eq!(a.counters(), b.counters());
    for ((name, a), (other, b)) in a.tensors().zip(b.tensors()) {
        prop_assert_eq!(name, other);
        same(name, a, b)?;
    }
    prop_assert_eq!(got.1.running_totals().unwrap(), want.1.running_totals().unwrap());
    let [a, b] = [got, want].map(|(history, _)| (&history.epochs, history.stopped, bits(history)));
    prop_assert_eq!(a, b);
    Ok(())
}

fn bits(history: &History) -> Vec<(&str, Vec<u64>)> {
    history.iter().map(|(name, values)| (name, values.iter().map(|x| x.to_bits()).collect())).collect()
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn any_model_from_any_batch_of_a_source(
        mut net in architecture(TRAINABLE),
        (stateful, carries_state) in (any::<bool>(), any::<bool>()),
        shape in shapes_of(1..=9),
        (engine, threads) in (engine(), 1..=3_usize),
        accumulate in 1..=3_u32,
        average in prop_oneof![
            Just(ParameterAverage::None),
            Just(ParameterAverage::Exponential { momentum: 0.8 }),
            (0..=2_usize).prop_map(|patience| ParameterAverage::Triggered { patience }),
        ],
        (own_averages, flush_gradients, training_metrics) in any::<(bool, bool, bool)>(),
        (batches, epochs, at) in (1..=4_usize, 1..=4_usize, 1..=8_u64),
        seed in 0..1000_u64,
    ) {
        net.stateful = stateful;
        let compile = |engine: &Engine| Compile {
            seed,
            gradient_accumulation_steps: accumulate,
            engine: Some(engine.clone()),
            ..net.compile()
        };
        let mut model = net.fresh_with(compile(&engine));
        let batches = (0..batches as u64).map(|i| Sample::new(&net, &model, &shape, seed + i).batch());
        let source = Source { batches: batches.collect(), carries_state };
        let whole = (0..epochs).map(|epoch| source.len(epoch) as u64).sum::<u64>();
        let mut keep = Keep { at: at.min(whole), after_epochs: at % 2 == 0, ..Keep::default() };
        // Averages started by the caller, which `fit` updates but does not use.
        if own_averages && average == ParameterAverage::None {
            model.start_averaging(Averaging::Exponential { momentum: 0.8 }).unwrap();
        }
        let settings = (average, flush_gradients, training_metrics);
        let mut apart = model.clone();
        let history =
            model.fit_source(&source, Some(&source), Fit { checkpoints: Some(&mut keep), ..with(epochs, settings) }).unwrap();
        let without = apart.fit_source(&source, Some(&source), with(epochs, settings)).unwrap();
        let straight = (history, model);
        same_run(&straight, &(without, apart))?;
        prop_assert!(keep.kept.len() >= 2, "one when due, one at the end");
        for checkpoint in keep.kept {
            let mut again = net.fresh_with(compile(&Engine::new(engine.isa(), threads)));
            let fit = Fit { resume: Some(checkpoint), ..with(epochs, settings) };
            let history = again.fit_source(&source, Some(&source), fit).unwrap();
            same_run(&(history, again), &straight)?;
        }
    }

}

proptest! {
    #![proptest_config(config(20))]

    #[test]
    fn arrays_in_random_order_with_every_callback(
        (epochs, batch_size, n) in (1..=6_usize, 3..=9_usize, 12..=20_usize),
        (accumulate, threads, at) in (1..=3_u32, 1..=3_usize, 1..=12_u64),
        (shuffle, ends) in (any::<bool>(), any::<bool>()),
        (patience, rate) in (1..=3_usize, 0.05..0.5_f64),
        seed in 0..1000_u64,
    ) {
        let x = Array2::from_shape_fn((n, 3), |(n, t)| ((n * 7 + t * (n + 2)) as u32) % VOCABULARY);
        let y = x.column(0).to_owned();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let run = |stop: Option<u64>, keep: &mut Keep, resume: Option<Checkpoint>, threads: usize| {
            let mut model = reader(rate, seed, accumulate, threads);
            let mut early = EarlyStopping { patience, restore_best_weights: true, ..Default::default() };
            let mut plateau = ReduceLrOnPlateau { patience: 1, factor: 0.5, cooldown: 1, ..Default::default() };
            let mut best = ModelCheckpoint {
                save_best_only: true,
                ..ModelCheckpoint::new(format!("{path}/best-{{epoch}}.safetensors"))
            };
            let csv = CsvLogger::new(format!("{path}/log.csv"));
            let fit = Fit {
                epochs,
                batch_size,
                shuffle,
                validation_split: 0.3,
                callbacks: vec![
                    Box::new(&mut early),
                    Box::new(&mut plateau),
                    Box::new(&mut best),
                    Box::new(csv),
                    Box::new(StopAt(stop)),
                ],
                checkpoints: Some(keep),
                resume,
                ..Fit::default()
            };
            let history = model.fit(&x, &y, fit).unwrap();
            let rows = std::fs::read_to_string(format!("{path}/log.csv")).unwrap();
            ((history, model), (early.state, plateau.state, best.state, rows))
        };
        // Batches after the last one or after a callback's stop are never reached.
        let mut keep = Keep { at, after_epochs: at % 2 == 0, ..Keep::default() };
        let (straight, seen) = run(None, &mut keep, None, 1);
        // Stopped by a callback, or by the receiver of the checkpoint.
        let mut stopped = if ends { Keep { at, ends, ..Keep::default() } } else { Keep::default() };
        run((!ends).then_some(at), &mut stopped, None, threads);
        prop_assert_eq!(stopped.kept.len(), 1, "of the batch, or of the end");
        keep.kept.append(&mut stopped.kept);
        for checkpoint in keep.kept {
            // A second stop, later.
            let mut later = Keep { at: at + 2, ..Keep::default() };
            let (again, seen_again) = run(None, &mut later, Some(checkpoint), threads);
            same_run(&again, &straight)?;
            prop_assert_eq!(&seen_again, &seen);
            for checkpoint in later.kept {
                let (again, seen_again) = run(None, &mut Keep::default(), Some(checkpoint), 1);
                same_run(&again, &straight)?;
                prop_assert_eq!(&seen_again, &seen);
            }
        }
    }
}

const VOCABULARY: u32 = 6;

/// Creates a model that reads ids and predicts one of them, with dropout.
fn reader(rate: f64, seed: u64, accumulate: u32, threads: usize) -> Model {
    Sequential::new()
        .add(Embedding::new(VOCABULARY as usize, 5))
        .add(Gru::new(17))
        .add(Dropout::new(0.2))
        .add(Dense::new(VOCABULARY as usize).activation(Activation::Softmax))
        .compile(Compile {
            loss: Loss::SparseCategoricalCrossentropy,
            optimizer: Adam { learning_rate: rate.into(), ..Adam::default() }.into(),
            metrics: vec![Metric::Accuracy],
            seed,
            gradient_accumulation_steps: accumulate,
            engine: Some(Engine::new(Isa::detect(), threads)),
            ..Compile::default()
        })
        .unwrap()
}

fn data(n: usize) -> (Array2<u32>, Array1<u32>) {
    let x = Array2::from_shape_fn((n, 3), |(n, t)| (n * 3 + t * (n + 1)) as u32 % VOCABULARY);
    let y = x.column(1).to_owned();
    (x, y)
}

#[test]
fn a_folder_is_resumed_from_and_removed_after_the_run() {
    let (temporary, (x, y)) = (tempfile::tempdir().unwrap(), data(20));
    let run = |epochs, folder: Option<&std::path::Path>| {
        let mut checkpoints = folder.map(|f| CheckpointFolder::new(f).every(Every::Batches(3)));
        let resume = checkpoints.as_mut().and_then(|c| c.newest().unwrap().checkpoint);
        let mut model = reader(0.01, 1, 1, 1);
        let fit = Fit {
            epochs,
            batch_size: 4,
            resume: resume.map(|(_, checkpoint)| checkpoint),
            checkpoints: checkpoints.as_mut().map(|c| c as &mut dyn Checkpoints),
            ..Fit::default()
        };
        let history = model.fit(&x, &y, fit).unwrap();
        (history, model, checkpoints.and_then(|c| c.last()))
    };
    let folder = Some(temporary.path());
    let (_, _, last) = run(2, folder);
    // Checkpoints after batches 3, 6 and 9 of 10, and at the end.
    assert!(last.unwrap().ends_with("checkpoint-000004.safetensors"));
    let (history, model, _) = run(4, folder);
    let (straight, want, _) = run(4, None);
    assert_eq!(history, straight);
    assert!(same("weights", &model.weights(), &want.weights()).is_ok());
    // Nothing is left to do.
    assert_eq!(run(4, folder).0, straight);
}

#[test]
fn a_nan_loss_stops_the_run_without_a_checkpoint() {
    let (x, y) = data(8);
    let run = || {
        let mut model = reader(0.01, 1, 1, 1);
        let sgd = Sgd { learning_rate: 1e38.into(), ..Sgd::default() };
        let wild = Compile {
            loss: Loss::SparseCategoricalCrossentropy,
            optimizer: sgd.into(),
            engine: Some(model.engine().clone()),
            ..Compile::default()
        };
        model.compile(wild).unwrap();
        let mut keep = Keep::default();
        let fit = Fit {
            epochs: 3,
            batch_size: 1,
            callbacks: vec![Box::new(TerminateOnNan::default())],
            checkpoints: Some(&mut keep),
            ..Fit::default()
        };
        let history = model.fit(&x, &y, fit).unwrap();
        (history.epochs.clone(), history.stopped, model.steps_done(), keep.kept.len())
    };
    let (epochs, stopped, steps, kept) = run();
    assert!(stopped && steps < 8, "{steps}");
    assert_eq!((epochs, kept), (vec![0], 0));
}

/// Stops the run after a batch, and again when the run is resumed there.
struct EndAt(u64);

impl Callback for EndAt {
    fn on_batch_end(&mut self, cx: &mut BatchContext<'_>) -> Result<(), Error> {
        if cx.model.steps_done() >= self.0 {
            cx.answer(Answer::Stop);
        }
        Ok(())
    }

    fn resume(&mut self, _part: Part, cx: &mut ResumeContext<'_>) -> Result<(), Error> {
        if cx.model.steps_done() >= self.0 {
            cx.answer(Answer::Stop);
        }
        Ok(())
    }
}

#[test]
fn an_epoch_stopped_by_a_callback_is_validated_after_any_number_of_kills() {
    let (x, y) = data(20);
    let run = |at, resume| {
        let mut keep = Keep { at, ..Keep::default() };
        let mut model = reader(0.01, 1, 2, 1);
        let fit = Fit {
            epochs: 4,
            batch_size: 4,
            validation_split: 0.2,
            average: ParameterAverage::Exponential { momentum: 0.8 },
            callbacks: vec![Box::new(EndAt(6))],
            checkpoints: Some(&mut keep),
            resume,
            ..Fit::default()
        };
        let history = model.fit(&x, &y, fit).unwrap();
        ((history, model), keep.kept)
    };
    let (straight, mut kept) = run(u64::MAX, None);
    assert!(straight.0.epochs == [0, 1] && straight.0.stopped);
    // The checkpoint of batch 6; the second epoch has 4 batches.
    assert_eq!(kept.len(), 1);
    let (again, _) = run(u64::MAX, kept.pop());
    same_run(&again, &straight).unwrap();
}

#[test]
fn another_run_is_rejected_naming_the_difference() {
    let ((x, y), mut keep) = (data(20), Keep { at: 7, ..Keep::default() });
    fn fit<'a>() -> Fit<'a> {
        let early =
            EarlyStopping { monitor: "loss".into(), mode: Mode::Min, patience: 9, ..Default::default() };
        Fit { batch_size: 4, callbacks: vec![Box::new(early)], ..of(3) }
    }
    let compiled = || reader(0.01, 1, 2, 1);
    compiled().fit(&x, &y, Fit { checkpoints: Some(&mut keep), ..fit() }).unwrap();
    // The checkpoint of batch 2 of epoch 1, in the middle of an accumulation.
    let checkpoint = keep.kept.swap_remove(0);
    let resume = || Some(checkpoint.clone());
    let error = |model: &mut Model, fit| {
        let before = (model.weights(), model.steps_done());
        let error = model.fit(&x, &y, fit).unwrap_err().to_string();
        assert_eq!((model.weights(), model.steps_done()), before, "{error}");
        error
    };
    let mut larger =
        Sequential::new().add(Embedding::new(6, 5)).add(Gru::new(18)).compile(Compile::default()).unwrap();
    let told = error(&mut larger, Fit { resume: resume(), ..fit() });
    assert!(told.contains("layer 1") && told.contains("17") && told.contains("18"), "{told}");
    let told = error(&mut reader(0.01, 2, 2, 1), Fit { resume: resume(), ..fit() });
    assert_eq!(
        told,
        "cannot resume: seed is 2, but the checkpoint's run has 1; use the same settings and data, or start a new run"
    );
    let told = error(&mut reader(0.01, 1, 1, 1), Fit { resume: resume(), ..fit() });
    assert!(told.contains("accumulated"), "{told}");
    for (other, got, expected) in [
        (Fit { callbacks: Vec::new(), ..fit() }, "the number of callbacks is 0", "1"),
        (Fit { epochs: 1, ..fit() }, "epochs is 1", "at least 2"),
        (Fit { batch_size: 5, ..fit() }, "batch_size is 5", "4"),
        (Fit { shuffle: false, ..fit() }, "shuffle is false", "true"),
        (Fit { initial_epoch: 1, ..fit() }, "initial_epoch is 1", "0"),
        (Fit { flush_gradients: true, ..fit() }, "flush_gradients is true", "false"),
        (Fit { training_metrics: false, ..fit() }, "training_metrics is false", "true"),
        (
            Fit { average: ParameterAverage::Exponential { momentum: 0.5 }, ..fit() },
            "average is Exponential { momentum: 0.5 }",
            "None",
        ),
        (Fit { validation_split: 0.5, ..fit() }, "the number of batches in epoch 2 is 3", "5"),
    ] {
        let told = error(&mut compiled(), Fit { resume: resume(), ..other });
        let want = format!("cannot resume: {got}, but the checkpoint's run has {expected}; ");
        assert!(told.starts_with(&want), "{told}");
    }
    let kind = checkpoint.clone().with_kind("text");
    let told = error(&mut compiled(), Fit { resume: Some(kind), ..fit() });
    assert!(told.contains("`text`") && told.contains("`fit`"), "{told}");
    for part in ["fit", "training", "callback-0"] {
        let mut without = checkpoint.clone();
        without.take(part).unwrap();
        let told = error(&mut compiled(), Fit { resume: Some(without), ..fit() });
        assert!(told.contains(part), "{told}");
    }
    // Impossible counters.
    for (field, value, phrase) in [
        ("done", 0, "position is 0 of 5"),
        ("done", 6, "position is 6 of 5"),
        ("epoch", 0, "history"),
        ("batches", 4, "the number of batches in epoch 2 is 5"),
    ] {
        let mut damaged = checkpoint.clone();
        let mut part = damaged.take("fit").unwrap();
        let place = &mut part.values["place"];
        let at = if field == "done" { &mut place["progress"]["batches"] } else { &mut place[field] };
        *at = value.into();
        damaged.insert("fit", part);
        let told = error(&mut compiled(), Fit { resume: Some(damaged), ..fit() });
        assert!(told.contains(phrase), "{field}: {told}");
    }
    // The callbacks' parts are read last.
    let other: Vec<Box<dyn Callback>> = vec![Box::new(ReduceLrOnPlateau::default())];
    let told = compiled().fit(&x, &y, Fit { resume: resume(), callbacks: other, ..fit() }).unwrap_err();
    assert!(told.to_string().contains("ReduceLrOnPlateau"), "{told}");
}

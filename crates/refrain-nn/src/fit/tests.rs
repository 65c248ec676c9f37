mod custom;
mod options;

use super::*;
use crate::answer::Answer;
use crate::callbacks::{
    BatchContext, EarlyStopping, EpochContext, Mode, ModelCheckpoint, OnEpochEnd, ReduceLrOnPlateau,
    TerminateOnNan,
};
use crate::data::{Batch, BatchInput, BatchTarget};
use crate::layers::{Concatenate, Dense, Dropout, Embedding, Lstm, SimpleRnn};
use crate::loss::Loss;
use crate::metrics::Metric;
use crate::optim::{Adam, Sgd};
use crate::{Activation, Compile, Engine, InputSpec, Isa, Network, Sequential};
use ndarray::{Array1, Array2, Array3, Axis};

const VOCAB: u32 = 6;

fn engine() -> Engine {
    Engine::new(Isa::portable(), 1)
}

fn compile(rate: f64) -> Compile {
    Compile {
        loss: Loss::SparseCategoricalCrossentropy,
        optimizer: Adam { learning_rate: rate.into(), ..Default::default() }.into(),
        metrics: vec![Metric::Accuracy],
        engine: Some(engine()),
        ..Default::default()
    }
}

/// Creates a model that reads ids and predicts the first of them, with dropout, so that results depend on the
/// number of batches.
fn model(rate: f64) -> Model {
    Sequential::new()
        .add(Embedding::new(VOCAB as usize, 5))
        .add(Lstm::new(7))
        .add(Dropout::new(0.1))
        .add(Dense::new(VOCAB as usize).activation(Activation::Softmax))
        .compile(compile(rate))
        .unwrap()
}

fn data(n: usize) -> (Array2<u32>, Array1<u32>) {
    let x = Array2::from_shape_fn((n, 3), |(n, t)| ((n * 7 + t * (n + 2)) as u32) % VOCAB);
    let y = x.column(0).to_owned();
    (x, y)
}

fn bits(model: &Model) -> Vec<u32> {
    model.weights().iter().map(|w| w.to_bits()).collect()
}

#[test]
fn it_learns_and_reports_each_epoch() {
    let ((x, y), mut model) = (data(40), model(0.05));
    let fit = Fit { epochs: 30, batch_size: 8, validation_split: 0.2, ..Default::default() };
    let history = model.fit(&x, &y, fit).unwrap();
    assert_eq!(history.epochs, (0..30).collect::<Vec<_>>());
    assert_eq!(history.names().collect::<Vec<_>>(), ["accuracy", "loss", "val_accuracy", "val_loss"]);
    assert!(!history.stopped);
    assert!(history["loss"][29] < 0.2 * history["loss"][0], "{:?}", &history["loss"]);
    // The last epoch's validation equals `evaluate` on the last part.
    let ((x, x_last), (y, y_last)) = (x.view().split_at(Axis(0), 32), y.view().split_at(Axis(0), 32));
    let logs = model.evaluate(x_last, y_last, Evaluate::default()).unwrap();
    assert_eq!(logs.names().collect::<Vec<_>>(), ["loss", "accuracy"]);
    assert_eq!(logs["loss"], history["val_loss"][29]);
    let given = Fit {
        epochs: 30,
        batch_size: 8,
        validation_data: Some((x_last, y_last).into()),
        ..Default::default()
    };
    let mut other = self::model(0.05);
    let again = other.fit(x, y, given).unwrap();
    assert_eq!((again, bits(&other)), (history, bits(&model)));
}

#[test]
fn a_resumed_fit_equals_an_uninterrupted_one() {
    let (x, y) = data(30);
    let fit = |initial_epoch, epochs| Fit { initial_epoch, epochs, batch_size: 7, ..Default::default() };
    let (mut whole, mut parts) = (model(0.01), model(0.01));
    let history = whole.fit(&x, &y, fit(0, 5)).unwrap();
    let first = parts.fit(&x, &y, fit(0, 2)).unwrap();
    let rest = parts.fit(&x, &y, fit(2, 5)).unwrap();
    assert_eq!(bits(&whole), bits(&parts));
    assert_eq!(rest.epochs, [2, 3, 4]);
    assert_eq!(history["loss"], [&first["loss"], &rest["loss"]].concat());
    let mut unshuffled = model(0.01);
    unshuffled.fit(&x, &y, Fit { shuffle: false, ..fit(0, 5) }).unwrap();
    assert_ne!(bits(&whole), bits(&unshuffled));
}

#[test]
fn events_and_callbacks_come_in_order() {
    #[derive(Default)]
    struct Watch(Vec<String>);
    impl Callback for Watch {
        fn on_train_begin(&mut self, _: &mut Model) -> Result<(), Error> {
            self.0.push("train begin".into());
            Ok(())
        }
        fn on_epoch_begin(&mut self, epoch: usize, _: &mut Model) -> Result<(), Error> {
            self.0.push(format!("epoch {epoch} begin"));
            Ok(())
        }
        fn on_batch_end(&mut self, cx: &mut BatchContext<'_>) -> Result<(), Error> {
            self.0.push(format!("{}.{}", cx.epoch, cx.step));
            if (cx.epoch, cx.step) == (2, 0) {
                cx.answer(Answer::Stop);
            }
            Ok(())
        }
        fn on_epoch_end(&mut self, cx: &mut EpochContext<'_>) -> Result<(), Error> {
            self.0.push(format!("epoch {} end with {}", cx.epoch, cx.logs.len()));
            cx.logs.insert("mine", 1.0);
            Ok(())
        }
        fn on_train_end(&mut self, _: &mut Model) -> Result<(), Error> {
            self.0.push("train end".into());
            Ok(())
        }
    }
    let ((x, y), mut watch, mut events) = (data(9), Watch::default(), Vec::new());
    let lengths = [3, 1, 2, 3, 3, 0, 3, 3, 3];
    let mut report = |event: &Event<'_>| {
        events.push(match event {
            Event::TrainBegin { epochs, batches, parameters, .. } => {
                format!("{epochs} {batches} {parameters}")
            }
            Event::EpochBegin { epoch, .. } => format!("begin {epoch}"),
            Event::Batch { done, batches, .. } => format!("{done}/{batches}"),
            Event::EpochEnd { epoch, steps, sequences, tokens, logs, .. } => {
                format!("end {epoch}: {steps} {sequences} {tokens} {}", logs["mine"])
            }
            Event::TrainEnd { epochs, stopped, .. } => format!("{epochs} {stopped}"),
            _ => "evaluation".into(),
        });
    };
    let fit = Fit {
        epochs: 5,
        batch_size: 5,
        shuffle: false,
        validation_data: Some((&x, &y).into()),
        callbacks: vec![Box::new(&mut watch)],
        reporter: Some(&mut report),
        ..Default::default()
    };
    let history = model(0.01).fit(Data::from(&x).lengths(&lengths), &y, fit).unwrap();
    assert_eq!((history.epochs, history.stopped), (vec![0, 1, 2], true));
    let watched = "train begin, epoch 0 begin, 0.0, 0.1, epoch 0 end with 4, epoch 1 begin, 1.0, 1.1, \
                   epoch 1 end with 4, epoch 2 begin, 2.0, epoch 2 end with 4, train end";
    assert_eq!(watch.0.join(", "), watched);
    let parameters = 6 * 5 + 4 * 7 * (5 + 7 + 1) + 6 * (7 + 1);
    let reported = format!(
        "5 2 {parameters}, begin 0, 1/2, 2/2, end 0: 2 9 21 1, begin 1, 1/2, 2/2, end 1: 2 9 21 1, \
         begin 2, 1/2, end 2: 1 5 12 1, 3 true"
    );
    assert_eq!(events.join(", "), reported);
}

#[test]
fn early_stopping_restores_the_best_epoch() {
    let ((x, y), mut model) = (data(24), model(0.3));
    let mut early =
        EarlyStopping { patience: 2, restore_best_weights: true, start_from_epoch: 1, ..Default::default() };
    let fit = Fit {
        epochs: 200,
        validation_split: 0.5,
        callbacks: vec![Box::new(&mut early)],
        ..Default::default()
    };
    let history = model.fit(&x, &y, fit).unwrap();
    let best = early.state.best().unwrap();
    assert!(history.stopped && early.state.stopped_epoch() == history.epochs.last().copied());
    assert_eq!(best, history["val_loss"][early.state.best_epoch().unwrap()]);
    assert_eq!(best, history["val_loss"][1..].iter().copied().fold(f64::INFINITY, f64::min));
    let (x, y) = (x.view().split_at(Axis(0), 12).1, y.view().split_at(Axis(0), 12).1);
    let logs = model.evaluate(x, y, Evaluate::default()).unwrap();
    assert_eq!(logs["loss"], best);
}

#[test]
fn a_plateau_lowers_the_rate_and_says_so() {
    let ((x, y), mut model) = (data(10), model(0.1));
    let mut seen = Vec::new();
    let plateau = ReduceLrOnPlateau {
        monitor: "loss".into(),
        mode: Mode::Max,
        patience: 1,
        factor: 0.5,
        min_lr: 0.03,
        ..Default::default()
    };
    let last = OnEpochEnd::new(|_, logs| seen.push(logs["learning_rate"]));
    let fit = Fit { epochs: 5, callbacks: vec![Box::new(plateau), Box::new(last)], ..Default::default() };
    let history = model.fit(&x, &y, fit).unwrap();
    assert!(history["loss"].is_sorted_by(|a, b| a > b), "the loss falls, which Mode::Max takes for worse");
    assert_eq!(history["learning_rate"], [0.1, 0.1, 0.05, 0.03, 0.03]);
    assert_eq!((&history["learning_rate"], model.learning_rate()), (&seen[..], 0.03));
    assert_eq!(history.names().last(), Some("learning_rate"));
}

#[test]
fn checkpoints_are_written_and_read_back() {
    let ((x, y), mut model, folder) = (data(10), model(0.05), tempfile::tempdir().unwrap());
    let path = folder.path().join("new/{epoch:02d}-{loss:.3f}.safetensors");
    let checkpoint = ModelCheckpoint::new(path.to_str().unwrap());
    let fit = Fit { epochs: 2, callbacks: vec![Box::new(checkpoint)], ..Default::default() };
    let history = model.fit(&x, &y, fit).unwrap();
    let name = |i: usize| format!("new/{:02}-{:.3}.safetensors", i + 1, history["loss"][i]);
    assert!(folder.path().join(name(0)).exists());
    let read = Model::load(folder.path().join(name(1)), engine()).unwrap();
    assert_eq!(bits(&read), bits(&model));
}

#[test]
fn training_continues_after_a_nan_loss_unless_a_callback_stops_it() {
    let (x, y) = (Array3::<f32>::ones((8, 2, 1)), Array1::from_elem(8, 1e30_f32));
    let explode = |callback: Option<TerminateOnNan>| {
        let mut model = Sequential::new()
            .input(InputSpec::features(1))
            .add(SimpleRnn::new(2))
            .add(Dense::new(1))
            .compile(Compile {
                loss: Loss::MeanSquaredError,
                optimizer: Sgd { learning_rate: 1.0.into(), ..Default::default() }.into(),
                engine: Some(engine()),
                ..Default::default()
            })
            .unwrap();
        let callbacks = callback.into_iter().map(|c| Box::new(c) as Box<dyn Callback>).collect();
        model.fit(&x, &y, Fit { epochs: 3, batch_size: 2, callbacks, ..Default::default() })
    };
    assert_eq!(explode(None).unwrap().epochs.len(), 3);
    let stopped = explode(Some(TerminateOnNan::default())).unwrap();
    assert_eq!((stopped.epochs, stopped.stopped), (vec![0], true));
    let error = explode(Some(TerminateOnNan { raise_error: true })).unwrap_err();
    assert!(matches!(error, Error::Diverged { epoch: 1, .. }), "{error}");
}

#[test]
fn weights_of_classes_and_of_samples_agree() {
    let (x, y) = data(12);
    let classes = BTreeMap::from([(0, 3.0), (1, 0.0), (4, 0.5)]);
    let samples: Vec<f32> = y.iter().map(|class| classes.get(class).copied().unwrap_or(1.0)).collect();
    let (mut by_class, mut by_sample, mut plain) = (model(0.01), model(0.01), model(0.01));
    let fit = || Fit { epochs: 2, batch_size: 5, ..Default::default() };
    by_class.fit(&x, &y, Fit { class_weight: Some(classes.clone()), ..fit() }).unwrap();
    by_sample.fit(&x, &y, Fit { sample_weight: Some((&samples).into()), ..fit() }).unwrap();
    plain.fit(&x, &y, fit()).unwrap();
    assert_eq!(bits(&by_class), bits(&by_sample));
    assert_ne!(bits(&by_class), bits(&plain));
    let both = Fit { class_weight: Some(classes), sample_weight: Some((&samples).into()), ..fit() };
    assert!(matches!(plain.fit(&x, &y, both), Err(Error::Unsupported { .. })));
    let one_hot = |columns| Array2::from_shape_fn((12, columns), |(n, c)| f32::from(y[n] as usize == c));
    let classes = || Fit { class_weight: Some(BTreeMap::from([(0, 3.0)])), ..fit() };
    let error = plain.fit(&x, &one_hot(3), classes()).unwrap_err().to_string();
    assert!(error.starts_with("the last axis of a target with class weights is 3"), "{error}");
    let loss = |sample_weight| {
        let evaluate = Evaluate { batch_size: 5, sample_weight, ..Default::default() };
        by_class.clone().evaluate(&x, &y, evaluate).unwrap()["loss"]
    };
    let twice = [2.0_f32; 12];
    // Keras divides by the count, not by the sum of the weights.
    assert_eq!(loss(Some((&twice[..]).into())), 2.0 * loss(None));
}

/// A stream of ids in lanes, with four steps per batch.
struct Stream {
    carries_state: bool,
}

impl BatchSource for Stream {
    fn len(&self, _epoch: usize) -> usize {
        3
    }

    fn fill(&self, _seed: u64, _epoch: usize, i: usize, batch: &mut Batch) -> Result<(), Error> {
        let id = |lane: usize, step: usize| ((lane * 5 + (4 * i + step) / 3) as u32) % VOCAB;
        let all = |ahead: usize| (0..2).flat_map(move |lane| (0..4).map(move |t| id(lane, t + ahead)));
        batch.lanes = 2;
        batch.inputs = vec![BatchInput { steps: 4, ids: all(0).collect(), ..Default::default() }];
        batch.targets = vec![BatchTarget { steps: 4, ids: all(1).collect(), ..Default::default() }];
        Ok(())
    }

    fn carries_state(&self) -> bool {
        self.carries_state
    }
}

#[test]
fn a_stream_carries_its_state_within_an_epoch_only() {
    let new = || {
        Sequential::new()
            .add(Embedding::new(VOCAB as usize, 5))
            .add(Lstm::new(7).return_sequences(true))
            .add(Dense::new(VOCAB as usize).activation(Activation::Softmax))
            .compile(compile(0.05))
            .unwrap()
    };
    let run = |carries_state| {
        let (mut model, stream) = (new(), Stream { carries_state });
        let fit = Fit { epochs: 4, ..Default::default() };
        let history = model.fit_source(&stream, Some(&stream), fit).unwrap();
        let again = model.evaluate_source(&stream, Evaluate::default()).unwrap();
        assert_eq!(again["loss"], *history["val_loss"].last().unwrap(), "evaluation starts from zero");
        (history, bits(&model))
    };
    assert_eq!(run(true), run(true));
    assert_ne!(run(true).1, run(false).1);
    // By hand: the state is carried from batch to batch and reset at each epoch.
    let (mut model, stream, mut batch) = (new(), Stream { carries_state: true }, Batch::default());
    for epoch in 0..4 {
        let mut state = model.new_state();
        for i in 0..3 {
            stream.fill(1, epoch, i, &mut batch).unwrap();
            model.train_step(&batch, Some(&mut state)).unwrap();
        }
    }
    assert_eq!(run(true).1, bits(&model));
}

#[test]
fn several_inputs_by_name() {
    let mut network = Network::new();
    let past = network.input(InputSpec::ids().name("past"));
    let now = network.input(InputSpec::flat(2).name("now"));
    let read = network.add(Embedding::new(VOCAB as usize, 3), &[past]).unwrap();
    let read = network.add(SimpleRnn::new(4), &[read]).unwrap();
    let both = network.add(Concatenate::new(), &[read, now]).unwrap();
    let y = network.add(Dense::new(1).name("level"), &[both]).unwrap();
    let new = Compile { loss: Loss::MeanSquaredError, engine: Some(engine()), ..Default::default() };
    let mut model = network.compile(&[y], new).unwrap();
    let ((ids, _), now) = (data(6), Array2::<f32>::ones((6, 2)));
    let y = Array2::<f32>::zeros((6, 1));
    let x = Sequences::new().with("now", &now).with("past", &ids);
    let level = Sequences::new().with("level", &y);
    model.fit(&x, &level, Fit::default()).unwrap();
    let ordered = [Data::from(&ids), Data::from(&now)];
    let loss = model.evaluate(ordered, &y, Evaluate::default()).unwrap();
    assert_eq!(model.evaluate(&x, &level, Evaluate::default()).unwrap(), loss);
    let wrong = Sequences::new().with("depth", &y);
    let error = model.fit(&x, wrong, Fit::default()).unwrap_err().to_string();
    assert_eq!(error, "the array's name is `depth`, but the model expects `level`");
    let error = model.fit(&ids, &y, Fit::default()).unwrap_err().to_string();
    assert_eq!(error, "the number of arrays is 1, but the model expects 2: `past`, `now`");
}

#[test]
fn invalid_calls_are_rejected() {
    let ((x, y), mut model) = (data(10), model(0.01));
    for (fit, message) in [
        (
            Fit { callbacks: vec![Box::new(EarlyStopping::default())], ..Default::default() },
            "EarlyStopping: monitor is `val_loss`, but must be one of `accuracy`, `loss` (there is no validation data)",
        ),
        (Fit { batch_size: 0, ..Default::default() }, "Arrays: batch_size is 0, but must be at least 1"),
        (
            Fit { validation_split: 1.5, ..Default::default() },
            "fit: validation_split is 1.5, but must be above 0 and below 1",
        ),
    ] {
        assert_eq!(model.fit(&x, &y, fit).unwrap_err().to_string(), message);
    }
    let (no_x, no_y) = (Array2::<u32>::zeros((0, 3)), Array1::<u32>::zeros(0));
    let error = model.fit(&no_x, &no_y, Fit::default()).unwrap_err().to_string();
    assert_eq!(error, "the number of training batches is 0 in epoch 1, but the model expects at least one");
    assert!(model.evaluate(&no_x, &no_y, Evaluate::default()).is_err());
    let stream = Stream { carries_state: false };
    let weights = [1.0_f32; 10];
    for fit in [
        Fit { validation_split: 0.1, ..Default::default() },
        Fit { validation_data: Some((&x, &y).into()), ..Default::default() },
        Fit { class_weight: Some(BTreeMap::new()), ..Default::default() },
        Fit { sample_weight: Some((&weights[..]).into()), ..Default::default() },
        Fit { validation_batch_size: Some(3), ..Default::default() },
    ] {
        assert!(matches!(model.fit_source(&stream, None, fit), Err(Error::Unsupported { .. })));
    }
}

#[test]
fn data_without_a_real_step_is_not_scored_as_perfect() {
    let mut net = Sequential::new().input(InputSpec::features(1)).add(Lstm::new(3).return_sequences(true));
    net = net.add(Dense::new(1));
    let mut model = net.compile(Compile { engine: Some(engine()), ..Compile::default() }).unwrap();
    let (x, y) = (Array3::<f32>::ones((2, 4, 1)), Array3::<f32>::zeros((2, 4, 1)));
    let masked = Array2::from_elem((2, 4), false);
    let x = crate::data::Data::from(&x).mask(&masked);
    let error = model.evaluate(x, &y, Evaluate::default()).unwrap_err().to_string();
    assert!(error.contains("number of steps to evaluate is 0") && error.contains("not masked"), "{error}");
}

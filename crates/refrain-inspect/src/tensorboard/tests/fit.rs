//! What `fit` logs.

use super::super::proto::Datum;
use super::super::*;
use super::{files, scalars, series};
use ndarray::{Array1, Array2};
use refrain_nn::callbacks::{BatchContext, Callback};
use refrain_nn::checkpoint::{Checkpoint, Checkpoints};
use refrain_nn::data::{Batch, BatchInput, BatchTarget, Extent};
use refrain_nn::layers::{Dense, Embedding, Lstm};
use refrain_nn::loss::Loss;
use refrain_nn::metrics::Metric;
use refrain_nn::optim::Adam;
use refrain_nn::{Activation, Answer, Compile, Fit, Model, Sequential};
use std::path::Path;
use std::time::Duration;

/// Returns ten sequences, of which eight are trained on in batches of three: three batches per epoch.
fn data() -> (Array2<u32>, Array1<u32>) {
    (
        Array2::from_shape_fn((10, 5), |(n, t)| (n * 3 + t * t) as u32 % 7),
        Array1::from_shape_fn(10, |n| n as u32 % 3),
    )
}

fn model() -> Model {
    let compile = Compile {
        loss: Loss::SparseCategoricalCrossentropy,
        optimizer: Adam::default().into(),
        metrics: vec![Metric::Accuracy],
        ..Compile::default()
    };
    Sequential::new()
        .add(Embedding::new(7, 4))
        .add(Lstm::new(3))
        .add(Dense::new(3).activation(Activation::Softmax))
        .compile(compile)
        .unwrap()
}

fn fit<'a>(epochs: usize, log: &'a mut TensorBoard) -> Fit<'a> {
    let callbacks: Vec<Box<dyn Callback>> = vec![Box::new(log)];
    Fit { epochs, batch_size: 3, validation_split: 0.2, callbacks, ..Fit::default() }
}

/// Records whether the gradient through time was kept, batch by batch.
struct Probed(Vec<bool>);

impl Callback for Probed {
    fn on_batch_end(&mut self, cx: &mut BatchContext<'_>) -> Result<(), refrain_nn::Error> {
        self.0.push(cx.model.recurrences().all(|layer| layer.hidden_gradient(0).is_some()));
        Ok(())
    }
}

#[test]
fn fit_is_logged_under_the_names_of_keras() {
    let folder = tempfile::tempdir().unwrap();
    let (x, y) = data();
    let mut model = model();
    let hparams = vec![("units".into(), 3.0.into())];
    let mut log = TensorBoard { histogram_freq: 2, hparams, ..TensorBoard::new(folder.path()) };
    let mut probed = Probed(Vec::new());
    let mut watched = fit(3, &mut log);
    watched.callbacks.push(Box::new(&mut probed));
    let history = model.fit(&x, &y, watched).unwrap();
    assert_eq!(probed.0, [true, false, false, false, false, false, true, false, false]);
    let mut unwatched = self::model();
    unwatched.fit(&x, &y, Fit { callbacks: Vec::new(), ..fit(3, &mut TensorBoard::new("")) }).unwrap();
    assert_eq!(model.weights(), unwatched.weights());
    let train = scalars(&folder.path().join("train"));
    let epochs = ["epoch_accuracy", "epoch_gradient_norm", "epoch_learning_rate", "epoch_loss"];
    let through_time = ["gradient_through_time/lstm/first_step", "gradient_through_time/lstm/last_step"];
    assert!(train.keys().eq(epochs.iter().chain(&through_time)), "{:?}", train.keys());
    let validation = scalars(&folder.path().join("validation"));
    let expected = |name: &str| -> Vec<_> {
        let numbers = history.iter().find(|(other, _)| *other == name).unwrap().1.iter();
        numbers.zip([3, 6, 9]).map(|(&number, step)| (step, (number as f32).to_bits())).collect()
    };
    assert_eq!(train["epoch_loss"], expected("loss"));
    assert_eq!(train["epoch_accuracy"], expected("accuracy"));
    assert_eq!(validation["epoch_loss"], expected("val_loss"));
    assert_eq!(validation["epoch_accuracy"], expected("val_accuracy"));
    assert_eq!(train["epoch_gradient_norm"][2].1, (model.last_gradient_norm() as f32).to_bits());
    let all = series(&folder.path().join("train"));
    for gate in
        ["gates/lstm/i", "gates/lstm/f", "gates/lstm/c", "gates/lstm/o", "states/lstm/h", "states/lstm/c"]
    {
        let [(1, Datum::Histo(first)), (7, _)] = &all[gate][..] else { panic!("{gate}: {:?}", all[gate]) };
        // Three sequences of five steps and three units.
        assert_eq!(first.num, 45.0, "{gate}");
    }
    assert_eq!(all.len(), train.len() + 6 + 2 * model.params().spans().len());
    for (id, span) in model.params().ids().zip(model.params().spans()) {
        let [got, gradient] = ["histogram", "gradient"].map(|what| &all[&format!("{}/{what}", span.name)]);
        let steps = |points: &[(i64, Datum)]| points.iter().map(|(step, _)| *step).collect::<Vec<_>>();
        assert_eq!((steps(got), steps(gradient)), (vec![3, 9], vec![1, 7]));
        let last = model.params().value(id).iter().copied().collect::<Histogram>();
        assert_eq!(got[1].1, Datum::Histo(last.to_proto()));
        let Datum::Histo(gradient) = &gradient[0].1 else { panic!("{gradient:?}") };
        assert!(gradient.num == span.len() as f64 && gradient.sum_squares > 0.0, "{}", span.name);
    }
    assert_eq!(files(folder.path()).iter().filter(|path| path.is_file()).count(), 2);
}

#[test]
fn recurrences_are_logged_as_the_model_shows_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = model();
    let mut writer = EventWriter::create(&folder).unwrap();
    log_recurrences(&mut writer, 0, &model).unwrap();
    let ids = (0..15).map(|i| i % 7).collect();
    let lengths = BatchInput {
        steps: 5,
        ids,
        lengths: vec![2, 0, 5],
        extent: Extent::Lengths,
        ..BatchInput::default()
    };
    let targets = BatchTarget { steps: 1, ids: vec![0, 1, 2], ..BatchTarget::default() };
    let batch = Batch { lanes: 3, inputs: vec![lengths], targets: vec![targets], ..Batch::default() };
    model.train_step(&batch, None).unwrap();
    let error = log_recurrences(&mut writer, 1, &model).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot log the gates of `lstm`") && error.contains("set_gradient_probe"),
        "{error}"
    );
    model.set_gradient_probe(true);
    model.train_step(&batch, None).unwrap();
    log_recurrences(&mut writer, 2, &model).unwrap();
    writer.flush().unwrap();
    let all = series(folder.path());
    let lstm = model.recurrences().next().unwrap();
    // By the caller's sequences and steps, while the log goes by rows.
    let steps =
        [(0, 0), (0, 1), (2, 0), (2, 1), (2, 2), (2, 3), (2, 4)].map(|(n, t)| lstm.layout().row(n, t));
    let is = |tag: &str, values: Vec<f32>| {
        let Datum::Histo(got) = &all[tag][0].1 else { panic!("{tag}") };
        let want = values.into_iter().collect::<Histogram>().to_proto();
        assert_eq!(
            (&got.bucket, &got.bucket_limit, got.num),
            (&want.bucket, &want.bucket_limit, 21.0),
            "{tag}"
        );
    };
    for (gate, letter) in ["i", "f", "c", "o"].iter().enumerate() {
        is(&format!("gates/lstm/{letter}"), steps.iter().flat_map(|&row| lstm.gate(gate, row)).collect());
    }
    is("states/lstm/h", steps.iter().flat_map(|&row| lstm.hidden(row)).copied().collect());
    is("states/lstm/c", steps.iter().flat_map(|&row| lstm.cell_state(row).unwrap()).copied().collect());
    for (which, rows) in [("first_step", [steps[0], steps[2]]), ("last_step", [steps[1], steps[6]])] {
        let gradients = rows.iter().flat_map(|&row| lstm.hidden_gradient(row).unwrap());
        let norm = gradients.map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        let Datum::SimpleValue(got) = all[&format!("gradient_through_time/lstm/{which}")][0].1 else {
            panic!()
        };
        assert!(norm > 0.0 && (f64::from(got) / norm - 1.0).abs() < ROUNDING, "{which}: {got} for {norm}");
    }
}

/// Relative error of a number in f32.
const ROUNDING: f64 = 1e-7;

/// Keeps a checkpoint of each batch and each epoch, with the number of losses in a folder's files at that time.
struct Keep<'a> {
    folder: &'a Path,
    kept: Vec<Checkpoint>,
    on_disk: Vec<usize>,
}

impl Checkpoints for Keep<'_> {
    fn is_due(&self, _batches: u64) -> bool {
        true
    }

    fn is_due_after_epoch(&self, _last: bool) -> bool {
        true
    }

    fn write(&mut self, checkpoint: Checkpoint) -> Result<Answer, refrain_nn::Error> {
        self.kept.push(checkpoint);
        self.on_disk.push(series(self.folder)["batch_loss"].len());
        Ok(Answer::Continue)
    }
}

#[test]
fn a_resumed_run_has_the_log_of_an_uninterrupted_one() {
    let (x, y) = data();
    let update_freq = UpdateFreq::Batch;
    let new = |folder: &Path| TensorBoard {
        update_freq,
        histogram_freq: 1,
        flush_every: Duration::MAX,
        ..TensorBoard::new(folder)
    };
    let folder = tempfile::tempdir().unwrap();
    let [train, validation] = ["train", "validation"].map(|below| folder.path().join(below));
    let mut keep = Keep { folder: &train, kept: Vec::new(), on_disk: Vec::new() };
    let mut log = new(folder.path());
    model().fit(&x, &y, Fit { checkpoints: Some(&mut keep), ..fit(3, &mut log) }).unwrap();
    assert_eq!(keep.on_disk, [1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9]);
    let want = [series(&train), series(&validation)];
    assert_eq!(want[0]["batch_loss"].len(), 9);
    assert_eq!(want[0]["gates/lstm/i"].len(), 3);
    assert_eq!(want[1]["epoch_loss"].len(), 3);
    // What the first run wrote after each checkpoint is still there when the next one resumes from it.
    for (i, checkpoint) in keep.kept.into_iter().enumerate() {
        let mut log = new(folder.path());
        model().fit(&x, &y, Fit { resume: Some(checkpoint), ..fit(3, &mut log) }).unwrap();
        for (got, want) in [series(&train), series(&validation)].iter().zip(&want) {
            assert!(got.keys().eq(want.keys()));
            let differs = want.keys().find(|&tag| got[tag] != want[tag]);
            assert_eq!(differs, None, "from checkpoint {i}");
        }
    }
}

#[test]
fn a_second_run_in_the_folder_replaces_the_first() {
    let (x, y) = data();
    let folder = tempfile::tempdir().unwrap();
    for epochs in [3, 2] {
        let mut log = TensorBoard { update_freq: UpdateFreq::Batches(4), ..TensorBoard::new(folder.path()) };
        model().fit(&x, &y, fit(epochs, &mut log)).unwrap();
    }
    let steps =
        |name: &str| scalars(&folder.path().join("train"))[name].iter().map(|&(step, _)| step).collect();
    let (epochs, batches): (Vec<_>, Vec<_>) = (steps("epoch_loss"), steps("batch_loss"));
    assert_eq!((epochs, batches), (vec![3, 6], vec![4]));
}

#[test]
fn a_log_that_cannot_be_written_prevents_the_run() {
    let (x, y) = data();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("train"), "").unwrap();
    for (mut log, told) in [
        (TensorBoard::new(folder.path()), "cannot create the folder"),
        (
            TensorBoard { update_freq: UpdateFreq::Batches(0), ..TensorBoard::new("x") },
            "TensorBoard: update_freq is Batches(0)",
        ),
    ] {
        let mut model = model();
        let error = model.fit(&x, &y, fit(1, &mut log)).unwrap_err().to_string();
        assert!(error.starts_with(told), "{error}");
        assert_eq!(model.steps_done(), 0);
    }
}

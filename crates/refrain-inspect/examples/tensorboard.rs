//! Writes event files of every kind into a folder, and their expected contents as JSON, for `.ci/tensorboard`,
//! which reads them with TensorBoard.
//!
//! `cargo run -p refrain-inspect --example tensorboard -- FOLDER`, then `tensorboard --logdir FOLDER/logs`

use ndarray::{Array1, Array2};
use refrain_inspect::tensorboard::{EventWriter, HParam, MetricTag, TensorBoard, UpdateFreq};
use refrain_nn::callbacks::{BatchContext, Callback};
use refrain_nn::checkpoint::{Checkpoint, Checkpoints};
use refrain_nn::layers::{Dense, Embedding, Lstm};
use refrain_nn::{
    Activation, Answer, Compile, Fit, Model, Sequential, loss::Loss, metrics::Metric, optim::Adam,
};
use serde_json::{Map, Value, json};
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The contents of the folder, run by run.
struct Log {
    folder: PathBuf,
    expected: Map<String, Value>,
}

impl Log {
    /// Records a value under its run, kind and tag.
    fn expect(&mut self, run: &str, kind: &str, tag: &str, point: Value) {
        let mut at = self.expected.entry(run).or_insert_with(|| json!({}));
        for key in [kind, tag] {
            at = at.as_object_mut().expect("made here").entry(key).or_insert_with(|| json!({}));
        }
        if !at.is_array() {
            *at = json!([]);
        }
        at.as_array_mut().expect("made here").push(point);
    }

    fn writer(&self, run: &str) -> Result<EventWriter> {
        Ok(EventWriter::create(self.folder.join(run))?)
    }

    fn scalar(
        &mut self,
        (writer, run): (&mut EventWriter, &str),
        tag: &str,
        step: u64,
        value: f64,
    ) -> Result<()> {
        writer.scalar(tag, step, value)?;
        self.expect(run, "scalars", tag, json!([step, (value as f32).to_bits()]));
        Ok(())
    }

    /// Records the values themselves, so that the counts can be recomputed.
    fn histogram(
        &mut self,
        (writer, run): (&mut EventWriter, &str),
        tag: &str,
        step: u64,
        values: &[f32],
    ) -> Result<()> {
        writer.histogram(tag, step, values.iter().copied())?;
        self.expect_histogram(run, tag, step, values);
        Ok(())
    }

    fn expect_histogram(&mut self, run: &str, tag: &str, step: u64, values: &[f32]) {
        let bits: Vec<_> = values.iter().map(|value| value.to_bits()).collect();
        self.expect(run, "histograms", tag, json!([step, bits]));
        let not_finite = values.iter().filter(|value| !value.is_finite()).count();
        if not_finite > 0 {
            let count = (not_finite as f32).to_bits();
            self.expect(run, "scalars", &format!("{tag}/not_finite"), json!([step, count]));
        }
    }
}

/// Writes unusual numbers, distributions and texts under unusual names.
fn values(log: &mut Log) -> Result<()> {
    let run = "values";
    let mut writer = log.writer(run)?;
    let numbers =
        [1.5, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 1e-45, 0.1, 16_777_217.0, -1e-310];
    for (step, number) in numbers.into_iter().enumerate() {
        log.scalar((&mut writer, run), "numbers", step as u64 * 1_000_000_007, number)?;
    }
    for tag in ["a b/ü/漢/🦀", "../x?y=1&z#", "<b>'\"</b>"] {
        log.scalar((&mut writer, run), tag, 1, 0.25)?;
    }
    for step in 0..2000 {
        log.scalar((&mut writer, run), "long", step, (step as f64 * 0.1).sin())?;
    }
    let waves: Vec<f32> = (0..5000).map(|i| (i as f32 * 0.37).sin() * 10f32.powi(i % 9 - 4)).collect();
    let odd =
        [f32::NAN, f32::MAX, f32::MIN, 0.0, -0.0, 1e-45, f32::NEG_INFINITY, 1.0, 1.125, -1.125, f32::NAN];
    for (step, values) in [&waves[..], &odd, &[0.5; 7], &[], &[f32::NAN], &[0.0, 0.0]].into_iter().enumerate()
    {
        log.histogram((&mut writer, run), "histograms", step as u64, values)?;
    }
    for (step, text) in
        ["# Title\n\n*one* | `two`", "", "ü 漢 🦀 <script>alert(1)</script>"].into_iter().enumerate()
    {
        writer.text("texts/a", step as u64, text)?;
        log.expect(run, "texts", "texts/a", json!([step, text]));
    }
    Ok(writer.flush()?)
}

/// Writes a run that was killed while writing, and resumed twice from an earlier step.
fn restarts(log: &mut Log) -> Result<()> {
    let run = "restarts";
    for (start, end, lasting) in [(1, 60, 40), (41, 80, 70), (71, 100, 100)] {
        let mut writer = log.writer(run)?;
        if start > 1 {
            writer.restart(start)?;
        }
        for step in start..=end {
            let value = (start * 1000 + step) as f64;
            writer.scalar("loss", step, value)?;
            if step <= lasting {
                log.expect(run, "scalars", "loss", json!([step, (value as f32).to_bits()]));
            }
        }
        writer.flush()?;
        if end < 100 {
            let mut file = std::fs::OpenOptions::new().append(true).open(writer.path())?;
            file.write_all(&[24, 0, 0, 0, 0])?;
        }
    }
    Ok(())
}

/// Writes two runs to compare, with their results in folders below.
fn sessions(log: &mut Log) -> Result<()> {
    for (i, (cell, rate, tie)) in [("gru", 0.1, true), ("lstm", 0.01, false)].into_iter().enumerate() {
        let run = format!("sessions/{cell}");
        let hparams: [(String, HParam); 3] =
            [("cell".into(), cell.into()), ("learning rate".into(), rate.into()), ("tie".into(), tie.into())];
        let mut writer = log.writer(&run)?;
        writer.hparams(&hparams, &[MetricTag::new("validation", "epoch_loss")])?;
        let below = format!("{run}/validation");
        let mut validation = log.writer(&below)?;
        for step in 0..3 {
            log.scalar((&mut validation, &below), "epoch_loss", step, 1.0 / (step + i as u64 + 1) as f64)?;
        }
        writer.session_end(i == 0)?;
        let status = if i == 0 { "STATUS_SUCCESS" } else { "STATUS_FAILURE" };
        let metric = 1.0 / (i + 3) as f32;
        let hparams = json!({"cell": cell, "learning rate": rate, "tie": tie});
        let session = json!({"hparams": hparams, "status": status, "metric": metric.to_bits()});
        log.expected.entry("hparams").or_insert_with(|| json!({}))[&run] = session;
        writer.flush()?;
    }
    Ok(())
}

fn model() -> Result<Model> {
    let compile = Compile {
        loss: Loss::SparseCategoricalCrossentropy,
        optimizer: Adam::default().into(),
        metrics: vec![Metric::Accuracy],
        ..Compile::default()
    };
    let layers = Sequential::new().add(Embedding::new(7, 4)).add(Lstm::new(8));
    Ok(layers.add(Dense::new(3).activation(Activation::Softmax)).compile(compile)?)
}

/// Keeps the checkpoint of the batch after which the run is killed.
struct Kill {
    at: u64,
    kept: Option<Checkpoint>,
}

impl Checkpoints for Kill {
    fn is_due(&self, batches: u64) -> bool {
        batches == self.at
    }

    fn write(&mut self, checkpoint: Checkpoint) -> std::result::Result<Answer, refrain_nn::Error> {
        self.kept.get_or_insert(checkpoint);
        Ok(Answer::Continue)
    }
}

/// What is recorded of a run in progress.
#[derive(Default)]
struct Seen {
    losses: Vec<(u64, f64)>,
    /// Tags and values of each epoch's first batch.
    histograms: Vec<(u64, String, Vec<f32>)>,
}

impl Callback for Seen {
    fn on_batch_end(&mut self, cx: &mut BatchContext<'_>) -> std::result::Result<(), refrain_nn::Error> {
        let (step, params) = (cx.model.steps_done(), cx.model.params());
        self.losses.push((step, cx.logs["loss"]));
        if cx.step == 0 {
            for (id, span) in params.ids().zip(params.spans()) {
                self.histograms.push((step, format!("{}/gradient", span.name), params.gradient(id).to_vec()));
            }
            for layer in cx.model.recurrences() {
                let values = (0..layer.layout().rows()).flat_map(|row| layer.gate(1, row)).collect();
                self.histograms.push((step, format!("gates/{}/f", layer.layer()), values));
            }
        }
        Ok(())
    }
}

fn options<'a>() -> Fit<'a> {
    Fit { epochs: 4, batch_size: 8, validation_split: 0.2, ..Fit::default() }
}

/// Writes a `fit` that ran to its end and is then resumed from its eighth batch, the last of the second epoch.
fn fit(log: &mut Log) -> Result<()> {
    let x = Array2::from_shape_fn((40, 5), |(n, t)| (n * 3 + t * t) as u32 % 7);
    let y = Array1::from_shape_fn(40, |n| n as u32 % 3);
    let hparams: Vec<(String, HParam)> = vec![
        ("cell".into(), "lstm".into()),
        ("learning rate".into(), 0.001.into()),
        ("tie".into(), true.into()),
    ];
    let board = || TensorBoard {
        hparams: hparams.clone(),
        histogram_freq: 1,
        update_freq: UpdateFreq::Batches(2),
        ..TensorBoard::new(log.folder.join("fit"))
    };
    let mut kill = Kill { at: 8, kept: None };
    let mut seen = Seen::default();
    let callbacks: Vec<Box<dyn Callback>> = vec![Box::new(board()), Box::new(&mut seen)];
    let history = model()?.fit(&x, &y, Fit { checkpoints: Some(&mut kill), callbacks, ..options() })?;
    let mut model = model()?;
    let callbacks: Vec<Box<dyn Callback>> = vec![Box::new(board()), Box::new(Seen::default())];
    model.fit(&x, &y, Fit { resume: kill.kept, callbacks, ..options() })?;
    for (name, numbers) in history.iter() {
        let (run, name) =
            name.strip_prefix("val_").map_or(("fit/train", name), |name| ("fit/validation", name));
        for (number, step) in numbers.iter().zip((4..).step_by(4)) {
            log.expect(run, "scalars", &format!("epoch_{name}"), json!([step, (*number as f32).to_bits()]));
        }
    }
    let metric = *history["val_loss"].last().ok_or("no epoch")? as f32;
    let hparams = json!({"cell": "lstm", "learning rate": 0.001, "tie": true});
    log.expected["hparams"]["fit"] =
        json!({"hparams": hparams, "status": "STATUS_SUCCESS", "metric": metric.to_bits()});
    for (step, loss) in seen.losses.into_iter().filter(|(step, _)| step % 2 == 0) {
        log.expect("fit/train", "scalars", "batch_loss", json!([step, (loss as f32).to_bits()]));
    }
    for (id, span) in model.params().ids().zip(model.params().spans()) {
        log.expect_histogram("fit/train", &format!("{}/histogram", span.name), 16, model.params().value(id));
    }
    for (step, tag, values) in seen.histograms {
        log.expect_histogram("fit/train", &tag, step, &values);
    }
    Ok(())
}

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).ok_or("usage: tensorboard FOLDER")?;
    let folder = Path::new(&folder);
    let mut log = Log { folder: folder.join("logs"), expected: Map::new() };
    values(&mut log)?;
    restarts(&mut log)?;
    sessions(&mut log)?;
    fit(&mut log)?;
    std::fs::write(folder.join("expected.json"), serde_json::to_vec(&log.expected)?)?;
    Ok(())
}

//! Writing events.

use super::Histogram;
use super::file::{EventFile, now};
use super::hparams::{self, HParam, MetricTag};
use super::proto::{
    DataClass, DataType, Datum, Event, PluginData, SessionLog, SessionStatus, Summary, SummaryMetadata,
    SummaryValue, TensorProto, TensorShape, What,
};
use crate::error::{Error, Result};
use prost::Message;
use std::path::Path;
use std::time::Duration;

/// Writes one file of events in a folder: a run, as TensorBoard calls it.
///
/// Steps are the horizontal axis; all of a folder should count the same, batches for example. A tag's parts between
/// `/` are its groups. Values wait in memory until about 64 KiB have come together or the last write is
/// [`FLUSH_EVERY`](EventWriter::FLUSH_EVERY) ago, whichever is first, both looked at when something is written; what
/// waits when the writer is dropped is written then, and an error then goes unseen: call [`EventWriter::flush`].
///
/// ```
/// use refrain_inspect::tensorboard::EventWriter;
///
/// # let folder = std::env::temp_dir().join(format!("refrain-doc-events-{}", std::process::id()));
/// let mut writer = EventWriter::create(&folder)?;
/// for step in 1..=100 {
///     writer.scalar("loss", step, 1.0 / step as f64)?;
/// }
/// writer.histogram("lstm/kernel", 100, [0.5, -0.25, 0.125])?;
/// writer.flush()?;
/// # drop(writer);
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), refrain_inspect::Error>(())
/// ```
#[derive(Debug)]
pub struct EventWriter {
    file: EventFile,
}

impl EventWriter {
    /// How long events wait for the disk by default.
    pub const FLUSH_EVERY: Duration = Duration::from_secs(10);

    /// A new file in a folder, which is made where it is missing. Its name comes after those of the files that are
    /// there, which stay as they are; TensorBoard shows all of them as one run.
    ///
    /// # Errors
    /// When the folder cannot be made or read, or the file not be written.
    pub fn create(folder: impl AsRef<Path>) -> Result<Self> {
        Self::begin(EventFile::create(folder.as_ref(), Self::FLUSH_EVERY)?)
    }

    fn begin(file: EventFile) -> Result<Self> {
        let mut writer = Self { file };
        // From version 2 on TensorBoard takes a start for what it is, and a smaller step for nothing special.
        writer.event(0, What::FileVersion("brain.Event:2".into()))?;
        writer.flush()?;
        Ok(writer)
    }

    /// Sets how long events may wait for the disk; zero writes each at once.
    #[must_use]
    pub fn flush_every(mut self, time: Duration) -> Self {
        self.file.flush_every = time;
        self
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Writes a number, as f32. NaN and infinities are written as such; TensorBoard marks them in its charts.
    ///
    /// # Errors
    /// When the tag is empty, the step beyond `i64`, or the file cannot be written.
    pub fn scalar(&mut self, tag: &str, step: u64, value: f64) -> Result<()> {
        self.value(tag, step, None, Datum::SimpleValue(value as f32))
    }

    /// Counts floats and writes how they are distributed.
    ///
    /// # Errors
    /// As for [`EventWriter::histogram_of`].
    pub fn histogram(&mut self, tag: &str, step: u64, values: impl IntoIterator<Item = f32>) -> Result<()> {
        self.histogram_of(tag, step, &values.into_iter().collect())
    }

    /// Writes how floats are distributed. Where some are NaN or infinite, their number is written too, as the scalar
    /// `tag/not_finite`: a histogram has no place for them.
    ///
    /// # Errors
    /// As for [`EventWriter::scalar`].
    pub fn histogram_of(&mut self, tag: &str, step: u64, histogram: &Histogram) -> Result<()> {
        self.value(tag, step, None, Datum::Histo(histogram.to_proto()))?;
        match histogram.not_finite() {
            0 => Ok(()),
            count => self.scalar(&format!("{tag}/not_finite"), step, count as f64),
        }
    }

    /// Writes a text in Markdown.
    ///
    /// # Errors
    /// As for [`EventWriter::scalar`].
    pub fn text(&mut self, tag: &str, step: u64, markdown: &str) -> Result<()> {
        let text = TensorProto {
            dtype: DataType::String.into(),
            tensor_shape: Some(TensorShape::default()),
            string_val: vec![markdown.into()],
        };
        self.value(tag, step, Some(metadata("text", Vec::new())), Datum::Tensor(text))
    }

    /// Writes the settings of a run, which TensorBoard compares with those of other runs. `metrics` are the scalars
    /// that it sets beside them. Without any, it looks at all scalars of all runs itself; with some, it goes by the
    /// names of settings and metrics of one run that has them, so that all runs should have the same.
    ///
    /// # Errors
    /// When a name comes twice or a number is not finite; also as for [`EventWriter::scalar`].
    pub fn hparams(&mut self, hparams: &[(String, HParam)], metrics: &[MetricTag]) -> Result<()> {
        hparams::validate(hparams)?;
        if !metrics.is_empty() {
            self.hparams_data(hparams::EXPERIMENT, hparams::experiment(hparams, metrics))?;
        }
        self.hparams_data(hparams::SESSION_START, hparams::session_start(hparams))
    }

    /// Says that the run whose settings [`EventWriter::hparams`] wrote has ended, and how.
    ///
    /// # Errors
    /// As for [`EventWriter::scalar`].
    pub fn session_end(&mut self, succeeded: bool) -> Result<()> {
        self.hparams_data(hparams::SESSION_END, hparams::session_end(succeeded))
    }

    fn hparams_data(&mut self, tag: &str, content: Vec<u8>) -> Result<()> {
        self.value(tag, 0, Some(metadata("hparams", content)), Datum::Tensor(hparams::nothing()))
    }

    /// Says that the run goes on at `step`: TensorBoard forgets what earlier files of the folder hold from there on.
    ///
    /// Its fast loader forgets a tag's old values only when the tag is written again.
    ///
    /// # Errors
    /// When the step is beyond `i64` or the file cannot be written.
    pub fn restart(&mut self, step: u64) -> Result<()> {
        // Twice: the first start of a run is none that TensorBoard takes for another one, and earlier files may have none.
        for _ in 0..2 {
            self.event(step, What::SessionLog(SessionLog { status: SessionStatus::Start.into() }))?;
        }
        Ok(())
    }

    /// Hands everything to the system. After an error what waited is lost, and the file ends with what was written
    /// before.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        self.file.flush()
    }

    /// The same, and waits until it is on the disk.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn sync(&mut self) -> Result<()> {
        self.file.sync()
    }

    fn value(&mut self, tag: &str, step: u64, metadata: Option<SummaryMetadata>, datum: Datum) -> Result<()> {
        if tag.is_empty() {
            return Err(Error::Setting {
                setting: "tag",
                got: "empty".into(),
                expected: "a name, such as `loss`".into(),
            });
        }
        let value = SummaryValue { tag: tag.into(), metadata, datum: Some(datum) };
        self.event(step, What::Summary(Summary { value: vec![value] }))
    }

    fn event(&mut self, step: u64, what: What) -> Result<()> {
        let step = i64::try_from(step).map_err(|_| Error::Setting {
            setting: "step",
            got: step.to_string(),
            expected: format!("at most {}", i64::MAX),
        })?;
        let event = Event { wall_time: now().as_secs_f64(), step, what: Some(what) };
        self.file.add(&event.encode_to_vec())
    }
}

fn metadata(plugin: &str, content: Vec<u8>) -> SummaryMetadata {
    let plugin_data = PluginData { plugin_name: plugin.into(), content };
    SummaryMetadata { plugin_data: Some(plugin_data), data_class: DataClass::Tensor.into() }
}

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

/// Writes one file of events in a folder, which TensorBoard calls a run.
///
/// Steps are the horizontal axis; everything in a folder should count the same unit, for example batches. Tags are
/// grouped by their parts between `/`. Values are buffered until about 64 KiB have accumulated or the last write
/// was [`FLUSH_EVERY`](EventWriter::FLUSH_EVERY) ago, whichever comes first; both are checked when something is
/// written. Dropping the writer also writes the buffer, but ignores errors: call [`EventWriter::flush`] to see
/// them.
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
    /// The default time for which events may be buffered.
    pub const FLUSH_EVERY: Duration = Duration::from_secs(10);

    /// Creates a new file in a folder, which is created if it is missing. Its name sorts after those of the
    /// existing files, which are unchanged; TensorBoard shows all of them as one run.
    ///
    /// # Errors
    /// If the folder cannot be created or read, or the file cannot be written.
    pub fn create(folder: impl AsRef<Path>) -> Result<Self> {
        Self::begin(EventFile::create(folder.as_ref(), Self::FLUSH_EVERY)?)
    }

    fn begin(file: EventFile) -> Result<Self> {
        let mut writer = Self { file };
        // From version 2 on, TensorBoard recognises a start event, and does not treat a smaller step as a restart.
        writer.event(0, What::FileVersion("brain.Event:2".into()))?;
        writer.flush()?;
        Ok(writer)
    }

    /// Sets how long events may be buffered; zero writes each immediately.
    #[must_use]
    pub fn flush_every(mut self, time: Duration) -> Self {
        self.file.flush_every = time;
        self
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Writes a number as f32. NaN and infinities are written as they are; TensorBoard marks them in its charts.
    ///
    /// # Errors
    /// If the tag is empty, the step is larger than `i64::MAX`, or the file cannot be written.
    pub fn scalar(&mut self, tag: &str, step: u64, value: f64) -> Result<()> {
        self.value(tag, step, None, Datum::SimpleValue(value as f32))
    }

    /// Counts floats and writes their histogram.
    ///
    /// # Errors
    /// As for [`EventWriter::histogram_of`].
    pub fn histogram(&mut self, tag: &str, step: u64, values: impl IntoIterator<Item = f32>) -> Result<()> {
        self.histogram_of(tag, step, &values.into_iter().collect())
    }

    /// Writes a histogram. If some values are NaN or infinite, their number is written too, as the scalar
    /// `tag/not_finite`, because a histogram cannot contain them.
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
    /// shown next to them. Without any, TensorBoard collects all scalars of all runs itself; otherwise it uses the
    /// names of settings and metrics of one run that has them, so all runs should have the same.
    ///
    /// # Errors
    /// If a name is repeated or a number is not finite; also as for [`EventWriter::scalar`].
    pub fn hparams(&mut self, hparams: &[(String, HParam)], metrics: &[MetricTag]) -> Result<()> {
        hparams::validate(hparams)?;
        if !metrics.is_empty() {
            self.hparams_data(hparams::EXPERIMENT, hparams::experiment(hparams, metrics))?;
        }
        self.hparams_data(hparams::SESSION_START, hparams::session_start(hparams))
    }

    /// Records that the run whose settings were written by [`EventWriter::hparams`] has ended, and whether it
    /// succeeded.
    ///
    /// # Errors
    /// As for [`EventWriter::scalar`].
    pub fn session_end(&mut self, succeeded: bool) -> Result<()> {
        self.hparams_data(hparams::SESSION_END, hparams::session_end(succeeded))
    }

    fn hparams_data(&mut self, tag: &str, content: Vec<u8>) -> Result<()> {
        self.value(tag, 0, Some(metadata("hparams", content)), Datum::Tensor(hparams::nothing()))
    }

    /// Records that the run resumes at `step`: TensorBoard drops what earlier files of the folder have from there
    /// on.
    ///
    /// Its fast loader drops a tag's old values only when the tag is written again.
    ///
    /// # Errors
    /// If the step is larger than `i64::MAX` or the file cannot be written.
    pub fn restart(&mut self, step: u64) -> Result<()> {
        // Twice, because TensorBoard does not take the first start of a run for a restart, and earlier files may
        // have none.
        for _ in 0..2 {
            self.event(step, What::SessionLog(SessionLog { status: SessionStatus::Start.into() }))?;
        }
        Ok(())
    }

    /// Passes all buffered events to the operating system. After an error, the buffer is lost, and the file ends
    /// with what was written before.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        self.file.flush()
    }

    /// Flushes, and waits until the data is on disk.
    ///
    /// # Errors
    /// If the file cannot be written.
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

//! Event files, which TensorBoard shows while a model trains.
//!
//! | function | shown under | format |
//! |---|---|---|
//! | [`EventWriter::scalar`] | Time Series, Scalars | `simple_value` |
//! | [`EventWriter::histogram`] | Histograms, Distributions | `HistogramProto` |
//! | [`EventWriter::text`] | Text | a tensor of the plugin `text` |
//! | [`EventWriter::hparams`] | HParams | `HParamsPluginData` of the plugin `hparams` |
//! | [`EventWriter::restart`] | drops what earlier files have from a step on | `SessionLog` |
//!
//! [`TensorBoard`] writes them from `fit`, like Keras's callback of the same name. [`log_parameters`],
//! [`log_gradients`] and [`log_recurrences`] write the same data for other kinds of training.
//!
//! `tensorboard --logdir logs` shows every folder of events below `logs` as a run. TensorBoard keeps a random sample of
//! a thousand scalars, five hundred histograms and ten texts per tag; the option
//! `--samples_per_plugin scalars=100000` keeps more.
//!
//! The files are TensorFlow's TFRecords, each with one protobuf message `Event`, as defined in `event.proto`,
//! `summary.proto` and `tensor.proto` of TensorBoard 2.21. Scalars and histograms use the version 1 format, which
//! every version of TensorBoard shows and other readers of event files support best. Images are not written,
//! because TensorBoard does not show SVG.

mod callback;
mod file;
mod histogram;
mod hparams;
mod model;
mod proto;
mod record;
#[cfg(test)]
mod tests;
mod writer;

pub use callback::{LogFiles, TensorBoard, UpdateFreq};
pub use histogram::Histogram;
pub use hparams::{HParam, MetricTag};
pub use model::{log_gradients, log_parameters, log_recurrences};
pub use writer::EventWriter;

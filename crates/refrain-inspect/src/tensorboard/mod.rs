//! Event files, which TensorBoard shows while a model trains.
//!
//! | written | shown under | as |
//! |---|---|---|
//! | [`EventWriter::scalar`] | Time Series, Scalars | `simple_value` |
//! | [`EventWriter::histogram`] | Histograms, Distributions | `HistogramProto` |
//! | [`EventWriter::text`] | Text | a tensor of the plugin `text` |
//! | [`EventWriter::hparams`] | HParams | `HParamsPluginData` of the plugin `hparams` |
//! | [`EventWriter::restart`] | what earlier files hold from a step on is not | `SessionLog` |
//!
//! [`TensorBoard`] writes them from `fit`, as Keras's callback of this name does; [`log_parameters`],
//! [`log_gradients`] and [`log_recurrences`] write what a model holds, for trainings of other kinds.
//!
//! `tensorboard --logdir logs` shows every folder of events below `logs` as a run. TensorBoard keeps a thousand
//! scalars, five hundred histograms and ten texts of each tag, drawn at random; `--samples_per_plugin scalars=100000`
//! keeps more.
//!
//! The files are TensorFlow's TFRecords, each with one protobuf message `Event`, as `event.proto`, `summary.proto`
//! and `tensor.proto` of TensorBoard 2.21 have it. Scalars and histograms have the form of version 1, which every
//! version of TensorBoard shows and other readers of event files know best. Images are not written: TensorBoard shows
//! no SVG.

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

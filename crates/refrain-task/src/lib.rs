//! What every application of Refrain shares.
//!
//! An application is data, a recipe, a network, batches, a score and its part of the model file. It says so by a
//! [`Task`]. All the rest of a training is here, once: [`TrainingRun`] trains with validation, the best epoch, early
//! stopping, averages and schedules, saves [checkpoints](refrain_nn::checkpoint) and resumes from them to the same bits,
//! and says what memory a run takes before it takes it; [`TaskModel`] is the trained model with its file.
#![forbid(unsafe_code)]

mod application;
mod epoch;
mod error;
pub mod input;
pub mod layers;
mod memory;
mod metric;
mod plan;
mod recipe;
mod run;
pub mod score;
mod settings;
mod task;
#[cfg(test)]
mod toy;

pub use application::{Application, HasTaskModel};
pub use epoch::{EpochRecord, log_columns};
pub use error::{Error, LessMemory, Result, TooMuchMemory};
pub use memory::{TrainingMemory, memory_to_train};
pub use metric::{MetricFormat, MetricInfo, MetricSource, Unit};
pub use recipe::{Recipe, ReducibleSetting};
pub use refrain_nn::Engine;
pub use refrain_nn::file::ModelFile;
pub use run::{RunBatch, RunEpoch, RunEvent, RunStart, SavedRun, Stopped, Trained, TrainingRun};
pub use score::Score;
pub use settings::{Average, Range, RateSchedule, TrainingSettings, group_settings};
pub use task::{Description, Fingerprint, Fingerprints, Objective, Split, Task, TaskModel, task_of};

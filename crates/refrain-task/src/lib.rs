//! What all of Refrain's applications share.
//!
//! An application defines its data, recipe, network, batches, score and its part of the model file by implementing
//! [`Task`]. This crate does the rest of the training. [`TrainingRun`] trains with validation, keeps the best
//! epoch, applies early stopping, averages and schedules, saves [checkpoints](refrain_nn::checkpoint), resumes from
//! them bit for bit, and reports the memory that a run needs before allocating it. [`TaskModel`] is the trained
//! model and its file.
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
pub use error::{Error, MemorySuggestion, Result, TooMuchMemory};
pub use memory::{TrainingMemory, memory_to_train};
pub use metric::{MetricFormat, MetricInfo, MetricSource, Unit};
pub use recipe::{Recipe, ReducibleSetting};
pub use refrain_nn::Engine;
pub use refrain_nn::file::ModelFile;
pub use run::{RunBatch, RunEpoch, RunEvent, RunStart, SavedRun, Stopped, Trained, TrainingRun};
pub use score::{Score, Scoring, Split};
pub use settings::{Average, Range, RateSchedule, TrainingSettings, group_settings};
pub use task::{Description, Fingerprint, Fingerprints, Objective, Task, TaskModel, task_of};

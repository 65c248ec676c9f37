//! Recurrent networks: layers, losses, optimisers, training.
//!
//! A model is a graph of layers, each a forward/backward pair over whole sequences. [`Sequential`] is a chain
//! of layers and [`Network`] the functional form. Both compile to a [`Model`], which trains with
//! [`Model::fit`] and runs with [`Model::predict`] or, step by step, with a [`Session`].
//!
//! Sequences may have any length: a batch is packed without padding before the engine sees it, so neither
//! padding nor a mask costs arithmetic. The same seed gives the same bits with any number of threads.
#![forbid(unsafe_code)]

mod activation;
mod answer;
pub mod callbacks;
pub mod checkpoint;
pub mod data;
mod error;
pub mod exact;
pub mod file;
mod fit;
pub mod gradcheck;
pub mod graph;
mod history;
mod init;
pub mod layers;
mod logs;
pub mod loss;
pub mod metrics;
mod model;
mod numbers;
pub mod optim;
mod params;
mod part;
mod progress;
mod regularizer;
mod schedule;
mod sequence;
pub mod shown;
mod state;
mod storage;

pub use activation::Activation;
pub use answer::Answer;
pub use error::{Error, Place};
pub use fit::{Evaluate, Event, Fit, ParameterAverage, Reporter, Scorer, Verbose};
pub use graph::Recurrence;
pub use history::History;
pub use init::{FanMode, Initializer, ScalingDistribution};
pub use model::{
    Architecture, ArchitectureNode, AverageCounters, Averaging, Compile, DEFAULT_SEED, InputSpec, Memory,
    MemoryUse, Model, Network, PlannedModel, Reduction, Sequential, Session, Summary, Tensor, Totals,
    TrainingCounters, TrainingState, Work,
};
pub use numbers::{Bytes, thousands};
pub use params::{ParamSpec, Params, Span, SpanId};
pub use progress::EpochProgress;
pub use refrain_kernels::{Engine, Isa};
pub use regularizer::Regularizer;
pub use schedule::Schedule;
pub use sequence::{LayoutError, SeqLayout};
pub use state::{State, StateSlot};

//! Tools to inspect recurrent networks.
#![forbid(unsafe_code)]

mod activations;
mod callback;
mod error;
pub mod flow;
mod health;
pub mod memory;
mod quantile;
mod random;
mod readable;
mod report;
mod sample;
mod say;
mod section;
mod shown;
mod structure;
pub mod tensorboard;

pub use activations::{Activations, LayerActivations, ShowOptions, StateKind, StateMap};
pub use callback::{FlowRecord, GradientFlow};
pub use error::{Error, Result};
pub use health::{
    DEAD, ENDLESS, GateHealth, GateMemory, Health, KernelBlock, LayerHealth, ParameterHealth, SHUT,
};
pub use memory::{MemoryLength, memory_length};
pub use readable::{
    ABOVE_CONTROL, Excerpt, Feature, FeatureFound, FeatureKind, READABLE, Readable, Search, UnitFound, auc,
    features, pearson, spearman,
};
pub use report::{PictureFormat, Report};
pub use sample::Sample;
pub use section::{Figure, Section, Table};
pub use structure::{Cell, InputBox, LayerBox, MemoryBox, Structure};

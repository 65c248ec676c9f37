//! The modules of the engine, item by item: what is not listed here may change at any time.

/// Callbacks: what may watch, steer and stop a training.
pub mod callbacks {
    pub use refrain_nn::callbacks::{
        BatchContext, Callback, CsvFile, CsvLogger, EarlyStopping, EarlyStoppingState, EpochContext, Logs,
        Mode, ModelCheckpoint, ModelCheckpointState, OnEpochEnd, PlateauState, ReduceLrOnPlateau,
        ResumeContext, RunPlan, TerminateOnNan,
    };
}

/// Checkpoints: files from which an interrupted run resumes.
pub mod checkpoint {
    pub use refrain_nn::checkpoint::{
        Checkpoint, CheckpointFolder, Checkpoints, Every, LatestCheckpoint, Part, exact,
    };
}

/// Layers and operations of your own. A layer implements [`Layer`](layers::Layer) and
/// is loaded with a [`LayerRegistry`](layers::LayerRegistry); [`gradcheck`](crate::gradcheck) compares its gradients with
/// differences.
///
/// The engine's internals show here, so this module may change in a minor version.
pub mod custom {
    pub use refrain_nn::graph::{
        Axis, Backward, Causality, EdgeId, EdgeSpec, Forward, GradientSlot, Kind, LayoutId, Mode, Op,
        OpMemory, PassSize, Plan, RandomKey, Recurrence, RecurrenceContext, StateShape, Value,
    };
    pub use refrain_nn::{ParamSpec, Params, SeqLayout, Span, SpanId};
}

/// What a model is trained on: arrays, sequences of any length, or your own source of batches.
pub mod data {
    pub use refrain_nn::Place;
    pub use refrain_nn::data::{
        Arrays, Batch, BatchInput, BatchSource, BatchTarget, Data, Examples, Extent, Sequences,
    };
}

/// Model files, and writing a file either whole or not at all.
pub mod file {
    pub use refrain_nn::file::{
        Contents, ModelFile, check_writable, contents, load, load_with, printable, read, save,
        write_atomically,
    };
}

/// Gradients compared with central differences, for layers of your own.
pub mod gradcheck {
    pub use refrain_nn::gradcheck::{Bench, Checked, GradCheck, Input, Report, gradcheck};
}

/// Layers, under Keras's names.
pub mod layers {
    pub use refrain_nn::layers::{
        ActivationLayer, ActivityPenalty, AdaptiveSoftmax, Add, Bidirectional, CellConfig, Concatenate,
        Dense, Dropout, Embedding, Gru, GruCell, Layer, LayerNormalization, LayerRegistry, Lstm, LstmCell,
        Masking, MergeMode, Recurrent, RecurrentLayer, RecurrentMask, RepeatVector, SimpleRnn, SimpleRnnCell,
        SpatialDropout1D, TiedDense, TimeDistributed,
    };
}

/// Losses, under Keras's names.
pub mod loss {
    pub use refrain_nn::loss::Loss;
}

/// Metrics, under Keras's names.
pub mod metrics {
    pub use refrain_nn::metrics::{Mean, Metric};
}

/// Optimisers and gradient clipping.
pub mod optim {
    pub use refrain_nn::optim::{
        Adadelta, Adagrad, Adam, AdamW, Adamax, Clip, Nadam, Optimizer, OptimizerKind, RmsProp, Sgd,
    };
}

/// Text for people: counts with their nouns, text from outside made safe for a terminal, the width of text.
pub mod shown {
    pub use refrain_nn::shown::{columns, counted, escaped, fitted, number, padded};
}

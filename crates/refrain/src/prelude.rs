//! The items that most programs need to train or run a model: `use refrain::prelude::*;`

pub use crate::reporter::{KerasReporter, KerasVerbose};
pub use refrain_kernels::{Engine, Isa};
pub use refrain_nn::callbacks::{
    Callback, CsvLogger, EarlyStopping, ModelCheckpoint, OnEpochEnd, ReduceLrOnPlateau, TerminateOnNan,
};
pub use refrain_nn::data::{Batch, BatchSource, Data, Examples, Sequences};
pub use refrain_nn::layers::{
    ActivationLayer, ActivityPenalty, AdaptiveSoftmax, Add, Bidirectional, Concatenate, Dense, Dropout,
    Embedding, Gru, LayerNormalization, Lstm, Masking, MergeMode, RecurrentMask, RepeatVector, SimpleRnn,
    SpatialDropout1D, TiedDense, TimeDistributed,
};
pub use refrain_nn::loss::Loss;
pub use refrain_nn::metrics::Metric;
pub use refrain_nn::optim::{Adadelta, Adagrad, Adam, AdamW, Adamax, Nadam, Optimizer, RmsProp, Sgd};
pub use refrain_nn::{
    Activation, Answer, Averaging, Compile, Evaluate, Fit, History, Initializer, InputSpec, Model, Network,
    Reduction, Regularizer, Schedule, Sequential, Session, State, Verbose,
};
pub use refrain_task::{Recipe, Task, TrainingRun, TrainingSettings};
pub use refrain_text::{
    Classifier, ClassifierRecipe, Corpus, LanguageModel, MatrixMode, Ngrams, Pad, Padding, Sampler, Sampling,
    Tagger, TaggerRecipe, TextRecipe, Tokenizer, TokenizerConfig, Truncating, pad_sequences, to_categorical,
};

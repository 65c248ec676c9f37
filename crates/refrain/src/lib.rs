//! Refrain trains, inspects and runs recurrent neural networks: SimpleRNN, LSTM and GRU.
//!
//! Depend on this crate: it re-exports the engine, the layers and the applications under stable names. [`prelude`]
//! contains what most programs need, with Keras's names:
//!
//! ```
//! use refrain::prelude::*;
//!
//! let text = "the wheel goes round and the song goes round and the world goes round again";
//! let mut tokenizer = Tokenizer::default();
//! tokenizer.fit_on_texts([text]);
//! let vocab = tokenizer.vocab_size();
//! let windows = Ngrams::new(&tokenizer.texts_to_sequences([text])[0], 3);
//! let (x, y) = windows.split_last();
//!
//! let mut model = Sequential::new()
//!     .add(Embedding::new(vocab, 10))
//!     .add(Lstm::new(16))
//!     .add(Dense::new(vocab).activation(Activation::Softmax))
//!     .compile(Compile {
//!         loss: Loss::SparseCategoricalCrossentropy,
//!         optimizer: Adam::default().into(),
//!         metrics: vec![Metric::Accuracy],
//!         ..Default::default()
//!     })?;
//! let history = model.fit(&x, &y, Fit { epochs: 3, verbose: Verbose::EpochLines, ..Default::default() })?;
//! assert_eq!(history.get("loss").map(<[f64]>::len), Some(3));
//! # Ok::<(), refrain::Error>(())
//! ```
//!
//! [`open`] opens any model file as a model of its task. [`language_model`] trains and runs language models,
//! [`classifier`] models that label texts, and [`tagger`] models that label the words of texts.
//! With the feature `plot` (off by default), `refrain::plot` draws figures; with `inspect`, `refrain::inspect` looks
//! into models.
#![forbid(unsafe_code)]

mod error;
mod open;
pub mod prelude;
mod reporter;

pub use error::{Error, ErrorKind, Result};
pub use open::{Opened, open};
pub use reporter::{KerasReporter, KerasVerbose};

pub use ndarray;
#[cfg(feature = "inspect")]
pub use refrain_inspect as inspect;
pub use refrain_kernels::{Engine, Isa, machine};
/// The error of layers, batch sources and callbacks, including your own. [`Error`] wraps it.
pub use refrain_nn::Error as ModelError;
pub use refrain_nn::{
    Activation, Answer, Architecture, ArchitectureNode, AverageCounters, Averaging, Bytes, Compile,
    DEFAULT_SEED, EpochProgress, Evaluate, Event, Fit, History, Initializer, InputSpec, Memory, MemoryUse,
    Model, Network, ParamSpec, ParameterAverage, Params, PlannedModel, Reduction, Regularizer, Reporter,
    Schedule, Scorer, SeqLayout, Sequential, Session, Span, SpanId, State, StateSlot, Summary, Tensor,
    Totals, TrainingCounters, TrainingState, Verbose, Work, thousands,
};
pub use refrain_nn::{callbacks, checkpoint, data, file, gradcheck, graph, layers, loss, metrics, optim};
#[cfg(feature = "plot")]
pub use refrain_plot as plot;
/// How to write your own application, and what its runs report.
pub use refrain_task as task;
pub use refrain_task::layers::CellKind;
pub use refrain_task::{
    Application, Average, LessMemory, RateSchedule, RunEvent, SavedRun, Stopped, TooMuchMemory, Trained,
    TrainingRun, TrainingSettings,
};
pub use refrain_text::{
    BpeOptions, BpeVocab, CharVocab, Classifier, ClassifierRecipe, Codec, Corpus, Lanes, LanguageModel,
    Level, MatrixMode, Ngrams, Pad, Padding, Sampler, Sampling, Store, StoredTokens, Tagger, TaggerRecipe,
    TextRecipe, TokenWriter, Tokenizer, TokenizerConfig, Tokens, Truncating, WordOptions, WordSplit,
    WordVocab, classifier, codec, corpus, language_model, likeliest, pad_sequences, softmax_into, tagger,
    text_to_word_sequence, to_categorical,
};

/// The README's program, compiled and run with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The page's program, compiled with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/checkpoints.md")]
struct Checkpoints;

/// The page's program, compiled and run with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/own-task.md")]
struct OwnTask;

/// The page's program, compiled with the doc tests if the feature `inspect` is on.
#[cfg(all(doctest, feature = "inspect"))]
#[doc = include_str!("../../../docs/looking-inside.md")]
struct LookingInside;

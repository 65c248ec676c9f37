//! Recurrent neural networks: SimpleRNN, LSTM and GRU, trained with backpropagation through time, inspected and shipped.
//!
//! This crate is the one to depend on. [`prelude`] holds what most programs need, under Keras's names and with Keras's
//! defaults. This page is the manual: each section shows one task, and its code runs as a test.
//!
//! | To do this | see |
//! |---|---|
//! | build, train and save a network | [A first network](#a-first-network), [Save and load](#save-and-load) |
//! | train on sequences of different lengths | [Sequences of any length](#sequences-of-any-length) |
//! | validate, stop early, write checkpoints, resume | [Training](#training) |
//! | run a network step by step, keeping its state | [One step at a time](#one-step-at-a-time) |
//! | combine several inputs or outputs | [`Network`], [`InputSpec`] |
//! | train on text, classify texts, tag words | [Models of text](#models-of-text) |
//! | write a layer or a whole application | [Extending Refrain](#extending-refrain) |
//! | see gradients, gates and memory | [Looking inside](#looking-inside) |
//!
//! The `docs/` folder of the repository explains more: start with its tutorial.
//!
//! # A first network
//!
//! This network predicts the next word. The text becomes windows of three words; a network reads the first two, one at a
//! time, and gives a probability for every word of the vocabulary.
//!
//! ```
//! use refrain::prelude::*;
//!
//! let text = "the wheel goes round and the song goes round and the world goes round again";
//! let mut tokenizer = Tokenizer::default();
//! tokenizer.fit_on_texts([text]);
//! let vocab = tokenizer.vocab_size();
//! let windows = Ngrams::new(&tokenizer.texts_to_sequences([text])[0], 3);
//! let (x, y) = windows.split_last(); // ids: (windows, 2) and (windows)
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
//! let probabilities = model.predict(&x)?; // (windows, vocab)
//! # assert_eq!(probabilities.shape(), [windows.len(), vocab]);
//! # Ok::<(), refrain::Error>(())
//! ```
//!
//! Arrays are `ndarray` arrays, re-exported as [`ndarray`]: ids as `u32`, numbers as `f32`, the batch first, then time,
//! then features.
//!
//! # Sequences of any length
//!
//! Shorter sequences are padded in the array, and [`Data::lengths`](data::Data::lengths) says how long each one is. The
//! engine packs a batch before it computes, so padding costs no arithmetic and changes no result. A mask works as well, and
//! [`Masking`](layers::Masking) and `Embedding::mask_zero` make one from the values, as in Keras.
//!
//! ```
//! use refrain::data::Data;
//! use refrain::ndarray::{Array3, array};
//! use refrain::prelude::*;
//!
//! let mut model = Sequential::new().input(InputSpec::features(3)).add(Gru::new(8)).add(Dense::new(1)).compile(Compile {
//!     loss: Loss::MeanSquaredError,
//!     ..Default::default()
//! })?;
//! let x = Array3::<f32>::ones((2, 5, 3)); // two sequences, at most five steps of three features
//! let y = array![[1.0_f32], [0.0]];
//! model.fit(Data::from(&x).lengths(&[5, 2]), &y, Fit::default())?;
//! # Ok::<(), refrain::Error>(())
//! ```
//!
//! # Training
//!
//! [`Fit`] takes validation data, [`callbacks`] and [`checkpoint`]s. With a [`CheckpointFolder`](checkpoint::CheckpointFolder)
//! a run that was killed resumes at the batch where it stopped and ends with the same weights, bit for bit.
//!
//! ```
//! use refrain::checkpoint::{CheckpointFolder, Every};
//! use refrain::ndarray::{Array2, Array3};
//! use refrain::prelude::*;
//!
//! # let folder = std::env::temp_dir().join(format!("refrain-manual-{}", std::process::id()));
//! let x = Array3::<f32>::ones((20, 4, 3));
//! let y = Array2::<f32>::zeros((20, 1));
//! let mut model = Sequential::new().input(InputSpec::features(3)).add(Lstm::new(8)).add(Dense::new(1)).compile(Compile {
//!     loss: Loss::MeanSquaredError,
//!     optimizer: Adam::default().learning_rate(0.01).into(),
//!     ..Default::default()
//! })?;
//!
//! let mut checkpoints = CheckpointFolder::new(&folder).every(Every::Batches(100));
//! let resume = checkpoints.newest()?.checkpoint.map(|(_file, checkpoint)| checkpoint);
//! let history = model.fit(&x, &y, Fit {
//!     epochs: 5,
//!     validation_split: 0.2,
//!     callbacks: vec![Box::new(EarlyStopping { patience: 2, restore_best_weights: true, ..Default::default() })],
//!     checkpoints: Some(&mut checkpoints),
//!     resume,
//!     ..Default::default()
//! })?;
//! assert!(history.get("val_loss").is_some());
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The same seed ([`Compile::seed`]) gives the same weights for any number of threads ([`Engine`]).
//!
//! # One step at a time
//!
//! A [`Session`] feeds a network one step and keeps its state for the next. The results are the same, bit for bit, as those of
//! one pass over the whole sequence.
//!
//! ```
//! use refrain::prelude::*;
//!
//! let mut model = Sequential::new()
//!     .add(Embedding::new(20, 4))
//!     .add(Gru::new(8).return_sequences(true))
//!     .add(Dense::new(20).activation(Activation::Softmax))
//!     .compile(Compile { loss: Loss::SparseCategoricalCrossentropy, ..Default::default() })?;
//! let mut session = model.session(1)?; // one sequence
//! for id in [3, 7, 3] {
//!     let next = session.step_ids(&[id])?; // the probabilities of the next id
//!     println!("{:?}", next.row(0));
//! }
//! # Ok::<(), refrain::Error>(())
//! ```
//!
//! # Save and load
//!
//! A model file is a safetensors file: weights under readable names, the architecture in its metadata. Any language can
//! read it, and `Model::load` takes no code from it.
//!
//! ```
//! use refrain::prelude::*;
//!
//! # let path = std::env::temp_dir().join(format!("refrain-manual-{}.safetensors", std::process::id()));
//! # let mut model = Sequential::new().input(InputSpec::features(3)).add(Lstm::new(8)).compile(Compile {
//! #     loss: Loss::MeanSquaredError, ..Default::default() })?;
//! model.save(&path)?;
//! let model = Model::load(&path, Engine::default())?;
//! println!("{}", model.summary());
//! # std::fs::remove_file(&path)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Models of text
//!
//! [`LanguageModel`] trains on characters, words or subwords, and then generates, suggests and scores text
//! ([`language_model`]). [`Classifier`] gives a text one of several labels ([`classifier`]), [`Tagger`] gives a label to every
//! word ([`tagger`]). Each has a recipe with the program's defaults. [`open()`] reads any model file and returns the one that it
//! holds.
//!
//! ```no_run
//! use refrain::prelude::*;
//!
//! let mut opened = refrain::open("model.safetensors", Engine::default())?;
//! if let Some(classifier) = opened.downcast_mut::<Classifier>() {
//!     println!("a classifier of {:?}", classifier.labels());
//! }
//! # Ok::<(), refrain::Error>(())
//! ```
//!
//! # Extending Refrain
//!
//! * A layer of your own implements [`Layer`](layers::Layer); [`custom`] has the parts, [`gradcheck`] checks its gradients.
//! * A source of batches implements [`BatchSource`](data::BatchSource), for data that does not fit into memory.
//! * A callback implements [`Callback`](callbacks::Callback).
//! * An application with a recipe, scores, checkpoints and a limit of memory implements [`Task`](task::Task);
//!   `docs/own-task.md` shows one in full.
//!
//! # Looking inside
//!
//! With the feature `inspect`, `refrain::inspect` follows gradients back through time, measures how far back an input still
//! counts, and shows gates and states step by step. With the feature `plot`, `refrain::plot` draws figures as SVG. Both are off
//! by default.
//!
//! # Errors
//!
//! Every function that can fail returns [`Error`], which has an [`ErrorKind`] to match on and a message for people: what was
//! found, what was expected, where, and what to do. Bad data never causes a panic.
//!
//! # What is stable
//!
//! The names in [`prelude`], the modules of this crate and the format of model files stay compatible within a major version.
//! [`custom`] shows the engine's internals and may change in a minor version. The crates underneath (`refrain-nn`,
//! `refrain-kernels` and the others) may change at any time: depend on this one.
#![forbid(unsafe_code)]

mod error;
mod modules;
mod open;
pub mod prelude;
mod reporter;

pub use error::{Error, ErrorKind, Result};
pub use open::{Opened, open};
pub use reporter::{KerasReporter, KerasVerbose};

pub use modules::{
    callbacks, checkpoint, custom, data, file, gradcheck, layers, loss, metrics, optim, shown,
};
pub use ndarray;
#[cfg(feature = "inspect")]
pub use refrain_inspect as inspect;
pub use refrain_kernels::{Engine, Isa, machine};
/// The error of layers, batch sources and callbacks, including your own. [`Error`] wraps it.
pub use refrain_nn::Error as ModelError;
pub use refrain_nn::{
    Activation, Answer, Architecture, ArchitectureNode, AverageCounters, Averaging, Bytes, Compile,
    DEFAULT_SEED, EpochProgress, Evaluate, Event, Fit, History, Initializer, InputSpec, Memory, MemoryUse,
    Model, Network, ParameterAverage, PlannedModel, Reduction, Regularizer, Reporter, Schedule, Scorer,
    Sequential, Session, State, StateSlot, Summary, Tensor, Totals, TrainingCounters, TrainingState, Verbose,
    Work, thousands,
};
#[cfg(feature = "plot")]
pub use refrain_plot as plot;
/// How to write your own application, and what its runs report.
pub use refrain_task as task;
pub use refrain_task::layers::CellKind;
pub use refrain_task::{
    Application, Average, MemorySuggestion, RateSchedule, RunEvent, SavedRun, Stopped, TooMuchMemory,
    Trained, TrainingRun, TrainingSettings,
};
pub use refrain_text::{
    BpeOptions, BpeVocab, CharVocab, Classifier, ClassifierRecipe, Codec, Corpus, Lanes, LanguageModel,
    Level, MatrixMode, Ngrams, Pad, Padding, Sampler, Sampling, Store, StoredTokens, Tagger, TaggerRecipe,
    TextRecipe, TokenWriter, Tokenizer, TokenizerConfig, Tokens, Truncating, UNKNOWN, UnknownParts,
    UnknownTokens, WordOptions, WordSplit, WordVocab, classifier, codec, corpus, is_many_unknown,
    language_model, most_likely, pad_sequences, softmax_into, tagger, text_to_word_sequence, to_categorical,
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

/// The page's programs, compiled and run with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/tutorial.md")]
struct Tutorial;

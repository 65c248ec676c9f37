//! Training and evaluation on whole data sets, as Keras's `fit` and `evaluate`.

mod average;
mod event;
mod resume;
#[cfg(test)]
mod tests;
mod training_loop;

pub use average::ParameterAverage;
pub use event::{Event, Reporter, Verbose};

use crate::callbacks::Callback;
use crate::checkpoint::{Checkpoint, Checkpoints};
use crate::data::{Arrays, BatchSource, Data, Examples, Sequences};
use crate::error::Error;
use crate::history::History;
use crate::logs::Logs;
use crate::model::Model;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;
use training_loop::{FitLoop, Order, Validation, evaluate_quietly};

/// Sequences per batch if the caller does not say, as in Keras.
const DEFAULT_BATCH: usize = 32;

/// A function that scores a model. Returns loss and metrics by name, or [`Error::Stopped`] to end training.
pub type Scorer<'a> = Box<dyn FnMut(&mut Model) -> Result<Logs, Error> + 'a>;

/// The options of [`Model::fit`]. The defaults are Keras's, except that nothing is printed.
///
/// With `checkpoints` and `resume`, a run that was killed can be resumed, as with Keras's `BackupAndRestore`,
/// but also within an epoch:
///
/// ```
/// use refrain_nn::Fit;
/// use refrain_nn::checkpoint::CheckpointFolder;
///
/// # let folder = std::env::temp_dir().join(format!("refrain-doc-fit-{}", std::process::id()));
/// let mut checkpoints = CheckpointFolder::new(&folder); // one every ten minutes, and one at the end
/// let resume = checkpoints.newest()?.checkpoint.map(|(_file, checkpoint)| checkpoint);
/// let fit = Fit { epochs: 200, checkpoints: Some(&mut checkpoints), resume, ..Fit::default() };
/// # drop(fit);
/// # Ok::<(), refrain_nn::Error>(())
/// ```
pub struct Fit<'a> {
    /// The end of training, exclusive: epochs run from `initial_epoch` up to here.
    pub epochs: usize,
    /// The number of sequences per batch.
    pub batch_size: usize,
    /// What to print during training.
    pub verbose: Verbose,
    /// The share of the data, at its end, that is used for validation after each epoch instead of training.
    /// It is f64, so that 0.1 of ten sequences is one, as in Keras.
    pub validation_split: f64,
    /// Data for validation after each epoch: `Some((&x, &y).into())`.
    pub validation_data: Option<Examples<'a>>,
    /// The number of sequences per validation batch. Defaults to `batch_size`. If a layer is `stateful`,
    /// validation starts from a zero state, and with this number each of its batches continues the one before;
    /// by default each begins with a zero state, so that the number does not show.
    pub validation_batch_size: Option<usize>,
    /// Whether to shuffle each epoch. The order is a function of the model's seed and the epoch.
    pub shuffle: bool,
    /// The weight of each class; see [`Arrays::class_weight`].
    pub class_weight: Option<BTreeMap<u32, f32>>,
    /// The weight of each sequence, `(N)`, or step, `(N, T)`.
    pub sample_weight: Option<Data<'a>>,
    /// The first epoch, counted from 0. Set it to continue from an earlier call.
    pub initial_epoch: usize,
    /// Scores the model after each epoch instead of validation data. The names are reported with a `val_`
    /// prefix.
    pub score: Option<Scorer<'a>>,
    /// Whether gradients that are still accumulating at the end of an epoch take a step there. By default
    /// they wait for the next epoch's, as in Keras: see
    /// [`Compile::gradient_accumulation_steps`](crate::Compile).
    pub flush_gradients: bool,
    /// Which parameters to validate and to leave in the model at the end.
    pub average: ParameterAverage,
    /// Whether to compute metrics during training. Validation always computes them.
    pub training_metrics: bool,
    /// Callbacks, called in this order.
    pub callbacks: Vec<Box<dyn Callback + 'a>>,
    /// Receives every event, in addition to what `verbose` prints.
    pub reporter: Option<&'a mut dyn Reporter>,
    /// Receives checkpoints: when it says that one is due, when a callback asks for one, and when a callback
    /// stops the run within an epoch. [`CheckpointFolder`](crate::checkpoint::CheckpointFolder) also takes
    /// one at the end of the last epoch.
    pub checkpoints: Option<&'a mut dyn Checkpoints>,
    /// A checkpoint of an earlier run. If the model is compiled in the same way and data and settings are the
    /// same, training resumes with the same bits as if it had never stopped.
    pub resume: Option<Checkpoint>,
}

impl Default for Fit<'_> {
    fn default() -> Self {
        Self {
            epochs: 1,
            batch_size: DEFAULT_BATCH,
            verbose: Verbose::Silent,
            validation_split: 0.0,
            validation_data: None,
            validation_batch_size: None,
            shuffle: true,
            class_weight: None,
            sample_weight: None,
            initial_epoch: 0,
            score: None,
            flush_gradients: false,
            average: ParameterAverage::None,
            training_metrics: true,
            callbacks: Vec::new(),
            reporter: None,
            checkpoints: None,
            resume: None,
        }
    }
}

impl fmt::Debug for Fit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fit")
            .field("epochs", &self.epochs)
            .field("batch_size", &self.batch_size)
            .field("verbose", &self.verbose)
            .field("validation_split", &self.validation_split)
            .field("shuffle", &self.shuffle)
            .field("initial_epoch", &self.initial_epoch)
            .field("score", &self.score.is_some())
            .field("flush_gradients", &self.flush_gradients)
            .field("average", &self.average)
            .field("training_metrics", &self.training_metrics)
            .field("callbacks", &self.callbacks.len())
            .field("resume", &self.resume.is_some())
            .finish_non_exhaustive()
    }
}

/// The options of [`Model::evaluate`].
pub struct Evaluate<'a> {
    /// The number of sequences per batch. By default, 32, or all sequences if a layer is `stateful`, because
    /// no batch may continue another one that the caller did not choose.
    pub batch_size: Option<usize>,
    /// What to print during evaluation.
    pub verbose: Verbose,
    /// The weight of each sequence, `(N)`, or step, `(N, T)`.
    pub sample_weight: Option<Data<'a>>,
    /// Receives every event, in addition to what `verbose` prints.
    pub reporter: Option<&'a mut dyn Reporter>,
    /// Called after each batch. An error ends the evaluation.
    pub on_batch: Option<&'a mut dyn FnMut() -> Result<(), Error>>,
}

impl Default for Evaluate<'_> {
    fn default() -> Self {
        Self {
            batch_size: None,
            verbose: Verbose::Silent,
            sample_weight: None,
            reporter: None,
            on_batch: None,
        }
    }
}

impl fmt::Debug for Evaluate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluate")
            .field("batch_size", &self.batch_size)
            .field("verbose", &self.verbose)
            .finish_non_exhaustive()
    }
}

impl Model {
    /// Trains on arrays and returns the history.
    ///
    /// A non-finite loss does not stop training unless [`TerminateOnNan`](crate::callbacks::TerminateOnNan)
    /// is used.
    ///
    /// # Errors
    /// Returns an error if the model is not compiled, the data does not fit it, a setting is out of range, a
    /// callback fails, or the checkpoint to resume from belongs to a different run.
    pub fn fit<'a>(
        &mut self,
        x: impl Into<Sequences<'a>>,
        y: impl Into<Sequences<'a>>,
        mut fit: Fit<'a>,
    ) -> Result<History, Error> {
        let sample_weight = fit.sample_weight.take();
        let mut train = self.arrays(Examples { x: x.into(), y: y.into(), sample_weight }, fit.batch_size)?;
        if let Some(weights) = fit.class_weight.take() {
            train = train.class_weight(weights)?;
            let (columns, width) = (train.target_columns(), self.output_width(0));
            // `(N, T)` floats for an output of width 1 are one class per step, not one-hot rows.
            if let Some(columns) = columns.filter(|&c| c != width) {
                let expected = format!("{width}, the output's width; give one number per step as (N, T, 1)");
                return Err(Error::data("the last axis of a target with class weights", columns, expected));
            }
        }
        let mut validation = None;
        let validation_batch_size = fit.validation_batch_size.unwrap_or(fit.batch_size);
        if let Some(examples) = fit.validation_data.take() {
            validation = Some(self.arrays(examples, validation_batch_size)?);
        } else if fit.validation_split != 0.0 {
            let (first, last) = train.split(fit.validation_split)?;
            train = first;
            validation = Some(last.batch_size(validation_batch_size)?);
        }
        self.check_batches("fit", train.sequences(), fit.batch_size, self.state_lanes())?;
        let continues = fit.validation_batch_size.is_some();
        if let Some(validation) = validation.as_ref().filter(|_| continues) {
            self.check_batches("validation", validation.sequences(), validation_batch_size, None)?;
        }
        let train = train.shuffle(fit.shuffle);
        let validation = validation.as_ref().map(|v| v as &dyn BatchSource);
        let order = Order { batch_size: fit.batch_size, shuffle: fit.shuffle };
        let validation = validation.map(|source| Validation { source, continues });
        FitLoop::new(self, fit, Some(order))?.train(&train, validation)
    }

    /// Trains on batches from any source and returns the history. The source decides batch size and
    /// shuffling.
    ///
    /// If the source carries state from batch to batch, the state is zero at the beginning of each epoch.
    /// Validation uses the source's epoch 0 and starts from a zero state, also in `stateful` layers.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Model::fit`], and if a setting is given that needs arrays.
    pub fn fit_source<'a>(
        &mut self,
        train: &dyn BatchSource,
        validation: Option<&dyn BatchSource>,
        fit: Fit<'a>,
    ) -> Result<History, Error> {
        let given = [
            ("validation_split", fit.validation_split != 0.0),
            ("validation_data", fit.validation_data.is_some()),
            ("validation_batch_size", fit.validation_batch_size.is_some()),
            ("class_weight", fit.class_weight.is_some()),
            ("sample_weight", fit.sample_weight.is_some()),
        ];
        if let Some((setting, _)) = given.iter().find(|(_, given)| *given) {
            let reason = "it needs arrays; a source makes its own batches and weights";
            return Err(Error::unsupported(format!("`{setting}` of `fit_source`"), reason));
        }
        let validation = validation.map(|source| Validation { source, continues: true });
        FitLoop::new(self, fit, None)?.train(train, validation)
    }

    /// Returns loss and metrics on arrays, the loss first.
    ///
    /// # Errors
    /// Returns an error if the model is not compiled, the data is empty or does not fit it, or a setting is
    /// out of range.
    pub fn evaluate<'a>(
        &mut self,
        x: impl Into<Sequences<'a>>,
        y: impl Into<Sequences<'a>>,
        mut evaluate: Evaluate<'a>,
    ) -> Result<Logs, Error> {
        let sample_weight = evaluate.sample_weight.take();
        let x = x.into();
        let batch_size = self.batch_size(evaluate.batch_size, x.sequences()?, DEFAULT_BATCH);
        let source = self.arrays(Examples { x, y: y.into(), sample_weight }, batch_size)?;
        self.check_batches("evaluate", source.sequences(), batch_size, self.state_lanes())?;
        self.evaluate_source(&source, evaluate)
    }

    /// Returns loss and metrics on the batches of the source's epoch 0, the loss first. If the source carries
    /// state from batch to batch, the state is zero at the beginning.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Model::evaluate`], and if `sample_weight` is given.
    pub fn evaluate_source(
        &mut self,
        source: &dyn BatchSource,
        evaluate: Evaluate<'_>,
    ) -> Result<Logs, Error> {
        if evaluate.sample_weight.is_some() {
            let reason = "it needs arrays; a source makes its own weights";
            return Err(Error::unsupported("`sample_weight` of `evaluate_source`", reason));
        }
        let start = Instant::now();
        let mut reporters = event::Reporters::new(evaluate.verbose, evaluate.reporter);
        let mut on_batch = evaluate.on_batch;
        let batches = source.len(0);
        reporters.event(&Event::EvaluateBegin { batches });
        let logs = evaluate_quietly(self, source, true, &mut |done, model| {
            if !reporters.is_empty() {
                let (seconds, logs) = (start.elapsed().as_secs_f64(), model.totals().into_iter().collect());
                reporters.event(&Event::EvaluateBatch { done, batches, seconds, logs: &logs });
            }
            on_batch.as_mut().map_or(Ok(()), |on_batch| on_batch())
        })?;
        reporters.event(&Event::EvaluateEnd { batches, seconds: start.elapsed().as_secs_f64(), logs: &logs });
        Ok(logs)
    }

    /// Returns a source of the examples in the order of the model's inputs and outputs.
    fn arrays<'a>(&self, examples: Examples<'a>, batch_size: usize) -> Result<Arrays<'a>, Error> {
        let architecture = self.architecture();
        let inputs: Vec<_> = architecture.inputs.iter().map(|input| &input.name).collect();
        let node_name = |node: usize| match node.checked_sub(inputs.len()) {
            None => inputs[node],
            Some(layer) => &architecture.layers[layer].name,
        };
        let outputs: Vec<_> = architecture.outputs.iter().map(|&(node, _)| node_name(node)).collect();
        Arrays::new(Examples {
            x: examples.x.arranged(&inputs)?,
            y: examples.y.arranged(&outputs)?,
            sample_weight: examples.sample_weight,
        })?
        .batch_size(batch_size)
    }
}

//! Classifiers: a recurrent network that reads a text and says which label it has.
//!
//! A [`ClassifierRecipe`] says how one is made; [`ClassifierRecipe::train`] trains it on labelled texts of any
//! lengths, without padding. The result is a [`Classifier`], which ranks the labels of a text and is scored on
//! labelled ones, and is one file.
//!
//! ```
//! use refrain_nn::Engine;
//! use refrain_text::classifier::{ClassifierRecipe, LabelledData, parse_table};
//! use refrain_text::language_model::Flow;
//!
//! let texts = parse_table("up\trise\nup\traise\ndown\tdrop\ndown\tdrip\n", "a table")?;
//! let recipe = ClassifierRecipe { units: 8, embedding: 8, epochs: 40, learning_rate: 0.02, ..Default::default() };
//! let data = LabelledData { training: &texts, validation: &[], memory: None };
//! let mut classifier = recipe.train(data, Engine::default(), &mut |_| Flow::Continue)?.model;
//! assert_eq!(classifier.classify(&["rise"])?[0][0].label, "up");
//! # Ok::<(), refrain_text::Error>(())
//! ```

mod batches;
mod checkpoint;
mod confusion;
mod examples;
mod memory;
mod recipe;
mod score;
mod train;
mod watch;

pub use confusion::{ClassScore, Confusion};
use examples::MOST_LABELS;
pub use examples::{Identical, LabelledText, parse_lines, parse_table, split_labelled};
pub use memory::ClassifierSizes;
pub use recipe::{ClassWeight, ClassifierRecipe};
pub use score::ClassifierScore;
pub use train::{ClassifierEpoch, ClassifierEvent, LabelledData, TrainedClassifier};

use crate::error::{Error, Result};
use crate::language_model::Codec;
use batches::{Encoded, Examples};
use refrain_nn::data::Batch;
use refrain_nn::file::{self, ModelFile};
use refrain_nn::{Engine, Model};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The task's name in a model file.
pub const TASK: &str = "classify";

/// A network with the vocabulary of the texts that it reads and the labels that it tells apart.
#[derive(Debug, Clone)]
pub struct Classifier {
    model: Model,
    codec: Codec,
    /// Sorted.
    labels: Vec<String>,
    max_length: usize,
    training: Option<serde_json::Value>,
}

/// What a model file says of a classifier's task.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    task: String,
    labels: Vec<String>,
    max_length: usize,
    #[serde(flatten)]
    codec: Codec,
}

/// A label that a text may have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelProbability {
    /// The label.
    pub label: String,
    /// How likely the model holds it.
    pub probability: f64,
}

impl Classifier {
    /// The network.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The network, to be run.
    pub fn model_mut(&mut self) -> &mut Model {
        &mut self.model
    }

    /// Its vocabulary.
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// The labels, sorted.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Steps of a text that it reads; what follows is cut.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// Whether it reads only the beginning of a text.
    pub fn cuts(&self, text: &str) -> bool {
        self.codec.encode(text).len() > self.max_length
    }

    /// How it was trained, if its file says so.
    pub fn training(&self) -> Option<&serde_json::Value> {
        self.training.as_ref()
    }

    /// The recipe that it was trained with, if its file says so.
    pub fn recipe(&self) -> Option<ClassifierRecipe> {
        serde_json::from_value(self.training.as_ref()?.get("recipe")?.clone()).ok()
    }

    /// All labels for each text, the likeliest first, equals in the labels' order; their probabilities together are
    /// 1. A text's probabilities do not depend on the others.
    ///
    /// # Errors
    /// When a text is empty.
    pub fn classify(&mut self, texts: &[&str]) -> Result<Vec<Vec<LabelProbability>>> {
        let encoded = Encoded::new(texts.iter().copied(), &self.codec, self.max_length)?;
        let numbers: Vec<u32> = (0..encoded.len() as u32).collect();
        let mut batch = Batch::default();
        batch.inputs.resize_with(1, Default::default);
        let mut ranked = Vec::with_capacity(texts.len());
        for numbers in numbers.chunks(score::BATCH) {
            batch.lanes = numbers.len();
            encoded.lay_out(numbers, &mut batch.inputs[0]);
            let output = self.model.predict_batch(&batch, None)?.swap_remove(0);
            ranked.extend(output.rows().into_iter().map(|row| rank(&self.labels, row.iter().copied())));
        }
        Ok(ranked)
    }

    /// Scores the classifier on labelled texts.
    ///
    /// # Errors
    /// When there is no text, one is empty, or one has a label that the classifier does not have.
    pub fn evaluate(&mut self, texts: &[LabelledText]) -> Result<ClassifierScore> {
        let examples = Examples::new(texts, &self.labels, &self.codec, self.max_length)?;
        if texts.is_empty() {
            let (place, got) = ("the texts to score".to_owned(), "there is none".to_owned());
            return Err(Error::Labelled { place, got, expected: "at least one" });
        }
        if !self.model.is_compiled() {
            self.model.compile(refrain_nn::Compile {
                loss: refrain_nn::loss::Loss::SparseCategoricalCrossentropy,
                engine: Some(self.model.engine().clone()),
                ..Default::default()
            })?;
        }
        Ok(score::score(&mut self.model, &examples, &self.labels)?)
    }

    /// Writes the model file.
    ///
    /// # Errors
    /// When it cannot be written; an existing file is then as it was.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let task = serde_json::json!(Task {
            task: TASK.to_owned(),
            labels: self.labels.clone(),
            max_length: self.max_length,
            codec: self.codec.clone(),
        });
        Ok(file::save(path.as_ref(), &self.model, Some(&task), self.training.as_ref())?)
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// When it cannot be read, or holds another kind of model.
    pub fn open(path: impl AsRef<Path>, engine: Engine) -> Result<Self> {
        Self::from_file(file::load(path.as_ref(), engine)?)
    }

    /// Takes over a model file that was read already.
    ///
    /// # Errors
    /// When it holds another kind of model, or labels or a vocabulary that do not fit its network.
    pub fn from_file(file: ModelFile) -> Result<Self> {
        let not = |reason: String| Error::NotAClassifier { reason: file::printable(&reason) };
        let task = file.task.ok_or_else(|| not("its file names no task".to_owned()))?;
        let task: Task =
            serde_json::from_value(task).map_err(|e| not(format!("its task cannot be read: {e}")))?;
        let Task { task, labels, max_length, codec } = task;
        if task != TASK {
            return Err(not(format!("its task is `{task}`, not `{TASK}`")));
        }
        if labels.len() < 2 || !labels.is_sorted_by(|a, b| a < b) {
            return Err(not("its labels are not two or more in order, each once".to_owned()));
        }
        if labels.len() > MOST_LABELS || labels.iter().any(|l| l.contains(char::is_control)) {
            return Err(not(format!(
                "it has more than {MOST_LABELS} labels, or one with a control character"
            )));
        }
        if max_length == 0 {
            return Err(not("its `max_length` is 0".to_owned()));
        }
        let mut model = file.model;
        check_network(&mut model, labels.len(), codec.vocab_size()).map_err(not)?;
        Ok(Self { model, codec, labels, max_length, training: file.training })
    }
}

/// Runs the network on a text of the vocabulary's last id, which shows whether it takes ids, enough of them, and
/// gives one row of probabilities a text.
fn check_network(model: &mut Model, labels: usize, vocabulary: usize) -> std::result::Result<(), String> {
    let mut batch = Batch { lanes: 1, ..Batch::default() };
    batch.inputs.resize_with(1, Default::default);
    batch.inputs[0].steps = 1;
    batch.inputs[0].ids.push((vocabulary - 1) as u32);
    let outputs = model.predict_batch(&batch, None);
    let outputs = outputs.map_err(|e| format!("its network does not read its vocabulary: {e}"))?;
    match &outputs[..] {
        [output] if output.shape() == [1, labels] => Ok(()),
        [output] => Err(format!(
            "its network makes {:?} numbers of a text of one step, and it has {labels} labels",
            output.shape()
        )),
        many => Err(format!("its network has {} outputs", many.len())),
    }
}

fn rank(labels: &[String], probabilities: impl Iterator<Item = f32>) -> Vec<LabelProbability> {
    let named = labels.iter().zip(probabilities);
    let named = named.map(|(label, p)| LabelProbability { label: label.clone(), probability: f64::from(p) });
    let mut ranked: Vec<_> = named.collect();
    ranked.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    ranked
}

#[cfg(test)]
mod tests;

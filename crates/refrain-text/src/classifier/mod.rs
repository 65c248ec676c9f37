//! Classifiers: a recurrent network that reads a text and says which label it has.
//!
//! A [`ClassifierRecipe`] says how one is made; [`ClassifierRecipe::train`] trains it on labelled texts of any
//! lengths, without padding. The result is a [`Classifier`], which ranks the labels of a text and is scored on
//! labelled ones, and is one file.
//!
//! ```
//! use refrain_nn::{Answer, Engine};
//! use refrain_task::TrainingSettings;
//! use refrain_text::classifier::{ClassifierRecipe, LabelledData, ReaderSettings, parse_table};
//!
//! let texts = parse_table("up\trise\nup\traise\ndown\tdrop\ndown\tdrip\n", "a table")?;
//! let training = TrainingSettings { epochs: 40, learning_rate: 0.02, ..Default::default() };
//! let reader = ReaderSettings { units: 8, embedding: 8, ..Default::default() };
//! let recipe = ClassifierRecipe { reader, training, ..Default::default() };
//! let mut classifier = recipe.train(LabelledData::new(&texts), Engine::default(), &mut |_| Answer::Continue)?.model;
//! assert_eq!(classifier.classify(&["rise"])?[0][0].label, "up");
//! # Ok::<(), refrain_text::Error>(())
//! ```

mod batches;
mod examples;
mod recipe;
mod score;
mod task;

pub use examples::{Identical, LabelledText, parse_lines, parse_table, split_labelled};
pub use recipe::{ClassWeight, ClassifierRecipe};
pub use score::ClassifierScore;
pub use task::ClassifierTask;

pub use crate::reader::{LabelAssets, LabelledData, LabelledSizes, ReaderSettings, ReadsTexts};

use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::reader::Encoded;
use crate::score::compile_to_score;
use batches::Examples;
use refrain_nn::data::Batch;
use refrain_task::TaskModel;
use serde::Serialize;

/// A network with the vocabulary of the texts that it reads and the labels that it tells apart.
///
/// Saving it, its network, its recipe and its memory are those of a [`TaskModel`].
#[derive(Debug, Clone)]
pub struct Classifier(TaskModel<ClassifierTask>);

refrain_task::task_model!(Classifier: ClassifierTask, crate::Result);

/// A label that a text may have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelProbability {
    /// The label.
    pub label: String,
    /// How likely the model holds it.
    pub probability: f64,
}

impl Classifier {
    /// Its vocabulary.
    pub fn codec(&self) -> &Codec {
        &self.assets().codec
    }

    /// The labels, sorted.
    pub fn labels(&self) -> &[String] {
        &self.assets().labels
    }

    /// Steps of a text that it reads; what follows is cut.
    pub fn max_length(&self) -> usize {
        self.assets().max_length
    }

    /// Whether it reads only the beginning of a text.
    pub fn cuts(&self, text: &str) -> bool {
        self.codec().encode(text).len() > self.max_length()
    }

    /// All labels for each text, the likeliest first, equals in the labels' order; their probabilities together are
    /// 1. A text's probabilities do not depend on the others.
    ///
    /// # Errors
    /// If a text is empty.
    pub fn classify(&mut self, texts: &[&str]) -> Result<Vec<Vec<LabelProbability>>> {
        let (model, assets) = self.parts_mut();
        let encoded = Encoded::new(texts.iter().copied(), &assets.codec, assets.max_length)?;
        let numbers: Vec<u32> = (0..encoded.len() as u32).collect();
        let mut batch = Batch::default();
        batch.inputs.resize_with(1, Default::default);
        let mut ranked = Vec::with_capacity(texts.len());
        for numbers in numbers.chunks(score::BATCH) {
            batch.lanes = numbers.len();
            encoded.lay_out(numbers, &mut batch.inputs[0]);
            let output = model.predict_batch(&batch, None)?.swap_remove(0);
            ranked.extend(output.rows().into_iter().map(|row| rank(&assets.labels, row.iter().copied())));
        }
        Ok(ranked)
    }

    /// Scores the classifier on labelled texts.
    ///
    /// # Errors
    /// If there is no text, one is empty, or one has a label that the classifier does not have.
    pub fn evaluate(&mut self, texts: &[LabelledText]) -> Result<ClassifierScore> {
        let (model, assets) = self.parts_mut();
        let examples = Examples::new(texts, assets)?;
        if texts.is_empty() {
            let (place, got) = ("the texts to score".to_owned(), "there is none".to_owned());
            return Err(Error::Labelled { place, got, expected: "at least one" });
        }
        if !model.is_compiled() {
            compile_to_score(model, Vec::new())?;
        }
        Ok(score::score(model, &examples, &assets.labels)?)
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

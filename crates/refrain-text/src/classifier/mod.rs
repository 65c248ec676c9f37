//! Classifiers: a recurrent network that reads a text and predicts its label.
//!
//! A [`ClassifierRecipe`] holds the settings; [`ClassifierRecipe::train`] trains on labelled texts of any length,
//! without padding. The result is a [`Classifier`], which ranks the labels of a text, is scored on labelled texts,
//! and is saved as one file.
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

pub use examples::{
    Identical, LabelledText, parse_lines, parse_table, parse_table_with_lines, parse_whole, split_labelled,
};
pub use recipe::{ClassWeight, ClassifierRecipe};
pub use score::ClassifierScore;
pub use task::ClassifierTask;

pub use crate::reader::{LabelAssets, LabelLines, LabelledData, LabelledSizes, ReaderSettings, ReadsTexts};

use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::reader::Encoded;
use crate::score::compile_to_score;
use batches::Examples;
use refrain_nn::data::Batch;
use refrain_task::TaskModel;
use serde::Serialize;

/// A network, the vocabulary of the texts that it reads, and its labels.
///
/// Saving, the network, the recipe and the memory are those of [`TaskModel`].
#[derive(Debug, Clone)]
pub struct Classifier(TaskModel<ClassifierTask>);

refrain_task::task_model!(Classifier: ClassifierTask, crate::Result);

/// A label and its probability for a text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelProbability {
    /// The label.
    pub label: String,
    /// The model's probability of this label.
    pub probability: f64,
}

impl Classifier {
    /// Returns the vocabulary.
    pub fn codec(&self) -> &Codec {
        &self.assets().codec
    }

    /// Returns the labels, sorted.
    pub fn labels(&self) -> &[String] {
        &self.assets().labels
    }

    /// Returns how many steps of a text the model reads. The rest is cut off.
    pub fn max_length(&self) -> usize {
        self.assets().max_length
    }

    /// Returns whether the model reads only the beginning of a text.
    pub fn cuts(&self, text: &str) -> bool {
        self.codec().encode(text).len() > self.max_length()
    }

    /// Returns all labels for each text, the likeliest first; ties are in label order. The probabilities add up to
    /// 1. Each text's probabilities are independent of the other texts.
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
    /// If there are no texts, a text is empty, or the classifier does not know a label.
    pub fn evaluate(&mut self, texts: &[LabelledText]) -> Result<ClassifierScore> {
        let (model, assets) = self.parts_mut();
        let examples = Examples::new(texts, assets)?;
        if texts.is_empty() {
            let (place, got) = ("the texts to score".to_owned(), "got none".to_owned());
            return Err(Error::Labelled { place, got, expected: "at least one" });
        }
        examples.texts.unknown().check()?;
        if !model.is_compiled() {
            compile_to_score(model, Vec::new())?;
        }
        Ok(score::score(model, &examples, &assets.labels, &mut || Ok(()))?)
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

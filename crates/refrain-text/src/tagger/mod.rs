//! Taggers: a recurrent network that reads a line and predicts a label for each word.
//!
//! A [`TaggerRecipe`] holds the settings; [`TaggerRecipe::train`] trains on sentences whose words have labels. The
//! label of a word is predicted at the word's last step, which works for characters, words and subwords alike. The
//! result is a [`Tagger`], which labels the words of a line, is scored on labelled sentences, and is saved as one
//! file.
//!
//! ```
//! use refrain_nn::{Answer, Engine};
//! use refrain_task::TrainingSettings;
//! use refrain_text::tagger::{LabelledData, ReaderSettings, TaggerRecipe, parse_tagged};
//!
//! let lines = "a/first b/second\nb/first a/second\na/first a/second\n";
//! let sentences = parse_tagged(lines, "some lines")?;
//! let training = TrainingSettings { epochs: 60, learning_rate: 0.02, ..Default::default() };
//! let reader = ReaderSettings { units: 8, embedding: 8, dropout: 0.0, ..Default::default() };
//! let recipe = TaggerRecipe { reader, training };
//! let mut tagger = recipe.train(LabelledData::new(&sentences), Engine::default(), &mut |_| Answer::Continue)?.model;
//! let words = &tagger.tag(&["b b"])?[0];
//! assert_eq!((&*words[0].label, &*words[1].label), ("first", "second"));
//! # Ok::<(), refrain_text::Error>(())
//! ```

mod batches;
mod recipe;
mod score;
mod sentences;
mod spans;
mod task;

pub use recipe::TaggerRecipe;
pub use score::TaggerScore;
pub use sentences::{TaggedSentence, TaggedWord, parse_tagged, parse_tagged_with_lines, split_tagged};
pub use spans::Spans;
pub use task::TaggerTask;

pub use crate::reader::{LabelAssets, LabelLines, LabelledData, LabelledSizes, ReaderSettings, ReadsTexts};

use crate::codec::Codec;
use crate::error::Result;
use crate::score::compile_to_score;
use batches::{Sentences, ids_of};
use refrain_nn::data::Batch;
use refrain_task::TaskModel;
use serde::Serialize;

/// A network, the vocabulary of the lines that it reads, and its labels.
///
/// Saving, the network, the recipe and the memory are those of [`TaskModel`].
#[derive(Debug, Clone)]
pub struct Tagger(TaskModel<TaggerTask>);

refrain_task::task_model!(Tagger: TaggerTask, crate::Result);

/// A word and its predicted label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WordLabel {
    /// The word.
    pub word: String,
    /// Its likeliest label; ties go to the first.
    pub label: String,
    /// The model's probability of this label.
    pub probability: f64,
}

impl Tagger {
    /// Returns the vocabulary.
    pub fn codec(&self) -> &Codec {
        &self.assets().codec
    }

    /// Returns the labels, sorted.
    pub fn labels(&self) -> &[String] {
        &self.assets().labels
    }

    /// Returns whether the model reads only the beginning of a word.
    pub fn cuts(&self, word: &str) -> bool {
        // A word has at most as many steps as bytes.
        let most = self.assets().max_length;
        word.len() > most && ids_of(self.assets(), word, false).len() > most
    }

    /// Labels the words of each line, which are separated by whitespace. A line without words has no labels. The
    /// labels of a line are independent of the other lines; a line that is too long to read in one piece is read in
    /// several.
    ///
    /// # Errors
    /// If the network fails.
    pub fn tag(&mut self, lines: &[&str]) -> Result<Vec<Vec<WordLabel>>> {
        let (model, assets) = self.parts_mut();
        let words: Vec<Vec<&str>> = lines.iter().map(|line| line.split_whitespace().collect()).collect();
        let sentences = Sentences::unlabelled(&words, assets);
        let mut likeliest = Vec::new();
        score::predict(model, &sentences, false, &mut || Ok(()), |_, label, probability| {
            likeliest.push((label, probability))
        })?;
        let mut likeliest = likeliest.into_iter();
        let label = |words: Vec<&str>| {
            let labelled = words.into_iter().zip(likeliest.by_ref());
            labelled
                .map(|(word, (label, probability))| WordLabel {
                    word: word.to_owned(),
                    label: assets.labels[label].clone(),
                    probability: f64::from(probability),
                })
                .collect()
        };
        Ok(words.into_iter().map(label).collect())
    }

    /// Returns sentences as one batch, with each label at the last step of its word. A sentence that is longer than
    /// `longest` steps, or too long to read in one piece, becomes several sequences.
    ///
    /// # Errors
    /// If there are no words, or the tagger does not know a label.
    pub fn batch(&self, sentences: &[TaggedSentence], longest: usize) -> Result<Batch> {
        let assets = self.assets();
        let max_length = assets.max_length.min(longest.max(1));
        let sentences = Sentences::new(sentences, &LabelAssets { max_length, ..assets.clone() })?;
        sentences.check_not_empty()?;
        Ok(sentences.in_one_batch()?)
    }

    /// Scores the tagger on labelled sentences.
    ///
    /// # Errors
    /// If there are no sentences, or the tagger does not know a label.
    pub fn evaluate(&mut self, sentences: &[TaggedSentence]) -> Result<TaggerScore> {
        let (model, assets) = self.parts_mut();
        let sentences = Sentences::new(sentences, assets)?;
        sentences.check_not_empty()?;
        sentences.unknown().check()?;
        if !model.is_compiled() {
            compile_to_score(model, Vec::new())?;
        }
        Ok(score::score(model, &sentences, &assets.labels, &mut || Ok(()))?)
    }
}

#[cfg(test)]
mod tests;

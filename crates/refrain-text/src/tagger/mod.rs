//! Taggers: a recurrent network that reads a line and gives each of its words a label.
//!
//! A [`TaggerRecipe`] says how one is made; [`TaggerRecipe::train`] trains it on sentences whose words have labels. The
//! label of a word is read off at the word's last step, so that characters, words and parts of words do alike. The
//! result is a [`Tagger`], which labels the words of a line and is scored on labelled ones, and is one file.
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
pub use sentences::{TaggedSentence, TaggedWord, parse_tagged, split_tagged};
pub use spans::Spans;
pub use task::TaggerTask;

pub use crate::reader::{LabelAssets, LabelledData, LabelledSizes, ReaderSettings, ReadsTexts};

use crate::codec::Codec;
use crate::error::Result;
use crate::score::compile_to_score;
use batches::{Sentences, ids_of};
use refrain_nn::data::Batch;
use refrain_task::TaskModel;
use serde::Serialize;

/// A network with the vocabulary of the lines that it reads and the labels that it tells apart.
///
/// Saving it, its network, its recipe and its memory are those of a [`TaskModel`].
#[derive(Debug, Clone)]
pub struct Tagger(TaskModel<TaggerTask>);

refrain_task::task_model!(Tagger: TaggerTask, crate::Result);

/// A word with the label that a tagger gave it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WordLabel {
    /// The word.
    pub word: String,
    /// Its likeliest label; of equals the first.
    pub label: String,
    /// How likely the model holds it.
    pub probability: f64,
}

impl Tagger {
    /// Its vocabulary.
    pub fn codec(&self) -> &Codec {
        &self.assets().codec
    }

    /// The labels, sorted.
    pub fn labels(&self) -> &[String] {
        &self.assets().labels
    }

    /// Whether the model reads only the beginning of a word.
    pub fn cuts(&self, word: &str) -> bool {
        // A word has no more steps than bytes.
        let most = self.assets().max_length;
        word.len() > most && ids_of(self.assets(), word, false).len() > most
    }

    /// Labels the words of each line: what stands between blanks. A line without words has no labels. A line's labels do
    /// not depend on the other lines; one that is longer than the model reads in one piece is read in several.
    ///
    /// # Errors
    /// If the network fails.
    pub fn tag(&mut self, lines: &[&str]) -> Result<Vec<Vec<WordLabel>>> {
        let (model, assets) = self.parts_mut();
        let words: Vec<Vec<&str>> = lines.iter().map(|line| line.split_whitespace().collect()).collect();
        let sentences = Sentences::unlabelled(&words, assets);
        let mut likeliest = Vec::new();
        score::predict(model, &sentences, false, |_, label, probability| {
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

    /// Sentences as one batch, each label at the last step of its word. One that is longer than `longest` steps, or than
    /// the model reads in one piece, is several sequences.
    ///
    /// # Errors
    /// If there is no word, or one has a label that the tagger does not have.
    pub fn batch(&self, sentences: &[TaggedSentence], longest: usize) -> Result<Batch> {
        let assets = self.assets();
        let max_length = assets.max_length.min(longest.max(1));
        let sentences = Sentences::new(sentences, &LabelAssets { max_length, ..assets.clone() })?;
        sentences.must_be_some()?;
        Ok(sentences.in_one_batch()?)
    }

    /// Scores the tagger on labelled sentences.
    ///
    /// # Errors
    /// If there is no sentence, or one has a label that the tagger does not have.
    pub fn evaluate(&mut self, sentences: &[TaggedSentence]) -> Result<TaggerScore> {
        let (model, assets) = self.parts_mut();
        let sentences = Sentences::new(sentences, assets)?;
        sentences.must_be_some()?;
        if !model.is_compiled() {
            compile_to_score(model, Vec::new())?;
        }
        Ok(score::score(model, &sentences, &assets.labels)?)
    }
}

#[cfg(test)]
mod tests;

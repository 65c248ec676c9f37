//! Language models: a recurrent network that predicts the next character, subword or word of a text.
//!
//! A [`TextRecipe`] holds the settings; [`TextRecipe::train`] trains with truncated backpropagation through time
//! over contiguous lanes of the text, carrying the state along. The result is a [`LanguageModel`], which scores
//! text, continues it, suggests what comes next, and is saved as one file.

mod beam;
mod chunks;
mod data;
mod dynamic;
mod evaluate;
mod generate;
mod recipe;
mod stop;
mod suggest;
mod task;
mod token;

pub use beam::{BeamResult, BeamSearch};
pub use data::{PrepareEvent, TrainingData, split_text};
pub use dynamic::DynamicEvaluation;
pub use evaluate::TextScore;
pub use generate::{Generate, Generation};
pub use recipe::{NamedRecipe, TextRecipe};
pub use suggest::{Suggester, Suggestion};
pub use task::{TextSizes, TextTask};

use crate::codec::Codec;
use crate::error::Result;
use refrain_nn::Model;
use refrain_task::TaskModel;

/// A network and the vocabulary that converts between text and ids.
///
/// Saving, the network, the recipe and the memory are those of [`TaskModel`].
#[derive(Debug, Clone)]
pub struct LanguageModel(TaskModel<TextTask>);

impl LanguageModel {
    /// Returns the vocabulary.
    pub fn codec(&self) -> &Codec {
        self.0.assets()
    }

    /// Copies a model in training so that the copy can be run alongside: the same parameters, without dropout, not
    /// compiled.
    ///
    /// # Errors
    /// If a layer is not from this library.
    pub fn without_dropout(model: &Model, codec: &Codec) -> Result<Self> {
        Ok(Self(TaskModel::without_dropout(model, codec)?))
    }
}

refrain_task::task_model!(LanguageModel: TextTask, crate::Result);

#[cfg(test)]
mod tests;

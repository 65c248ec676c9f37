//! Language models: a recurrent network that predicts the next character, subword or word of a text.
//!
//! A [`TextRecipe`] says how one is made; [`TextRecipe::train`] trains it with truncated backpropagation
//! through time over contiguous lanes of the text, its state carried along. The result is a [`LanguageModel`],
//! which scores text, continues it and suggests what comes next, and is one file.

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

pub use beam::{BeamSearch, Found};
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

/// A network with the vocabulary that turns text into its ids and back.
///
/// Saving it, its network, its recipe and its memory are those of a [`TaskModel`].
#[derive(Debug, Clone)]
pub struct LanguageModel(TaskModel<TextTask>);

impl LanguageModel {
    /// Its vocabulary.
    pub fn codec(&self) -> &Codec {
        self.0.assets()
    }

    /// A model in training, to be run beside it: the same parameters, without dropout, not compiled.
    ///
    /// # Errors
    /// If a layer is not one of this library's.
    pub fn without_dropout(model: &Model, codec: &Codec) -> Result<Self> {
        Ok(Self(TaskModel::without_dropout(model, codec)?))
    }
}

refrain_task::task_model!(LanguageModel: TextTask, crate::Result);

#[cfg(test)]
mod tests;

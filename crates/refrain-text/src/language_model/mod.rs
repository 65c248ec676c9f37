//! Language models: a recurrent network that predicts the next character, subword or word of a text.
//!
//! A [`TextRecipe`] says how one is made; [`TextRecipe::train`] trains it with truncated backpropagation
//! through time over contiguous lanes of the text, its state carried along. The result is a [`LanguageModel`],
//! which scores text, continues it and suggests what comes next, and is one file.

mod beam;
mod codec;
mod data;
mod dynamic;
mod encode;
mod evaluate;
mod generate;
mod memory;
mod recipe;
mod stop;
mod suggest;
mod token;
mod train;

pub use beam::{BeamSearch, Found};
pub use codec::{Codec, Decoder, Level, VocabOptions};
pub use data::{TrainingData, split_text};
pub use dynamic::DynamicEvaluation;
pub use evaluate::Score;
pub use generate::{Generate, Generation};
pub use memory::TextSizes;
pub(crate) use memory::{COPIES, PROGRAM_BYTES};
pub use recipe::{CellKind, NamedRecipe, ParameterAverage, RateSchedule, TextRecipe};
pub use suggest::{Suggester, Suggestion};
pub use train::{EpochRecord, Flow, Stopped, TextEvent, Trained};

use crate::error::{Error, Result};
use refrain_nn::file::{self, ModelFile};
use refrain_nn::{Engine, Model};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The task's name in a model file.
pub const TASK: &str = "text";

/// A network with the vocabulary that turns text into its ids and back.
#[derive(Debug, Clone)]
pub struct LanguageModel {
    model: Model,
    codec: Codec,
    training: Option<serde_json::Value>,
}

/// What a model file says of a text model's task.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Task {
    task: String,
    #[serde(flatten)]
    codec: Codec,
}

impl LanguageModel {
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

    /// How it was trained, if its file says so.
    pub fn training(&self) -> Option<&serde_json::Value> {
        self.training.as_ref()
    }

    /// A copy that runs beside a training: the same vocabulary and parameters, without dropout, not compiled.
    ///
    /// # Errors
    /// When a layer is not one of this library's.
    pub fn without_noise(&self) -> Result<Self> {
        let model = self.model.without_noise()?;
        Ok(Self { model, codec: self.codec.clone(), training: self.training.clone() })
    }

    /// Writes the model file.
    ///
    /// # Errors
    /// When it cannot be written; an existing file is then as it was.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(file::save(path.as_ref(), &self.model, Some(&self.task()), self.training.as_ref())?)
    }

    /// What the file says of its task.
    fn task(&self) -> serde_json::Value {
        serde_json::json!(Task { task: TASK.to_owned(), codec: self.codec.clone() })
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
    /// When it holds another kind of model, or a vocabulary that does not fit its network.
    pub fn from_file(file: ModelFile) -> Result<Self> {
        let not = |reason: String| Error::NotALanguageModel { reason: file::printable(&reason) };
        let task = file.task.ok_or_else(|| not("its file names no task".to_owned()))?;
        let task: Task =
            serde_json::from_value(task).map_err(|e| not(format!("its task cannot be read: {e}")))?;
        if task.task != TASK {
            return Err(not(format!("its task is `{}`, not `{TASK}`", task.task)));
        }
        let (width, vocab) = (file.model.output_width(0), task.codec.vocab_size());
        if file.model.outputs() != 1 || width != vocab {
            return Err(not(format!("its output has {width} features, but its vocabulary {vocab} entries")));
        }
        let mut model = file.model;
        // Reading the last id shows whether it takes ids, and enough of them.
        let read = model.session(1).and_then(|mut s| s.step_ids(&[vocab as u32 - 1]).map(|_| ()));
        read.map_err(|e| not(format!("its network does not read its vocabulary: {e}")))?;
        Ok(Self { model, codec: task.codec, training: file.training })
    }
}

#[cfg(test)]
mod tests;

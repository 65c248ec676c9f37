//! Opening a model file without knowing what it is for.

use crate::Result;
use refrain_kernels::Engine;
use refrain_nn::file::{self, ModelFile};
use refrain_text::classifier::TASK as CLASSIFY;
use refrain_text::language_model::TASK as TEXT;
use refrain_text::{Classifier, LanguageModel};
use std::path::Path;

/// A model file, opened as what its task says.
#[derive(Debug)]
#[non_exhaustive]
pub enum Opened {
    /// A model of text.
    Text {
        /// The network with its vocabulary.
        model: Box<LanguageModel>,
        /// What is odd about the file without making it unusable.
        warnings: Vec<String>,
    },
    /// A model that labels texts.
    Classifier {
        /// The network with its vocabulary and labels.
        model: Box<Classifier>,
        /// What is odd about the file without making it unusable.
        warnings: Vec<String>,
    },
    /// A bare network, or one for a task that this version does not know.
    Model(Box<ModelFile>),
}

/// Reads a model file and hands back the type that belongs to its task.
///
/// # Errors
/// When the file cannot be read, is damaged, or contradicts itself.
pub fn open(path: impl AsRef<Path>, engine: Engine) -> Result<Opened> {
    Opened::from_file(file::load(path.as_ref(), engine)?)
}

impl Opened {
    /// Takes over a model file that was read already.
    ///
    /// # Errors
    /// When what the file says of its task contradicts its network.
    pub fn from_file(mut file: ModelFile) -> Result<Self> {
        let name = file.task.as_ref().and_then(|task| task.get("task")?.as_str());
        if name == Some(TEXT) {
            let warnings = std::mem::take(&mut file.warnings);
            let model = Box::new(LanguageModel::from_file(file)?);
            return Ok(Opened::Text { model, warnings });
        }
        if name == Some(CLASSIFY) {
            let warnings = std::mem::take(&mut file.warnings);
            let model = Box::new(Classifier::from_file(file)?);
            return Ok(Opened::Classifier { model, warnings });
        }
        Ok(Opened::Model(Box::new(file)))
    }

    /// The task that its file names; none for a bare network.
    pub fn task(&self) -> Option<&str> {
        match self {
            Opened::Text { .. } => Some(TEXT),
            Opened::Classifier { .. } => Some(CLASSIFY),
            Opened::Model(file) => file.task.as_ref()?.get("task")?.as_str(),
        }
    }

    /// The network.
    pub fn model(&self) -> &refrain_nn::Model {
        match self {
            Opened::Text { model, .. } => model.model(),
            Opened::Classifier { model, .. } => model.model(),
            Opened::Model(file) => &file.model,
        }
    }

    /// The network, to be run on arrays.
    pub fn model_mut(&mut self) -> &mut refrain_nn::Model {
        match self {
            Opened::Text { model, .. } => model.model_mut(),
            Opened::Classifier { model, .. } => model.model_mut(),
            Opened::Model(file) => &mut file.model,
        }
    }

    /// How it was trained, if its file says so.
    pub fn training(&self) -> Option<&serde_json::Value> {
        match self {
            Opened::Text { model, .. } => model.training(),
            Opened::Classifier { model, .. } => model.training(),
            Opened::Model(file) => file.training.as_ref(),
        }
    }

    /// What is odd about the file without making it unusable.
    pub fn warnings(&self) -> &[String] {
        match self {
            Opened::Text { warnings, .. } | Opened::Classifier { warnings, .. } => warnings,
            Opened::Model(file) => &file.warnings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Dense;
    use crate::{Compile, InputSpec, Sequential};

    #[test]
    fn a_file_opens_as_what_its_task_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        let model = Sequential::new()
            .input(InputSpec::flat(3))
            .add(Dense::new(2))
            .compile(Compile::default())
            .unwrap();
        model.save(&path).unwrap();
        let bare = open(&path, Engine::default()).unwrap();
        assert!(matches!(bare, Opened::Model(_)) && bare.task().is_none());
        file::save(&path, &model, Some(&serde_json::json!({"task": "series"})), None).unwrap();
        let other = open(&path, Engine::default()).unwrap();
        assert!(matches!(other, Opened::Model(_)) && other.task() == Some("series"));
        // A text model needs its vocabulary.
        file::save(&path, &model, Some(&serde_json::json!({"task": "text"})), None).unwrap();
        let error = open(&path, Engine::default()).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Data);
        assert!(error.to_string().contains("not a language model"), "{error}");
        // So does a classifier, and its labels.
        file::save(&path, &model, Some(&serde_json::json!({"task": "classify"})), None).unwrap();
        let error = open(&path, Engine::default()).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Data);
        assert!(error.to_string().contains("not a classifier"), "{error}");
    }
}

//! Opening a model file without knowing what it is for.

use crate::Result;
use refrain_kernels::Engine;
use refrain_nn::Model;
use refrain_nn::file::{self, ModelFile};
use refrain_task::{Application, HasTaskModel, Task, task_of};
use refrain_text::classifier::ClassifierTask;
use refrain_text::language_model::TextTask;
use refrain_text::tagger::TaggerTask;
use refrain_text::{Classifier, LanguageModel, Tagger};
use serde_json::Value;
use std::any::Any;
use std::path::Path;

/// Creates a task's model from a file.
type Reader = fn(ModelFile) -> Result<Box<dyn Application>>;

/// The tasks that this version knows.
const TASKS: &[(&str, Reader)] = &[
    (TextTask::NAME, |file| Ok(Box::new(LanguageModel::from_file(file)?))),
    (ClassifierTask::NAME, |file| Ok(Box::new(Classifier::from_file(file)?))),
    (TaggerTask::NAME, |file| Ok(Box::new(Tagger::from_file(file)?))),
];

/// A model file, opened as a model of its task: a [`LanguageModel`], a [`Classifier`], a [`Tagger`] or a bare network.
///
/// ```no_run
/// use refrain::{Engine, LanguageModel, open};
///
/// let opened = open("model.safetensors", Engine::default())?;
/// println!("{}", opened.model().summary());
/// if let Ok(mut model) = opened.downcast::<LanguageModel>() {
///     println!("{:?}", model.suggest("the ol", 3)?);
/// }
/// # Ok::<(), refrain::Error>(())
/// ```
#[derive(Debug)]
pub struct Opened {
    contents: Contents,
    warnings: Vec<String>,
}

#[derive(Debug)]
enum Contents {
    Application(Box<dyn Application>),
    /// A bare network, or one for a task that this version does not know.
    Model(Box<ModelFile>),
}

/// Opens a model file as a model of its task.
///
/// # Errors
/// Returns an error if the file cannot be read, is damaged, or contradicts itself.
pub fn open(path: impl AsRef<Path>, engine: Engine) -> Result<Opened> {
    Opened::from_file(file::load(path.as_ref(), engine)?)
}

impl Opened {
    /// Converts a model file that was already read.
    ///
    /// # Errors
    /// Returns an error if the file's task does not match its network.
    pub fn from_file(mut file: ModelFile) -> Result<Self> {
        let warnings = std::mem::take(&mut file.warnings);
        let name = task_of(&file);
        let known = TASKS.iter().find(|(known, _)| name == Some(*known));
        let contents = match known {
            Some((_, make)) => Contents::Application(make(file)?),
            None => Contents::Model(Box::new(file)),
        };
        Ok(Self { contents, warnings })
    }

    /// Returns the task named in the file; `None` for a bare network.
    pub fn task(&self) -> Option<&str> {
        match &self.contents {
            Contents::Application(application) => Some(application.task()),
            Contents::Model(file) => task_of(file),
        }
    }

    /// Returns the model of its task, if this version knows the task.
    pub fn application(&self) -> Option<&dyn Application> {
        match &self.contents {
            Contents::Application(application) => Some(&**application),
            Contents::Model(_) => None,
        }
    }

    /// Converts the model to the type of its task.
    ///
    /// # Errors
    /// Returns `self` unchanged if the model is for another task.
    pub fn downcast<M: HasTaskModel>(self) -> std::result::Result<M, Box<Self>> {
        let Self { contents, warnings } = self;
        match contents {
            Contents::Application(application) if (&*application as &dyn Any).is::<M>() => {
                let any: Box<dyn Any> = application;
                Ok(*any.downcast().expect("the type was checked"))
            }
            contents => Err(Box::new(Self { contents, warnings })),
        }
    }

    /// Returns the model as the type of its task; `None` if it is for another task.
    pub fn downcast_mut<M: HasTaskModel>(&mut self) -> Option<&mut M> {
        match &mut self.contents {
            Contents::Application(application) => (&mut **application as &mut dyn Any).downcast_mut(),
            Contents::Model(_) => None,
        }
    }

    /// Returns the network.
    pub fn model(&self) -> &Model {
        match &self.contents {
            Contents::Application(application) => application.model(),
            Contents::Model(file) => &file.model,
        }
    }

    /// Returns the network, to run it on arrays.
    pub fn model_mut(&mut self) -> &mut Model {
        match &mut self.contents {
            Contents::Application(application) => application.model_mut(),
            Contents::Model(file) => &mut file.model,
        }
    }

    /// Returns how the model was trained, if the file records it.
    pub fn training(&self) -> Option<&Value> {
        match &self.contents {
            Contents::Application(application) => application.training(),
            Contents::Model(file) => file.training.as_ref(),
        }
    }

    /// Returns warnings about the file that do not prevent its use.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Dense;
    use crate::{Compile, InputSpec, Sequential};

    #[test]
    fn a_file_opens_as_its_task() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        let model = Sequential::new()
            .input(InputSpec::flat(3))
            .add(Dense::new(2))
            .compile(Compile::default())
            .unwrap();
        model.save(&path).unwrap();
        let bare = open(&path, Engine::default()).unwrap();
        assert!(bare.application().is_none() && bare.task().is_none());
        file::save(&path, &model, Some(&serde_json::json!({"task": "series"})), None).unwrap();
        let other = open(&path, Engine::default()).unwrap();
        assert!(other.application().is_none() && other.task() == Some("series"));
        assert_eq!(other.downcast::<LanguageModel>().unwrap_err().task(), Some("series"));
        // A language model needs its vocabulary.
        file::save(&path, &model, Some(&serde_json::json!({"task": "text"})), None).unwrap();
        let error = open(&path, Engine::default()).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Data);
        assert!(error.to_string().contains("not a language model"), "{error}");
        // A classifier needs its vocabulary and its labels.
        file::save(&path, &model, Some(&serde_json::json!({"task": "classify"})), None).unwrap();
        let error = open(&path, Engine::default()).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Data);
        assert!(error.to_string().contains("not a classifier"), "{error}");
    }
}
